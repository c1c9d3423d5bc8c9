"""Whether a version is affected, by the evaluation that the OSV schema defines (section "Evaluation").

A comparison that cannot be made is said: it never counts as "not affected".
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cmp_to_key
from typing import Any, Final, Literal

from mcp_dockerhub.supply_chain.advisories.ecosystems import canonical, spellings
from mcp_dockerhub.supply_chain.advisories.model import Advisory, Affected, Event, Hit, Query, Range, Unmatched
from mcp_dockerhub.supply_chain.advisories.severity import in_order
from mcp_dockerhub.supply_chain.advisories.versions import Reader, Unreadable, reader_of, semantic

Verdict = Literal["affected", "unaffected", "unreadable"]
_START: Final = "0"
_INFINITY: Final = "*"


def concerns(entry: Affected, query: Query) -> bool:
    """Whether an entry of an advisory is about the package that is asked about."""
    same = entry.name == query.name
    named = same or canonical(entry.ecosystem, entry.name) == canonical(query.ecosystem, query.name)
    return named and query.ecosystem in spellings(entry.ecosystem)


def judge(query: Query, entries: Iterable[Affected]) -> Verdict:
    """What the entries of one advisory that concern the query say of its version."""
    verdicts = {_judge_entry(query.version, entry) for entry in entries}
    return next((verdict for verdict in _BY_WEIGHT if verdict in verdicts), "unaffected")


_BY_WEIGHT: Final[tuple[Verdict, ...]] = ("affected", "unreadable", "unaffected")


def unreadable(query: Query) -> Unmatched:
    """A version that is not one by the rules of its ecosystem."""
    return Unmatched(query, f"its version {query.version[:60]!r} cannot be compared with others of {query.ecosystem}")


def hit_of(query: Query, advisory: Advisory) -> Hit:
    """A hit, with the fixes and the rating of the package that is asked about."""
    entries = [entry for entry in advisory.affected if concerns(entry, query)]
    ratings = in_order(rating for entry in entries for rating in entry.ratings) or advisory.ratings
    return Hit(query, advisory, fixes(query, entries), ratings[0] if ratings else None)


def fixes(query: Query, entries: Iterable[Affected]) -> tuple[str, ...]:
    """Versions that fix it, nearest first: the nearest one above is that of the query's own branch.

    Those below the version are of other branches and are left out; where versions cannot be compared, all stay.
    """
    events = [event for entry in entries for found in _numbered(entry) for event in found.events]
    fixed = list(dict.fromkeys(event.version for event in events if event.kind == "fixed"))
    reader = reader_of(query.ecosystem) or semantic
    try:
        here = reader(query.version)
        read = [(reader(version), version) for version in fixed]
    except Unreadable:
        return tuple(fixed)
    above = [(value, version) for value, version in read if here < value]
    return tuple(version for _, version in sorted(above, key=lambda one: _key(one[0])))


def _compare(one: Any, other: Any) -> int:
    return -1 if one < other else int(other < one)


_key: Final = cmp_to_key(_compare)
"""Versions are asked for "less than" only: not every library's "equal" agrees with its own order."""


def _numbered(entry: Affected) -> Iterator[Range]:
    """Commits are compared by history, which nobody here has: only versions count."""
    return (found for found in entry.ranges if found.type != "GIT")


def _judge_entry(version: str, entry: Affected) -> Verdict:
    if version in entry.versions:
        return "affected"
    ranges = list(_numbered(entry))
    reader = reader_of(entry.ecosystem)
    if reader is None and all(found.type == "SEMVER" for found in ranges):
        reader = semantic
    if reader is None:
        return "unreadable"
    try:
        here = reader(version)
    except Unreadable:
        return "unreadable"
    if not ranges:
        return "affected" if _is_listed(here, entry.versions, reader) else "unaffected"
    verdicts = {_judge_range(here, found, reader) for found in ranges}
    return next(verdict for verdict in _BY_WEIGHT if verdict in verdicts)


def _is_listed(here: Any, versions: Sequence[str], reader: Reader) -> bool:
    """Versions named one by one may be written otherwise: ``1.0`` is ``1.0.0`` to most ecosystems."""
    for version in versions:
        try:
            there = reader(version)
        except Unreadable:
            continue
        if not here < there and not there < here:
            return True
    return False


def _judge_range(here: Any, found: Range, reader: Reader) -> Verdict:
    try:
        events = _ordered(found.events, reader)
        limits = [event.version for event in found.events if event.kind == "limit"]
        if limits and not any(limit == _INFINITY or here < reader(limit) for limit in limits):
            return "unaffected"
    except Unreadable:
        return "unreadable"
    affected = False
    for kind, value in events:
        if kind == "introduced" and (value is None or not here < value):
            affected = True
        elif (kind == "fixed" and not here < value) or (kind == "last_affected" and value < here):
            affected = False
    return "affected" if affected else "unaffected"


def _ordered(events: Sequence[Event], reader: Reader) -> list[tuple[str, Any]]:
    """Kind and version, None for the start of all versions; events of one version stay in their order."""
    start = [event for event in events if (event.kind, event.version) == ("introduced", _START)]
    later = [(event.kind, reader(event.version)) for event in events if event.kind != "limit" and event not in start]
    return [*((event.kind, None) for event in start), *sorted(later, key=lambda event: _key(event[1]))]
