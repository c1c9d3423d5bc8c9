"""What an advisory database is asked and what it answers.

Two databases answer alike: the OSV API and the local one. The rules both keep:

- Every query ends as hits, as ``Unmatched`` with a reason, or as "asked, and nothing is known": a query that is
  neither among the hits nor among the unmatched was really compared with every advisory about its package.
- A database that cannot be reached, or answers with something else than promised, raises. It never answers less.
- Withdrawn advisories are no hits.

Strings are the publishers': hostile text is cleaned where it is shown.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Generic, Literal, Protocol, TypeVar

Severity = Literal["critical", "high", "medium", "low", "negligible", "unknown"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low", "negligible", "unknown")
"""Worst first; ``unknown`` last because nobody has rated it, not because it is harmless."""

Progress = Callable[[int], Awaitable[None]]
"""Told how many distinct advisories have been found so far."""


@dataclass(frozen=True, slots=True)
class Query:
    """One package at one version, in the words of the OSV schema (section "affected[].package")."""

    ecosystem: str
    """With its release where it has one: ``Debian:12``, ``Alpine:v3.20``, ``Ubuntu:22.04:LTS``, ``PyPI``."""
    name: str
    """As the ecosystem's advisories write it: the source package of a distribution, the normalised Python name."""
    version: str


@dataclass(frozen=True, slots=True)
class Rating:
    """How bad somebody says it is."""

    severity: Severity
    score: float | None = None
    """CVSS base score 0.0 to 10.0; None where the rating is a word."""
    vector: str = ""
    """The CVSS vector, or the word as it was given (``Moderate``)."""
    by: str = ""
    """Which scale: ``CVSS:4.0``, ``CVSS:3.1``, ``CVSS:2.0``, ``Debian urgency``, ``Ubuntu priority``, ``GHSA``."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where to read more."""

    kind: str
    """``ADVISORY``, ``FIX``, ``WEB``, … (OSV schema "references[].type")."""
    url: str


@dataclass(frozen=True, slots=True)
class Event:
    """One point in the life of a vulnerability (OSV schema "affected[].ranges[].events")."""

    kind: Literal["introduced", "fixed", "last_affected", "limit"]
    version: str


@dataclass(frozen=True, slots=True)
class Range:
    """Events of one line of versions."""

    type: Literal["SEMVER", "ECOSYSTEM", "GIT"]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Affected:
    """What an advisory says of one package."""

    ecosystem: str
    """As the advisory writes it, release included."""
    name: str
    versions: tuple[str, ...] = ()
    """Versions named one by one; they are affected whatever the ranges say. Left out of the advisories of hits."""
    ranges: tuple[Range, ...] = ()
    ratings: tuple[Rating, ...] = ()
    """Of this package alone; they come before those of the advisory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One record, or several that say the same of one vulnerability (see ``merging``)."""

    id: str
    """``CVE-2024-6345`` where one is known after merging, else the record's own."""
    aliases: tuple[str, ...] = ()
    """Other names of the same vulnerability, without ``id``."""
    upstream: tuple[str, ...] = ()
    """Vulnerabilities that a distribution's record is about."""
    related: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    """Markdown, bounded; empty where nothing is said."""
    published: datetime | None = None
    modified: datetime | None = None
    withdrawn: datetime | None = None
    ratings: tuple[Rating, ...] = ()
    """Best scale first: CVSS 4, 3, 2, then the distribution's own word, then other words."""
    references: tuple[Reference, ...] = ()
    affected: tuple[Affected, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every identifier this vulnerability goes by."""
        return frozenset((self.id, *self.aliases, *self.upstream))

    @property
    def cves(self) -> tuple[str, ...]:
        """Its CVE numbers, which KEV and EPSS are about; sorted, several where a record covers several."""
        return tuple(sorted(name for name in self.names if name.startswith("CVE-")))


@dataclass(frozen=True, slots=True)
class Hit:
    """A package that an advisory says is vulnerable."""

    query: Query
    advisory: Advisory
    fixed: tuple[str, ...] = ()
    """Versions of this ecosystem and package that fix it, that on the query's own branch first; empty where there
    is no fix."""
    rating: Rating | None = None
    """The one that counts for this package, None where nobody rated it."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A query that the database could not answer."""

    query: Query
    reason: str
    """In words, without markup, with what to do where something can be done."""


@dataclass(frozen=True, slots=True)
class NotCovered:
    """A package that no database is asked about."""

    reason: str
    """In words: ``its version is not known``."""
    covered_by: str = ""
    """The purl of the distribution package whose own query covers it: then nothing is missing. Else empty."""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Which database answered, and how old it is."""

    name: str
    """``OSV API (api.osv.dev)``, ``local database``."""
    updated: datetime | None = None
    """The oldest of what was used; None where the database does not say (the API is always current)."""
    ecosystems: Mapping[str, datetime | None] | None = None
    """What it holds, by ecosystem without release, and when each was updated; None where it cannot list them."""
    local: bool = False
    warnings: tuple[str, ...] = ()
    """Why its answers may lack what is known, such as its age: with any of these no scan is complete."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The answer to a list of queries."""

    hits: tuple[Hit, ...]
    """One per query and vulnerability (aliases merged), in the order of the queries."""
    unmatched: tuple[Unmatched, ...]
    database: DatabaseFacts
    requests: int = 0
    """Requests made now; 0 where all of it was remembered."""


class Database(Protocol):
    """A source of advisories."""

    async def match(self, queries: Sequence[Query], progress: Progress | None = None) -> Matches:
        """What is known about these packages; repeated queries are answered once.

        Raises:
            UpstreamTimeout, UpstreamUnavailable, RateLimited: it cannot be asked now.
            UpstreamInvalid, TooLarge: it answered something else than its interface promises.
            Unsupported: the local database is missing, damaged or of another version.
        """

    def edition(self) -> str:
        """Another text once the database has been replaced: what was made with the one before is of no use then."""


@dataclass(frozen=True, slots=True)
class KevEntry:
    """One entry of CISA's catalogue of vulnerabilities known to be exploited."""

    cve: str
    added: date
    due: date | None = None
    """By when US federal agencies must have acted."""
    ransomware: bool = False
    """Known to be used in ransomware campaigns."""
    name: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class EpssScore:
    """How likely exploitation within 30 days is (FIRST EPSS)."""

    cve: str
    score: float
    """Probability, 0 to 1."""
    percentile: float
    """Share of all CVEs with this score or less, 0 to 1."""


EntryT = TypeVar("EntryT", KevEntry, EpssScore)


@dataclass(frozen=True, slots=True)
class Feed(Generic[EntryT]):
    """What a list says about some CVEs."""

    entries: Mapping[str, EntryT]
    """By CVE; a CVE that is not in it is not on the list, provided ``available``."""
    dated: date | None = None
    """The list's own date."""
    available: bool = True
    """False where the list could not be read: then nothing is known, and ``warning`` says why."""
    warning: str = ""


class KevFeed(Protocol):
    """Vulnerabilities known to be exploited."""

    async def lookup(self, cves: Sequence[str]) -> Feed[KevEntry]:
        """Those of ``cves`` that are on the list; never raises for an unreachable list."""


class EpssFeed(Protocol):
    """Probabilities of exploitation."""

    async def lookup(self, cves: Sequence[str]) -> Feed[EpssScore]:
        """The scores of ``cves``; never raises for an unreachable list."""


@dataclass(frozen=True, slots=True)
class Advisories:
    """Everything that is asked about vulnerabilities, built once by the composition root."""

    database: Database
    kev: KevFeed | None = None
    """None where it is switched off."""
    epss: EpssFeed | None = None
    """None where it is switched off."""
