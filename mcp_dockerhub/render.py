"""Plain-text rendering for people: sizes, times, tables. No knowledge of any result."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

UNKNOWN: Final = "?"
ELLIPSIS: Final = "…"
DEFAULT_WIDTH: Final = 100

_SIZE_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_SHORT_HEX: Final = 12


def size(count: int | None) -> str:
    """Bytes in decimal units with three significant digits, as Docker shows them: ``29.5 MB``."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in _SIZE_UNITS[:-1]:
        # What would round up to 1000 of a unit is one of the next.
        if abs(value) < 999.5:
            return f"{count} B" if unit == "B" else f"{value:#.3g}".rstrip(".") + f" {unit}"
        value /= 1000
    return f"{value:,.1f} {_SIZE_UNITS[-1]}"


def number(count: int | None) -> str:
    """A count with thousands separated."""
    return UNKNOWN if count is None else f"{count:,}"


def time(moment: datetime | None) -> str:
    """A moment to the minute, in UTC."""
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def day(moment: datetime | None) -> str:
    """The date of a moment, in UTC."""
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d}"


def span(duration: timedelta) -> str:
    """How long, in the largest unit that tells: ``12 days``, ``5 hours``, ``2 minutes``."""
    seconds = abs(int(duration.total_seconds()))
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return counted(seconds // length, name)
    return counted(seconds, "second")


def counted(count: int, noun: str) -> str:
    """``1 layer``, ``3 layers``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def short(digest: str) -> str:
    """A digest people can tell apart: its algorithm and first twelve digits."""
    algorithm, colon, value = digest.partition(":")
    return f"{algorithm}:{value[:_SHORT_HEX]}" if colon else digest[:_SHORT_HEX]


def clip(text: str, width: int = DEFAULT_WIDTH) -> str:
    """``text`` on one line of at most ``width`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + ELLIPSIS


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """``name  value`` lines with the values aligned; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    return [f"{name:<{width}}  {value}" for name, value in shown]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str = "", *, indent: str = "  ") -> list[str]:
    """Aligned columns. ``align`` has ``>`` for every column that is flush right, ``<`` (or nothing) otherwise."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    sides: list[Literal["<", ">"]] = [
        ">" if align[column : column + 1] == ">" else "<" for column in range(len(header))
    ]
    layout = indent + "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return [layout.format(*row).rstrip() for row in (header, *rows)]


def head(lines: Sequence[str], limit: int, what: str = "line") -> list[str]:
    """The first ``limit`` lines, and how many more there are: text is for reading, the structured answer is whole."""
    if len(lines) <= limit:
        return list(lines)
    return [*lines[:limit], f"  {ELLIPSIS} {counted(len(lines) - limit, 'more ' + what)}"]
