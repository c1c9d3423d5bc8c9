"""``mcp-dockerhub report``: everything about one scan on one page that needs nothing from anywhere else.

A content security policy in the page allows its own style and script by their hashes and nothing more, so that what
publishers wrote could not run or load anything even if it were not escaped, which it is.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from mcp_dockerhub import __version__, render
from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.judging import SETTING_ASIDE, Exit, Judged, Verdict
from mcp_dockerhub.scan.page_assets import POLICY, SCRIPT, STYLE
from mcp_dockerhub.scan.page_layers import layers_picture
from mcp_dockerhub.supply_chain.advisories.model import SEVERITIES

_LOOKS: Final = {Exit.CLEAN: "good", Exit.FINDINGS: "bad", Exit.UNSCANNED: "warn"}
_COLUMNS: Final = ("severity", "vulnerability", "package", "installed", "fixed in", "where", "EPSS", "why")


def written(verdict: Verdict) -> str:
    """The page."""
    name = escape(words.clean(verdict.asked, 1024))
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>Vulnerabilities of {name}</title><style>{STYLE}</style></head>"
    )
    sections = [
        _summary(verdict),
        _section("Coverage", _coverage(verdict)),
        _section("Layers", layers_picture(verdict)),
        _section("Findings", _findings(verdict)),
        _section("Against the baseline", _baseline(verdict)),
        _section("Denied licenses", _licenses(verdict)),
        _section("Cross-check", _cross_check(verdict)),
        _section("Notes", _list((*verdict.report.warnings, *verdict.notes))),
    ]
    footer = f"<footer>Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by mcp-dockerhub {__version__}.</footer>"
    body = f"<main><h1>{name}</h1>{''.join(sections)}{footer}</main><script>{SCRIPT}</script>"
    return f"{head}<body>{body}</body></html>\n"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _summary(verdict: Verdict) -> str:
    report = verdict.report
    counts = report.counts
    tiles = "".join(f'<li><b class="s-{name}">{counts[name]}</b>{name}</li>' for name in SEVERITIES)
    exploited = sum(finding.known_exploited is not None for finding in report.findings)
    tiles += f'<li><b class="{"bad" if exploited else "good"}">{exploited}</b>known exploited</li>'
    feeds = ", ".join(
        f"{feed.name} of {feed.dated}" if feed.available else f"{feed.name} not available" for feed in report.feeds
    )
    facts = [
        ("Image", f"{report.platform}, {report.manifest}"),
        ("Distribution", words.distribution(report) or "not known"),
        ("Packages", f"{render.number(len(report.packages))} {words.sbom(report)}"),
        ("Advisories", "; ".join(filter(None, (words.database(report), feeds)))),
        ("Base image", words.clean(report.base.image, 512) if report.base else "not known"),
        ("Set aside", words.set_aside(verdict) or "nothing"),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return (
        f'<p class="state {_LOOKS[verdict.exit]}" role="status">{escape(words.conclusion(verdict))}</p>'
        f'<ul class="counts">{tiles}</ul><dl class="facts">{listed}</dl>'
    )


def _coverage(verdict: Verdict) -> str:
    report = verdict.report
    compared = f"{report.matched} of {len(report.packages)} packages were compared with advisories"
    if report.complete:
        return f'<p class="good">Complete: {compared}, and nothing is known to lie outside of them.</p>'
    counted = f": {compared}" if report.matched < len(report.packages) else ""
    gaps = [(str(gap.count), gap.what, gap.reason, ", ".join(gap.evidence)) for gap in report.unmatched]
    table = _table("Not compared with any advisory", ("count", "what", "why", "evidence"), gaps) if gaps else ""
    return (
        f'<p class="warn"><b>Not complete</b>{counted}. Absence of a finding proves nothing for the rest.</p>'
        f"{_list(report.incomplete_because)}{table}"
    )


def _findings(verdict: Verdict) -> str:
    if not verdict.findings:
        return "<p>None.</p>"
    header = "".join(f'<th scope="col"{_kind(name)}>{name}</th>' for name in _COLUMNS)
    body = "".join(_row(judged) for judged in verdict.findings)
    return (
        f"{_FILTER}<p id=shown role=status>{render.counted(len(verdict.findings), 'finding')}</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Findings"><table id=findings>'
        f"<caption>Most urgent first</caption><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"
    )


_FILTER: Final = (
    '<form id="filter" hidden role="search" aria-label="Filter findings">'
    '<label>Words<br><input type="search" name="words" placeholder="package, id, path…"></label>'
    '<label>Severity<br><select name="severity"><option value="">all</option>'
    + "".join(f"<option>{name}</option>" for name in SEVERITIES)
    + '</select></label><label>Where<br><select name="where"><option value="">anywhere</option>'
    '<option value="yours">your layers</option><option value="base">base image</option>'
    '<option value="?">not known</option></select></label>'
    '<label class="check"><input type="checkbox" name="fixable"> with a fix</label>'
    '<label class="check"><input type="checkbox" name="exploited"> known exploited</label>'
    '<label class="check"><input type="checkbox" name="aside" checked> also set aside</label></form>'
)


def _row(judged: Judged) -> str:
    finding = judged.finding
    package = finding.package
    names = (finding.id, *finding.aliases, package.name, package.source[0], package.location, finding.summary)
    text = escape(words.clean(" ".join(names), 4000).lower())
    aside = judged.aside is not None
    data = (
        f'data-severity="{finding.severity}" data-where="{words.where(finding)}" '
        f'data-fixable="{_yes(finding.fixable)}" data-exploited="{_yes(finding.known_exploited is not None)}" '
        f'data-aside="{_yes(aside)}" data-text="{text}"'
    )
    cells = (
        f'<td class="s s-{finding.severity}">{finding.severity}{_tags(judged)}</td>'
        f"<td>{_identifier(judged)}</td><td><code>{_shown(package.name)}</code>{_place(judged)}</td>"
        f"<td><code>{_shown(package.version)}</code></td><td><code>{escape(words.fixed(finding))}</code></td>"
        f"<td>{words.where(finding)}</td><td class=n>{words.epss(finding)}</td><td>{_why(judged)}</td>"
    )
    return f"<tr{' class=aside' if aside else ''} {data}>{cells}</tr>"


def _tags(judged: Judged) -> str:
    tags = []
    if judged.finding.known_exploited:
        tags.append('<span class="tag bad">exploited</span>')
    if judged.new:
        tags.append('<span class="tag">new</span>')
    if judged.aside:
        tags.append(f'<span class="tag">{SETTING_ASIDE[judged.aside.by]}</span>')
    return f"<div>{''.join(tags)}</div>" if tags else ""


def _identifier(judged: Judged) -> str:
    name, url = _shown(judged.finding.id), words.link(judged.finding)
    linked = f'<a href="{escape(url)}" rel="noopener noreferrer">{name}</a>' if url else name
    return f'{linked}<div class="why">{escape(words.summary(judged.finding))}</div>'


def _place(judged: Judged) -> str:
    location = judged.finding.package.location
    return f'<div class="why">{_shown(location)}</div>' if location else ""


def _why(judged: Judged) -> str:
    said = escape(words.clean(judged.finding.why))
    if judged.aside:
        said += f'<div class="why">Set aside: {escape(words.clean(judged.aside.reason))}</div>'
    return said


def _baseline(verdict: Verdict) -> str:
    if verdict.baseline is None:
        return ""
    new = sum(judged.new is True for judged in verdict.findings)
    gone = [
        (finding.severity, finding.id, finding.package.name, finding.package.version)
        for finding in verdict.baseline.gone
    ]
    name = escape(words.clean(verdict.baseline.asked, 1024))
    table = _table("Gone since the baseline", ("severity", "vulnerability", "package", "version"), gone) if gone else ""
    return f"<p>Against {name}: {new} new, {len(verdict.findings) - new} known, {len(gone)} gone.</p>{table}"


def _licenses(verdict: Verdict) -> str:
    if verdict.licenses is None or not verdict.licenses.denied:
        return ""
    rows = [(one.package.name, one.package.version, one.license) for one in verdict.licenses.denied]
    return _table("Packages nobody may ship here", ("package", "version", "license"), rows)


def _cross_check(verdict: Verdict) -> str:
    if verdict.disagreements is None:
        return ""
    if not verdict.disagreements:
        return f"<p>{escape(verdict.second_scanner)} reports the same.</p>"
    rows = [(one.id, one.package, one.version, one.severity, one.only, one.note) for one in verdict.disagreements]
    header = ("vulnerability", "package", "version", "severity", "only by", "note")
    return _table(f"Where the built-in scanner and {verdict.second_scanner} disagree", header, rows)


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of plain text; it scrolls by keyboard where it is too wide."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{_shown(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _shown(text: str) -> str:
    return escape(words.clean(text, 1024))


def _kind(column: str) -> str:
    return ' class="n"' if column == "EPSS" else ""


def _yes(value: bool) -> str:
    return "yes" if value else "no"
