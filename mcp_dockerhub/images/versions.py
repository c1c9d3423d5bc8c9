"""What tags mean: which are versions, which are alike, and which is newer.

A tag is read as *prefix, numeric components, pre-release, suffix*. Its **shape** is the prefix, the number of
components, and the suffix with every build counter (a number between separators) replaced by a placeholder: only
tags of one shape are offered for each other. Where the known update tools differ, a shorter version sorts as newer
than a longer one that starts with it (``10.1`` includes ``10.1.2``), and what ``latest`` points to is no upper bound.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_HASH: Final = re.compile(r"g?[0-9a-f]{7,40}", re.ASCII)
_SEPARATOR: Final = re.compile(r"[-_]")
_AT_BOUNDARY: Final = re.compile(r"(?:^|(?<=[-_])|(?<=[A-Za-z]\.))[vV]?(?=[0-9])", re.ASCII)
_AFTER_LETTERS: Final = re.compile(r"(?<=[A-Za-z])(?=[0-9])", re.ASCII)
_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_DATE: Final = re.compile(
    r"([0-9]{4})-([01][0-9])-([0-3][0-9])(?:T([0-9]{2})-?([0-9]{2})-?([0-9]{2})Z?)?(?![0-9.])", re.ASCII
)
_PRERELEASE: Final = re.compile(
    r"(?:(?<![0-9A-Za-z])|(?<=[0-9]))"
    r"(?:(alpha|beta|rc|ea|pre|preview|snapshot|nightly|canary|milestone)(?:[-._]?([0-9]+(?:\.[0-9]+)*))?"
    r"|(a|b|c|m|cr|dev)[-._]?([0-9]+(?:\.[0-9]+)*))"
    r"(?=[-_.]|$)",
    re.ASCII | re.IGNORECASE,
)
_COUNTER: Final = re.compile(r"(?<=[-_])([0-9]+(?:\.[0-9]+)*)(?=[-_]|$)", re.ASCII)
_HASH_PART: Final = re.compile(r"(?<=[-_.])(?![0-9]+(?:[-_.]|$))g?[0-9a-f]{7,40}(?=[-_.]|$)", re.ASCII)
_SHORTEST_HASH: Final = 7
_UNIX_TIME: Final = range(10**9, 10**10)

_STAGES: Final = {
    "nightly": 0,
    "snapshot": 0,
    "canary": 0,
    "dev": 0,
    "ea": 1,
    "a": 2,
    "alpha": 2,
    "pre": 3,
    "preview": 3,
    "m": 3,
    "milestone": 3,
    "b": 4,
    "beta": 4,
    "c": 5,
    "cr": 5,
    "rc": 5,
}
_RELEASED: Final = (99, ())
_ENDLESS: Final = float("inf")
_CALENDAR_DIGITS: Final = 8
_MOST_KEPT: Final = 20_000
"""Tags of a list whose order is kept, for the next page of it: what is kept here is in nobody's budget."""

Numbers = tuple[int, ...]
Shape = tuple[str, int, str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class TagVersion:
    """A tag that holds a version."""

    tag: str
    prefix: str
    """Text before the numbers; a ``v`` is part of it."""
    numbers: Numbers
    stage: tuple[int, Numbers]
    """How far from released, and the pre-release's own number; ``_RELEASED`` for a release."""
    suffix: str
    """Text after the numbers without the pre-release; build counters read ``#``, commit hashes ``@``."""
    counters: tuple[Numbers, ...]

    @property
    def is_stable(self) -> bool:
        return self.stage == _RELEASED

    @property
    def shape(self) -> Shape:
        """Equal for tags that differ only in how new they are."""
        return (self.prefix, len(self.numbers), self.suffix, tuple(map(_precision, self.counters)))

    @property
    def order(self) -> tuple[object, ...]:
        """Greater is newer. A rolling version is newer than what it includes, a plain tag than a suffixed one."""
        return ((*self.numbers, _ENDLESS), self.stage, not self.suffix, self.counters, self.suffix)


def parse(tag: str) -> TagVersion | None:
    """Read ``tag`` as a version; None for names such as ``latest``, codenames and commit hashes."""
    match = _first_numbers(tag)
    if match is None:
        return None
    start, numbers = match.start(), _numbers(match[0])
    date = _DATE.match(tag, start)
    if date is not None:
        match, numbers = date, tuple(int(part) for part in date.groups() if part is not None)
    rest = tag[match.end() :]
    if not rest:
        return TagVersion(tag, tag[:start], numbers, _RELEASED, "", ())
    stage, rest = _split_prerelease(rest)
    if len(rest) > _SHORTEST_HASH:
        rest = _HASH_PART.sub("@", rest)
    found = _COUNTER.findall(rest)
    suffix = _COUNTER.sub("#", rest) if found else rest
    return TagVersion(tag, tag[:start], numbers, stage, suffix, tuple(map(_numbers, found)))


def newest(current: str, tags: Iterable[str]) -> str:
    """The newest of ``tags`` with the shape of ``current``; ``current`` itself where nothing is newer.

    A release is never given a pre-release; a pre-release is given a newer one of its kind, or its release.
    """
    here = parse(current)
    if here is None:
        return current
    best = here
    for tag in tags:
        there = parse(tag)
        if there and there.shape == here.shape and _acceptable(here, there) and there.order > best.order:
            best = there
    return best.tag


def newest_first(tags: tuple[str, ...]) -> tuple[str, ...]:
    """All tags: versions from the newest, then dates and prefixed versions, then names, then commit hashes."""
    return _kept_order(tags) if len(tags) <= _MOST_KEPT else _newest_first(tags)


def _newest_first(tags: tuple[str, ...]) -> tuple[str, ...]:
    versions: list[tuple[bool, str, tuple[object, ...], str]] = []
    names: list[tuple[bool, str]] = []
    for tag in tags:
        version = parse(tag)
        if version is None:
            names.append((_is_hash(tag), tag))
        else:
            prefix = version.prefix.lower().removesuffix("v")
            versions.append((not prefix and not _is_calendar(version), prefix, version.order, tag))
    versions.sort(reverse=True)
    names.sort()
    return (*(entry[3] for entry in versions), *(name for _, name in names))


_kept_order = lru_cache(maxsize=4)(_newest_first)


def _first_numbers(tag: str) -> re.Match[str] | None:
    """The numbers the version begins with: after a separator if there are any, else after letters."""
    if "0" <= tag[:1] <= "9" and not _is_hash(_part_around(tag, 0)):
        return _NUMBERS.match(tag)
    for pattern in (_AT_BOUNDARY, _AFTER_LETTERS):
        for match in pattern.finditer(tag):
            if not _is_hash(_part_around(tag, match.start())):
                return _NUMBERS.match(tag, match.end())
    return None


def _part_around(tag: str, position: int) -> str:
    before = max(tag.rfind("-", 0, position), tag.rfind("_", 0, position)) + 1
    after = _SEPARATOR.search(tag, position)
    return tag[before : after.start() if after else len(tag)]


def _is_hash(text: str) -> bool:
    """Digits only are a version, not a hash."""
    return len(text) >= _SHORTEST_HASH and _HASH.fullmatch(text) is not None and not text.isdigit()


def _split_prerelease(rest: str) -> tuple[tuple[int, Numbers], str]:
    match = _PRERELEASE.search(rest)
    if match is None:
        return _RELEASED, rest
    kind = (match[1] or match[3]).lower()
    number = match[2] or match[4]
    remaining = rest[: match.start()].rstrip("-_.") + rest[match.end() :]
    return (_STAGES[kind], _numbers(number) if number else ()), remaining


def _numbers(text: str) -> Numbers:
    return tuple(int(part) for part in text.split("."))


def _precision(counter: Numbers) -> int:
    """Components of a build counter; a build's Unix time at its end is no component of its own."""
    return len(counter) - (len(counter) > 1 and counter[-1] in _UNIX_TIME)


def _acceptable(here: TagVersion, there: TagVersion) -> bool:
    if there.is_stable:
        return here.is_stable or there.numbers == here.numbers
    return not here.is_stable and there.stage[0] == here.stage[0]


def _is_calendar(version: TagVersion) -> bool:
    """A date as one number says when, not which: it does not compete with dotted versions."""
    return len(version.numbers) == 1 and version.numbers[0] >= 10 ** (_CALENDAR_DIGITS - 1)
