"""Words that all formats share. What publishers wrote is cleaned here, and nowhere trusted."""

import re
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.scan.judging import SETTING_ASIDE, Exit, Judged, Verdict
from mcp_dockerhub.supply_chain.advisories.model import SEVERITIES
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, ScanReport
from mcp_dockerhub_security.text import clean_identifier

MAX_SUMMARY: Final = 300
_SAFE_URL: Final = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9./_?=&%:+~,;@!-]{0,1000})?(?:#[A-Za-z0-9._-]{0,200})?",
    re.ASCII,
)


def clean(text: str, limit: int = 512) -> str:
    """On one line, nothing hidden in it, at most ``limit`` characters."""
    return clean_identifier(text, limit)


def package_name(package: Package) -> str:
    return clean(package.name)


def fixed(finding: Finding) -> str:
    """The version to take first; ``-`` where there is none."""
    return clean(finding.fixed[0]) if finding.fixed else "-"


def where(finding: Finding) -> str:
    """Whose layer it lies in."""
    if finding.in_base is None:
        return "?"
    return "base" if finding.in_base else "yours"


def epss(finding: Finding) -> str:
    return f"{finding.epss.score:.1%}" if finding.epss else "-"


def summary(finding: Finding) -> str:
    return clean(finding.summary, MAX_SUMMARY) or f"{clean(finding.id)} in {package_name(finding.package)}"


def link(finding: Finding) -> str:
    """The page to read first; empty where there is none that is safe to show anywhere."""
    urls = [(entry.kind != "ADVISORY", entry.url) for entry in finding.references if _SAFE_URL.fullmatch(entry.url)]
    return min(urls, key=lambda entry: entry[0], default=(True, ""))[1]


def distribution(report: ScanReport) -> str:
    distro = report.distro
    return clean(distro.name or f"{distro.id} {distro.version_id}".strip()) if distro else ""


def sbom(report: ScanReport) -> str:
    """Where the list of packages is from."""
    source = report.sbom
    if source.document is None:
        reader = "the image's layers" if source.found == "catalogue" else f"{source.found}"
        return f"packages read from {reader}"
    made = f" by {clean(', '.join(source.tools), 200)}" if source.tools else ""
    return f"packages from the attached SBOM {render.short(source.document.document)} ({clean(source.format)}{made})"


def database(report: ScanReport) -> str:
    facts = report.database
    return f"{facts.name} of {render.day(facts.updated)}" if facts.updated else facts.name


def counts(report: ScanReport) -> str:
    """``3 findings: 1 critical, 2 low``."""
    total = render.counted(len(report.findings), "finding")
    rated = ", ".join(f"{report.counts[name]} {name}" for name in SEVERITIES if report.counts[name])
    return f"{total}: {rated}" if rated else total


def set_aside(verdict: Verdict) -> str:
    """``2 set aside: 1 by VEX, 1 without a fix``; empty where none is."""
    found = verdict.set_aside
    if not found:
        return ""
    return f"{sum(found.values())} set aside: " + ", ".join(f"{n} {SETTING_ASIDE[by]}" for by, n in found.items())


def state(judged: Judged) -> str:
    """What became of a finding, in a word or a few."""
    if judged.aside:
        return f"set aside, {SETTING_ASIDE[judged.aside.by]}: {clean(judged.aside.reason, 200)}"
    return "fails" if judged.fails else "below the threshold"


def conclusion(verdict: Verdict) -> str:
    """One sentence that says how it ended, and agrees with the exit code."""
    failing = sum(1 for _ in verdict.failing)
    denied = len(verdict.licenses.denied) if verdict.licenses else 0
    if verdict.exit is Exit.FINDINGS:
        level = "" if verdict.rules.fail_on == "any" else f" at the threshold {verdict.rules.fail_on}"
        parts = [f"{render.counted(failing, 'finding')}{level}"] if failing else []
        parts += [f"{render.counted(denied, 'package')} under denied licenses"] if denied else []
        return f"FAILED: {' and '.join(parts)}."
    if verdict.unjudged:
        return f"NOT KNOWN: {verdict.unjudged}"
    looked_at = "" if verdict.report.complete else " in what could be compared, which is not everything"
    nothing = f"nothing{looked_at}" if verdict.rules.fail_on == "none" else f"nothing at the threshold{looked_at}"
    if verdict.exit is Exit.UNSCANNED:
        return f"NOT KNOWN: {nothing}. --allow-incomplete accepts that."
    return f"PASSED: {nothing}." if verdict.findings else f"CLEAN: no known vulnerability{looked_at}."
