"""What registries hold, as frozen types. Built by ``documents`` and ``configs`` from verified bytes only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.media_types import is_foreign

UNKNOWN_PLATFORM: Final = Platform("unknown", "unknown")
REFERENCE_TYPE: Final = "vnd.docker.reference.type"
REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
ATTESTATION: Final = "attestation-manifest"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to content (OCI image-spec descriptor.md). ``size`` is bytes as stored, compressed for layers."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    os_version: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    urls: tuple[str, ...] = ()
    artifact_type: str = ""
    data: bytes | None = field(default=None, repr=False)
    """The content itself where the descriptor embeds it; its digest and size were checked."""

    @property
    def is_foreign(self) -> bool:
        """Whether the content lives outside the registry, as the layers of Windows bases do."""
        return bool(self.urls) or is_foreign(self.media_type)

    @property
    def is_attestation(self) -> bool:
        """Whether BuildKit put this index child there to describe another one."""
        return self.annotations.get(REFERENCE_TYPE) == ATTESTATION

    @property
    def describes(self) -> str:
        """The digest of the image manifest that an attestation is about; empty for anything else."""
        return self.annotations.get(REFERENCE_DIGEST, "") if self.is_attestation else ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a tag points at now, by the registry's word."""

    digest: Digest
    media_type: str
    size: int | None
    """Bytes of the manifest itself, None when the registry did not say."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    raw: bytes = field(repr=False)
    """The exact bytes whose hash is ``digest``."""
    digest: Digest
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    subject: Descriptor | None = None
    """The manifest this one is about (referrers)."""
    artifact_type: str = ""
    warnings: tuple[str, ...] = ()
    """``Warning`` headers that came with it, and what was left out while reading."""

    @property
    def size(self) -> int:
        return len(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, self.size, artifact_type=self.artifact_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(_Document):
    """An OCI index or Docker manifest list."""

    manifests: tuple[Descriptor, ...]

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """Children meant to run: not attestations, not ``unknown/unknown``."""
        return tuple(child for child in self.manifests if _may_run(child))

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Platforms of ``images`` in the index's order, each once."""
        return tuple(dict.fromkeys(child.platform for child in self.images if child.platform))

    @property
    def attestations(self) -> tuple[Descriptor, ...]:
        return tuple(child for child in self.manifests if child.is_attestation)


def _may_run(child: Descriptor) -> bool:
    if REFERENCE_TYPE in child.annotations:
        return False
    unknown = child.platform is not None and "unknown" in (child.platform.os, child.platform.architecture)
    return not unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageManifest(_Document):
    """The manifest of an image for one platform."""

    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def layers_size(self) -> int:
        """Compressed bytes of all layers, foreign ones included."""
        return sum(layer.size for layer in self.layers)

    @property
    def has_foreign_layers(self) -> bool:
        return any(layer.is_foreign for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactManifest(_Document):
    """Something a registry holds that is no image; ``kind`` names it: ``Helm chart``, ``cosign signature``."""

    kind: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOneManifest(_Document):
    """A manifest of the deprecated schema 1: recognised, not read."""


Manifest = Index | ImageManifest | ArtifactManifest | SchemaOneManifest


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of an image's history; entries that are not ``empty_layer`` match the layers in order."""

    created: datetime | None
    created_by: str
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """An image's configuration (OCI image-spec config.md). Absent lists are empty; ``None`` is "not set"."""

    digest: Digest
    size: int
    platform: Platform | None
    os_version: str = ""
    created: datetime | None = None
    author: str = ""
    user: str = ""
    working_dir: str = ""
    stop_signal: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image for one platform, every document of it verified."""

    index: Index | None
    """The index the reference named; None when it named an image manifest."""
    manifest: ImageManifest
    config: ImageConfig
    platform: Platform
    platforms: tuple[Platform, ...]
    """All platforms the reference offers."""
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """What the reference resolves to: the index's digest where there is one."""
        return self.index.digest if self.index else self.manifest.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class TagList:
    """All tags of a repository, in the registry's order (which is neither age nor version)."""

    tags: tuple[str, ...]
    requests: int
    """Upstream requests it took."""
    complete: bool
    """False when the registry's paging could not be followed to its end; ``warnings`` says why."""
    hidden: int = 0
    """Tags left out because they hold signatures, attestations or referrers of a digest."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrers:
    """What says it is about a manifest: signatures, attestations, SBOMs."""

    descriptors: tuple[Descriptor, ...]
    from_api: bool
    """False when the registry has no referrers API and the fallback tag was read."""
    complete: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quota:
    """Docker Hub's pull quota (headers ``ratelimit-limit``, ``ratelimit-remaining``: ``N;w=SECONDS``)."""

    limit: int
    remaining: int | None
    window_s: int | None
    source: str = ""
    """Whom it is counted for: an address or an account id."""
