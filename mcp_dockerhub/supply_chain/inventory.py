"""What is in an image, from the best source there is: a document attached to it, else its layers."""

import re
from dataclasses import dataclass, replace
from typing import Final, Protocol

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import NotFound
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.attachments import Attachment
from mcp_dockerhub.supply_chain.discovery import Discovery, Target, find_target, read_target
from mcp_dockerhub.supply_chain.opening import Opened, Opener, is_bare
from mcp_dockerhub.supply_chain.packages import PackageSet
from mcp_dockerhub.supply_chain.sbom.reading import PREDICATES, sbom_of_document, sbom_of_statement
from mcp_dockerhub.supply_chain.vocabulary import Where

_BARE: Final = (
    "The SBOM is attached without a statement: where it is kept says which image it is about, and nothing confirms it."
)
_WHOLE_INDEX: Final = "The SBOM is about the whole index, not about one platform's image."
_STAGES: Final = "SBOMs of build stages are attached too; they are not of the image and are left out."
_ONLY_STAGES: Final = "The SBOM calls itself one of a build stage, and there is none of the image itself."
# BuildKit names the documents it attaches (sbom-protocol.md): the image's is "sbom", those of stages and of the build
# context have more to their name, or lie below "extras".
_OF_A_STAGE: Final = re.compile(r"^sbom-|/extras/")


class Cataloguer(Protocol):
    """Reads an image's layers for what is installed."""

    async def catalogue(self, sources: Sources, access: Access, ref: Reference, image: Image) -> Cached[PackageSet]:
        """The packages of ``image``, which ``ref`` names by digest; ``sources`` are the caller's clients."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The attached document packages were read from."""

    where: Where
    carrier: Digest
    """Manifest that lists it."""
    document: Digest
    size: int
    """Bytes."""
    predicate_type: str
    """Empty for an SBOM without a statement."""
    about: Digest
    """The manifest or index the statement is about."""
    enveloped: bool
    """Whether it came in a signed envelope; the signature was not checked."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The packages of one platform's image and where the list is from."""

    target: Target
    packages: PackageSet
    origin: Origin | None
    """None where the layers were read."""


@dataclass(frozen=True, slots=True)
class _Read:
    packages: PackageSet
    origin: Origin


async def inventory(
    sources: Sources,
    access: Access,
    ref: Reference,
    platform: Platform | None,
    seen: Provenance,
    cataloguer: Cataloguer | None = None,
) -> Inventory:
    """The packages of ``ref`` for ``platform``.

    Raises NotFound when nothing is attached and there is no cataloguer, Unsupported or TooLarge when it is of a form
    that is not read, and UpstreamInvalid when what is attached is damaged, tampered with, or about another image:
    then the layers are not read instead, as someone should know.
    """
    target = await find_target(sources, access, ref, platform, seen)
    discovery = Discovery(sources, access, target, seen)
    attached = await _attached(discovery, may_give_up=cataloguer is not None)
    if attached is not None:
        packages = await _with_layers(sources, access, attached.packages, target, seen)
        return Inventory(target, packages, attached.origin)
    if cataloguer is None:
        raise _nothing(target, discovery)
    image = await read_target(sources, access, target.ref, target.platform, seen)
    found = seen.take(await cataloguer.catalogue(sources, access, target.ref, image))
    return Inventory(target, found, None)


async def _attached(discovery: Discovery, *, may_give_up: bool) -> _Read | None:
    """The attached SBOM; None where there is none, and where ``may_give_up`` none of a form that is read."""
    opener = Opener(discovery)
    stages: list[_Read] = []
    found = await opener.first(PREDICATES, lambda opened: _read(opener, opened, stages), cheapest_kind_first)
    read = found[1] if found else next(iter(stages), None)
    if read is None:
        if opener.refused and not may_give_up:
            raise opener.refused[0]
        return None
    if stages:
        discovery.seen.warn(_STAGES if found else _ONLY_STAGES)
    if not read.origin.predicate_type:
        discovery.seen.warn(_BARE)
    elif read.origin.about != discovery.target.manifest:
        discovery.seen.warn(_WHOLE_INDEX)
    return read


def cheapest_kind_first(stage: list[Attachment]) -> list[Attachment]:
    """Of an SBOM in two formats the smaller document; within one format the order they are listed in."""
    sizes: dict[str, int] = {}
    for attachment in stage:
        sizes.setdefault(attachment.predicate_type or attachment.blob.media_type, attachment.blob.size)
    return sorted(stage, key=lambda entry: sizes[entry.predicate_type or entry.blob.media_type])


def _read(opener: Opener, opened: Opened, stages: list[_Read]) -> _Read | None:
    """The SBOM in a document; those of build stages go to ``stages``, as they are not of the image."""
    if is_bare(opened):
        packages = sbom_of_document(opened.raw, opened.attachment.blob.media_type, opened.what)
        return _Read(packages, _origin(opened.attachment, "", opened.attachment.subject, enveloped=False))
    stated = opener.state(opened)
    kind = stated.statement.predicate_type
    if not kind.startswith(PREDICATES):
        return None
    packages = sbom_of_statement(stated.statement)
    enveloped = stated.envelope is not None and bool(stated.envelope.signatures)
    read = _Read(packages, _origin(opened.attachment, kind, stated.about, enveloped=enveloped))
    if opened.attachment.where == "index" and _OF_A_STAGE.search(packages.name):
        stages.append(read)
        return None
    return read


def _origin(attachment: Attachment, predicate_type: str, about: Digest, *, enveloped: bool) -> Origin:
    blob = attachment.blob
    return Origin(attachment.where, attachment.carrier, blob.digest, blob.size, predicate_type, about, enveloped)


def _nothing(target: Target, discovery: Discovery) -> NotFound:
    reached = " in the places that could be reached" if discovery.incomplete else ""
    return NotFound(
        f"No SBOM is attached to {target.named.familiar} ({target.platform}){reached}.",
        hint="Its layers can be read where the cataloguer is enabled; the publisher may offer an SBOM elsewhere.",
    )


async def _with_layers(
    sources: Sources, access: Access, packages: PackageSet, target: Target, seen: Provenance
) -> PackageSet:
    """Layers as the manifest lists them: documents name them by their unpacked content as often as not."""
    if not any(package.layer for package in packages.packages):
        return packages
    image = await read_target(sources, access, target.ref, target.platform, seen)
    listed = [layer.digest for layer in image.manifest.layers]
    known: dict[str, str] = {digest: digest for digest in listed}
    if len(listed) == len(image.config.diff_ids):
        known |= dict(zip(image.config.diff_ids, listed, strict=True))
    placed = (
        package if package.layer is None else replace(package, layer=known.get(package.layer))
        for package in packages.packages
    )
    return replace(packages, packages=tuple(placed))
