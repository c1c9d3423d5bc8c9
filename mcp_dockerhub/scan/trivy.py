"""Trivy in the built-in scanner's place: its JSON report (schema 2) as a ``ScanReport``.

Trivy uses its own database and does not say which packages it could not compare, so such a report is never called
complete. It gets the registry's credential, the user's ``TRIVY_…`` variables and the user's cache, nothing else.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.registry import fields
from mcp_dockerhub.registry.fields import Json
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.scan.target import Asked
from mcp_dockerhub.scan.workplace import Workplace
from mcp_dockerhub.supply_chain.advisories.merging import names_notice
from mcp_dockerhub.supply_chain.advisories.model import (
    SEVERITIES,
    DatabaseFacts,
    Feed,
    KevEntry,
    Rating,
    Reference,
    Severity,
)
from mcp_dockerhub.supply_chain.advisories.model import EpssScore as Epss
from mcp_dockerhub.supply_chain.discovery import find_target, read_target
from mcp_dockerhub.supply_chain.external import ExternalTool, run_tool
from mcp_dockerhub.supply_chain.packages import Distro, Package, PackageSet
from mcp_dockerhub.supply_chain.purls import read_purl
from mcp_dockerhub.supply_chain.vulnerabilities.attribution import Attribution, attribution
from mcp_dockerhub.supply_chain.vulnerabilities.model import FeedFacts, Finding, SbomSource, ScanReport
from mcp_dockerhub.supply_chain.vulnerabilities.priority import explained, ordered

SECONDS: Final = 900.0
_WHAT: Final = "What trivy wrote"
_UNSAID: Final = "Trivy does not say which packages it could not compare."
_SCALES: Final = (("V40", "CVSS:4.0"), ("V3", "CVSS:3.1"), ("V2", "CVSS:2.0"))


async def scan_with_trivy(work: Workplace, asked: Asked, platform: Platform | None) -> ScanReport:
    """Raises what reading the image's manifest raises, and Unsupported, UpstreamTimeout, UpstreamUnavailable,
    UpstreamInvalid or TooLarge for Trivy itself."""
    seen = Provenance()
    sources, access = work.chain.sources, work.access
    target = await find_target(sources, access, work.refs[asked], platform, seen)
    image = await read_target(sources, access, target.ref, target.platform, seen)
    if asked.place is not None:
        upstream = None
        path = f"{asked.place.path.absolute()}"
        name = asked.place.name
        if name:
            path += f"@{name}" if ":" in name and "/" not in name else f":{name}"
        place = ["--input", path, "--platform", str(target.platform)]
    else:
        upstream = sources.registry.endpoint(access, target.ref.repository)
        host = urlsplit(upstream.base_url).netloc
        place = ["--image-src", "remote", "--", f"{host}/{target.ref.repository.path}@{target.manifest}"]
    raw = await run_tool(ExternalTool("trivy", seconds=SECONDS), lambda _: _arguments(place), upstream, _variables())
    report = fields.load_object(raw, _WHAT)
    if report.get("SchemaVersion") != 2:
        raise UpstreamInvalid(f"{_WHAT} is not of the schema that is read here.")
    packages = tuple(_packages(report))
    placed = attribution(image, None, PackageSet(packages=packages, found="trivy"))
    findings = await _ranked(work, list(_findings(report, packages, placed)))
    return ScanReport(
        image=target.named,
        platform=target.platform,
        manifest=target.manifest,
        sbom=SbomSource("trivy", tools=("trivy",)),
        distro=_distro(report),
        findings=ordered(replace(one, why=explained(one)) for one in findings.found),
        packages=packages,
        matched=len(packages),
        unmatched=(),
        incomplete_because=(_UNSAID,),
        database=DatabaseFacts("Trivy's database"),
        feeds=findings.feeds,
        layers=placed.layers,
        warnings=tuple(_warnings(report, seen)),
        source=seen.source,
        fetched_at=seen.fetched_at,
    )


def _arguments(place: Sequence[str]) -> list[str]:
    return ["image", "--quiet", "--format", "json", "--scanners", "vuln", "--list-all-pkgs", *place]


def _variables() -> dict[str, str]:
    """The user's own settings of Trivy, and where it keeps its database."""
    found = {name: value for name, value in os.environ.items() if name.startswith("TRIVY_")}
    found.setdefault("TRIVY_CACHE_DIR", str(_cache()))
    found["TRIVY_SKIP_VERSION_CHECK"] = "true"
    return found


def _cache() -> Path:
    own = os.environ.get("XDG_CACHE_HOME")
    return (Path(own) if own else Path.home() / ".cache") / "trivy"


def _warnings(report: Json, seen: Provenance) -> Iterator[str]:
    system = fields.child(fields.child(report, "Metadata"), "OS")
    if system.get("EOSL") is True:
        name = " ".join(filter(None, (fields.text(system, "Family"), fields.text(system, "Name"))))
        yield f"{name} is past its end of life: nobody looks for its vulnerabilities any more."
    yield from seen.warnings


def _distro(report: Json) -> Distro | None:
    system = fields.child(fields.child(report, "Metadata"), "OS")
    family = fields.text(system, "Family")
    return Distro(family, fields.text(system, "Name")) if family not in ("", "none") else None


def _results(report: Json, key: str) -> Iterator[tuple[Json, Json]]:
    for result in fields.items(report, "Results", _WHAT):
        if isinstance(result, dict):
            entries = result.get(key)
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict):
                    yield result, entry


def _packages(report: Json) -> Iterator[Package]:
    for result, entry in _results(report, "Packages"):
        facts = read_purl(_purl(entry, "Identifier"))
        source = fields.text(entry, "SrcName")
        yield Package(
            type=facts.type,
            name=fields.text(entry, "Name"),
            version=facts.version or fields.text(entry, "Version"),
            purl=_purl(entry, "Identifier"),
            licenses=fields.texts(entry, "Licenses", _WHAT),
            location=_location(result, fields.text(entry, "FilePath")),
            layer=_layer(entry),
            source_name="" if source == fields.text(entry, "Name") else source,
            arch=fields.text(entry, "Arch"),
        )


def _findings(report: Json, packages: Sequence[Package], placed: Attribution) -> Iterator[Finding]:
    by_purl: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        by_purl.setdefault((package.purl, package.location), []).append(package)
    for result, entry in _results(report, "Vulnerabilities"):
        purl, location = _purl(entry, "PkgIdentifier"), _location(result, fields.text(entry, "PkgPath"))
        about = tuple(by_purl.get((purl, location), ())) or (_named(entry, purl, location),)
        yield Finding(
            id=fields.text(entry, "VulnerabilityID"),
            # A notice is no other name: it may be about several, and what is decided about one is not about all.
            aliases=tuple(name for name in fields.texts(entry, "VendorIDs", _WHAT) if not names_notice(name)),
            packages=about,
            ecosystem=fields.text(result, "Type"),
            fixed=tuple(version for part in fields.text(entry, "FixedVersion").split(",") if (version := part.strip())),
            rating=_rating(entry),
            layer=placed.topmost(about),
            in_base=placed.in_base(about),
            summary=fields.text(entry, "Title"),
            references=tuple(_references(entry)),
            published=fields.moment(entry, "PublishedDate"),
            modified=fields.moment(entry, "LastModifiedDate"),
        )


def _named(entry: Json, purl: str, location: str) -> Package:
    """A package that Trivy reports on and does not list."""
    facts = read_purl(purl)
    name, version = fields.text(entry, "PkgName"), fields.text(entry, "InstalledVersion")
    return Package(type=facts.type, name=name, version=version, purl=purl, location=location, layer=_layer(entry))


def _references(entry: Json) -> Iterator[Reference]:
    if url := fields.text(entry, "PrimaryURL"):
        yield Reference("ADVISORY", url)
    yield from (Reference("WEB", url) for url in fields.texts(entry, "References", _WHAT))


def _rating(entry: Json) -> Rating:
    word = fields.text(entry, "Severity").lower()
    severity: Severity = next((known for known in SEVERITIES if known == word), "unknown")
    source = fields.text(entry, "SeveritySource")
    scores = fields.child(fields.child(entry, "CVSS"), source) or fields.child(fields.child(entry, "CVSS"), "nvd")
    for prefix, scale in _SCALES:
        score = scores.get(f"{prefix}Score")
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 10:
            return Rating(severity, float(score), fields.text(scores, f"{prefix}Vector"), scale)
    return Rating(severity, None, "", f"{source}, by trivy" if source else "trivy")


def _purl(entry: Json, key: str) -> str:
    return fields.text(fields.child(entry, key), "PURL")


def _layer(entry: Json) -> str | None:
    return fields.text(fields.child(entry, "Layer"), "Digest") or None


def _location(result: Json, path: str) -> str:
    """The file of a package; for what one file lists as a whole, such as a binary, that file."""
    found = path or (fields.text(result, "Target") if fields.text(result, "Class") == "lang-pkgs" else "")
    return f"/{found.lstrip('/')}" if found and " " not in found else ""


class _Ranked:
    """Findings with what the lists say of them."""

    def __init__(self, found: Sequence[Finding], feeds: tuple[FeedFacts, ...]) -> None:
        self.found = found
        self.feeds = feeds


async def _ranked(work: Workplace, findings: list[Finding]) -> _Ranked:
    advisories = work.chain.advisories
    cves = sorted({one.id for one in findings if one.id.startswith("CVE-")})
    kev: Feed[KevEntry] | None = None
    epss: Feed[Epss] | None = None
    if advisories is not None:
        kev = await advisories.kev.lookup(cves) if advisories.kev else None
        epss = await advisories.epss.lookup(cves) if advisories.epss else None
    exploited: Mapping[str, Any] = kev.entries if kev else {}
    likely: Mapping[str, Any] = epss.entries if epss else {}
    ranked = [replace(one, known_exploited=exploited.get(one.id), epss=likely.get(one.id)) for one in findings]
    feeds = (
        FeedFacts("CISA KEV", kev is not None and kev.available, kev.dated if kev else None),
        FeedFacts("EPSS", epss is not None and epss.available, epss.dated if epss else None),
    )
    return _Ranked(ranked, feeds)
