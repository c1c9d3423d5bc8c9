"""Where in a TOML file a key was written: the standard parser does not keep positions."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

Path = tuple[str | int, ...]

_KEY: Final = r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[A-Za-z0-9_-]+)"
_DOTTED: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE: Final = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]")
_ARRAY: Final = re.compile(rf"\s*\[\[\s*({_DOTTED})\s*\]\]")
_ASSIGNED: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_PARTS: Final = re.compile(_KEY)


def key_lines(text: str) -> Mapping[Path, int]:
    """Line (from 1) of each table and key by its path, array tables counted from 0.

    Made for messages: a line of a multi-line string that looks like a key is taken for one.
    """
    lines: dict[Path, int] = {}
    tables: Counter[Path] = Counter()
    current: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _ARRAY.match(line):
            path = _absolute(_parts(found[1]), tables)
            current = (*path, tables[path])
            tables[path] += 1
        elif found := _TABLE.match(line):
            current = _absolute(_parts(found[1]), tables)
        elif found := _ASSIGNED.match(line):
            lines.setdefault((*current, *_parts(found[1])), number)
            continue
        else:
            continue
        lines.setdefault(current, number)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of ``path``, or of the nearest table around it."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


def _parts(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PARTS.findall(dotted))


def _absolute(parts: Path, tables: Mapping[Path, int]) -> Path:
    """``[a.b]`` below ``[[a]]`` belongs to the latest ``a``."""
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in tables:
            path = (*path, tables[path] - 1)
    return (*path, *parts[-1:])
