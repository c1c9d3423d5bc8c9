"""CycloneDX 1.4 to 1.6 JSON (ECMA-424) into packages."""

from typing import TYPE_CHECKING, Any, Final

from mcp_dockerhub.errors import TooLarge, Unsupported
from mcp_dockerhub.registry.fields import moment
from mcp_dockerhub.supply_chain.json_walk import JsonWalk
from mcp_dockerhub.supply_chain.packages import Coverage, Distro, Gap, GapKind, PackageSet
from mcp_dockerhub.supply_chain.sbom.building import Collector, layer_of, listed, said, text

if TYPE_CHECKING:
    from datetime import datetime

VERSIONS: Final = frozenset({"1.4", "1.5", "1.6"})
MAX_DEPTH: Final = 16
"""Components within components."""
_NOT_PACKAGES: Final = frozenset({"file", "operating-system", "container", "device", "firmware", "data"})
_PATHS: Final = ("syft:location:0:path", "aquasecurity:trivy:FilePath")
_LAYERS: Final = ("syft:location:0:layerID", "aquasecurity:trivy:LayerDigest", "aquasecurity:trivy:LayerDiffID")
_SOURCES: Final = ("aquasecurity:trivy:SrcName", "aquasecurity:trivy:SrcVersion")
_MAX_TOOLS: Final = 10
_PARTIAL: Final = frozenset({"incomplete", "incomplete_first_party_only", "incomplete_third_party_only"})


class _Reading:
    """One document being read."""

    def __init__(self, walk: JsonWalk) -> None:
        self.walk = walk
        self.version = ""
        self.created: datetime | None = None
        self.tools: tuple[str, ...] = ()
        self.distro: Distro | None = None
        self.partial = 0
        self.collector = Collector()

    def read(self, position: int) -> int:
        return self.walk.members(
            position,
            {
                "specVersion": self._version,
                "metadata": self._metadata,
                "components": lambda at: self.walk.every(at, lambda entry: self._component(entry, 1)),
                "compositions": lambda at: self.walk.elements(at, self._composition),
            },
        )

    def _version(self, position: int) -> int:
        value, end = self.walk.value(position)
        self.version = text(value)
        if self.version not in VERSIONS:
            raise Unsupported(f"{self.walk.what} is not CycloneDX 1.4 to 1.6, which are the versions read here.")
        return end

    def _metadata(self, position: int) -> int:
        value, end = self.walk.value(position)
        if isinstance(value, dict):
            self.created = moment(value, "timestamp")
            tools = value.get("tools")
            entries = listed(tools.get("components")) if isinstance(tools, dict) else listed(tools)
            named = ((text(entry.get("name")), text(entry.get("version"))) for entry in entries if _is_object(entry))
            self.tools = tuple("-".join(part for part in pair if part) for pair in named)[:_MAX_TOOLS]
        return end

    def _component(self, entry: Any, depth: int) -> None:
        if not isinstance(entry, dict):
            self.collector.unnamed()
            return
        if depth > MAX_DEPTH:
            raise TooLarge(f"{self.walk.what} has components nested more than {MAX_DEPTH} deep.")
        kind = entry.get("type")
        if kind == "operating-system":
            self.distro = Distro(said(entry.get("name")).lower(), said(entry.get("version")))
        elif kind not in _NOT_PACKAGES:
            self._package(entry)
        for part in listed(entry.get("components")):
            self._component(part, depth + 1)

    def _package(self, entry: dict[str, Any]) -> None:
        properties = {
            text(item.get("name")): item.get("value") for item in listed(entry.get("properties")) if _is_object(item)
        }
        group, name = said(entry.get("group")), said(entry.get("name"))
        self.collector.add(
            name=f"{group}/{name}" if group and name else name,
            version=said(entry.get("version")),
            purl=text(entry.get("purl")),
            licenses=_licenses(entry),
            location=_rooted(_first(properties, _PATHS)),
            layer=layer_of(_first(properties, _LAYERS)),
            identifier=text(entry.get("bom-ref")),
            source=(text(properties.get(_SOURCES[0])), text(properties.get(_SOURCES[1]))),
        )

    def _composition(self, entry: Any) -> None:
        if isinstance(entry, dict) and entry.get("aggregate") in _PARTIAL:
            self.partial += 1


def read_cyclonedx(walk: JsonWalk, position: int) -> PackageSet:
    """The packages of the document at ``position``.

    Raises UpstreamInvalid where it is no JSON, Unsupported for other versions of CycloneDX.
    """
    reading = _Reading(walk)
    reading.read(position)
    if not reading.version:
        raise Unsupported(f"{walk.what} does not say which version of CycloneDX it is.")
    gaps = reading.collector.gaps()
    if reading.partial:
        gaps.append(Gap(GapKind.SCOPE, "parts the document itself calls incomplete", count=reading.partial))
    return PackageSet(
        packages=tuple(reading.collector.packages),
        found="attestation",
        distro=reading.distro or reading.collector.distro(),
        tools=reading.tools,
        created=reading.created,
        format=f"CycloneDX {reading.version}",
        coverage=Coverage(tuple(gaps)),
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _first(properties: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((text(properties[name]) for name in names if name in properties), "")


def _rooted(path: str) -> str:
    return path if not path or path.startswith("/") else f"/{path}"


def _licenses(entry: dict[str, Any]) -> list[str]:
    """Identifiers, names and expressions, as the document has them."""
    found = []
    for choice in listed(entry.get("licenses")):
        if not isinstance(choice, dict):
            continue
        one = choice.get("license")
        if isinstance(one, dict):
            found.append(said(one.get("id")) or said(one.get("name")))
        else:
            found.append(said(choice.get("expression")))
    return [name for name in found if name]
