"""docker_get_vulnerabilities: a report, filtered, page by page."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import MAX_WARNINGS
from mcp_dockerhub.supply_chain.advisories.model import SEVERITIES, Progress
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.packages import Distro, Package
from mcp_dockerhub.supply_chain.vulnerabilities.answers import (
    ScanCoverage,
    UnmatchedRow,
    Vulnerabilities,
    VulnerabilityRow,
)
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, ScanReport, VexMark
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image

Threshold = Literal["critical", "high", "medium", "low"]

MAX_GAPS: Final = 50
MAX_REFERENCES: Final = 4
MAX_NAMES: Final = 12
# What says most first: the advisory itself, then the fix.
_KINDS: Final = ("ADVISORY", "FIX")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings are wanted; all that are given must fit."""

    min_severity: Threshold | None = None
    only_fixable: bool = False
    package: str = ""
    """Part of the name of a package or its source package, in any case."""
    limit: int = 25
    page: int = 1

    def fits(self, finding: Finding) -> bool:
        """What is known to be exploited is never too harmless."""
        if self.only_fixable and not finding.fixable:
            return False
        if self.package and not any(map(self.names, finding.packages)):
            return False
        if self.min_severity is None or finding.known_exploited:
            return True
        return SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.min_severity)

    def names(self, package: Package) -> bool:
        """Whether ``package`` is one of those that are wanted by name."""
        return any(self.package.lower() in name.lower() for name in (package.name, package.source_name))


async def image_vulnerabilities(
    chain: SupplyChain,
    access: Access,
    ref: Reference,
    platform: Platform | None,
    wanted: Wanted,
    progress: Progress | None = None,
) -> Vulnerabilities:
    """The known vulnerabilities of one platform's image; raises as ``scan_image`` does."""
    return listed(await scan_image(chain, access, ref, platform, progress=progress), wanted)


def listed(report: ScanReport, wanted: Wanted) -> Vulnerabilities:
    """One page of what a report holds."""
    fitting = [finding for finding in report.findings if wanted.fits(finding)]
    start = (wanted.page - 1) * wanted.limit
    base = report.base
    return Vulnerabilities(
        source=report.source,
        fetched_at=report.fetched_at,
        warnings=_warnings(report, wanted),
        image=report.image.familiar,
        platform=str(report.platform),
        manifest=report.manifest,
        complete=report.complete,
        incomplete_because=list(report.incomplete_because),
        distribution=_distribution(report.distro),
        base=base.image if base else None,
        counts={severity: count for severity, count in report.counts.items() if count},
        exploited=sum(finding.known_exploited is not None for finding in report.findings),
        total=len(fitting),
        vex=sum(finding.harmless for finding in report.findings),
        page=wanted.page,
        pages=max(1, math.ceil(len(fitting) / wanted.limit)),
        findings=[_row(finding) for finding in fitting[start : start + wanted.limit]],
        coverage=_coverage(report),
    )


def _warnings(report: ScanReport, wanted: Wanted) -> list[str]:
    said = []
    unrated = sum(finding.severity == "unknown" and not wanted.fits(finding) for finding in report.findings)
    if wanted.min_severity and unrated:
        said.append(
            f"{render.counted(unrated, 'finding')} that nobody has rated may be as severe, and not listed here."
        )
    if wanted.package and not any(wanted.names(package) for package in report.packages):
        said.append("No package that was found in the image has that in its name: nothing is known about it.")
    hidden = len(report.unmatched) - MAX_GAPS
    if hidden > 0:
        said.append(f"{hidden} more kinds of things that could not be matched are not listed.")
    return [*said, *report.warnings][:MAX_WARNINGS]


def _coverage(report: ScanReport) -> ScanCoverage:
    document = report.sbom.document
    return ScanCoverage(
        found=report.sbom.found,
        document=document.document if document else None,
        packages=len(report.packages),
        matched=report.matched,
        unmatched=[
            UnmatchedRow(what=entry.what, reason=entry.reason, count=entry.count, evidence=list(entry.evidence))
            for entry in report.unmatched[:MAX_GAPS]
        ],
        database=report.database.name,
        updated=report.database.updated,
        not_known=[feed.name for feed in report.feeds if not feed.available],
    )


def _row(finding: Finding) -> VulnerabilityRow:
    rating, vex, package = finding.rating, finding.vex, finding.package
    return VulnerabilityRow(
        id=finding.id,
        aliases=list(finding.aliases[:MAX_NAMES]),
        packages=list(dict.fromkeys(entry.name for entry in finding.packages))[:MAX_NAMES],
        version=package.version,
        source_package=finding.source_package or None,
        location=package.location,
        severity=finding.severity,
        score=rating.score if rating else None,
        rated_by=rating.by if rating else "",
        fixed=list(finding.fixed[:MAX_NAMES]),
        exploited_since=finding.known_exploited.added if finding.known_exploited else None,
        epss=finding.epss.score if finding.epss else None,
        in_base=finding.in_base,
        layer=finding.layer,
        vex=vex.status if vex else None,
        vex_reason=_reason(vex),
        why=finding.why,
        summary=finding.summary,
        references=_references(finding),
    )


def _reason(vex: VexMark | None) -> str | None:
    if vex is None:
        return None
    said = ": ".join(filter(None, (vex.justification.replace("_", " "), vex.statement)))
    return f"{said} ({vex.author or 'unnamed author'}, {vex.source}; signature not checked)"


def _references(finding: Finding) -> list[str]:
    first = sorted(finding.references, key=lambda link: _KINDS.index(link.kind) if link.kind in _KINDS else len(_KINDS))
    return [link.url for link in first[:MAX_REFERENCES]]


def _distribution(distro: Distro | None) -> str | None:
    return (distro.name or f"{distro.id} {distro.version_id}".strip()) if distro else None
