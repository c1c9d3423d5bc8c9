"""Packages and vulnerabilities as CycloneDX 1.6 (ECMA-424, "vulnerabilities")."""

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.formats.documents import Place, place_of, subject
from mcp_dockerhub.scan.judging import Judged, Verdict
from mcp_dockerhub.supply_chain.sbom.cyclonedx_writer import bom_of, package_reference, serialized
from mcp_dockerhub.supply_chain.sbom.writing import TOOL
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, VexMark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclonedx.model import Property
    from cyclonedx.model.vulnerability import Vulnerability, VulnerabilityAnalysis, VulnerabilityRating

_METHODS: Final = {"CVSS:2.0": "CVSSv2", "CVSS:3.0": "CVSSv3", "CVSS:3.1": "CVSSv31", "CVSS:4.0": "CVSSv4"}
_STATES: Final = {
    "not_affected": "not_affected",
    "affected": "exploitable",
    "fixed": "resolved",
    "under_investigation": "in_triage",
}
_JUSTIFICATIONS: Final = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}
"""OpenVEX to CycloneDX, where the latter has a word for it."""


def write(verdict: Verdict) -> str:
    """The document, in ASCII."""
    bom = bom_of(subject(verdict))
    references: dict[Place, list[str]] = {}
    for place, package in enumerate(verdict.report.packages):
        references.setdefault(place_of(package), []).append(package_reference(place))
    for place, judged in enumerate(verdict.findings):
        bom.vulnerabilities.add(_vulnerability(judged, f"finding-{place}", references))
    return serialized(bom) + "\n"


def _vulnerability(judged: Judged, reference: str, references: dict[Place, list[str]]) -> "Vulnerability":
    from cyclonedx.model import XsUri
    from cyclonedx.model.vulnerability import BomTarget, Vulnerability, VulnerabilityAdvisory

    finding = judged.finding
    url = words.link(finding)
    affected = dict.fromkeys(name for package in finding.packages for name in references.get(place_of(package), ()))
    remedy = f"Update to {words.fixed(finding)}." if finding.fixable else None
    return Vulnerability(
        bom_ref=reference,
        id=words.clean(finding.id),
        ratings=[_rating(finding)],
        description=words.summary(finding),
        recommendation=remedy,
        advisories=[VulnerabilityAdvisory(url=XsUri(url))] if url else None,
        published=finding.published,
        updated=finding.modified,
        analysis=_analysis(finding.vex) if finding.vex else None,
        affects=[BomTarget(ref=name) for name in affected],
        properties=list(_properties(judged)),
    )


def _rating(finding: Finding) -> "VulnerabilityRating":
    from cyclonedx.model.vulnerability import VulnerabilityRating, VulnerabilityScoreSource, VulnerabilitySeverity

    severity = VulnerabilitySeverity("info" if finding.severity == "negligible" else finding.severity)
    rating = finding.rating
    if rating is None:
        return VulnerabilityRating(severity=severity)
    return VulnerabilityRating(
        severity=severity,
        score=None if rating.score is None else Decimal(str(rating.score)),
        method=VulnerabilityScoreSource(_METHODS.get(rating.by, "other")),
        vector=words.clean(rating.vector) or None,
    )


def _analysis(vex: VexMark) -> "VulnerabilityAnalysis":
    from cyclonedx.model.impact_analysis import ImpactAnalysisJustification, ImpactAnalysisState
    from cyclonedx.model.vulnerability import VulnerabilityAnalysis

    known = _JUSTIFICATIONS.get(vex.justification)
    detail = ": ".join(filter(None, (vex.justification, words.clean(vex.statement))))
    return VulnerabilityAnalysis(
        state=ImpactAnalysisState(_STATES[vex.status]),
        justification=ImpactAnalysisJustification(known) if known else None,
        detail=detail or None,
        last_updated=vex.timestamp,
    )


def _properties(judged: Judged) -> "Iterator[Property]":
    from cyclonedx.model import Property

    finding = judged.finding
    yield Property(name=f"{TOOL}:state", value=words.state(judged))
    if finding.known_exploited:
        yield Property(name=f"{TOOL}:known-exploited", value=finding.known_exploited.added.isoformat())
    if finding.epss:
        yield Property(name=f"{TOOL}:epss", value=str(finding.epss.score))
    if finding.in_base is not None:
        yield Property(name=f"{TOOL}:in-base", value=str(finding.in_base).lower())
