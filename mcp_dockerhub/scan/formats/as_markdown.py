"""For a comment on a pull request or a job's summary (GitHub Flavored Markdown, which GitLab reads too)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.judging import Exit, Judged, Verdict

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_HEADER: Final = ("", "severity", "id", "package", "installed", "fixed in", "where", "why")
_MARKS: Final = {Exit.CLEAN: "✅", Exit.FINDINGS: "❌", Exit.UNSCANNED: "⚠️"}
_MAX_ROWS: Final = 200
"""A comment has at most 65,536 characters on GitHub."""


def write(verdict: Verdict) -> str:
    """The text."""
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    report = verdict.report
    yield f"### {_MARKS[verdict.exit]} {_text(words.conclusion(verdict))}"
    yield ""
    yield f"{_code(verdict.asked)} ({report.platform}), {_code(render.short(report.manifest))}"
    yield ""
    facts = (words.counts(report), words.set_aside(verdict), words.sbom(report), words.database(report))
    yield _text("; ".join(filter(None, facts))) + "."
    counted = [judged for judged in verdict.findings if judged.aside is None]
    if counted:
        yield ""
        yield from _table(
            ("", "severity", "id", "package", "installed", "fixed in", "where", "why"), map(_row, counted)
        )
    yield from _folded("Set aside", (f"{_name(j)}: {_text(words.state(j))}" for j in verdict.findings if j.aside))
    if verdict.baseline is not None:
        gone = [f"{_text(one.id)} in {_code(one.package.name)}" for one in verdict.baseline.gone]
        yield from _folded(f"Gone since {_text(words.clean(verdict.baseline.asked, 200))}", gone)
    if verdict.licenses is not None:
        denied = [f"{_code(d.package.name)}: {_text(words.clean(d.license))}" for d in verdict.licenses.denied]
        yield from _folded("Denied licenses", denied)
    if verdict.disagreements is not None:
        lines = [f"{_text(d.id)} in {_code(d.package)}: only {d.only}" for d in verdict.disagreements]
        yield from _folded(f"Disagreements with {verdict.second_scanner}", lines)
    yield from _coverage(verdict)
    notes = (*report.warnings, *verdict.notes)
    yield from _folded("Notes", (_text(words.clean(note)) for note in notes))


def _coverage(verdict: Verdict) -> Iterator[str]:
    report = verdict.report
    gaps = [
        f"{gap.count} x {_text(words.clean(gap.what))}: {_text(words.clean(gap.reason))}" for gap in report.unmatched
    ]
    because = [_text(words.clean(reason)) for reason in report.incomplete_because]
    if not report.complete:
        yield ""
        yield "**Not complete**: absence of a finding proves nothing for what is listed here."
        yield from _folded("Not compared with advisories", [*because, *gaps])


def _row(judged: Judged) -> Sequence[str]:
    finding = judged.finding
    severity = f"{finding.severity}, **exploited**" if finding.known_exploited else finding.severity
    return (
        "❌" if judged.fails else "",
        severity,
        _name(judged),
        _code(words.package_name(finding.package)),
        _code(finding.package.version),
        _code(words.fixed(finding)),
        words.where(finding),
        _text(render.clip(words.clean(finding.why or finding.summary), 120)),
    )


def _name(judged: Judged) -> str:
    url = words.link(judged.finding)
    name = _text(words.clean(judged.finding.id))
    return f"[{name}]({url})" if url else name


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    yield from render.head([f"| {' | '.join(row)} |" for row in rows], _MAX_ROWS, "finding")


def _folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = [f"- {line}" for line in lines]
    if not shown:
        return
    yield ""
    yield f"<details><summary>{title} ({len(shown)})</summary>"
    yield ""
    yield from render.head(shown, _MAX_ROWS, "entry")
    yield ""
    yield "</details>"


def _text(text: str) -> str:
    """Words without any meaning as markup; an @ that names nobody."""
    return _SPECIAL.sub(r"\\\1", escape(text, quote=False)).replace("@", "@<!-- -->")


def _code(text: str) -> str:
    """A name as it is written."""
    return f"`{words.clean(text, 1024).replace('`', '').replace('|', chr(92) + '|') or '-'}`"
