"""docker_get_image_details: what an image is."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.hub.models import HubRepository, HubTag
from mcp_dockerhub.images.attached import NOTHING_KNOWN, Attached, attached
from mcp_dockerhub.images.bases import stated_base
from mcp_dockerhub.images.configuration import Configuration, configuration
from mcp_dockerhub.images.manifest import kind_of
from mcp_dockerhub.images.reading import optional, read_image, task_group
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import ArtifactManifest, Image, ImageManifest, Index, Manifest
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Prose

MAX_PLATFORMS: Final = 60
PATIENCE_S: Final = 5.0
"""Seconds that what is not the image itself may take longer than the image."""
_HUB_PART: Final = "Docker Hub's page of the repository"
_ATTACHED: Final = "The search for signatures and attestations"
_SHOWN: Final = 12


class PlatformRow(OutputModel):
    platform: Identifier
    digest: Identifier
    size: int | None
    """Compressed bytes of all layers; null where nobody said."""


class HubPage(OutputModel):
    """What Docker Hub says about the repository."""

    description: Prose
    pulls: int | None
    stars: int | None
    updated: datetime | None


class ImageDetails(Result):
    image: Identifier
    kind: Identifier
    digest: Identifier
    """What the reference points to."""
    media_type: Identifier
    platform: Identifier | None
    manifest: Identifier | None
    """Digest of the platform's manifest."""
    size: int | None
    """Compressed bytes of the platform's layers."""
    layers: int | None
    platforms: list[PlatformRow]
    created: datetime | None
    config: Configuration | None
    base: Identifier | None
    base_digest: Identifier | None
    attestations: bool | None
    """Present, not verified; null: not known."""
    signatures: bool | None
    hub: HubPage | None

    def render(self) -> str:
        lines = [f"{self.image}: {self.kind}" + (f" for {self.platform}" if self.platform else "")]
        if self.hub and self.hub.description:
            lines.append(render.clip(self.hub.description))
        return self.text([*lines, *render.fields(self._pairs())])

    def _pairs(self) -> list[tuple[str, str]]:
        base = self.base or ""
        pairs = [
            ("digest", self.digest),
            ("media type", self.media_type),
            ("size", self._size()),
            ("platforms", self._platforms()),
            ("created", render.time(self.created) if self.created else ""),
            ("base", f"{base} {render.short(self.base_digest)}" if base and self.base_digest else base),
            ("attested", _presence(self.attestations)),
            ("signed", _presence(self.signatures)),
        ]
        if self.config:
            pairs += self.config.pairs()
        if self.hub:
            pulls = f"{render.number(self.hub.pulls)} pulls, {render.number(self.hub.stars)} stars"
            pairs.append(("Docker Hub", f"{pulls}, updated {render.day(self.hub.updated)}"))
        return pairs

    def _size(self) -> str:
        if self.layers is None:
            return "not known"
        return f"{render.size(self.size)} compressed in {render.counted(self.layers, 'layer')}"

    def _platforms(self) -> str:
        rows = [f"{row.platform} {render.size(row.size)}" if row.size else row.platform for row in self.platforms]
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        return ", ".join(rows[:_SHOWN]) + more


def _presence(there: bool | None) -> str:
    return "not known" if there is None else ("yes, not verified" if there else "no")


async def image_details(sources: Sources, access: Access, ref: Reference, platform: Platform | None) -> ImageDetails:
    """The registry's truth about what ``ref`` names, with the Hub's page where there is one.

    What is no image is named for what it is. A Hub that fails costs its part of the answer and a warning.
    """
    seen, aside = Provenance(), _Aside()
    async with task_group() as group:
        late: list[asyncio.Task[None]] = []
        if ref.repository.is_docker_hub:
            late.append(group.create_task(_ask_hub(sources, access, ref, seen, aside), name=_HUB_PART))
        document = seen.take(await sources.registry.manifest(access, ref))
        seen.warn(*document.warnings)
        late.append(group.create_task(_look_for_attached(sources, access, ref, document, seen, aside), name=_ATTACHED))
        image = None
        if isinstance(document, Index | ImageManifest):
            image = await read_image(sources, access, ref, platform, seen)
        patience = asyncio.get_running_loop().call_later(PATIENCE_S, _give_up, late, seen)
    patience.cancel()
    return _Parts(document, image, aside).details(ref, seen)


@dataclass(slots=True)
class _Aside:
    """What is read beside the image's own documents, as far as it came in time."""

    page: HubRepository | None = None
    tag: HubTag | None = None
    attached: Attached = NOTHING_KNOWN


async def _ask_hub(sources: Sources, access: Access, ref: Reference, seen: Provenance, aside: _Aside) -> None:
    """The repository's page, and the tag: nothing else tells how large the images for other platforms are."""
    aside.page = await optional(sources.hub.repository(access, ref.repository), f"{_HUB_PART} is missing", seen)
    if aside.page and ref.tag:
        reading = sources.hub.tag(access, ref.repository, ref.tag)
        aside.tag = await optional(reading, "Sizes of other platforms are missing", seen)


async def _look_for_attached(
    sources: Sources, access: Access, ref: Reference, document: Manifest, seen: Provenance, aside: _Aside
) -> None:
    aside.attached = await attached(sources, access, ref.repository, document, seen)


def _give_up(late: Sequence[asyncio.Task[None]], seen: Provenance) -> None:
    """Stop what is still under way: it must not cost the whole answer."""
    for task in late:
        if not task.done():
            task.cancel()
            seen.warn(f"{task.get_name()} took too long and is missing or not complete.")


@dataclass(frozen=True, slots=True)
class _Parts:
    """All documents of one answer."""

    document: Manifest
    image: Image | None
    aside: _Aside

    def details(self, ref: Reference, seen: Provenance) -> ImageDetails:
        image = self.image
        base = stated_base(image) if image else None
        holder = image.manifest if image else self.document
        layers = holder.layers if isinstance(holder, ImageManifest | ArtifactManifest) else None
        return ImageDetails(
            image=ref.familiar,
            kind=kind_of(self.document),
            digest=self.document.digest,
            media_type=self.document.media_type,
            platform=str(image.platform) if image else None,
            manifest=image.manifest.digest if image else None,
            size=None if layers is None else sum(layer.size for layer in layers),
            layers=None if layers is None else len(layers),
            platforms=self._platforms(seen),
            created=image.config.created if image else None,
            config=configuration(image.config, seen) if image else None,
            base=base.name if base else None,
            base_digest=(base.digest or None) if base else None,
            attestations=self.aside.attached.attestations,
            signatures=self.aside.attached.signatures,
            hub=_hub(self.aside.page) if self.aside.page else None,
            source=seen.source,
            fetched_at=seen.fetched_at,
            warnings=seen.warnings,
        )

    def _platforms(self, seen: Provenance) -> list[PlatformRow]:
        image = self.image
        if image is None:
            return []
        own = PlatformRow(platform=str(image.platform), digest=image.manifest.digest, size=image.manifest.layers_size)
        if image.index is None:
            return [own]
        sizes = {entry.digest: entry.size for entry in self.aside.tag.images} if self.aside.tag else {}
        sizes[image.manifest.digest] = image.manifest.layers_size
        children = [child for child in image.index.images if child.platform]
        if len(children) > MAX_PLATFORMS:
            seen.warn(f"Only {MAX_PLATFORMS} of {len(children)} platforms are listed.")
        return [
            PlatformRow(platform=str(child.platform), digest=child.digest, size=sizes.get(child.digest))
            for child in children[:MAX_PLATFORMS]
        ]


def _hub(page: HubRepository) -> HubPage:
    return HubPage(description=page.description, pulls=page.pull_count, stars=page.star_count, updated=page.updated_at)
