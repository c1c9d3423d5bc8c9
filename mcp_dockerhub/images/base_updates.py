"""docker_track_base_updates: whether the base an image stands on has a newer build."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.images.bases import BaseFinder, Confidence, StatedBase, by_own_words
from mcp_dockerhub.images.reading import optional, read_image
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, Remark

Status = Literal["current", "outdated", "unknown"]
Origin = Literal["argument", "annotation", "label", "provenance", "dockerfile", "layers"]

_PLACEHOLDER_YEAR: Final = 1980
"""Reproducible builds state 1970 or 1980 as their time, which says nothing about their age."""
_HEADLINES: Final = {
    "current": "stands on the current build of",
    "outdated": "stands on an older build of",
    "unknown": "may or may not stand on the current build of",
}


class BaseUpdates(Result):
    image: Identifier
    platform: Identifier
    status: Status
    base: Identifier | None
    base_from: Origin | None
    base_confidence: Confidence | None
    """How sure it is that this is the base; null where the caller named it."""
    built_on: Identifier | None
    """Digest of the base at build time, by the image's word."""
    latest: Identifier | None
    """Digest the base's tag points to now."""
    evidence: list[Remark]

    def render(self) -> str:
        if self.base is None:
            lines = [f"{self.image} ({self.platform}): its base is unknown"]
        else:
            lines = [f"{self.image} ({self.platform}) {_HEADLINES[self.status]} {self.base} (by {self.base_from})"]
        return self.text([*lines, *(f"- {render.clip(item, 200)}" for item in self.evidence)])


@dataclass(frozen=True, slots=True)
class Finding:
    """A status and what it rests on."""

    status: Status
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Base:
    """The base to look at: a reference with a tag, and what the image says it was built on."""

    ref: Reference
    origin: Origin
    built_on: str
    confidence: Confidence | None = None
    evidence: tuple[str, ...] = ()


async def base_updates(
    sources: Sources,
    access: Access,
    ref: Reference,
    platform: Platform | None,
    base: Reference | None,
    find_base: BaseFinder = by_own_words,
) -> BaseUpdates:
    """Compare today's build of the base's tag with what the image contains; ``base`` overrules what is found.

    A base the image names may be missing, forbidden or unreachable: then the answer is ``unknown``. One that the
    caller names must exist.
    """
    seen = Provenance()
    image = await read_image(sources, access, ref, platform, seen)
    stated = await find_base(ref, image, seen)
    try:
        known = _chosen(base, stated)
    except InvalidInput as error:
        return _answer(
            ref, image, seen, Finding("unknown", (f"The image names a base that is no reference: {error.message}",))
        )
    if known is None:
        nothing = "Nothing that was read names a base image; give it as `base` to compare."
        return _answer(ref, image, seen, Finding("unknown", (nothing,)))
    if known.ref.tag is None:
        pinned = f"The base is named by digest only ({render.short(known.ref.target)}): there is no tag to follow."
        return _answer(ref, image, seen, Finding("unknown", (pinned,)), known)
    return await _compared(sources, access, ref, image, known, seen)


async def _compared(
    sources: Sources, access: Access, ref: Reference, image: Image, base: _Base, seen: Provenance
) -> BaseUpdates:
    resolve = sources.registry.resolve(access, base.ref)
    if base.origin == "argument":
        latest = seen.take(await resolve)
    else:
        found = await optional(resolve, f"The base {base.ref.familiar} could not be asked for", seen)
        if found is None:
            nothing = f"What {base.ref.familiar} points to now is not known."
            return _answer(ref, image, seen, Finding("unknown", (nothing,)), base)
        latest = found
    pinned = base.ref.with_digest(latest.digest)
    reading = sources.registry.image(access, pinned, image.platform)
    today = await optional(reading, f"The layers of {base.ref.familiar} could not be read", seen)
    return _answer(
        ref, image, seen, judge(image, base.ref.familiar, base.built_on, latest.digest, today), base, latest.digest
    )


def _chosen(base: Reference | None, stated: StatedBase | None) -> _Base | None:
    """Raise InvalidInput when the image's own words are no reference."""
    if base is None:
        if stated is None:
            return None
        named = Reference.parse(stated.name)
        built_on = stated.digest or named.digest or ""
        return _Base(_by_tag(named), stated.where, built_on, stated.confidence, stated.evidence)
    built_on = base.digest or ""
    if stated and not built_on and _names(stated, base):
        built_on = stated.digest
    return _Base(_by_tag(base), "argument", built_on)


def _by_tag(ref: Reference) -> Reference:
    return ref.with_tag(ref.tag) if ref.tag else ref


def _names(stated: StatedBase, base: Reference) -> bool:
    try:
        return _by_tag(Reference.parse(stated.name)) == _by_tag(base)
    except InvalidInput:
        return False


def judge(image: Image, name: str, built_on: str, latest: str, today: Image | None) -> Finding:
    """What follows from the digest the image was built on, the tag's digest now, and today's base itself.

    Layers decide where they can be compared: the digest an image states may be of the base's index or of its
    manifest, and says nothing against layers that are there.
    """
    tag = f"{name} points to {render.short(latest)} now."
    if today is None:
        if built_on == latest:
            return Finding("current", (tag, "The image says it was built on that digest.", "Layers were not compared."))
        return Finding("unknown", (tag, "Without the base's layers nothing more can be said."))
    layers = today.config.diff_ids
    leading = leading_match(image.config.diff_ids, layers)
    if layers and leading == len(layers):
        return Finding("current", (tag, f"The image begins with all {len(layers)} layers of that build."))
    absent = f"The image begins with {leading} of the {len(layers)} layers of that build."
    if built_on in (latest, today.manifest.digest):
        claim = "The image says it was built on that digest, which its layers do not confirm (it may be squashed)."
        return Finding("unknown", (tag, absent, claim))
    if built_on:
        claim = f"The image says it was built on {render.short(built_on)}, which is another build."
        return Finding("outdated", (tag, absent, claim))
    return _by_age(image, today, tag, absent)


def _by_age(image: Image, today: Image, tag: str, absent: str) -> Finding:
    """Nothing states a digest: a base made after the image cannot be in it."""
    made, base_made = image.config.created, today.config.created
    if made and base_made and made.year > _PLACEHOLDER_YEAR and base_made > made:
        ages = f"That build ({render.time(base_made)}) is newer than the image ({render.time(made)})."
        return Finding("outdated", (tag, absent, ages))
    other = "The image is not older than that build: it may stand on something else, or be squashed."
    return Finding("unknown", (tag, absent, other))


def leading_match(layers: Sequence[str], base: Sequence[str]) -> int:
    """How many layers from the bottom up are the same."""
    same = 0
    for one, other in zip(layers, base, strict=False):
        if one != other:
            break
        same += 1
    return same


def _answer(
    ref: Reference,
    image: Image,
    seen: Provenance,
    finding: Finding,
    base: _Base | None = None,
    latest: str | None = None,
) -> BaseUpdates:
    return BaseUpdates(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(image.platform),
        status=finding.status,
        base=base.ref.familiar if base else None,
        base_from=base.origin if base else None,
        base_confidence=base.confidence if base else None,
        built_on=(base.built_on or None) if base else None,
        latest=latest,
        evidence=[*(base.evidence if base else ()), *finding.evidence],
    )
