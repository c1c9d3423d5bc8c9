"""Which layers of an image are its base image's, and so which packages came with the base."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.images.base_updates import leading_match
from mcp_dockerhub.images.bases import StatedBase
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.base_images import Bases
from mcp_dockerhub.supply_chain.packages import Package, PackageSet
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScannedBase, ScannedLayer

_ONE_FILE: Final = frozenset({"deb", "apk", "rpm"})
"""Types whose packages are all listed in one file, which is written anew by whoever adds one: documents name the
layer of that file, which says nothing about the layer of a package unless it is the base's."""

_NOTHING: Final = "scratch"
"""What Dockerfiles call the absence of a base."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """An image's layers, as far as it is known whose they are."""

    base: ScannedBase | None = None
    layers: tuple[ScannedLayer, ...] = ()
    exact: bool = False
    """Whether packages name the layer that brought them, as our own cataloguer finds out."""
    _places: Mapping[str, int] = field(default_factory=dict, hash=False)

    def in_base(self, packages: Sequence[Package]) -> bool | None:
        """Whether all of ``packages`` came with the base; None where that is not known."""
        found = {self._one(package) for package in packages}
        if False in found:
            return False
        return None if None in found else True

    def topmost(self, packages: Sequence[Package]) -> str | None:
        """Of the layers that hold ``packages`` the last one."""
        known = [package.layer for package in packages if package.layer is not None]
        return max(known, key=lambda layer: self._places.get(layer, -1), default=None)

    def _one(self, package: Package) -> bool | None:
        place = self._places.get(package.layer or "")
        if place is None:
            return None
        known = self.layers[place].in_base
        if known is False and package.type in _ONE_FILE and not self.exact:
            return None
        return known


def attribution(image: Image | None, base: ScannedBase | None, found: PackageSet) -> Attribution:
    """Of an image whose base is ``base``; ``image`` is None where it could not be read."""
    if image is None:
        return Attribution()
    listed = image.manifest.layers
    layers = tuple(ScannedLayer(layer.digest, layer.size, _is_base(place, base)) for place, layer in enumerate(listed))
    # A layer that is there twice brought its files where it was last put on.
    places = {str(layer.digest): place for place, layer in enumerate(listed)}
    return Attribution(base, layers, found.found == "catalogue", places)


def _is_base(place: int, base: ScannedBase | None) -> bool | None:
    if base is None:
        return None
    if place < base.layers:
        return True
    return False if base.sure else None


async def scanned_base(
    sources: Sources, access: Access, ref: Reference, image: Image, seen: Provenance
) -> ScannedBase | None:
    """The base of ``image`` and how many layers it is; None where nothing names one, or not one it stands on.

    Raises what reading the base raises.
    """
    stated = await Bases(sources, access)(ref, image, seen)
    if stated is None:
        return None
    if stated.name.strip() == _NOTHING:
        # A label may be that of a base, which stands on nothing; all other words are the image's own.
        return None if stated.where == "label" else ScannedBase(_NOTHING, "", 0, sure=True)
    try:
        named = Reference.parse(stated.pinned)
    except InvalidInput:
        return None
    base = seen.take(await sources.registry.image(access, named, image.platform))
    return _compared(image, base, named, stated)


def _compared(image: Image, base: Image, named: Reference, stated: StatedBase) -> ScannedBase | None:
    """By the layers' unpacked content: bases are often compressed anew on the way."""
    shared = leading_match(image.config.diff_ids, base.config.diff_ids)
    if not shared or len(image.config.diff_ids) != len(image.manifest.layers):
        return None
    whole = shared == len(base.config.diff_ids)
    name = named.with_tag(named.tag).familiar if named.tag else named.familiar
    return ScannedBase(name, stated.digest, shared, whole)
