"""What an image says about the base it was built on (OCI image-spec annotations.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mcp_dockerhub.registry.models import Image

BASE_NAME: Final = "org.opencontainers.image.base.name"
BASE_DIGEST: Final = "org.opencontainers.image.base.digest"

Where = Literal["annotation", "label"]


@dataclass(frozen=True, slots=True)
class StatedBase:
    """A base image by somebody's word: text to be parsed, and checked, before it is believed."""

    name: str
    digest: str
    """Of the base's index or manifest when the image was built; empty where it is not said."""
    where: Where
    """Labels are inherited from the base, so a label may speak of the base's own base."""


def stated_base(image: Image) -> StatedBase | None:
    """The base by the manifest's annotations, else the index's, else the image's labels."""
    for where, said in _places(image):
        name = said.get(BASE_NAME, "").strip()
        if name:
            return StatedBase(name, said.get(BASE_DIGEST, "").strip(), where)
    return None


def _places(image: Image) -> Iterator[tuple[Where, Mapping[str, str]]]:
    yield "annotation", image.manifest.annotations
    if image.index:
        for child in image.index.manifests:
            if child.digest == image.manifest.digest:
                yield "annotation", child.annotations
        yield "annotation", image.index.annotations
    yield "label", image.config.labels
