"""The image and its packages as the SBOM writers want them."""

from datetime import UTC, datetime

from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.judging import Verdict
from mcp_dockerhub.supply_chain.packages import Coverage, Package
from mcp_dockerhub.supply_chain.sbom.writing import Subject

Place = tuple[str, str, str, str]


def place_of(package: Package) -> Place:
    """What makes a package of a finding the same as one of the image."""
    return (*package.identity, package.location)


def subject(verdict: Verdict) -> Subject:
    """What such a document is about."""
    report = verdict.report
    gaps = "; ".join(f"{gap.count} x {gap.what}: {gap.reason}" for gap in report.unmatched)
    parts = [
        f"Image {verdict.asked}; {words.sbom(report)}; vulnerabilities by {words.database(report)}.",
        words.conclusion(verdict),
        "" if report.complete else f"NOT COMPLETE: {' '.join(report.incomplete_because)}",
        f"Not compared with advisories: {gaps}." if gaps else "",
    ]
    return Subject(
        ref=report.image,
        digest=report.manifest,
        platform=report.platform,
        packages=report.packages,
        distro=report.distro,
        coverage=Coverage(),
        written=datetime.now(UTC),
        note=words.clean(" ".join(filter(None, parts)), 4096),
    )
