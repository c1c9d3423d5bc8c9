"""A vulnerability database and lists that tests fill by hand, for what is made of their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.supply_chain.advisories.model import (
    Advisories,
    Advisory,
    DatabaseFacts,
    EpssScore,
    Feed,
    Hit,
    KevEntry,
    Matches,
    Progress,
    Query,
    Rating,
    Reference,
    Severity,
    Unmatched,
)

SCORES: Mapping[Severity, float] = {"critical": 9.8, "high": 8.1, "medium": 5.3, "low": 2.0}


def advisory(name: str, *aliases: str, summary: str = "It breaks.") -> Advisory:
    return Advisory(
        id=name,
        aliases=aliases,
        summary=summary,
        published=datetime(2026, 1, 1, tzinfo=UTC),
        modified=datetime(2026, 1, 2, tzinfo=UTC),
        references=(
            Reference("WEB", "https://example.com/blog"),
            Reference("ADVISORY", "https://example.com/advisory"),
        ),
    )


def rated(severity: Severity) -> Rating | None:
    return None if severity == "unknown" else Rating(severity, SCORES.get(severity), "CVSS:3.1/AV:N", "CVSS:3.1")


@dataclass
class FakeDatabase:
    """Satisfies ``Database``."""

    known: dict[tuple[str, str], list[tuple[Advisory, Severity, tuple[str, ...]]]] = field(default_factory=dict)
    """By name and version of a query."""
    unanswered: dict[str, str] = field(default_factory=dict)
    """Reasons by name of a query."""
    fails: DockerHubError | None = None
    facts: DatabaseFacts = field(default_factory=lambda: DatabaseFacts("made-up database"))
    replaced: int = 0
    """How often it was."""
    asked: list[tuple[Query, ...]] = field(default_factory=list)

    def add(
        self, package: str, version: str, found: str | Advisory, severity: Severity = "high", *fixed: str
    ) -> "FakeDatabase":
        entry = advisory(found) if isinstance(found, str) else found
        self.known.setdefault((package, version), []).append((entry, severity, fixed))
        return self

    async def match(self, queries: Sequence[Query], progress: Progress | None = None) -> Matches:
        self.asked.append(tuple(queries))
        if self.fails:
            raise self.fails
        unmatched = tuple(
            Unmatched(query, self.unanswered[query.name]) for query in queries if query.name in self.unanswered
        )
        hits = tuple(
            Hit(query, found, fixed, rated(severity))
            for query in queries
            for found, severity, fixed in self.known.get((query.name, query.version), ())
            if query.name not in self.unanswered
        )
        if progress is not None:
            await progress(len(hits))
        return Matches(hits, unmatched, self.facts, 1 if queries else 0)

    def edition(self) -> str:
        return str(self.replaced)


@dataclass
class FakeKev:
    """Satisfies ``KevFeed``."""

    listed: frozenset[str] = frozenset()
    warning: str = ""

    async def lookup(self, cves: Sequence[str]) -> Feed[KevEntry]:
        found = {cve: KevEntry(cve, date(2026, 2, 3), ransomware=True) for cve in cves if cve in self.listed}
        return Feed({}, None, available=False, warning=self.warning) if self.warning else Feed(found, date(2026, 3, 1))


@dataclass
class FakeEpss:
    """Satisfies ``EpssFeed``."""

    scores: Mapping[str, float] = field(default_factory=dict)
    warning: str = ""

    async def lookup(self, cves: Sequence[str]) -> Feed[EpssScore]:
        found = {cve: EpssScore(cve, self.scores[cve], 0.9) for cve in cves if cve in self.scores}
        return Feed({}, None, available=False, warning=self.warning) if self.warning else Feed(found, date(2026, 3, 1))


@dataclass
class Known:
    """Everything that is asked, to be filled by a test."""

    database: FakeDatabase = field(default_factory=FakeDatabase)
    kev: FakeKev = field(default_factory=FakeKev)
    epss: FakeEpss = field(default_factory=FakeEpss)

    @property
    def advisories(self) -> Advisories:
        return Advisories(self.database, self.kev, self.epss)
