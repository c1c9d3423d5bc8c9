"""Small charts as SVG, drawn here so that the status page needs no script and nothing from elsewhere."""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 480
HEIGHT: Final = 120
_LEFT: Final = 60
_BOTTOM: Final = 18
_TOP: Final = 8
_NOTHING: Final = 1e-9
"""What is less is drawn as nothing: the smallest numbers of all have no power of ten below them."""


def line_chart(title: str, values: Sequence[float | None], unit: str, span: str) -> str:
    """A line over equal steps, oldest first; None is a gap. ``span`` says what the axis covers, such as ``1 h``."""
    known = [value for value in values if value is not None]
    top = _nice(max(known, default=0.0))
    latest = f"{shown(known[-1])}{unit}" if known else "no data"
    label = f"{title}: latest {latest}, highest {shown(max(known))}{unit}" if known else f"{title}: no data"
    axis = (
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" class="tick end">{shown(top)}{unit}</text>'
        f'<text x="{_LEFT - 6}" y="{HEIGHT - _BOTTOM}" class="tick end">0</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 4}" class="tick">{escape(span)} ago</text>'
        f'<text x="{WIDTH - 4}" y="{HEIGHT - 4}" class="tick end">now</text>'
        f'<path class="axis" d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - 4}"/>'
    )
    lines = "".join(f'<polyline class="line" points="{points}"/>' for points in _segments(values, top))
    return (
        f"<figure><figcaption>{escape(title)} <b>{latest}</b></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{axis}{lines}</svg></figure>'
    )


def bar(title: str, value: float, limit: float, text: str) -> str:
    """How much of a limit is used, as a bar and in words."""
    share = min(1.0, value / limit) if limit > 0 else 0.0
    level = "bad" if share > 0.9 else "warn" if share > 0.75 else "good"
    label = f"{title}: {text}, {share:.0%}"
    return (
        f"<figure><figcaption>{escape(title)} <b>{escape(text)}</b></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} 16" role="img" aria-label="{escape(label)}">'
        f'<rect class="track" width="{WIDTH}" height="16" rx="3"/>'
        f'<rect class="{level}" width="{max(2.0, share * WIDTH):.1f}" height="16" rx="3"/></svg></figure>'
    )


def shown(value: float) -> str:
    """A number in at most four characters of digits: ``0.012``, ``3.4``, ``12k``."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


def _segments(values: Sequence[float | None], top: float) -> list[str]:
    """Runs of known values as SVG points; a lone value is a line to itself, which round caps make a dot."""
    steps = max(1, len(values) - 1)
    across, down = WIDTH - 4 - _LEFT, HEIGHT - _BOTTOM - _TOP
    runs: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        x = _LEFT + across * index / steps
        y = _TOP + down * (1 - (value / top if top else 0))
        runs[-1].append(f"{x:.1f},{y:.1f}")
    return [" ".join(run * 2 if len(run) == 1 else run) for run in runs if run]


def _nice(value: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below ``value``; 1 for nothing."""
    if value < _NOTHING:
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 < value:
        power *= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * 0.999999)
