# syntax=docker/dockerfile:1
#
# Targets: production (default; distroless), production-slim (the same server where a shell is needed),
# development (the checkout, editable) and test (the built wheel and the tests, run by its command).
#
# Everything that ends up in an image is assembled on the build platform, so a second architecture needs no
# emulation: packages come as wheels for the target, and bytecode is the same on all of them.

ARG PYTHON_VERSION=3.13
# A release passes both with the digest it has verified.
ARG BUILDER_IMAGE=python:3.13-slim-trixie
ARG RUNTIME_IMAGE=gcr.io/distroless/python3-debian13:nonroot

FROM ${RUNTIME_IMAGE} AS runtime
FROM ${BUILDER_IMAGE} AS slim

FROM --platform=${BUILDPLATFORM} ${BUILDER_IMAGE} AS builder
ARG PYTHON_VERSION
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
SHELL ["/bin/sh", "-eu", "-c"]
WORKDIR /build


# The standard library's bytecode: neither base image carries any, and a read-only container cannot write it.
FROM builder AS stdlib
COPY --from=runtime /usr/lib/python${PYTHON_VERSION} /layer/usr/lib/python${PYTHON_VERSION}
# The home folder comes along to take it from the user it belongs to: nothing here is to be written.
RUN --mount=type=bind,source=scripts/image-layer,target=/bin/image-layer \
    image-layer bytecode /layer; \
    install -d /layer/home/nonroot; \
    touch -d @0 /layer/home /layer/home/nonroot

FROM builder AS stdlib-slim
COPY --from=slim /usr/local/lib/python${PYTHON_VERSION} /layer/usr/local/lib/python${PYTHON_VERSION}
RUN --mount=type=bind,source=scripts/image-layer,target=/bin/image-layer image-layer bytecode /layer

# A Debian base brings programs that raise privileges; a server has no use for them.
FROM builder AS unprivileged
COPY --from=slim /usr /base/usr
WORKDIR /base
RUN mkdir /layer; find . -xdev -type f -perm /6000 -exec cp --parents --no-preserve=ownership {} /layer ';'; \
    find /layer -type f -exec chmod a-s {} +; find /layer -exec touch -h -d @0 {} +

# The dependencies: hash-checked wheels for the target, nothing compiled, nothing run.
FROM builder AS dependencies
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pipconf,target=/etc/pip.conf \
    --mount=type=bind,source=requirements/runtime.lock,target=runtime.lock \
    --mount=type=bind,source=scripts/image-layer,target=/bin/image-layer \
    case "${TARGETARCH}" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) exit 1 ;; esac; \
    pip install --quiet --require-hashes --only-binary=:all: --no-compile --target /layer/app \
      --implementation cp --python-version "${PYTHON_VERSION}" \
      --platform "manylinux_2_34_${machine}" --platform "manylinux_2_28_${machine}" \
      --platform "manylinux_2_17_${machine}" --platform "manylinux2014_${machine}" \
      --requirement runtime.lock; \
    image-layer packages /layer


# The back end that builds the wheel, from the same hash-checked lock as everywhere else.
FROM builder AS backend
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pipconf,target=/etc/pip.conf \
    --mount=type=bind,source=requirements/dev.lock,target=dev.lock \
    --mount=type=bind,source=scripts/image-layer,target=/bin/image-layer \
    image-layer backend dev.lock > backend.lock; \
    pip install --quiet --require-hashes --only-binary=:all: --no-deps --requirement backend.lock

FROM backend AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY mcp_dockerhub mcp_dockerhub
COPY security/mcp_dockerhub_security security/mcp_dockerhub_security
COPY monitoring/mcp_dockerhub_monitoring monitoring/mcp_dockerhub_monitoring
RUN --network=none python3 -m hatchling build --target wheel --directory /wheel

FROM builder AS project
# A wheel of nothing but Python is installed by unpacking it.
RUN --network=none \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=bind,source=scripts/image-layer,target=/bin/image-layer \
    python3 -m zipfile --extract /wheel/*.whl /layer/app; \
    image-layer program /layer


# What a developer needs, at any of whose uids it works: docker run -v "$PWD:/src" --user "$(id -u)" ...
FROM ${BUILDER_IMAGE} AS workbench
ARG DEVELOPMENT_PACKAGES="git make"
SHELL ["/bin/sh", "-eu", "-c"]
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    if [ -n "${DEVELOPMENT_PACKAGES}" ]; then \
      rm -f /etc/apt/apt.conf.d/docker-clean; \
      apt-get update; \
      apt-get install --yes --no-install-recommends ${DEVELOPMENT_PACKAGES}; \
    fi
ENV PATH=/venv/bin:${PATH} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=pipconf,target=/etc/pip.conf \
    --mount=type=bind,source=requirements/dev.lock,target=/dev.lock \
    python3 -m venv /venv; \
    pip install --quiet --require-hashes --only-binary=:all: --requirement /dev.lock
WORKDIR /src

FROM workbench AS development
# Imported from where they lie, so that a checkout mounted over them takes effect.
RUN printf '%s\n' /src /src/security /src/monitoring > "$(python3 -c 'import site; print(site.getsitepackages()[0])')/checkout.pth"
COPY . .
USER 65532:65532
CMD ["python3", "-m", "mcp_dockerhub"]

FROM workbench AS test
RUN --network=none --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --quiet --no-deps --no-index /wheel/*.whl
COPY pyproject.toml Makefile Dockerfile docker-bake.hcl *.md *.json *.yml ./
COPY .github .github
COPY benchmarks benchmarks
COPY demo demo
COPY deploy deploy
COPY docs docs
COPY monitoring monitoring
COPY requirements requirements
COPY scripts scripts
COPY security security
COPY tests tests
RUN chown 65532:65532 /src
USER 65532:65532
# The wheel is what is tested: what the tests read is here, but nothing that could be imported in its place.
ENV PYTHONPATH=/src PYTHONSAFEPATH=1
CMD ["pytest", "-p", "no:cacheprovider"]


FROM slim AS production-slim
COPY --link --from=unprivileged /layer/ /
COPY --link --from=stdlib-slim /layer/ /
COPY --link --from=dependencies /layer/ /
COPY --link --from=project /layer/ /
ARG VERSION=0.0.0+unknown REVISION=unknown CREATED=1970-01-01T00:00:00Z
ARG BUILDER_NAME=python:3.13-slim-trixie BUILDER_DIGEST=
ARG SOURCE_URL=https://github.com/mcp-dockerhub/mcp-dockerhub SERVER_NAME=io.github.mcp-dockerhub/mcp-dockerhub
LABEL org.opencontainers.image.title="mcp-dockerhub" \
      org.opencontainers.image.description="MCP server with true, safe and fast answers about container images; with a shell" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.url="${SOURCE_URL}" \
      org.opencontainers.image.documentation="${SOURCE_URL}/blob/main/docs/deployment.md" \
      org.opencontainers.image.authors="The mcp-dockerhub authors, ${SOURCE_URL}" \
      org.opencontainers.image.vendor="mcp-dockerhub" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/${BUILDER_NAME}" \
      org.opencontainers.image.base.digest="${BUILDER_DIGEST}" \
      io.modelcontextprotocol.server.name="${SERVER_NAME}"
WORKDIR /
USER 65532:65532
ENV MCP_DOCKERHUB_COMMIT="${REVISION}"
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/python3", "-IB", "/app", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/python3", "-IB", "/app"]


FROM runtime AS production
COPY --link --from=stdlib /layer/ /
COPY --link --from=dependencies /layer/ /
COPY --link --from=project /layer/ /
ARG VERSION=0.0.0+unknown REVISION=unknown CREATED=1970-01-01T00:00:00Z
ARG RUNTIME_NAME=gcr.io/distroless/python3-debian13:nonroot RUNTIME_DIGEST=
ARG SOURCE_URL=https://github.com/mcp-dockerhub/mcp-dockerhub SERVER_NAME=io.github.mcp-dockerhub/mcp-dockerhub
LABEL org.opencontainers.image.title="mcp-dockerhub" \
      org.opencontainers.image.description="MCP server with true, safe and fast answers about container images" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.url="${SOURCE_URL}" \
      org.opencontainers.image.documentation="${SOURCE_URL}/blob/main/docs/deployment.md" \
      org.opencontainers.image.authors="The mcp-dockerhub authors, ${SOURCE_URL}" \
      org.opencontainers.image.vendor="mcp-dockerhub" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${RUNTIME_NAME}" \
      org.opencontainers.image.base.digest="${RUNTIME_DIGEST}" \
      io.modelcontextprotocol.server.name="${SERVER_NAME}"
# The base's own working directory is closed to other uids, and with it every container run under one.
WORKDIR /
USER 65532:65532
ENV MCP_DOCKERHUB_COMMIT="${REVISION}"
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/bin/python3", "-IB", "/app", "healthcheck"]
# Isolated: no variable, no folder and no user's packages can change which code is imported.
ENTRYPOINT ["/usr/bin/python3", "-IB", "/app"]
