"""SPDX 2.2 and 2.3 JSON (SPDX specification, clauses 6 to 11) into packages."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.registry.fields import moment
from mcp_dockerhub.supply_chain.json_walk import JsonWalk
from mcp_dockerhub.supply_chain.packages import Coverage, PackageSet
from mcp_dockerhub.supply_chain.sbom.building import Collector, layer_of, listed, said, text

if TYPE_CHECKING:
    from datetime import datetime

VERSIONS: Final = frozenset({"SPDX-2.2", "SPDX-2.3"})
_EVIDENT: Final = "evident-by"
"""Comment of the relationships by which syft says which file shows that a package is there."""
_LAYER_COMMENT: Final = re.compile(r"layerID:\s*(sha256:[0-9a-f]{64})")
# By syft, and by ourselves.
_FOUND_IN: Final = re.compile(r"^(?:acquired package info from [^:]{1,200}:|found at) (/[^,]{1,900})")
_TOOL: Final = "Tool: "
_MAX_TOOLS: Final = 10


class _Reading:
    """One document being read."""

    def __init__(self, walk: JsonWalk) -> None:
        self.walk = walk
        self.version = ""
        self.name = ""
        self.created: datetime | None = None
        self.tools: tuple[str, ...] = ()
        self.files_at: int | None = None
        self.described: set[str] = set()
        self.extracted: dict[str, str] = {}
        self.evidence: dict[str, str] = {}
        """Files by the packages they are evidence of, SPDX identifiers both."""
        self.places: dict[str, int] = {}
        """Place among the packages by SPDX identifier."""
        self.collector = Collector()

    def read(self, position: int) -> int:
        return self.walk.members(
            position,
            {
                "spdxVersion": self._version,
                "name": self._name,
                "creationInfo": self._creation,
                "documentDescribes": lambda at: self.walk.elements(at, lambda item: self.described.add(text(item))),
                "packages": lambda at: self.walk.every(at, self._package),
                "files": self._files,
                "relationships": lambda at: self.walk.elements(at, self._relationship),
                "hasExtractedLicensingInfos": lambda at: self.walk.elements(at, self._license),
            },
        )

    def _version(self, position: int) -> int:
        value, end = self.walk.value(position)
        self.version = text(value)
        if self.version not in VERSIONS:
            raise Unsupported(f"{self.walk.what} is not SPDX 2.2 or 2.3, which are the versions read here.")
        return end

    def _name(self, position: int) -> int:
        value, end = self.walk.value(position)
        self.name = text(value)
        return end

    def _creation(self, position: int) -> int:
        value, end = self.walk.value(position)
        if isinstance(value, dict):
            self.created = moment(value, "created")
            made_by = [text(entry) for entry in listed(value.get("creators"))]
            tools = [entry.removeprefix(_TOOL) for entry in made_by if entry.startswith(_TOOL)]
            self.tools = tuple(tools[:_MAX_TOOLS])
        return end

    def _files(self, position: int) -> int:
        self.files_at = position
        return self.walk.elements(position, lambda _: None)

    def _package(self, entry: Any) -> None:
        if not isinstance(entry, dict):
            self.collector.unnamed()
            return
        identifier, purl = text(entry.get("SPDXID")), _purl(entry)
        if _is_root(entry, identifier):
            return
        found = _FOUND_IN.match(text(entry.get("sourceInfo")))
        place = self.collector.add(
            name=said(entry.get("name")),
            version=said(entry.get("versionInfo")),
            purl=purl,
            licenses=_licenses(entry),
            location=found[1] if found else "",
            layer=_layer(entry),
            identifier=identifier,
        )
        if place is not None:
            self.places[identifier] = place

    def _relationship(self, entry: Any) -> None:
        if not isinstance(entry, dict):
            return
        one, other = entry.get("spdxElementId"), entry.get("relatedSpdxElement")
        if not isinstance(one, str) or not isinstance(other, str):
            return
        if entry.get("relationshipType") == "DESCRIBES":
            self.described.add(other)
        elif text(entry.get("comment")).startswith(_EVIDENT):
            self.evidence.setdefault(one, other)

    def _license(self, entry: Any) -> None:
        if isinstance(entry, dict) and said(entry.get("name")):
            self.extracted[text(entry.get("licenseId"))] = said(entry.get("name"))

    def locate(self) -> None:
        """Second pass, over the files only: where the evidence of each package lies, and in which layer."""
        if self.files_at is None or not self.evidence:
            return
        wanted: dict[str, list[int]] = {}
        for identifier, file in self.evidence.items():
            if identifier in self.places:
                wanted.setdefault(file, []).append(self.places[identifier])

        def look(entry: Any) -> None:
            for place in wanted.get(text(entry.get("SPDXID")), ()) if isinstance(entry, dict) else ():
                package = self.collector.packages[place]
                path = text(entry.get("fileName"))
                location = path if path.startswith("/") else f"/{path}" if path else package.location
                self.collector.packages[place] = replace(package, location=location, layer=_layer(entry))

        self.walk.elements(self.files_at, look)


def read_spdx(walk: JsonWalk, position: int) -> PackageSet:
    """The packages of the document at ``position``.

    Raises UpstreamInvalid where it is no JSON, Unsupported for other versions of SPDX.
    """
    reading = _Reading(walk)
    reading.read(position)
    if not reading.version:
        raise Unsupported(f"{walk.what} does not say which version of SPDX it is.")
    reading.locate()
    return PackageSet(
        packages=tuple(_named(reading)),
        found="attestation",
        distro=reading.collector.distro(),
        tools=reading.tools,
        created=reading.created,
        name=reading.name,
        format=reading.version,
        coverage=Coverage(tuple(reading.collector.gaps())),
    )


def _named(reading: _Reading) -> list[Any]:
    """The packages with the document's own names for licenses that are on no list."""
    names = reading.extracted
    if not names:
        return reading.collector.packages
    return [
        replace(package, licenses=tuple(names.get(entry, entry) for entry in package.licenses))
        if any(entry in names for entry in package.licenses)
        else package
        for package in reading.collector.packages
    ]


def _is_root(entry: dict[str, Any], identifier: str) -> bool:
    """Whether it stands for the image or folder itself, or for its operating system, which is no package in it."""
    if identifier.startswith("SPDXRef-DocumentRoot-"):
        return True
    return text(entry.get("primaryPackagePurpose")) in ("CONTAINER", "OPERATING-SYSTEM", "OPERATING_SYSTEM")


def _purl(entry: dict[str, Any]) -> str:
    for reference in listed(entry.get("externalRefs")):
        if isinstance(reference, dict) and reference.get("referenceType") == "purl":
            return text(reference.get("referenceLocator"))
    return ""


def _licenses(entry: dict[str, Any]) -> list[str]:
    """What was concluded, else what is declared."""
    found = said(entry.get("licenseConcluded")) or said(entry.get("licenseDeclared"))
    return [found] if found else []


def _layer(entry: dict[str, Any]) -> str | None:
    match = _LAYER_COMMENT.search(text(entry.get("comment")))
    return layer_of(match[1]) if match else None
