"""A picture of an image's layers: how large each is, and how many findings lie in it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.scan.judging import Verdict
from mcp_dockerhub.supply_chain.advisories.model import SEVERITIES, Severity
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScannedLayer

MAX_DRAWN: Final = 40
_WIDTH: Final = 960
_ROW: Final = 26
_TOP: Final = 24
_SIZE_AT, _SIZE_WIDTH = 190, 300
_COUNT_AT, _COUNT_WIDTH = 610, 270
_WHOSE: Final = {True: "base", False: "yours", None: ""}


@dataclass(slots=True)
class _Row:
    layer: ScannedLayer
    number: int
    """From the bottom, from 1."""
    counts: Counter[Severity] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def words(self) -> str:
        rated = ", ".join(f"{self.counts[name]} {name}" for name in SEVERITIES if self.counts[name])
        return rated or "none"


def layers_picture(verdict: Verdict) -> str:
    """The picture and the same as a table; a sentence where the layers are not known."""
    rows = _rows(verdict)
    if not rows:
        return "<p>The layers of the image are not known.</p>"
    drawn = rows
    left_out = ""
    if len(rows) > MAX_DRAWN:
        weightiest = sorted(rows, key=lambda row: (row.total, row.layer.size), reverse=True)[:MAX_DRAWN]
        drawn = sorted(weightiest, key=lambda row: row.number)
        left_out = f" The {MAX_DRAWN} of {len(rows)} layers with most findings and bytes are drawn."
    unplaced = len(verdict.findings) - sum(row.total for row in rows)
    unknown = f" Of {render.counted(unplaced, 'finding')} the layer is not known." if unplaced else ""
    legend = "".join(f'<li class="s-{name}">&#9632; {name}</li>' for name in SEVERITIES)
    return (
        f"<figure><figcaption>From the base up; bars are compressed bytes, then findings by severity."
        f"{left_out}{unknown}</figcaption>{_drawing(drawn)}<ul class=legend>{legend}</ul></figure>"
        f"<details><summary>The layers as a table</summary>{_table(rows)}</details>"
    )


def _rows(verdict: Verdict) -> list[_Row]:
    rows = [_Row(layer, number) for number, layer in enumerate(verdict.report.layers, 1)]
    by_digest = {row.layer.digest: row for row in rows}
    for judged in verdict.findings:
        row = by_digest.get(judged.finding.layer or "")
        if row is not None:
            row.counts[judged.finding.severity] += 1
    return rows


def _drawing(rows: Sequence[_Row]) -> str:
    largest = max((row.layer.size for row in rows), default=0) or 1
    most = max((row.total for row in rows), default=0) or 1
    height = _TOP + _ROW * len(rows) + 4
    total = render.size(sum(row.layer.size for row in rows))
    label = f"{render.counted(len(rows), 'layer')}, {total}, {sum(row.total for row in rows)} findings in them"
    body = "".join(_drawn(row, _TOP + place * _ROW, largest, most) for place, row in enumerate(rows))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        f'<text class="dim" x="0" y="14">layer</text><text class="dim" x="{_SIZE_AT}" y="14">size</text>'
        f'<text class="dim" x="{_COUNT_AT}" y="14">findings</text>{body}</svg>'
    )


def _drawn(row: _Row, top: int, largest: int, most: int) -> str:
    width = max(2.0, _SIZE_WIDTH * row.layer.size / largest)
    middle = top + 15
    whose = _WHOSE[row.layer.in_base]
    title = f"{row.layer.digest}: {render.size(row.layer.size)}, findings: {row.words}"
    parts = [
        f"<g><title>{escape(title)}</title>",
        f'<text x="0" y="{middle}">{row.number}. {escape(row.layer.digest[7:19])}</text>',
        f'<text class="dim end" x="{_SIZE_AT - 8}" y="{middle}">{whose}</text>',
        f'<rect class="size" x="{_SIZE_AT}" y="{top + 3}" width="{width:.1f}" height="16" rx="2"/>',
        f'<text x="{_SIZE_AT + width + 6:.1f}" y="{middle}">{render.size(row.layer.size)}</text>',
    ]
    at = float(_COUNT_AT)
    for name in SEVERITIES:
        if row.counts[name]:
            part = _COUNT_WIDTH * row.counts[name] / most
            drawn = max(1.0, part - 1)
            parts.append(f'<rect class="s-{name}" x="{at:.1f}" y="{top + 3}" width="{drawn:.1f}" height="16"/>')
            at += part
    parts.append(f'<text x="{at + 6:.1f}" y="{middle}">{row.total or "-"}</text></g>')
    return "".join(parts)


def _table(rows: Sequence[_Row]) -> str:
    body = "".join(
        f"<tr><td class=n>{row.number}</td><td><code>{escape(row.layer.digest)}</code></td>"
        f"<td>{_WHOSE[row.layer.in_base] or '?'}</td><td class=n>{render.size(row.layer.size)}</td>"
        f"<td>{escape(row.words)}</td></tr>"
        for row in rows
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Layers"><table><caption>Layers from the base up'
        "</caption><thead><tr><th scope=col class=n>layer</th><th scope=col>digest</th><th scope=col>whose</th>"
        f"<th scope=col class=n>size</th><th scope=col>findings</th></tr></thead><tbody>{body}</tbody></table></div>"
    )
