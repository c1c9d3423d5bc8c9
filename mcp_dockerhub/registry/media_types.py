"""Media types of manifests, configs and layers (OCI image-spec media-types.md, Docker manifest v2 schema 2)."""

from typing import Final

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_ARTIFACT: Final = "application/vnd.oci.artifact.manifest.v1+json"
"""Of a release candidate of the image-spec; some registries still hold such manifests."""
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SCHEMA_ONE: Final = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA_ONE_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
SCHEMA_ONES: Final = frozenset({SCHEMA_ONE, SCHEMA_ONE_SIGNED})
KNOWN: Final = INDEXES | MANIFESTS | SCHEMA_ONES | {OCI_ARTIFACT}
CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})

# Schema 1 is left out on purpose: a registry that could still convert to it must not.
ACCEPT: Final = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT))

_LAYER_PREFIXES: Final = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


def essence(content_type: str | None) -> str:
    """A ``Content-Type`` without its parameters, in lower case; empty when there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_layer(media_type: str) -> bool:
    """Whether a blob of this type is part of an image's file system."""
    return media_type.startswith(_LAYER_PREFIXES)


def is_foreign(media_type: str) -> bool:
    """Whether a layer of this type is kept outside the registry (image-spec layer.md, non-distributable layers)."""
    return ".nondistributable." in media_type or ".foreign." in media_type
