"""docker_get_manifest: the document behind a reference."""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.withheld import labels
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import (
    ArtifactManifest,
    Descriptor,
    ImageManifest,
    Index,
    Manifest,
    SchemaOneManifest,
)
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Prose, RawBase64

MAX_ENTRIES: Final = 500
MAX_ANNOTATIONS: Final = 100
MAX_RAW: Final = 1024 * 1024
"""Bytes of the largest document that an answer repeats."""
_ROWS: Final = 40


class Content(OutputModel):
    """A descriptor."""

    media_type: Identifier
    digest: Identifier
    size: int
    platform: Identifier | None
    about: Identifier | None
    """The digest an attestation describes."""


class ManifestView(Result):
    image: Identifier
    kind: Identifier
    digest: Identifier
    media_type: Identifier
    size: int
    """Bytes of the document."""
    artifact_type: Identifier | None
    subject: Identifier | None
    config: Content | None
    entries: list[Content]
    """Layers of a manifest, manifests of an index."""
    annotations: dict[Identifier, Prose]
    raw: RawBase64 | None
    """The exact bytes whose hash is the digest, of up to ``MAX_RAW``."""

    def render(self) -> str:
        pairs = (
            ("digest", self.digest),
            ("media type", self.media_type),
            ("artifact type", self.artifact_type or ""),
            ("subject", self.subject or ""),
            ("config", f"{self.config.media_type} {render.size(self.config.size)}" if self.config else ""),
            ("annotations", ", ".join(list(self.annotations)[:8])),
            ("raw", "exact bytes in the structured answer" if self.raw is not None else ""),
        )
        rows = [(_what(entry), render.size(entry.size), render.short(entry.digest)) for entry in self.entries]
        lines = [f"{self.image}: {self.kind}, {render.size(self.size)}", *render.fields(pairs)]
        lines += render.head(render.table(("entry", "size", "digest"), rows, "<>"), _ROWS + 1, "entry")
        return self.text(lines)


async def image_manifest(
    sources: Sources, access: Access, ref: Reference, platform: Platform | None, *, raw: bool = False
) -> ManifestView:
    """What ``ref`` names itself, or with ``platform`` the manifest an index lists for it. Artifacts are shown too."""
    seen = Provenance()
    document: Manifest
    if platform:
        image = seen.take(await sources.registry.image(access, ref, platform))
        document = image.manifest
        seen.warn(*image.warnings)
    else:
        document = seen.take(await sources.registry.manifest(access, ref))
        seen.warn(*document.warnings)
    entries = entries_of(document)
    annotations = labels(document.annotations)
    repeatable = document.size <= MAX_RAW
    _say_what_is_cut(seen, entries, annotations, "; raw has all" if repeatable else "")
    if raw and not repeatable:
        seen.warn(
            f"raw is left out: the document has {render.size(document.size)}, and up to {MAX_RAW:,} bytes are shown."
        )
    return ManifestView(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        kind=kind_of(document),
        digest=document.digest,
        media_type=document.media_type,
        size=document.size,
        artifact_type=document.artifact_type or None,
        subject=document.subject.digest if document.subject else None,
        config=_config(document),
        entries=[_content(entry) for entry in entries[:MAX_ENTRIES]],
        annotations=dict(list(annotations.items())[:MAX_ANNOTATIONS]),
        raw=base64.b64encode(document.raw).decode("ascii") if raw and repeatable else None,
    )


def kind_of(document: Manifest) -> str:
    """What people call it."""
    if isinstance(document, Index):
        return "multi-platform image" if document.images else "index"
    if isinstance(document, ImageManifest):
        return "image"
    if isinstance(document, ArtifactManifest):
        return document.kind
    return "image in the retired schema 1"


def entries_of(document: Manifest) -> Sequence[Descriptor]:
    """Manifests of an index, layers of anything else."""
    if isinstance(document, Index):
        return document.manifests
    return () if isinstance(document, SchemaOneManifest) else document.layers


def _config(document: Manifest) -> Content | None:
    config = document.config if isinstance(document, ImageManifest | ArtifactManifest) else None
    return _content(config) if config else None


def _content(descriptor: Descriptor) -> Content:
    return Content(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        platform=str(descriptor.platform) if descriptor.platform else None,
        about=descriptor.describes or None,
    )


def _what(entry: Content) -> str:
    if entry.about:
        return f"attestation of {render.short(entry.about)}"
    return entry.platform or entry.media_type


def _say_what_is_cut(
    seen: Provenance, entries: Sequence[Descriptor], annotations: Mapping[str, str], rest: str
) -> None:
    for name, total, limit in (
        ("entries", len(entries), MAX_ENTRIES),
        ("annotations", len(annotations), MAX_ANNOTATIONS),
    ):
        if total > limit:
            seen.warn(f"Only {limit} of {total} {name} are listed{rest}.")
