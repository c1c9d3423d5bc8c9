"""docker_get_sbom: what is in an image."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.answers import MAX_WRITTEN, Sbom, SbomDocument, SbomGap, SbomPackage
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.inventory import Inventory, Origin, inventory
from mcp_dockerhub.supply_chain.packages import Package, PackageSet
from mcp_dockerhub.supply_chain.sbom.writing import Subject
from mcp_dockerhub.supply_chain.vocabulary import Format

MAX_COUNTED: Final = 30
_MAX_GAPS: Final = 30
_OPERATORS: Final = re.compile(r" (?:AND|OR|WITH) | ?, ?")
"""Between licenses, in text whose spaces are single ones: looked for among many, each would be tried from each."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which packages are wanted; all that are given must fit."""

    name: str = ""
    """Part of the name, in any case."""
    type: str = ""
    """Package URL type."""
    license: str = ""
    """Part of a license, in any case."""

    def __bool__(self) -> bool:
        return bool(self.name or self.type or self.license)

    def fits(self, package: Package) -> bool:
        if self.type and package.type != self.type.lower():
            return False
        if self.name and self.name.lower() not in package.name.lower():
            return False
        return not self.license or any(self.license.lower() in entry.lower() for entry in package.licenses)

    def __str__(self) -> str:
        pairs = (("name", self.name), ("type", self.type), ("license", self.license))
        return ", ".join(f"{name} {value!r}" for name, value in pairs if value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the answer is to look."""

    format: Format = "summary"
    filters: Filters = Filters()
    limit: int = 100
    page: int = 1


async def image_sbom(
    chain: SupplyChain, access: Access, ref: Reference, platform: Platform | None, wanted: Wanted
) -> Sbom:
    """The packages of one platform's image, from an attached SBOM or else from its layers.

    Raises NotFound without either, UpstreamInvalid for a damaged or foreign document, TooLarge for one that is too
    large to hand out.
    """
    seen = Provenance()
    found = await inventory(chain.sources, access, ref, platform, seen, chain.cataloguer)
    matching = tuple(filter(wanted.filters.fits, found.packages.packages))
    content = await asyncio.to_thread(_written, found, matching, wanted, seen) if _is_document(wanted) else None
    return _answer(ref, found, matching, wanted, seen, content)


def _is_document(wanted: Wanted) -> bool:
    return wanted.format in ("spdx", "cyclonedx")


def _written(found: Inventory, matching: tuple[Package, ...], wanted: Wanted, seen: Provenance) -> str:
    packages, target = found.packages, found.target
    subject = Subject(
        ref=target.named,
        digest=target.manifest,
        platform=target.platform,
        packages=matching,
        distro=packages.distro,
        coverage=packages.coverage,
        written=packages.created or seen.fetched_at or datetime.now(UTC),
        note=_note(found, wanted.filters),
    )
    content = _writer(wanted.format)(subject)
    if len(content) > MAX_WRITTEN:
        raise TooLarge(
            f"The document has {len(content)} characters; at most {MAX_WRITTEN} are handed out.",
            hint="Filter by name, type or license, or page through the packages.",
        )
    return content


def _writer(name: Format) -> Callable[[Subject], str]:
    if name == "spdx":
        from mcp_dockerhub.supply_chain.sbom.spdx_writer import write_spdx

        return write_spdx
    from mcp_dockerhub.supply_chain.sbom.cyclonedx_writer import write_cyclonedx

    return write_cyclonedx


def _note(found: Inventory, filters: Filters) -> str:
    origin = found.origin
    source = f"the document {origin.document} attached to the image" if origin else "the image's layers"
    only = f" Only packages that fit these filters: {filters}." if filters else ""
    gaps = found.packages.coverage.gaps
    missing = f" Not covered: {'; '.join(gap.what for gap in gaps[:_MAX_GAPS])}." if gaps else ""
    return f"Packages as read from {source}.{only}{missing}"


def _answer(
    ref: Reference,
    found: Inventory,
    matching: Sequence[Package],
    wanted: Wanted,
    seen: Provenance,
    content: str | None,
) -> Sbom:
    packages = found.packages
    licenses = Counter(name for package in matching for name in license_names(package))
    pages = max(1, math.ceil(len(matching) / wanted.limit))
    gaps = _gaps(packages, seen)  # first: it may warn
    return Sbom(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(found.target.platform),
        manifest=found.target.manifest,
        found=packages.found,
        document=_document(found.origin, packages) if found.origin else None,
        tools=list(packages.tools),
        created=packages.created,
        distribution=_distribution(packages),
        total=len(packages.packages),
        matched=len(matching),
        types=dict(Counter(package.type or "unknown" for package in matching).most_common(MAX_COUNTED)),
        licenses=dict(licenses.most_common(MAX_COUNTED)),
        unlicensed=sum(not package.licenses for package in matching),
        page=wanted.page,
        pages=pages,
        packages=_page(matching, wanted) if wanted.format == "packages" else [],
        content=content,
        gaps=gaps,
    )


def license_names(package: Package) -> set[str]:
    """The single licenses of a package, out of whatever expressions they are in."""
    return {name.strip("() ") for entry in package.licenses for name in _OPERATORS.split(" ".join(entry.split()))}


def _page(matching: Sequence[Package], wanted: Wanted) -> list[SbomPackage]:
    start = (wanted.page - 1) * wanted.limit
    return [_row(package) for package in matching[start : start + wanted.limit]]


def _row(package: Package) -> SbomPackage:
    return SbomPackage(
        name=package.name,
        version=package.version,
        type=package.type,
        purl=package.purl,
        licenses=list(package.licenses),
        location=package.location,
        layer=package.layer,
        source_package=package.source_name or None,
    )


def _document(origin: Origin, packages: PackageSet) -> SbomDocument:
    return SbomDocument(
        where=origin.where,
        digest=origin.document,
        carrier=origin.carrier,
        size=origin.size,
        format=packages.format,
        predicate_type=origin.predicate_type or None,
        signed=origin.enveloped,
    )


def _distribution(packages: PackageSet) -> str | None:
    distro = packages.distro
    return (distro.name or f"{distro.id} {distro.version_id}".strip()) if distro else None


def _gaps(packages: PackageSet, seen: Provenance) -> list[SbomGap]:
    gaps = packages.coverage.gaps
    if len(gaps) > _MAX_GAPS:
        seen.warn(f"Only {_MAX_GAPS} of {len(gaps)} gaps in the coverage are listed.")
    return [
        SbomGap(kind=gap.kind, what=gap.what, count=gap.count, evidence=list(gap.evidence[:5]))
        for gap in gaps[:_MAX_GAPS]
    ]
