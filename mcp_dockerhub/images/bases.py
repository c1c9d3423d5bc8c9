"""What an image says about the base it was built on (OCI image-spec annotations.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance

BASE_NAME: Final = "org.opencontainers.image.base.name"
BASE_DIGEST: Final = "org.opencontainers.image.base.digest"

Where = Literal["annotation", "label", "provenance", "dockerfile", "layers"]
Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True)
class StatedBase:
    """A base image by somebody's word: text to be parsed, and checked, before it is believed."""

    name: str
    digest: str
    """Of the base's index or manifest when the image was built; empty where it is not said."""
    where: Where
    """Labels are inherited from the base, so a label may speak of the base's own base."""
    confidence: Confidence = "medium"
    evidence: tuple[str, ...] = ()
    """Why it is taken for the base beyond what ``where`` says, a sentence each."""

    @property
    def pinned(self) -> str:
        """The name with the digest, where it is known."""
        name = "".join(self.name.split())
        return f"{name}@{self.digest}" if self.digest and "@" not in name else name


class BaseFinder(Protocol):
    """Finds the base of an image. Those that know more than the image's own words are composed above this package."""

    async def __call__(self, ref: Reference, image: Image, seen: Provenance) -> StatedBase | None:
        """None where nothing is known; what could not be read becomes a warning."""


async def by_own_words(ref: Reference, image: Image, seen: Provenance) -> StatedBase | None:
    """The ``BaseFinder`` that asks nobody but the image."""
    return stated_base(image)


def stated_base(image: Image) -> StatedBase | None:
    """The base by the manifest's annotations, else the index's, else the image's labels."""
    for where, said in _places(image):
        name = said.get(BASE_NAME, "").strip()
        if name:
            confidence: Confidence = "low" if where == "label" else "medium"
            return StatedBase(name, said.get(BASE_DIGEST, "").strip(), where, confidence)
    return None


def _places(image: Image) -> Iterator[tuple[Where, Mapping[str, str]]]:
    yield "annotation", image.manifest.annotations
    if image.index:
        for child in image.index.manifests:
            if child.digest == image.manifest.digest:
                yield "annotation", child.annotations
        yield "annotation", image.index.annotations
    yield "label", image.config.labels
