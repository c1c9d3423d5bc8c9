"""docker_estimate_pull_size: the bytes a pull transfers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.images.reading import for_each, read_image
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Descriptor, Image
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier

_PLAIN_TAR: Final = ".tar"
# Written by the builders of lazily pulled images, so that the size is known without the layer.
_UNCOMPRESSED_SIZE: Final = "io.containers.estargz.uncompressed-size"


class PullSize(Result):
    image: Identifier
    platform: Identifier
    digest: Identifier
    size: int
    """Compressed bytes of all layers, each counted once."""
    present: int
    """Of these, bytes in layers of the images said to be present."""
    to_pull: int
    layers: int
    layers_present: int
    uncompressed: int | None
    """Bytes on disk; null where the manifest does not tell."""

    def render(self) -> str:
        lines = [f"{self.image} ({self.platform}): {render.size(self.to_pull)} to pull"]
        if self.layers_present:
            here = f"{self.layers_present} of {render.counted(self.layers, 'layer')}"
            lines.append(f"{render.size(self.size)} in all, {render.size(self.present)} already there in {here}")
        on_disk = render.size(self.uncompressed) if self.uncompressed is not None else "not known before the pull"
        lines.append(f"uncompressed: {on_disk}")
        return self.text(lines)


async def estimate_pull_size(
    sources: Sources, access: Access, ref: Reference, platform: Platform | None, present: Sequence[Reference]
) -> PullSize:
    """Layers only: manifests and configuration add a few kilobytes.

    The layers of ``present`` are those of the same platform.
    """
    seen = Provenance()
    image = await read_image(sources, access, ref, platform, seen)
    layers = distinct_layers(image)
    here = await _present_digests(sources, access, present, image.platform, seen)
    missing = [layer for layer in layers.values() if layer.digest not in here]
    if image.manifest.has_foreign_layers:
        seen.warn("Some layers are kept outside the registry; they are counted by the size the manifest says.")
    size = total_size(layers.values())
    to_pull = total_size(missing)
    return PullSize(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(image.platform),
        digest=image.manifest.digest,
        size=size,
        present=size - to_pull,
        to_pull=to_pull,
        layers=len(layers),
        layers_present=len(layers) - len(missing),
        uncompressed=uncompressed_size(image.manifest.layers),
    )


def distinct_layers(image: Image) -> Mapping[str, Descriptor]:
    """Layers by digest: one that occurs twice is transferred and kept once."""
    return {layer.digest: layer for layer in image.manifest.layers}


def total_size(layers: Iterable[Descriptor]) -> int:
    """Compressed bytes."""
    return sum(layer.size for layer in layers)


def uncompressed_size(layers: Sequence[Descriptor]) -> int | None:
    """Bytes of all layers unpacked; None unless every layer is stored as plain tar or states its size."""
    total = 0
    for layer in layers:
        stated = layer.annotations.get(_UNCOMPRESSED_SIZE, "")
        if layer.media_type.endswith(_PLAIN_TAR):
            total += layer.size
        elif stated.isascii() and stated.isdigit() and len(stated) < 16:
            total += int(stated)
        else:
            return None
    return total


async def _present_digests(
    sources: Sources, access: Access, present: Sequence[Reference], platform: Platform, seen: Provenance
) -> frozenset[str]:
    async def read(ref: Reference) -> Image | DockerHubError:
        try:
            return await read_image(sources, access, ref, platform, seen)
        except DockerHubError as error:
            return error

    here: set[str] = set()
    for ref, found in zip(present, await for_each(present, read), strict=True):
        if isinstance(found, DockerHubError):
            seen.warn(f"{ref.familiar} is counted as not present: {found.message}")
        else:
            here.update(distinct_layers(found))
    return frozenset(here)
