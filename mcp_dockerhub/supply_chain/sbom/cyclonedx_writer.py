"""Packages as a CycloneDX 1.6 document in JSON (ECMA-424)."""

from typing import TYPE_CHECKING, Final

from mcp_dockerhub.supply_chain.packages import Distro, Package
from mcp_dockerhub.supply_chain.sbom.licenses import is_expression
from mcp_dockerhub.supply_chain.sbom.writing import TOOL, VERSION, Subject
from mcp_dockerhub_security.sanitize import clean_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License
    from packageurl import PackageURL

_LOCATION: Final = f"{TOOL}:location"
_LAYER: Final = f"{TOOL}:layer"
_NOTE: Final = f"{TOOL}:note"


def write_cyclonedx(subject: Subject) -> str:
    """The document, in ASCII. The library is loaded here: it costs a server that never writes one nothing."""
    return serialized(bom_of(subject))


def serialized(bom: "Bom") -> str:
    """A document as text, in ASCII."""
    from cyclonedx.output.json import JsonV1Dot6

    return JsonV1Dot6(bom).output_as_string().encode("ascii", "backslashreplace").decode()


def package_reference(place: int) -> str:
    """How the document refers to the package at ``place`` of its subject."""
    return f"package-{place}"


def bom_of(subject: Subject) -> "Bom":
    """The document as the library's object, for whoever has more to say in it."""
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    tool = Component(name=TOOL, version=VERSION, type=ComponentType.APPLICATION)
    image = _image(subject)
    metadata = BomMetaData(
        timestamp=subject.written,
        component=image,
        tools=ToolRepository(components=[tool]),
        properties=[Property(name=_NOTE, value=subject.note)],
    )
    components = [_component(package, package_reference(place)) for place, package in enumerate(subject.packages)]
    if subject.distro:
        components.append(_system(subject.distro))
    bom = Bom(serial_number=subject.identifier, metadata=metadata, components=components)
    bom.register_dependency(image, components)
    return bom


def _component(package: Package, reference: str) -> "Component":
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        name=_clean(package.name),
        version=_clean(package.version) or None,
        type=ComponentType.LIBRARY,
        bom_ref=reference,
        purl=_purl(package),
        licenses=list(_licenses(package)),
        properties=list(_properties(package)),
    )


def _licenses(package: Package) -> "Iterator[License]":
    """An expression stands alone in CycloneDX: of several, those that are no identifier become names."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import is_supported_id

    licenses = tuple(filter(None, map(_clean, package.licenses)))
    if len(licenses) == 1 and not is_supported_id(licenses[0]) and is_expression(licenses[0]):
        yield LicenseExpression(licenses[0])
        return
    for entry in dict.fromkeys(licenses):
        yield DisjunctiveLicense(id=entry) if is_supported_id(entry) else DisjunctiveLicense(name=entry)


def _properties(package: Package) -> "Iterator[Property]":
    from cyclonedx.model import Property

    if package.location:
        yield Property(name=_LOCATION, value=_clean(package.location))
    if package.layer:
        yield Property(name=_LAYER, value=package.layer)


def _purl(package: Package) -> "PackageURL | None":
    from packageurl import PackageURL

    try:
        return PackageURL.from_string(_clean(package.purl)) if package.purl else None
    except ValueError:
        return None


def _image(subject: Subject) -> "Component":
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return Component(
        name=subject.ref.familiar,
        version=subject.digest,
        type=ComponentType.CONTAINER,
        bom_ref="image",
        purl=PackageURL.from_string(subject.purl),
    )


def _system(distro: Distro) -> "Component":
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        name=_clean(distro.id) or "unknown",
        version=_clean(distro.version_id) or None,
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="operating-system",
    )


def _clean(text: str) -> str:
    return clean_identifier(text, 2048)
