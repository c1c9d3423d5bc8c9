"""The base an image stands on, from all that is known: build records, Dockerfile, materials, annotations, layers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError, InvalidInput
from mcp_dockerhub.images.base_updates import leading_match
from mcp_dockerhub.images.bases import StatedBase, stated_base
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.discovery import Discovery, Target
from mcp_dockerhub.supply_chain.dockerfiles import base_of_dockerfile
from mcp_dockerhub.supply_chain.provenance.build import Build
from mcp_dockerhub.supply_chain.provenance.finding import first_build
from mcp_dockerhub.supply_chain.purls import read_purl
from mcp_dockerhub_security.refusals import Refusal

MAX_CANDIDATES: Final = 4
"""Images whose layers are compared for one answer."""
# Images a build uses and never stands on: Dockerfile frontends and SBOM scanners.
_TOOLS: Final = ("docker/dockerfile", "docker/dockerfile-upstream", "docker/buildkit-syft-scanner")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that went into the build."""

    ref: Reference
    digest: str


@dataclass(frozen=True, slots=True)
class Bases:
    """The ``BaseFinder`` that reads provenance, and layers where that leaves a choice."""

    sources: Sources
    access: Access

    async def __call__(self, ref: Reference, image: Image, seen: Provenance) -> StatedBase | None:
        """The best-founded base; what could not be read becomes a warning."""
        own = stated_base(image)
        build = await self._build(ref, image, seen)
        if build is None:
            return own
        recorded = by_record(build, image) or by_dockerfile(build)
        if recorded is not None:
            return agreed(recorded, own)
        candidates = candidates_of(build)
        if own is not None and own.where == "annotation":
            return agreed(own, _stated_by(candidates, own))
        return await self._by_layers(candidates, image, seen) or only_one(candidates) or own

    async def _build(self, ref: Reference, image: Image, seen: Provenance) -> Build | None:
        target = Target(ref.with_digest(image.digest), ref, image.index, image.manifest.digest, image.platform)
        try:
            found = await first_build(Discovery(self.sources, self.access, target, seen))
        except DockerHubError as error:
            seen.warn(f"The image's provenance could not be used: {error.message}")
            return None
        return found.build if found else None

    async def _by_layers(self, candidates: tuple[Candidate, ...], image: Image, seen: Provenance) -> StatedBase | None:
        """The candidate all of whose layers the image begins with, the one with most of them."""
        best, most = None, 0
        for candidate in candidates[:MAX_CANDIDATES]:
            layers = await self._layers(candidate, image, seen)
            if most < len(layers) == leading_match(image.config.diff_ids, layers):
                best, most = candidate, len(layers)
        if best is None:
            return None
        evidence = f"The provenance lists it as a material, and the image begins with all {most} of its layers."
        return StatedBase(best.ref.familiar, best.digest, "layers", "high", (evidence,))

    async def _layers(self, candidate: Candidate, image: Image, seen: Provenance) -> tuple[str, ...]:
        """Of the very build that was used; empty where it cannot be read, which costs only certainty."""
        try:
            pinned = candidate.ref.with_digest(candidate.digest)
            found = seen.take(await self.sources.registry.image(self.access, pinned, image.platform))
        except (DockerHubError, Refusal):
            return ()
        return found.config.diff_ids


def by_record(build: Build, image: Image) -> StatedBase | None:
    """BuildKit's own record: the image with the most layers of those whose layers the result begins with."""
    layers = [layer.digest for layer in image.manifest.layers]
    fitting = [
        source for source in build.images if source.layers and tuple(layers[: len(source.layers)]) == source.layers
    ]
    if not fitting:
        return None
    best = max(fitting, key=lambda source: len(source.layers))
    parsed = _parsed(best.reference)
    if parsed is None:
        return None
    evidence = f"The build's record has its {len(best.layers)} layers, and the image begins with them."
    return StatedBase(_by_tag(parsed).familiar, parsed.digest or "", "provenance", "high", (evidence,))


def by_dockerfile(build: Build) -> StatedBase | None:
    """FROM in the recorded Dockerfile, with the digest of the material of that name."""
    for file in build.files:
        name = base_of_dockerfile(file.text, build.arguments, build.target)
        parsed = _parsed(name) if name else None
        if parsed is not None:
            said = f"The stage that was built is FROM it in the recorded {file.name or 'Dockerfile'}."
            base = StatedBase(_by_tag(parsed).familiar, parsed.digest or "", "dockerfile", "medium", (said,))
            return agreed(base, _stated_by(candidates_of(build), base))
    return None


def candidates_of(build: Build) -> tuple[Candidate, ...]:
    """The images among the materials that an image can stand on."""
    return tuple(dict.fromkeys(_candidates(build)))


def _candidates(build: Build) -> Iterator[Candidate]:
    for material in build.materials:
        facts = read_purl(material.uri) if material.kind == "image" else None
        if facts is None or facts.type not in ("docker", "oci"):
            continue
        separator = "@" if facts.version.startswith("sha256:") else ":"
        parsed = _parsed(f"{facts.name}{separator}{facts.version}" if facts.version else facts.name)
        digest = material.digest if material.digest.startswith("sha256:") else ""
        if parsed is not None and digest and parsed.repository.path not in _TOOLS:
            yield Candidate(_by_tag(parsed), digest)


def only_one(candidates: tuple[Candidate, ...]) -> StatedBase | None:
    """The only image that went into the build, where there is just one."""
    if len(candidates) != 1:
        return None
    said = "It is the only image among the materials of the build; its layers were not compared."
    return StatedBase(candidates[0].ref.familiar, candidates[0].digest, "provenance", "medium", (said,))


def _stated_by(candidates: tuple[Candidate, ...], base: StatedBase) -> StatedBase | None:
    """The material that is what ``base`` names, as a statement of its own."""
    wanted = _parsed(base.name)
    for candidate in candidates:
        if wanted is not None and candidate.ref == _by_tag(wanted):
            said = f"The provenance lists it as a material, {candidate.digest[:19]}…"
            return StatedBase(candidate.ref.familiar, candidate.digest, "provenance", "medium", (said,))
    return None


def agreed(one: StatedBase, other: StatedBase | None) -> StatedBase:
    """``one``, surer where ``other``, from another source, says the same."""
    if other is None or not _same(one, other):
        return one
    digest = one.digest or other.digest
    sure = one.confidence if other.where == "label" else "high"
    return replace(one, digest=digest, confidence=sure, evidence=(*one.evidence, *other.evidence))


def _same(one: StatedBase, other: StatedBase) -> bool:
    if one.digest and other.digest:
        return one.digest == other.digest
    first, second = _parsed(one.name), _parsed(other.name)
    return first is not None and second is not None and _by_tag(first) == _by_tag(second)


def _by_tag(ref: Reference) -> Reference:
    return ref.with_tag(ref.tag) if ref.tag else ref


def _parsed(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except InvalidInput:
        return None
