"""One cache for all clients: in memory, bounded in bytes, keyed by who asked, one fetch at a time per key.

- A fetch belongs to the cache, not to its first caller: a caller that is cancelled or runs out of time leaves
  alone, and the fetch stops when nobody waits for it any more.
- An expired entry stays until it is evicted, for two uses: revalidation (``still_valid``), and as a ``stale``
  answer while the upstream is down or refuses for lack of quota.
- Failures are shared with everyone who waits; only ``NotFound`` is remembered, briefly.
"""

import asyncio
import contextlib
import copy
import enum
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    Forbidden,
    NotFound,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)

T = TypeVar("T")
Source = Literal["live", "cache", "stale"]

DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024
NEGATIVE_TTL: Final = 30.0
ENTRY_OVERHEAD: Final = 512
"""Bytes charged for an entry beyond its value: key and bookkeeping. Bounds the number of tiny entries too."""

_DOWN: Final = (UpstreamUnavailable, UpstreamTimeout, RateLimited)
# The upstream's word that the caller may not see this (any more): what was kept must not come back as stale.
_REFUSED: Final = (NotFound, Forbidden, AuthenticationFailed)


class Kind(enum.StrEnum):
    """What is kept, each with its own time to live."""

    SEARCH = "search"
    REPOSITORY = "repository"
    TAGS = "tags"
    TAG_DIGEST = "tag_digest"
    DOCUMENT = "document"
    """Digest-addressed: never expires."""
    DOCKERFILE = "dockerfile"
    VULNERABILITIES = "vulnerabilities"


DEFAULT_TTL: Final[Mapping[Kind, float]] = {
    Kind.SEARCH: 15 * 60.0,
    Kind.REPOSITORY: 3600.0,
    Kind.TAGS: 30 * 60.0,
    Kind.TAG_DIGEST: 30 * 60.0,
    Kind.DOCUMENT: math.inf,
    Kind.DOCKERFILE: 3600.0,
    Kind.VULNERABILITIES: 2 * 3600.0,
}
"""Seconds an entry counts as fresh."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    value: T
    size: int
    """Bytes to charge against the budget."""
    kept_at: datetime | None = None
    """When the upstream gave it, where that was not now: it comes from what outlives the process."""


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    value: T
    source: Source
    """``live``: fetched, or confirmed by ``still_valid``, for this call; ``cache``: within its time to live;
    ``stale``: beyond it, because the upstream could not be asked."""
    fetched_at: datetime
    """When the upstream last gave or confirmed the value (UTC)."""


@dataclass(frozen=True, slots=True)
class Key:
    kind: Kind
    partition: str
    identity: str
    """Of the credential it was fetched with."""
    upstream: str
    address: Hashable


class CacheObserver(Protocol):
    """What metrics want to know. Called on the event loop: must be quick and must not raise."""

    def hit(self, kind: str) -> None: ...
    def miss(self, kind: str) -> None: ...
    def stale(self, kind: str) -> None: ...
    def joined(self, kind: str) -> None: ...
    def evicted(self, kind: str) -> None: ...
    def size(self, bytes_: int, entries: int) -> None: ...


class _NullObserver:
    def hit(self, kind: str) -> None:
        pass

    miss = stale = joined = evicted = hit

    def size(self, bytes_: int, entries: int) -> None:
        pass


NULL_OBSERVER: Final[CacheObserver] = _NullObserver()


@dataclass(frozen=True, slots=True)
class KindStats:
    """Counts since the start (``clear`` keeps them); ``entries`` and ``bytes`` are now."""

    hits: int = 0
    misses: int = 0
    """Look-ups that had to ask the upstream, revalidations included."""
    joins: int = 0
    """Look-ups that waited for a fetch already under way."""
    renewed: int = 0
    """Misses where ``still_valid`` spared the fetch."""
    stale: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0

    @property
    def hit_ratio(self) -> float | None:
        """Share of look-ups that caused no upstream request of their own; None before the first."""
        lookups = self.hits + self.joins + self.misses
        return (self.hits + self.joins) / lookups if lookups else None


@dataclass(frozen=True, slots=True)
class CacheStats:
    total: KindStats
    max_bytes: int
    in_flight: int
    kinds: Mapping[Kind, KindStats]
    """Every kind, used or not."""


@dataclass(slots=True)
class _Entry:
    value: Any
    error: DockerHubError | None
    cost: int
    expires: float
    fetched_at: datetime


@dataclass(slots=True)
class _Flight:
    """One fetch under way and who waits for it."""

    key: Key
    expired: _Entry | None
    task: "asyncio.Task[Cached[Any]]" = field(init=False)
    waiters: int = 0


_COUNTED: Final = ("hits", "misses", "joins", "renewed", "stale", "evictions")


class Cache:
    """See the module's text. Not thread-safe; bound to no event loop until used in it."""

    def __init__(
        self,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        ttl: Mapping[Kind, float] | None = None,
        observer: CacheObserver = NULL_OBSERVER,
        task_context: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
        remaining: Callable[[], float] = lambda: math.inf,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        ``ttl`` overrides ``DEFAULT_TTL`` (seconds); ``task_context`` is entered around every shared fetch and gives
        it a deadline of its own; ``remaining`` says how many seconds the current caller can still wait;
        ``clock`` is monotonic seconds, ``now`` the wall clock in UTC.
        """
        self._max_bytes = max_bytes
        self._ttl = {**DEFAULT_TTL, **(ttl or {})}
        self._observer = observer
        self._task_context = task_context
        self._remaining = remaining
        self._clock = clock
        self._now = now
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Key, _Flight] = {}
        # The loop keeps weak references only: whatever runs is held here until it has ended.
        self._tasks: set[asyncio.Task[Cached[Any]]] = set()
        self._counts = {kind: dict.fromkeys(_COUNTED, 0) for kind in Kind}

    async def get(
        self,
        key: Key,
        fetch: Callable[[], Awaitable[Fetched[T]]],
        *,
        still_valid: Callable[[T], Awaitable[bool]] | None = None,
    ) -> Cached[T]:
        """The value of ``key``: kept, or fetched once for all who ask for it meanwhile.

        ``still_valid`` is asked about an expired value before it is fetched again; True renews it as if it had
        just been fetched. Raises what ``fetch`` raises, a copy per caller; UpstreamTimeout when this caller's time
        is up first. ``fetch`` must not ask for its own ``key``.
        """
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            if self._clock() < entry.expires:
                self._count(key.kind, "hits", self._observer.hit)
                return self._deliver(entry, "cache")
        flight = self._flights.get(key)
        if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
            self._count(key.kind, "misses", self._observer.miss)
            expired = entry if entry is not None and entry.error is None else None
            flight = self._start(_Flight(key, expired), fetch, still_valid)
        else:
            self._count(key.kind, "joins", self._observer.joined)
        answer = await self._wait(flight)
        if answer.source == "stale":
            self._count(key.kind, "stale", self._observer.stale)
        return answer

    def clear(self) -> None:
        """Forget every entry. Fetches under way are answered to who waits for them, and not kept."""
        self._entries.clear()
        self._flights.clear()
        self._bytes = 0
        self._observer.size(0, 0)

    async def aclose(self) -> None:
        """Stop every fetch under way and wait until it has ended; whoever still waits gets UpstreamUnavailable."""
        self._flights.clear()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def stats(self) -> CacheStats:
        """Counts and sizes, in all and by kind."""
        entries = dict.fromkeys(Kind, 0)
        sizes = dict.fromkeys(Kind, 0)
        for key, entry in self._entries.items():
            entries[key.kind] += 1
            sizes[key.kind] += entry.cost
        total = {name: sum(counts[name] for counts in self._counts.values()) for name in _COUNTED}
        return CacheStats(
            total=KindStats(**total, entries=len(self._entries), bytes=self._bytes),
            max_bytes=self._max_bytes,
            in_flight=len(self._flights),
            kinds={k: KindStats(**self._counts[k], entries=entries[k], bytes=sizes[k]) for k in Kind},
        )

    def _start(
        self,
        flight: _Flight,
        fetch: Callable[[], Awaitable[Fetched[T]]],
        still_valid: Callable[[T], Awaitable[bool]] | None,
    ) -> _Flight:
        flight.task = asyncio.get_running_loop().create_task(self._refresh(flight, fetch, still_valid))
        self._flights[flight.key] = flight
        self._tasks.add(flight.task)

        def landed(task: "asyncio.Task[Cached[Any]]") -> None:
            self._tasks.discard(task)
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
            if not task.cancelled():
                task.exception()  # marks it as seen: nobody may be left to see it

        flight.task.add_done_callback(landed)
        return flight

    async def _wait(self, flight: _Flight) -> Cached[Any]:
        patience = self._remaining()
        flight.waiters += 1
        try:
            await asyncio.wait({flight.task}, timeout=None if math.isinf(patience) else max(patience, 0.0))
        finally:
            flight.waiters -= 1
            landed = flight.task.done()
            if not flight.waiters and not landed:
                self._abandon(flight)
        if not landed:
            if flight.expired is not None:
                return self._deliver(flight.expired, "stale")
            raise UpstreamTimeout("The answer did not come within the call's time.")
        if flight.task.cancelled():
            raise UpstreamUnavailable("The request was stopped before it was answered.")
        error = flight.task.exception()
        if error is not None:
            raise _fresh(error)
        return flight.task.result()

    def _abandon(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        flight.task.cancel()

    async def _refresh(
        self,
        flight: _Flight,
        fetch: Callable[[], Awaitable[Fetched[T]]],
        still_valid: Callable[[T], Awaitable[bool]] | None,
    ) -> Cached[T]:
        expired = flight.expired
        try:
            with self._task_context():
                if expired is not None and still_valid is not None and await still_valid(expired.value):
                    self._counts[flight.key.kind]["renewed"] += 1
                    return self._keep(flight, expired.value, expired.cost)
                fetched = await fetch()
        except _REFUSED as error:
            self._keep_refusal(flight, error)
            raise
        except _DOWN:
            if expired is None:
                raise
            return self._deliver(expired, "stale")
        return self._keep(flight, fetched.value, max(fetched.size, 0) + ENTRY_OVERHEAD, fetched.kept_at)

    def _keep(self, flight: _Flight, value: T, cost: int, kept_at: datetime | None = None) -> Cached[T]:
        entry = _Entry(value, None, cost, self._clock() + self._ttl[flight.key.kind], kept_at or self._now())
        self._store(flight, entry)
        return self._deliver(entry, "cache" if kept_at else "live")

    def _keep_refusal(self, flight: _Flight, error: DockerHubError) -> None:
        """A missing thing is remembered briefly; any refusal displaces what was kept before."""
        if isinstance(error, NotFound):
            ttl = min(NEGATIVE_TTL, self._ttl[flight.key.kind])
            # A copy has no traceback: that would hold frames, and frames hold bodies.
            kept = _Entry(None, copy.copy(error), ENTRY_OVERHEAD, self._clock() + ttl, self._now())
            self._store(flight, kept)
        elif self._flights.get(flight.key) is flight:
            self._drop(flight.key)
            self._observer.size(self._bytes, len(self._entries))

    def _store(self, flight: _Flight, entry: _Entry) -> None:
        """Keep ``entry`` unless the flight was disowned by ``clear`` or it is larger than the whole budget."""
        key = flight.key
        if self._flights.get(key) is not flight:
            return
        self._drop(key)
        if entry.cost <= self._max_bytes:
            while self._bytes + entry.cost > self._max_bytes:
                oldest = next(iter(self._entries))
                self._drop(oldest)
                self._count(oldest.kind, "evictions", self._observer.evicted)
            self._entries[key] = entry
            self._bytes += entry.cost
        self._observer.size(self._bytes, len(self._entries))

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.cost

    def _count(self, kind: Kind, name: str, observe: Callable[[str], None]) -> None:
        self._counts[kind][name] += 1
        observe(kind)

    @staticmethod
    def _deliver(entry: _Entry, source: Source) -> Cached[Any]:
        if entry.error is not None:
            raise _fresh(entry.error)
        return Cached(entry.value, source, entry.fetched_at)


def _fresh(error: BaseException) -> BaseException:
    """A copy to raise: one exception raised by several callers would collect all their frames."""
    try:
        twin = copy.copy(error)
    except TypeError:  # a foreign class whose constructor wants more than its args
        return error
    twin.__cause__ = error
    return twin
