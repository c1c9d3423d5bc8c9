"""The ``ChangeFinder`` of docker_compare_images: both images scanned, and what only one of them has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.images.changes import ChangedVulnerability, VulnerabilityChanges
from mcp_dockerhub.images.reading import task_group
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, ScanReport
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image

MAX_LISTED: Final = 50
"""Vulnerabilities of each side."""
_MAX_PACKAGES: Final = 5


@dataclass(frozen=True, slots=True)
class Changes:
    """Scans for one caller."""

    chain: SupplyChain
    access: Access

    async def __call__(
        self, ref1: Reference, ref2: Reference, platform: Platform | None, seen: Provenance
    ) -> VulnerabilityChanges:
        async with task_group() as group:
            first = group.create_task(scan_image(self.chain, self.access, ref1, platform))
            second = group.create_task(scan_image(self.chain, self.access, ref2, platform))
        one, two = first.result(), second.result()
        for report in (one, two):
            seen.add(report.source, report.fetched_at or datetime.now(UTC))
            seen.warn(*report.warnings)
        return changes(one, two)


def changes(one: ScanReport, two: ScanReport) -> VulnerabilityChanges:
    """By vulnerability, whatever the versions: a package that moved and is still vulnerable has not changed."""
    first, second = _by_id(one), _by_id(two)
    gone = [findings for name, findings in first.items() if name not in second]
    new = [findings for name, findings in second.items() if name not in first]
    reasons = [f"{report.image.familiar}: {reason}" for report in (one, two) for reason in report.incomplete_because]
    return VulnerabilityChanges(
        only_image1=[_row(findings) for findings in gone[:MAX_LISTED]],
        only_image2=[_row(findings) for findings in new[:MAX_LISTED]],
        total1=len(gone),
        total2=len(new),
        both=len(first.keys() & second.keys()),
        complete=one.complete and two.complete,
        incomplete_because=reasons,
    )


def _by_id(report: ScanReport) -> Mapping[str, list[Finding]]:
    """Most urgent first, as the report has them."""
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(finding.id, []).append(finding)
    return found


def _row(findings: list[Finding]) -> ChangedVulnerability:
    packages = dict.fromkeys(f"{finding.package.name} {finding.package.version}" for finding in findings)
    return ChangedVulnerability(
        id=findings[0].id,
        severity=findings[0].severity,
        packages=list(packages)[:_MAX_PACKAGES],
        exploited=any(finding.known_exploited for finding in findings),
    )
