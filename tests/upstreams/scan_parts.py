"""Reports of scans made up for tests, without anything having been scanned."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.supply_chain.advisories.model import (
    DatabaseFacts,
    EpssScore,
    KevEntry,
    Rating,
    Severity,
)
from mcp_dockerhub.supply_chain.advisories.model import Reference as Link
from mcp_dockerhub.supply_chain.packages import Distro, Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import (
    FeedFacts,
    Finding,
    SbomSource,
    ScannedBase,
    ScannedLayer,
    ScanReport,
    UnmatchedPackages,
    VexMark,
)

BASE = f"sha256:{'b' * 64}"
OWN = f"sha256:{'c' * 64}"
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)

OPENSSL = Package(
    type="deb",
    name="libssl3",
    version="3.0.11-1~deb12u2",
    purl="pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12",
    licenses=("Apache-2.0",),
    location="/var/lib/dpkg/status",
    layer=BASE,
    source_name="openssl",
)
SETUPTOOLS = Package(
    type="pypi",
    name="setuptools",
    version="65.5.1",
    purl="pkg:pypi/setuptools@65.5.1",
    licenses=("MIT",),
    location="/usr/lib/python3.11/site-packages/setuptools-65.5.1.dist-info/METADATA",
    layer=OWN,
)
LODASH = Package(
    type="npm",
    name="@scope/lodash",
    version="4.17.20",
    purl="pkg:npm/%40scope/lodash@4.17.20",
    licenses=("GPL-3.0-only OR MIT",),
    location="/app/node_modules/@scope/lodash/package.json",
    layer=OWN,
)
QUIET = Package(type="golang", name="example.com/quiet", version="v1.0.0", location="/bin/quiet")


def rating(severity: Severity, score: float | None = None) -> Rating:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" if score else ""
    return Rating(severity, score, vector, "CVSS:3.1" if score else "Debian urgency")


def finding(identifier: str = "CVE-2024-0001", package: Package = OPENSSL, **changes: Any) -> Finding:
    """One finding; a high one with a fix unless told otherwise."""
    facts: dict[str, Any] = {
        "aliases": (),
        "fixed": ("3.0.15-1~deb12u1",),
        "rating": rating("high", 7.5),
        "layer": package.layer,
        "in_base": package.layer == BASE,
        "summary": f"A weakness in {package.name}",
        "references": (Link("WEB", "https://example.org/more"), Link("ADVISORY", f"https://example.org/{identifier}")),
        "published": WHEN,
        "modified": WHEN,
        "why": "high (7.5, CVSS:3.1); fixed in 3.0.15-1~deb12u1; in the base image",
    }
    return Finding(id=identifier, packages=(package,), **{**facts, **changes})


EXPLOITED = finding(
    "CVE-2024-6345",
    SETUPTOOLS,
    aliases=("GHSA-cx63-2mw6-8hw5", "PYSEC-2024-1"),
    fixed=("70.0.0",),
    rating=rating("critical", 9.8),
    known_exploited=KevEntry("CVE-2024-6345", date(2024, 8, 1), date(2024, 8, 22), ransomware=True),
    epss=EpssScore("CVE-2024-6345", 0.9412, 0.999),
    in_base=False,
)
PLAIN = finding()
UNFIXED = finding("CVE-2023-0002", LODASH, fixed=(), rating=rating("medium", 5.0), in_base=False)
UNRATED = finding("GHSA-aaaa-bbbb-cccc", LODASH, rating=None, in_base=None, references=(), summary="")
EXCUSED = finding(
    "CVE-2022-0003",
    rating=rating("negligible"),
    vex=VexMark("not_affected", "vulnerable_code_not_present", "The module is not built.", "Example", "vex.json", WHEN),
)
EVERYTHING = (EXPLOITED, PLAIN, UNFIXED, UNRATED, EXCUSED)

GAP = UnmatchedPackages("CPython", "No package database lists it.", 1, ("/usr/local/bin/python3.13",))


def report(*findings: Finding, complete: bool = True, **changes: Any) -> ScanReport:
    """A report of ``findings``, or of none."""
    facts: dict[str, Any] = {
        "image": Reference.parse("registry.test/team/app:1"),
        "platform": Platform("linux", "amd64"),
        "manifest": Digest(f"sha256:{'a' * 64}"),
        "sbom": SbomSource("catalogue"),
        "distro": Distro("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)"),
        "packages": (OPENSSL, SETUPTOOLS, LODASH, QUIET),
        "matched": 4 if complete else 3,
        "unmatched": () if complete else (GAP,),
        "incomplete_because": () if complete else ("CPython was compared with no advisory.",),
        "database": DatabaseFacts("OSV API (api.osv.dev)"),
        "feeds": (FeedFacts("CISA KEV", True, date(2026, 3, 1)), FeedFacts("EPSS", True, date(2026, 3, 1))),
        "base": ScannedBase("debian:12", BASE, 1, sure=True),
        "layers": (ScannedLayer(BASE, 29_000_000, in_base=True), ScannedLayer(OWN, 4_000_000, in_base=False)),
        "requests": 3,
    }
    return ScanReport(findings=findings, **{**facts, **changes})


def hostile(text: str) -> Finding:
    """A finding whose every word a publisher chose to be ``text``."""
    package = replace(SETUPTOOLS, name=text, version=text, location=text, purl=text, licenses=(text,))
    return finding(
        text,
        package,
        aliases=(text,),
        fixed=(text,),
        summary=text,
        why=text,
        references=(Link("ADVISORY", text), Link("WEB", f"https://example.org/{text}")),
        rating=Rating("high", 7.5, text, text),
        vex=VexMark("affected", text, text, text, text),
    )
