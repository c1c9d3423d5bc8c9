"""From a reference and a platform to one verified image: index, manifest, config."""

from dataclasses import dataclass, field
from typing import Any, Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry import blobs, manifests, platforms
from mcp_dockerhub.registry.freshness import all_warnings, combined
from mcp_dockerhub.registry.media_types import INDEXES
from mcp_dockerhub.registry.models import (
    UNKNOWN_PLATFORM,
    ArtifactManifest,
    Descriptor,
    Image,
    ImageConfig,
    ImageManifest,
    Index,
    Manifest,
    SchemaOneManifest,
)
from mcp_dockerhub.registry.wire import Wire

MAX_DEPTH: Final = 4
"""Indexes within indexes."""
MAX_LOOKED_AT: Final = 16
"""Documents read to find a platform that no child declares."""


@dataclass(slots=True)
class _Search:
    """One look for an image below one reference."""

    wire: Wire
    access: Access
    ref: Reference
    parts: list[Cached[Any]] = field(default_factory=list)
    seen: set[Digest] = field(default_factory=set)
    offered: dict[Platform, None] = field(default_factory=dict)
    declared: Platform | None = None
    """What the index says the image it led to is for."""
    warnings: tuple[str, ...] = ()

    async def child(self, descriptor: Descriptor) -> Manifest:
        self.seen.add(descriptor.digest)
        return self._note(await manifests.child(self.wire, self.access, self.ref, descriptor))

    async def top(self) -> Manifest:
        return self._note(await manifests.manifest(self.wire, self.access, self.ref))

    async def config(self, manifest: ImageManifest) -> ImageConfig:
        found = await blobs.config(self.wire, self.access, self.ref.repository, manifest.config)
        self.parts.append(found)
        return found.value

    def unread(self, descriptor: Descriptor) -> bool:
        return descriptor.digest not in self.seen and len(self.seen) < MAX_LOOKED_AT

    def _note(self, found: Cached[Manifest]) -> Manifest:
        self.parts.append(found)
        self.warnings = all_warnings(self.warnings, found.value.warnings)
        return found.value


async def image(wire: Wire, access: Access, ref: Reference, platform: Platform | None) -> Cached[Image]:
    """One image; see ``RegistryClient.image``."""
    search = _Search(wire, access, ref)
    top = await search.top()
    if isinstance(top, Index):
        found = await _from_index(search, top, platform)
    else:
        found = await _single(search, _as_image(top, ref), platform)
    return combined(found, *search.parts)


async def _single(search: _Search, manifest: ImageManifest, wanted: Platform | None) -> Image:
    """An image without an index: its config says what it is for."""
    config = await search.config(manifest)
    stated = config.platform
    if wanted and stated and not stated.matches(wanted):
        raise platforms.not_offered(search.ref.familiar, wanted, [stated])
    return _made(search, None, manifest, config, stated or wanted or UNKNOWN_PLATFORM)


async def _from_index(search: _Search, index: Index, platform: Platform | None) -> Image:
    wanted = platforms.effective(platform, index.platforms if _declares_all(index) else ())
    manifest = await _find(search, index, wanted, 1)
    if manifest is None:
        raise platforms.not_offered(search.ref.familiar, wanted, search.offered)
    config = await search.config(manifest)
    _compare(search, config)
    return _made(search, index, manifest, config, search.declared or config.platform or wanted)


def _compare(search: _Search, config: ImageConfig) -> None:
    """Say so when the index and the image's own configuration disagree: what runs is what the latter says."""
    declared, stated = search.declared, config.platform
    if declared and stated and (declared.os, declared.architecture) != (stated.os, stated.architecture):
        note = f"The index lists this image for {declared}, but its configuration says {stated}."
        search.warnings = all_warnings(search.warnings, (note,))


def _declares_all(index: Index) -> bool:
    return all(child.platform for child in index.images)


async def _find(search: _Search, index: Index, wanted: Platform, depth: int) -> ImageManifest | None:
    """The image for ``wanted`` below ``index``: declared, else in a nested index, else by its config's word."""
    search.offered.update(dict.fromkeys(index.platforms))
    declared = platforms.choose(index, wanted)
    if declared is not None and search.unread(declared):
        return await _descend(search, declared, wanted, depth)
    for child in index.images:
        if (child.platform is None or child.media_type in INDEXES) and search.unread(child):
            found = await _descend(search, child, wanted, depth)
            if found is not None:
                return found
    return None


async def _descend(search: _Search, child: Descriptor, wanted: Platform, depth: int) -> ImageManifest | None:
    document = await search.child(child)
    if isinstance(document, Index):
        return await _find(search, document, wanted, depth + 1) if depth < MAX_DEPTH else None
    if child.platform:
        search.declared = child.platform
        return _as_image(document, search.ref)
    if not isinstance(document, ImageManifest):
        return None
    stated = (await search.config(document)).platform
    if stated:
        search.offered[stated] = None
    return document if stated and stated.matches(wanted) else None


def _as_image(document: ImageManifest | ArtifactManifest | SchemaOneManifest, ref: Reference) -> ImageManifest:
    if isinstance(document, ImageManifest):
        return document
    if isinstance(document, ArtifactManifest):
        raise Unsupported(
            f"{ref.familiar} is not a container image but: {document.kind}.",
            hint="Read its manifest instead.",
        )
    raise Unsupported(
        f"{ref.familiar} is stored in manifest schema 1, which Docker retired; it cannot be read here.",
        hint="Ask for a newer tag, or have the image pushed again with a current client.",
    )


def _made(
    search: _Search, index: Index | None, manifest: ImageManifest, config: ImageConfig, platform: Platform
) -> Image:
    return Image(
        index=index,
        manifest=manifest,
        config=config,
        platform=platform,
        platforms=tuple(search.offered) or (platform,),
        warnings=search.warnings,
    )
