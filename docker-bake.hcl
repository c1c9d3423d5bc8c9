# What is built, in one place: scripts/image-build loads targets into the engine at hand, the workflows push
# `release`. Every variable can be set in the environment; scripts/image-facts prints those that come from
# the checkout.

variable "IMAGE" {
  # Forks change this one variable (and SOURCE_URL, SERVER_NAME below, which end up in labels).
  default = "ghcr.io/mcp-dockerhub/mcp-dockerhub"
}

variable "SOURCE_URL" {
  default = "https://github.com/mcp-dockerhub/mcp-dockerhub"
}

variable "SERVER_NAME" {
  default = "io.github.mcp-dockerhub/mcp-dockerhub"
}

variable "VERSION" {
  default = "0.0.0-dev"
}

variable "REVISION" {
  default = "unknown"
}

variable "SOURCE_DATE_EPOCH" {
  # Seconds; the commit's time. Two builds of one commit then give the same image.
  default = "0"
}

variable "CREATED" {
  # The same moment as RFC 3339, for the label.
  default = "1970-01-01T00:00:00Z"
}

variable "BUILDER_IMAGE" {
  default = "python:3.13-slim-trixie"
}

variable "BUILDER_DIGEST" {
  default = ""
}

variable "RUNTIME_IMAGE" {
  default = "gcr.io/distroless/python3-debian13:nonroot"
}

variable "RUNTIME_DIGEST" {
  default = ""
}

variable "BUILD_CACHE" {
  # "gha" on GitHub's runners; nothing else has that cache.
  default = ""
}

function "pinned" {
  params = [name, digest]
  result = digest == "" ? name : "${name}@${digest}"
}

function "cache_from" {
  params = [scope]
  result = BUILD_CACHE == "" ? [] : ["type=${BUILD_CACHE},scope=${scope}"]
}

function "cache_to" {
  params = [scope]
  result = BUILD_CACHE == "" ? [] : ["type=${BUILD_CACHE},scope=${scope},mode=max"]
}

group "default" {
  targets = ["production"]
}

group "all" {
  targets = ["production", "production-slim", "development", "test"]
}

group "release" {
  targets = ["production-release", "production-slim-release"]
}

target "_common" {
  context    = "."
  dockerfile = "Dockerfile"
  output     = ["type=docker"]
  attest     = ["type=provenance,disabled=true"]
  args = {
    BUILDER_IMAGE     = pinned(BUILDER_IMAGE, BUILDER_DIGEST)
    BUILDER_NAME      = BUILDER_IMAGE
    BUILDER_DIGEST    = BUILDER_DIGEST
    RUNTIME_IMAGE     = pinned(RUNTIME_IMAGE, RUNTIME_DIGEST)
    RUNTIME_NAME      = RUNTIME_IMAGE
    RUNTIME_DIGEST    = RUNTIME_DIGEST
    VERSION           = VERSION
    REVISION          = REVISION
    CREATED           = CREATED
    SOURCE_URL        = SOURCE_URL
    SERVER_NAME       = SERVER_NAME
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
}

target "production" {
  inherits   = ["_common"]
  target     = "production"
  tags       = ["${IMAGE}:${VERSION}"]
  cache-from = cache_from("production")
  cache-to   = cache_to("production")
}

target "production-slim" {
  inherits   = ["_common"]
  target     = "production-slim"
  tags       = ["${IMAGE}:${VERSION}-slim"]
  cache-from = cache_from("slim")
  cache-to   = cache_to("slim")
}

target "development" {
  inherits = ["_common"]
  target   = "development"
  tags     = ["${IMAGE}:development"]
}

target "test" {
  inherits = ["_common"]
  target   = "test"
  tags     = ["${IMAGE}:test"]
}

# What is published: both architectures in one index, each with an SBOM and its full provenance. No cache: a
# release is built from its sources and nothing else.
target "_release" {
  platforms  = ["linux/amd64", "linux/arm64"]
  no-cache   = true
  cache-from = []
  cache-to   = []
  attest     = ["type=sbom", "type=provenance,mode=max"]
  output     = ["type=image,push=true,oci-mediatypes=true,rewrite-timestamp=true"]
}

target "production-release" {
  inherits = ["production", "_release"]
}

target "production-slim-release" {
  inherits = ["production-slim", "_release"]
}
