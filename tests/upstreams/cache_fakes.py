"""What tests of the cache hold in their hands: time, a fetch and an observer."""

import asyncio
from datetime import UTC, datetime, timedelta

from mcp_dockerhub.cache import Cache, Cached, Fetched, Key, Kind

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key(Kind.TAGS, "", "anonymous", "hub", "a")
PATIENCE = 5.0
"""Seconds any one thing may take; only a failing test waits for them."""


class Clock:
    """Monotonic seconds and the wall clock, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000)


class HeldFetch:
    """A fetch that can be held, counted and told how to end."""

    def __init__(self, value: str = "v", size: int = 10) -> None:
        self.value = value
        self.size = size
        self.error: Exception | None = None
        self.calls = 0
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Fetched[str]:
        self.calls += 1
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        if self.error is not None:
            raise self.error
        return Fetched(self.value, self.size)


class Seen:
    """A CacheObserver that writes everything down."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.sizes: list[tuple[int, int]] = []

    def hit(self, kind: str) -> None:
        self.events.append(("hit", kind))

    def miss(self, kind: str) -> None:
        self.events.append(("miss", kind))

    def stale(self, kind: str) -> None:
        self.events.append(("stale", kind))

    def joined(self, kind: str) -> None:
        self.events.append(("joined", kind))

    def evicted(self, kind: str) -> None:
        self.events.append(("evicted", kind))

    def size(self, bytes_: int, entries: int) -> None:
        self.sizes.append((bytes_, entries))


async def within(task: "asyncio.Task[Cached[str]]") -> Cached[str]:
    return await asyncio.wait_for(asyncio.shield(task), PATIENCE)


def ask(cache: Cache, upstream: HeldFetch, key: Key = KEY) -> "asyncio.Task[Cached[str]]":
    return asyncio.create_task(cache.get(key, upstream))


async def all_waiting(cache: Cache, count: int) -> None:
    """Let tasks that were just made run up to where they wait."""
    await asyncio.sleep(0)
    total = cache.stats().total
    assert total.misses + total.joins == count
