"""Reports made by hand, for what is shown of them."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.supply_chain.advisories.model import DatabaseFacts, EpssScore, KevEntry
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import FeedFacts, Finding, SbomSource, ScanReport
from mcp_dockerhub.supply_chain.vulnerabilities.priority import explained
from tests.upstreams.advisory_fakes import rated

EXPLOITED = KevEntry("CVE-1", date(2026, 2, 3))
LIKELY = EpssScore("CVE-1", 0.5, 0.9)


def package(name: str = "jinja2", version: str = "3.1.2", **more: Any) -> Package:
    return Package(type="pypi", name=name, version=version, purl=f"pkg:pypi/{name}@{version}", **more)


def finding(name: str, severity: Any = "high", **more: Any) -> Finding:
    made = Finding(**{"id": name, "packages": (package(),), "rating": rated(severity), **more})
    return replace(made, why=explained(made))


def report(*findings: Finding, **more: Any) -> ScanReport:
    found: dict[str, Any] = {
        "image": Reference.parse("ghcr.io/o/app:v1"),
        "platform": Platform.parse("linux/amd64"),
        "manifest": Digest.parse("sha256:" + "1" * 64),
        "sbom": SbomSource("catalogue"),
        "findings": findings,
        "packages": (package(),),
        "matched": 1,
        "unmatched": (),
        "incomplete_because": (),
        "database": DatabaseFacts("made-up database", datetime(2026, 3, 1, tzinfo=UTC)),
        "feeds": (FeedFacts("CISA KEV", available=True), FeedFacts("EPSS", available=False)),
    }
    return ScanReport(**{**found, **more})
