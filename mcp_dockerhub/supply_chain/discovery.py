"""Finding what is attached to an image, cheapest place first.

- children of the index that BuildKit put there (attestation-storage.md, new and legacy form);
- referrers of the image's manifest and of its index (distribution-spec "Listing Referrers", fallback tag included);
- cosign's tags ``sha256-<hex>.att``, ``.sbom`` and ``.sig``.
"""

from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import (
    AuthenticationFailed,
    Forbidden,
    NotFound,
    RateLimited,
    TooLarge,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.images.attached import cosign_tag
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry import platforms
from mcp_dockerhub.registry.media_types import MANIFESTS
from mcp_dockerhub.registry.models import (
    ArtifactManifest,
    Descriptor,
    Image,
    ImageManifest,
    Index,
    Manifest,
    SchemaOneManifest,
)
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.attachments import Attachment, Form, form_of, predicate_of
from mcp_dockerhub.supply_chain.vocabulary import Where

T = TypeVar("T")

MAX_CARRIERS: Final = 32
"""Manifests of attached documents that are read for one answer."""
MAX_LAYERS: Final = 256
"""Documents of one such manifest."""
_OUT_OF_REACH: Final = (UpstreamTimeout, UpstreamUnavailable, RateLimited, Forbidden, AuthenticationFailed, TooLarge)


@dataclass(frozen=True, slots=True)
class Target:
    """The image that attached documents must be about."""

    ref: Reference
    """By digest: what the reference pointed to when it was resolved."""
    named: Reference
    """As it was asked for."""
    index: Index | None
    manifest: Digest
    platform: Platform

    @property
    def digests(self) -> tuple[Digest, ...]:
        """What a document may be about: the platform's manifest first, then the index."""
        return (self.manifest, self.index.digest) if self.index else (self.manifest,)


async def find_target(
    sources: Sources, access: Access, ref: Reference, platform: Platform | None, seen: Provenance
) -> Target:
    """The manifest of the platform's image, in two requests where the index tells its digest."""
    top = seen.take(await sources.registry.manifest(access, ref))
    seen.warn(*top.warnings)
    pinned = ref.with_digest(top.digest)
    declared = _declared(top, platform)
    if isinstance(top, Index) and declared and declared.platform:
        return Target(pinned, ref, top, declared.digest, declared.platform)
    image = await read_target(sources, access, pinned, platform, seen)
    return Target(pinned, ref, image.index, image.manifest.digest, image.platform)


async def read_target(
    sources: Sources, access: Access, ref: Reference, platform: Platform | None, seen: Provenance
) -> Image:
    """The image itself, manifest and configuration, for what needs them."""
    image = seen.take(await sources.registry.image(access, ref, platform))
    seen.warn(*image.warnings)
    return image


def _declared(top: Manifest, platform: Platform | None) -> Descriptor | None:
    """The child an index declares for the platform, unless only reading further can tell."""
    if not isinstance(top, Index) or not all(child.platform for child in top.images):
        return None
    child = platforms.choose(top, platforms.effective(platform, top.platforms))
    return child if child and child.media_type in MANIFESTS else None


@dataclass(slots=True)
class Discovery:
    """One look for what is attached to one image."""

    sources: Sources
    access: Access
    target: Target
    seen: Provenance
    incomplete: bool = False
    """Some place could not be looked at: what was not found may be there."""
    _read: set[Digest] = field(default_factory=set)

    async def stages(self, tags: Iterable[str] = ("att", "sbom")) -> AsyncIterator[list[Attachment]]:
        """What is attached, place by place; whoever has found enough stops asking."""
        index = self.target.index
        if index is not None:
            yield await self.in_index(index)
        for digest in self.target.digests:
            yield await self.by_referrers(digest)
        for digest in self.target.digests:
            for kind in tags:
                yield await self.by_tag(digest, kind)

    async def everything(self, tags: Iterable[str]) -> list[Attachment]:
        """All there is, from every place."""
        return [attachment async for stage in self.stages(tags) for attachment in stage]

    async def in_index(self, index: Index) -> list[Attachment]:
        """What BuildKit put into the index for this platform's manifest."""
        own = [child for child in index.attestations if child.describes in ("", self.target.manifest)]
        return await self._carried(own, "index", self.target.manifest)

    async def by_referrers(self, digest: Digest) -> list[Attachment]:
        """What says that it is about ``digest``."""
        call = self.sources.registry.referrers(self.access, self.target.ref.repository, digest)
        found = await self._or_none(call)
        if found is None:
            return []
        self.seen.warn(*found.warnings)
        self.incomplete = self.incomplete or not found.complete
        return await self._carried([entry for entry in found.descriptors if _of_interest(entry)], "referrers", digest)

    async def by_tag(self, digest: Digest, kind: str) -> list[Attachment]:
        """What cosign keeps under a tag made of ``digest``."""
        tag = Reference(self.target.ref.repository, cosign_tag(digest, kind))
        document = await self._or_none(self.sources.registry.manifest(self.access, tag))
        return [] if document is None else self._listed(document, "cosign tag", digest, None)

    async def _carried(self, carriers: list[Descriptor], where: Where, subject: Digest) -> list[Attachment]:
        found: list[Attachment] = []
        for carrier in carriers:
            if carrier.digest in self._read:
                continue
            if len(self._read) >= MAX_CARRIERS:
                self.incomplete = True
                self.seen.warn(f"More than {MAX_CARRIERS} manifests are attached to the image; the rest is not read.")
                break
            self._read.add(carrier.digest)
            ref = self.target.ref.with_digest(carrier.digest)
            document = await self._or_none(self.sources.registry.manifest(self.access, ref), must_exist=True)
            if document is not None:
                found += self._listed(document, where, subject, carrier)
        return found

    def _listed(
        self, document: Manifest, where: Where, subject: Digest, carrier: Descriptor | None
    ) -> list[Attachment]:
        if isinstance(document, Index | SchemaOneManifest):
            return []
        if document.subject is not None and document.subject.digest != subject:
            raise UpstreamInvalid(
                f"A manifest attached to {self.target.named.familiar} says it is about another image: refused."
            )
        if len(document.layers) > MAX_LAYERS:
            raise TooLarge(f"A manifest attached to {self.target.named.familiar} lists more than {MAX_LAYERS} files.")
        attachments = []
        for blob in document.layers:
            form = _form(blob, document)
            if form is not None:
                predicate = predicate_of(blob, document_descriptor(document, carrier))
                attachments.append(Attachment(where, document.digest, subject, blob, form, predicate))
        return attachments

    async def _or_none(self, call: Awaitable[Cached[T]], *, must_exist: bool = False) -> T | None:
        """None where there is nothing, and where it cannot be reached: then the look is incomplete."""
        try:
            return self.seen.take(await call)
        except NotFound as error:
            if not must_exist:
                return None
            self._missed(error.message)
        except _OUT_OF_REACH as error:
            self._missed(error.message)
        return None

    def _missed(self, message: str) -> None:
        self.incomplete = True
        self.seen.warn(f"What is attached to the image is not fully known: {message}")


def document_descriptor(document: ImageManifest | ArtifactManifest, carrier: Descriptor | None) -> Descriptor:
    """Where annotations about all files of a manifest are: the listing that led to it, and the manifest itself."""
    annotations = {**(carrier.annotations if carrier else {}), **document.annotations}
    return Descriptor(document.media_type, document.digest, document.size, annotations=annotations)


def _form(blob: Descriptor, document: ImageManifest | ArtifactManifest) -> Form | None:
    """By the file's own type, else by what the manifest says it holds."""
    return form_of(blob.media_type) or (
        form_of(document.artifact_type) if blob.media_type in ("application/json", "application/octet-stream") else None
    )


def _of_interest(entry: Descriptor) -> bool:
    """Whether a referrer may hold something we read; registries that leave out its type must be looked into."""
    if not entry.artifact_type or entry.artifact_type.startswith(
        ("application/vnd.oci.", "application/vnd.docker.", "application/vnd.dev.cosign.")
    ):
        return True
    return form_of(entry.artifact_type) is not None
