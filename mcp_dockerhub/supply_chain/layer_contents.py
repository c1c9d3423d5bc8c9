"""What the files in an image's layers show that is worth changing, for docker_analyze_layers.

Layers are large, so only as many are looked into as fit a budget, the smallest first: an application's own layers lie
above a base that others maintain, and are mostly smaller than it. What was learnt about a layer is kept, so the next
image with it costs nothing.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.images.findings import NOT_LOOKED_INTO, Contents, Finding
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Descriptor, Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.catalogue.cataloguer import LayerContents
from mcp_dockerhub.supply_chain.catalogue.layer import LeftCache, PrivilegedFile

BUDGET: Final = 64 * 1024 * 1024
"""Compressed bytes of all layers that are looked into for one answer."""
PATIENCE: Final = 20.0
"""Seconds: the rest of the answer does not wait longer."""
SMALL: Final = 1024 * 1024
"""Uncompressed bytes of a cache that are not worth a word."""
_EXAMPLES: Final = 5
_SETUID: Final = 0o4000


class LayerSurvey(Protocol):
    """Satisfied by the cataloguer, which reads layers anyway."""

    async def layers(
        self, sources: Sources, access: Access, ref: Reference, image: Image
    ) -> Cached[tuple[LayerContents, ...]]:
        """What each layer of ``image`` holds, from the bottom up."""


@dataclass(frozen=True, slots=True)
class LayerFinder:
    """The ``ContentFinder`` of one caller."""

    sources: Sources
    access: Access
    survey: LayerSurvey

    async def __call__(self, ref: Reference, image: Image, seen: Provenance) -> Contents:
        """What cannot be read in time, or does not fit the budget, becomes a warning."""
        chosen = affordable(image)
        left = len(image.manifest.layers) - len(chosen)
        if left:
            seen.warn(f"The files of {render.counted(left, 'layer')} were not looked into: they are too large.")
        if not chosen:
            return NOT_LOOKED_INTO
        part = replace(image, manifest=replace(image.manifest, layers=chosen))
        try:
            async with asyncio.timeout(PATIENCE):
                contents = seen.take(await self.survey.layers(self.sources, self.access, ref, part))
        except TimeoutError:
            seen.warn(f"The files of the layers were not looked into: they did not come within {PATIENCE:.0f} s.")
            return NOT_LOOKED_INTO
        except DockerHubError as error:
            seen.warn(f"The files of the layers were not looked into: {error.message}")
            return NOT_LOOKED_INTO
        return _contents(contents, seen)


def affordable(image: Image) -> tuple[Descriptor, ...]:
    """The layers that fit the budget, the smallest first, in the image's order."""
    room, chosen = BUDGET, set()
    for layer in sorted(set(image.manifest.layers), key=lambda entry: entry.size):
        if layer.size > room or layer.is_foreign:
            continue
        room -= layer.size
        chosen.add(layer.digest)
    return tuple(layer for layer in image.manifest.layers if layer.digest in chosen)


def _contents(layers: tuple[LayerContents, ...], seen: Provenance) -> Contents:
    findings: list[Finding] = []
    looked_into = set()
    for layer in {layer.descriptor.digest: layer for layer in layers}.values():
        if layer.facts is None:
            seen.warn(
                f"The files of layer {render.short(layer.descriptor.digest)} were not looked into: {layer.problem}."
            )
            continue
        looked_into.add(str(layer.descriptor.digest))
        findings += _left(layer.facts.caches, layer.descriptor)
        findings += _privileged(layer.facts.privileged, layer.descriptor)
    return Contents(tuple(findings), frozenset(looked_into))


def _left(caches: tuple[LeftCache, ...], layer: Descriptor) -> Iterator[Finding]:
    for cache in caches:
        if cache.size >= SMALL:
            yield Finding(
                "package_cache",
                "medium",
                f"The layer holds {render.size(cache.size)} of {cache.what} that nobody needs.",
                _listed(cache.examples, cache.count),
                "Remove it in the step that makes it, or mount a cache: RUN --mount=type=cache.",
                layer.digest,
                layer.size,
            )


def _privileged(files: tuple[PrivilegedFile, ...], layer: Descriptor) -> Iterator[Finding]:
    if files:
        shown = tuple(f"{file.path} ({_right(file)})" for file in files[:_EXAMPLES])
        yield Finding(
            "privileged_file",
            "low",
            f"{render.counted(len(files), 'file')} of the layer give whoever runs them more rights than they have.",
            _listed(shown, len(files)),
            "Take the rights away (chmod a-s, setcap -r), or run with no-new-privileges.",
            layer.digest,
            layer.size,
        )


def _right(file: PrivilegedFile) -> str:
    if file.capabilities:
        return "capabilities"
    return f"setuid {file.uid}" if file.mode & _SETUID else "setgid"


def _listed(examples: tuple[str, ...], count: int) -> str:
    shown = [f"/{path.removeprefix('/')}" for path in examples[:_EXAMPLES]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return ", ".join(shown) + more
