"""From a report to a verdict: which findings count, which do not and why, and how the command ends."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

from mcp_dockerhub import render
from mcp_dockerhub.scan.ignoring import IgnoreFile
from mcp_dockerhub.scan.licenses import LicenseVerdict, check_licenses
from mcp_dockerhub.scan.vocabulary import Threshold
from mcp_dockerhub.supply_chain.advisories.model import SEVERITIES
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, ScanReport

Setting = Literal["vex", "file", "unfixed", "baseline"]
SETTING_ASIDE: Final[dict[Setting, str]] = {
    "vex": "by VEX",
    "file": "by the ignore file",
    "unfixed": "without a fix",
    "baseline": "in the baseline too",
}
KEV_LIST: Final = "CISA KEV"


class Exit(IntEnum):
    """How the command ends; pipelines depend on these."""

    CLEAN = 0
    """Nothing counts at the threshold, and everything was looked at."""
    FINDINGS = 1
    UNSCANNED = 2
    """It could not be found out: no answer, half an answer, or a wrong command."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the caller wants to be told about."""

    fail_on: Threshold = "any"
    ignore_unfixed: bool = False
    ignore: IgnoreFile | None = None
    deny_licenses: tuple[str, ...] = ()
    allow_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Aside:
    """Why a finding does not count."""

    by: Setting
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding and what became of it."""

    finding: Finding
    aside: Aside | None
    fails: bool
    """Whether it reaches the threshold."""
    new: bool | None = None
    """Whether the baseline lacks it; None without a baseline."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The image that this one is compared with."""

    asked: str
    report: ScanReport
    gone: tuple[Finding, ...]
    """Findings of the baseline that this image no longer has."""

    @property
    def complete(self) -> bool:
        return self.report.complete


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One vulnerability in one package that only one of two scanners reports."""

    id: str
    package: str
    version: str
    only: str
    """Which scanner reports it."""
    severity: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything a format shows."""

    asked: str
    """The image as it was typed."""
    report: ScanReport
    findings: tuple[Judged, ...]
    """All of them, most urgent first."""
    rules: Rules
    baseline: Baseline | None = None
    licenses: LicenseVerdict | None = None
    notes: tuple[str, ...] = ()
    """About the rules: entries that expired, thresholds that could not be judged."""
    unjudged: str = ""
    """Why the threshold cannot be applied; empty where it can."""
    disagreements: tuple[Disagreement, ...] | None = None
    """Where two scanners do not say the same; None where only one was asked."""
    second_scanner: str = ""

    @property
    def failing(self) -> Iterator[Judged]:
        return (judged for judged in self.findings if judged.fails)

    @property
    def set_aside(self) -> dict[Setting, int]:
        """How many do not count, by why."""
        counts: dict[Setting, int] = {}
        for judged in self.findings:
            if judged.aside:
                counts[judged.aside.by] = counts.get(judged.aside.by, 0) + 1
        return counts

    @property
    def exit(self) -> Exit:
        if any(self.failing) or (self.licenses and self.licenses.denied):
            return Exit.FINDINGS
        if self.unjudged or not (self.report.complete or self.rules.allow_incomplete):
            return Exit.UNSCANNED
        return Exit.CLEAN


@dataclass(frozen=True, slots=True)
class _Known:
    """Findings of the baseline, whatever version of the package they were in."""

    keys: frozenset[tuple[str, str, str]] = field(default=frozenset())

    def has(self, finding: Finding) -> bool:
        if not self.keys.isdisjoint(_keys(finding, finding.names)):
            return True
        parts = finding.about
        return bool(parts) and not any(self.keys.isdisjoint(_keys(finding, (name,))) for name in parts)


def judge(asked: str, report: ScanReport, rules: Rules, baseline: tuple[str, ScanReport] | None = None) -> Verdict:
    """Apply ``rules``; ``baseline`` is what to compare with, and what it is called."""
    known = None if baseline is None else _known(baseline[1].findings)
    findings = tuple(_judged(finding, rules, known) for finding in report.findings)
    notes = [] if rules.ignore is None else rules.ignore.notes(report.findings)
    if baseline is not None and not baseline[1].complete:
        notes.append("The baseline could not be scanned completely: some of what is called new may be old.")
    unrated = sum(judged.aside is None and judged.finding.severity == "unknown" for judged in findings)
    if unrated and rules.fail_on in ("medium", "high", "critical"):
        notes.append(f"Nobody has rated {render.counted(unrated, 'finding')}: the threshold does not count them.")
    licenses = check_licenses(report.packages, rules.deny_licenses) if rules.deny_licenses else None
    if licenses and licenses.silent:
        notes.append(f"{render.counted(licenses.silent, 'package')} state no license: --deny-license cannot tell.")
    return Verdict(
        asked,
        report,
        findings,
        rules,
        baseline=None if baseline is None else Baseline(*baseline, _gone(baseline[1].findings, report.findings)),
        licenses=licenses,
        notes=tuple(notes),
        unjudged=_unjudged(report, rules),
    )


def _judged(finding: Finding, rules: Rules, known: _Known | None) -> Judged:
    new = None if known is None else not known.has(finding)
    aside = _aside(finding, rules, new=new)
    return Judged(finding, aside, aside is None and reaches(finding, rules.fail_on), new)


def _aside(finding: Finding, rules: Rules, *, new: bool | None) -> Aside | None:
    if finding.vex is not None and finding.harmless:
        words = (finding.vex.status.replace("_", " "), finding.vex.justification.replace("_", " "))
        return Aside("vex", ": ".join(filter(None, words)))
    entry = rules.ignore.find(finding) if rules.ignore else None
    if entry is not None:
        return Aside("file", f"{entry.reason} (until {entry.expires})")
    if rules.ignore_unfixed and not finding.fixable:
        return Aside("unfixed", "no fixed version is known")
    return Aside("baseline", "the baseline has it too") if new is False else None


def reaches(finding: Finding, threshold: Threshold) -> bool:
    """Whether a finding is at least as bad. One known to be exploited reaches every threshold but ``none``."""
    if threshold == "none":
        return False
    if finding.known_exploited is not None or threshold == "any":
        return True
    if threshold == "kev":
        return False
    if finding.severity == "unknown":
        # Unrated is not harmless: it counts with the low ones, as it is ordered before them.
        return threshold == "low"
    return SEVERITIES.index(finding.severity) <= SEVERITIES.index(threshold)


def _unjudged(report: ScanReport, rules: Rules) -> str:
    if rules.fail_on != "kev":
        return ""
    if any(feed.name == KEV_LIST and feed.available for feed in report.feeds):
        return ""
    return "The list of exploited vulnerabilities (CISA KEV) could not be read, so --fail-on kev cannot be judged."


def _keys(finding: Finding, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Without the version: a finding that outlives an update is not new."""
    for name in names:
        for package in finding.packages:
            yield name, package.type, package.source[0]


def _known(findings: Sequence[Finding]) -> _Known:
    return _Known(frozenset(key for one in findings for key in _keys(one, (one.id, *one.aliases))))


def _gone(before: Sequence[Finding], now: Sequence[Finding]) -> tuple[Finding, ...]:
    known = _known(now)
    return tuple(finding for finding in before if not known.has(finding))
