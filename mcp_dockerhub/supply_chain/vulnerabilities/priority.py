"""What matters first, and why, in one line for each finding."""

from collections.abc import Iterable
from typing import Final

from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding

LIKELY: Final = (0.5, 0.1, 0.01)
"""Bounds of EPSS that make a difference to the order: within a band severity decides, as a difference between
probabilities of 0.02 and 0.03 is no reason to put a harmless finding first."""
_PLACES: Final = {True: "in the base image", False: "in your layers", None: ""}
_VEX: Final = {
    "not_affected": "not affected by VEX",
    "fixed": "fixed by VEX",
    "affected": "affected by VEX",
    "under_investigation": "under investigation by VEX",
}
# Unrated is not harmless: between medium and low nothing of importance is hidden below it.
_WEIGHTS: Final = {"critical": 0, "high": 1, "medium": 2, "unknown": 3, "low": 4, "negligible": 5}

Rank = tuple[bool, bool, int, int, bool, bool, float, float, str, str, str]


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Most urgent first."""
    return tuple(sorted(findings, key=rank))


def rank(finding: Finding) -> Rank:
    """Smaller is more urgent: not called harmless, exploited, likely to be, severe, fixable, yours."""
    score = finding.epss.score if finding.epss else 0.0
    package = finding.package
    return (
        finding.harmless,
        finding.known_exploited is None,
        band(score),
        _WEIGHTS[finding.severity],
        not finding.fixable,
        finding.in_base is True,
        -score,
        -((finding.rating.score if finding.rating else None) or 0.0),
        finding.id,
        package.name,
        package.version,
    )


def band(score: float) -> int:
    """Which of the bands of ``LIKELY`` a probability is in, 0 the highest."""
    return next((place for place, bound in enumerate(LIKELY) if score >= bound), len(LIKELY))


def explained(finding: Finding) -> str:
    """What decided the place of a finding, the weightiest first."""
    said = [
        _VEX[finding.vex.status] if finding.vex else "",
        _exploited(finding),
        f"EPSS {_percent(finding.epss.score)}" if finding.epss else "",
        _severity(finding),
        f"fixed in {finding.fixed[0]}" if finding.fixed else "no fix known",
        _PLACES[finding.in_base],
    ]
    return "; ".join(part for part in said if part)


def _exploited(finding: Finding) -> str:
    entry = finding.known_exploited
    if entry is None:
        return ""
    return f"known to be exploited since {entry.added}" + (", in ransomware" if entry.ransomware else "")


def _severity(finding: Finding) -> str:
    rating = finding.rating
    if rating is None or rating.severity == "unknown":
        return "not rated"
    score = "" if rating.score is None else f"{rating.score:.1f}, "
    return f"{rating.severity} ({score}{rating.by})" if rating.by else rating.severity


def _percent(score: float) -> str:
    """``94 %``, ``0.3 %``: small ones must not read as none."""
    return f"{score * 100:.0f} %" if score >= 0.1 else f"{score * 100:.2g} %"
