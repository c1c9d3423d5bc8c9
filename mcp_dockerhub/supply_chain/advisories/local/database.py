"""Matching against the local database: no network, off the event loop."""

import json
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import anyio.to_thread

from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.supply_chain.advisories.coverage import outside
from mcp_dockerhub.supply_chain.advisories.ecosystems import base_of, canonical, spellings
from mcp_dockerhub.supply_chain.advisories.feeds import Published, Source
from mcp_dockerhub.supply_chain.advisories.local.schema import UPDATE, connect, damage_said, reading
from mcp_dockerhub.supply_chain.advisories.merging import merge
from mcp_dockerhub.supply_chain.advisories.model import (
    Advisory,
    Affected,
    DatabaseFacts,
    Event,
    Hit,
    Matches,
    Progress,
    Query,
    Range,
    Unmatched,
)
from mcp_dockerhub.supply_chain.advisories.ranges import hit_of, judge, unreadable
from mcp_dockerhub.supply_chain.advisories.records import read_advisory, read_time
from mcp_dockerhub.supply_chain.advisories.versions import is_readable

NAME: Final = "local database"
_AHEAD: Final = timedelta(days=1)
"""How far two clocks may differ."""
_AT_ONCE: Final = 200
"""Queries between two words of progress."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Archive:
    """What the database holds of one ecosystem."""

    ecosystem: str
    updated: datetime
    """When it was last compared with what is published."""
    advisories: int
    unreadable: int
    """Of these, how many could not be read: nothing is matched with them."""


class LocalDatabase:
    """The ``Database`` in the file at ``path``, which may come, go and be replaced while this exists."""

    def __init__(
        self, path: Path, max_age: timedelta = timedelta(days=7), now: Clock = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._max_age = max_age
        self._now = now

    async def match(self, queries: Sequence[Query], progress: Progress | None = None) -> Matches:
        """See ``Database.match``."""
        wanted = list(dict.fromkeys(queries))
        work = _Work(await anyio.to_thread.run_sync(connect, self._path))
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                await anyio.to_thread.run_sync(work.match, wanted[start : start + _AT_ONCE])
                if progress is not None:
                    await progress(len(work.records))
            archives = await anyio.to_thread.run_sync(held, work.connection)
        finally:
            work.connection.close()
        used = {base_of(query.ecosystem) for query in wanted}
        return Matches(merge(work.hits), tuple(work.unmatched), self._facts(archives, used))

    def edition(self) -> str:
        """See ``Database.edition``: which file has the name now; empty where none has."""
        try:
            facts = self._path.stat()
        except OSError:
            return ""
        return f"{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"

    def archives(self) -> Mapping[str, Archive]:
        """What the database holds. Raises Unsupported where there is none."""
        with reading(self._path) as connection:
            return held(connection)

    def feed(self, name: str, what: str) -> Source:
        """A list that was kept with the database's last update."""

        def load() -> Published:
            with reading(self._path) as connection:
                row = connection.execute("SELECT body, updated FROM feeds WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise Unsupported(f"The local database does not hold {what}.", hint=f"Fetch it: {UPDATE}.")
            return Published(row[0], read_time(row[1]))

        async def read() -> Published:
            return await anyio.to_thread.run_sync(load)

        return read

    def _facts(self, archives: Mapping[str, Archive], used: set[str]) -> DatabaseFacts:
        asked = [archives[name] for name in sorted(used) if name in archives]
        updated = min((archive.updated for archive in asked), default=None)
        warnings = [
            f"{archive.unreadable} advisories of {archive.ecosystem} in the local database could not be read."
            for archive in asked
            if archive.unreadable
        ]
        age = timedelta() if updated is None else self._now() - updated
        if age > self._max_age:
            said = f"The local database is {age.days} days old: newer advisories are not in it. Run {UPDATE}."
            warnings.insert(0, said)
        elif updated is not None and age < -_AHEAD:
            said = f"The local database is dated {updated:%Y-%m-%d}, which is to come: how old it is is not known."
            warnings.insert(0, said)
        dates = {name: archive.updated for name, archive in archives.items()}
        return DatabaseFacts(NAME, updated, dates, local=True, warnings=tuple(warnings))


def held(connection: sqlite3.Connection) -> dict[str, Archive]:
    """The archives in a database."""
    rows = connection.execute("SELECT ecosystem, updated, advisories, unreadable FROM archives ORDER BY ecosystem")
    oldest = datetime.min.replace(tzinfo=UTC)
    return {row[0]: Archive(row[0], read_time(row[1]) or oldest, row[2], row[3]) for row in rows}


@dataclass(slots=True)
class _Work:
    """One call's connection, and its results so far."""

    connection: sqlite3.Connection
    hits: list[Hit] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    records: dict[int, Advisory] = field(default_factory=dict)
    releases: dict[str, frozenset[str]] = field(default_factory=dict)
    """By ecosystem: what a query may say to mean a release that any advisory names."""

    def match(self, queries: Sequence[Query]) -> None:
        """In a worker thread."""
        with damage_said():
            archives = held(self.connection)
            here = [query for query in queries if base_of(query.ecosystem) in archives]
            self.unmatched += [_not_held(query) for query in queries if base_of(query.ecosystem) not in archives]
            missing = list(outside(here, self._lists, f"The {NAME}"))
            self.unmatched += missing
            left_out = {entry.query for entry in missing}
            for query in here:
                if query not in left_out:
                    self._match_one(query)

    def _lists(self, release: str) -> bool:
        base = base_of(release)
        if base not in self.releases:
            rows = self.connection.execute("SELECT DISTINCT ecosystem FROM affected WHERE archive = ?", (base,))
            self.releases[base] = frozenset(spelling for row in rows for spelling in spellings(row[0]))
        return release in self.releases[base]

    def _match_one(self, query: Query) -> None:
        undecided: list[str] = []
        for number, entries in _candidates(self.connection, query):
            verdict = judge(query, entries)
            if verdict == "affected":
                self.hits.append(hit_of(query, self._record(number)))
            elif verdict == "unreadable":
                undecided.append(self._record(number).id)
        if not is_readable(query.ecosystem, query.version):
            self.unmatched.append(unreadable(query))
        elif undecided:
            self.unmatched.append(Unmatched(query, f"it cannot be compared with the versions in {undecided[0]}"))

    def _record(self, number: int) -> Advisory:
        if number not in self.records:
            row = self.connection.execute("SELECT body FROM advisories WHERE number = ?", (number,)).fetchone()
            self.records[number] = read_advisory(json.loads(zlib.decompress(row[0])))
        return self.records[number]


def _candidates(connection: sqlite3.Connection, query: Query) -> Iterator[tuple[int, list[Affected]]]:
    """Advisories about a package, whatever its version, and what each says of it."""
    found: dict[int, list[Affected]] = defaultdict(list)
    rows = connection.execute(
        "SELECT advisory, ecosystem, entry FROM affected WHERE archive = ? AND name = ? ORDER BY advisory, part",
        (base_of(query.ecosystem), canonical(query.ecosystem, query.name)),
    )
    for number, release, entry in rows:
        if query.ecosystem in spellings(release):
            found[number].append(_kept(release, query.name, entry))
    yield from found.items()


def _kept(release: str, name: str, entry: str) -> Affected:
    """An entry as ``archive`` wrote it, where every part was looked at."""
    versions, ranges = json.loads(entry)
    return Affected(
        release,
        name,
        tuple(versions),
        tuple(Range(kind, tuple(Event(*event) for event in events)) for kind, events in ranges),
    )


def _not_held(query: Query) -> Unmatched:
    base = base_of(query.ecosystem)
    return Unmatched(query, f"the local database has no advisories for {base}; run {UPDATE} --ecosystem '{base}'")
