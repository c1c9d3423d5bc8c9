"""For programs: everything that is known, under names that stay (docs/scan.md describes them)."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from mcp_dockerhub import __version__
from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.judging import Judged, Verdict
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, ScanReport

SCHEMA: Final = 1
"""Grows with a change that a reader of this one would not survive."""


def write(verdict: Verdict) -> str:
    """The document, in ASCII."""
    return json.dumps(document(verdict), indent=1, default=_moment) + "\n"


def document(verdict: Verdict) -> dict[str, Any]:
    """The same as Python values; times are still times."""
    report = verdict.report
    return {
        "schema": SCHEMA,
        "tool": {"name": "mcp-dockerhub", "version": __version__},
        "image": words.clean(verdict.asked, 1024),
        "platform": str(report.platform),
        "digest": report.manifest,
        "distribution": words.distribution(report) or None,
        "verdict": {
            "exit": int(verdict.exit),
            "text": words.conclusion(verdict),
            "fail_on": verdict.rules.fail_on,
            "failing": sum(1 for _ in verdict.failing),
            "set_aside": verdict.set_aside,
        },
        "complete": report.complete,
        "coverage": _coverage(report),
        "sbom": _sbom(report),
        "database": {
            "name": report.database.name,
            "updated": report.database.updated,
            "local": report.database.local,
            "requests": report.requests,
        },
        "feeds": [asdict(feed) for feed in report.feeds],
        "base": None if report.base is None else asdict(report.base),
        "layers": [asdict(layer) for layer in report.layers],
        "counts": dict(report.counts),
        "findings": [_judged(judged) for judged in verdict.findings],
        "baseline": _baseline(verdict),
        "licenses": _licenses(verdict),
        "cross_check": _cross_check(verdict),
        "vex_documents": [words.clean(name) for name in report.vex_documents],
        "warnings": [words.clean(text) for text in (*report.warnings, *verdict.notes)],
    }


def _coverage(report: ScanReport) -> dict[str, Any]:
    return {
        "packages": len(report.packages),
        "matched": report.matched,
        "because": [words.clean(reason) for reason in report.incomplete_because],
        "unmatched": [
            {
                "what": words.clean(gap.what),
                "reason": words.clean(gap.reason),
                "count": gap.count,
                "evidence": [words.clean(entry) for entry in gap.evidence],
            }
            for gap in report.unmatched
        ],
    }


def _sbom(report: ScanReport) -> dict[str, Any]:
    origin = report.sbom.document
    return {
        "found": report.sbom.found,
        "document": None if origin is None else origin.document,
        "where": None if origin is None else origin.where,
        "format": words.clean(report.sbom.format) or None,
        "tools": [words.clean(tool) for tool in report.sbom.tools],
        "created": report.sbom.created,
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        **finding(judged.finding),
        "fails": judged.fails,
        "set_aside": None
        if judged.aside is None
        else {"by": judged.aside.by, "reason": words.clean(judged.aside.reason)},
        "new": judged.new,
    }


def finding(one: Finding) -> dict[str, Any]:
    """What is known of one finding."""
    vex, kev, epss = one.vex, one.known_exploited, one.epss
    return {
        "id": words.clean(one.id),
        "aliases": [words.clean(name) for name in one.aliases],
        "severity": one.severity,
        "score": one.rating.score if one.rating else None,
        "vector": words.clean(one.rating.vector) if one.rating else None,
        "rated_by": words.clean(one.rating.by) if one.rating else None,
        "summary": words.summary(one),
        "why": words.clean(one.why),
        "package": _package(one.package),
        "packages": [_package(package) for package in one.packages[1:]],
        "ecosystem": words.clean(one.ecosystem),
        "fixed": [words.clean(version) for version in one.fixed],
        "known_exploited": None if kev is None else {"added": kev.added, "due": kev.due, "ransomware": kev.ransomware},
        "epss": None if epss is None else {"score": epss.score, "percentile": epss.percentile},
        "layer": one.layer,
        "in_base": one.in_base,
        "vex": None
        if vex is None
        else {
            "status": vex.status,
            "justification": words.clean(vex.justification),
            "statement": words.clean(vex.statement),
            "author": words.clean(vex.author),
            "source": words.clean(vex.source),
        },
        "references": [words.clean(entry.url, 1024) for entry in one.references],
        "published": one.published,
        "modified": one.modified,
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        "type": words.clean(package.type),
        "name": words.clean(package.name),
        "version": words.clean(package.version),
        "purl": words.clean(package.purl, 1024),
        "source_package": words.clean(package.source[0]),
        "location": words.clean(package.location, 1024),
        "layer": package.layer,
    }


def _baseline(verdict: Verdict) -> dict[str, Any] | None:
    if verdict.baseline is None:
        return None
    return {
        "image": words.clean(verdict.baseline.asked, 1024),
        "digest": verdict.baseline.report.manifest,
        "complete": verdict.baseline.complete,
        "new": sum(judged.new is True for judged in verdict.findings),
        "gone": [finding(one) for one in verdict.baseline.gone],
    }


def _licenses(verdict: Verdict) -> dict[str, Any] | None:
    found = verdict.licenses
    if found is None:
        return None
    return {
        "denied": [{**_package(one.package), "license": words.clean(one.license)} for one in found.denied],
        "patterns": list(found.patterns),
        "without_license": found.silent,
    }


def _cross_check(verdict: Verdict) -> dict[str, Any] | None:
    if verdict.disagreements is None:
        return None
    return {
        "with": verdict.second_scanner,
        "disagreements": [
            {name: words.clean(value) for name, value in asdict(one).items()} for one in verdict.disagreements
        ],
    }


def _moment(value: date) -> str:
    """RFC 3339, a date or a time."""
    return value.isoformat()
