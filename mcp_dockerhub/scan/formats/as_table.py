"""For people, in a terminal or a build log."""

from collections.abc import Iterator
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.judging import Judged, Verdict

_HEADER: Final = ("", "severity", "id", "package", "version", "fixed in", "where", "EPSS", "why")
_WHY: Final = 100


def write(verdict: Verdict) -> str:
    """The text."""
    return "\n".join(line.rstrip() for line in _lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    report = verdict.report
    yield f"{words.clean(verdict.asked, 1024)} ({report.platform}) {render.short(report.manifest)}"
    facts = (
        words.distribution(report),
        f"{render.number(len(report.packages))} {words.sbom(report)}",
        words.database(report),
    )
    yield "; ".join(filter(None, facts))
    yield "; ".join(filter(None, (words.counts(report), words.set_aside(verdict))))
    yield from _findings(verdict)
    yield from _baseline(verdict)
    yield from _licenses(verdict)
    yield from _disagreements(verdict)
    yield from _coverage(verdict)
    for note in (*report.warnings, *verdict.notes):
        yield f"! {words.clean(note)}"
    yield ""
    yield words.conclusion(verdict)


def _findings(verdict: Verdict) -> Iterator[str]:
    counted = [judged for judged in verdict.findings if judged.aside is None]
    if counted:
        yield ""
        yield from render.table(_HEADER, [_row(judged) for judged in counted])
    aside = [judged for judged in verdict.findings if judged.aside is not None]
    if aside:
        yield ""
        yield "Set aside:"
        rows = [
            (j.finding.severity, words.clean(j.finding.id), words.package_name(j.finding.package), words.state(j))
            for j in aside
        ]
        yield from render.table(("severity", "id", "package", ""), rows)


def _row(judged: Judged) -> tuple[str, ...]:
    finding = judged.finding
    return (
        "*" if judged.fails else "",
        "EXPLOITED " + finding.severity if finding.known_exploited else finding.severity,
        words.clean(finding.id),
        words.package_name(finding.package),
        words.clean(finding.package.version),
        words.fixed(finding),
        words.where(finding),
        words.epss(finding),
        render.clip(words.clean(finding.why or finding.summary), _WHY),
    )


def _baseline(verdict: Verdict) -> Iterator[str]:
    if verdict.baseline is None:
        return
    new = sum(judged.new is True for judged in verdict.findings)
    yield ""
    gone = verdict.baseline.gone
    yield (
        f"Against {words.clean(verdict.baseline.asked, 1024)}: {new} new, {len(verdict.findings) - new} known, "
        f"{len(gone)} gone"
    )
    rows = [("-", one.severity, words.clean(one.id), words.package_name(one.package)) for one in gone]
    yield from render.table(("", "severity", "id", "package"), rows)


def _licenses(verdict: Verdict) -> Iterator[str]:
    if verdict.licenses is None or not verdict.licenses.denied:
        return
    yield ""
    yield "Denied licenses:"
    rows = [
        (words.package_name(one.package), words.clean(one.package.version), words.clean(one.license))
        for one in verdict.licenses.denied
    ]
    yield from render.table(("package", "version", "license"), rows)


def _disagreements(verdict: Verdict) -> Iterator[str]:
    if verdict.disagreements is None:
        return
    yield ""
    total = len(verdict.disagreements)
    yield f"Cross-check with {verdict.second_scanner}: " + (
        f"{render.counted(total, 'disagreement')}" if total else "both say the same"
    )
    rows = [
        (words.clean(one.id), words.clean(one.package), words.clean(one.version), f"only {one.only}", one.note)
        for one in verdict.disagreements
    ]
    yield from render.table(("id", "package", "version", "reported by", ""), rows)


def _coverage(verdict: Verdict) -> Iterator[str]:
    report = verdict.report
    if report.complete:
        return
    yield ""
    known = report.matched < len(report.packages)
    counted = f": {report.matched} of {len(report.packages)} packages were compared with advisories" if known else ""
    yield f"NOT COMPLETE{counted}."
    for reason in report.incomplete_because:
        yield f"  {words.clean(reason)}"
    for gap in report.unmatched:
        examples = f" ({words.clean(', '.join(gap.evidence), 200)})" if gap.evidence else ""
        yield f"  - {gap.count} x {words.clean(gap.what)}: {words.clean(gap.reason)}{examples}"
