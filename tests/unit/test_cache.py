"""The cache: one fetch for all who wait, times to live, staleness, refusals, bounds and counts."""

import asyncio
import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

import pytest

from mcp_dockerhub.cache import DEFAULT_TTL, ENTRY_OVERHEAD, NEGATIVE_TTL, Cache, Cached, Fetched, Key, Kind
from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    Forbidden,
    NotFound,
    QuotaExhausted,
    RateLimited,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.deadline import call_deadline, own_deadline, remaining

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key(Kind.TAGS, "", "anonymous", "hub", "a")
PATIENCE = 5.0


class Clock:
    """Monotonic seconds and the wall clock, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000)


class Upstream:
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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(clock=clock, now=clock.now)


async def within(task: "asyncio.Task[Cached[str]]") -> Cached[str]:
    return await asyncio.wait_for(asyncio.shield(task), PATIENCE)


def ask(cache: Cache, upstream: Upstream, key: Key = KEY) -> "asyncio.Task[Cached[str]]":
    return asyncio.create_task(cache.get(key, upstream))


async def all_waiting(cache: Cache, count: int) -> None:
    """Let tasks that were just made run up to where they wait."""
    await asyncio.sleep(0)
    total = cache.stats().total
    assert total.misses + total.joins == count


async def test_the_first_answer_is_live_and_the_next_is_the_same_from_the_cache(cache: Cache, clock: Clock) -> None:
    upstream = Upstream()
    assert await cache.get(KEY, upstream) == Cached("v", "live", START)
    clock.seconds += 60
    assert await cache.get(KEY, upstream) == Cached("v", "cache", START)
    assert upstream.calls == 1


@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_expires_after_its_own_time(cache: Cache, clock: Clock, kind: Kind) -> None:
    upstream = Upstream()
    key = Key(kind, "", "anonymous", "hub", "a")
    await cache.get(key, upstream)
    ttl = DEFAULT_TTL[kind]
    clock.seconds += (10**9 if math.isinf(ttl) else ttl) - 1
    await cache.get(key, upstream)
    assert upstream.calls == 1
    clock.seconds += 1
    answer = await cache.get(key, upstream)
    assert (answer.source, upstream.calls) == (("cache", 1) if kind is Kind.DOCUMENT else ("live", 2))


async def test_times_to_live_can_be_set_by_kind(clock: Clock) -> None:
    cache = Cache(ttl={Kind.TAGS: 5}, clock=clock, now=clock.now)
    tags, search = Upstream(), Upstream()
    other = Key(Kind.SEARCH, "", "anonymous", "hub", "a")
    for _ in range(2):
        await cache.get(KEY, tags)
        await cache.get(other, search)
        clock.seconds += 5
    assert (tags.calls, search.calls) == (2, 1)


@pytest.mark.parametrize(
    "other",
    [
        Key(Kind.DOCUMENT, "", "anonymous", "hub", "a"),
        Key(Kind.TAGS, "tenant", "anonymous", "hub", "a"),
        Key(Kind.TAGS, "", "docker.io:somebody", "hub", "a"),
        Key(Kind.TAGS, "", "anonymous", "ghcr.io", "a"),
        Key(Kind.TAGS, "", "anonymous", "hub", "b"),
    ],
)
async def test_every_part_of_the_key_keeps_answers_apart(cache: Cache, other: Key) -> None:
    mine, theirs = Upstream("mine"), Upstream("theirs")
    mine.gate.clear()
    waiting = ask(cache, mine)
    assert (await cache.get(other, theirs)).value == "theirs"
    mine.gate.set()
    assert (await within(waiting)).value == "mine"
    assert (await cache.get(KEY, theirs)).value == "mine"


async def test_a_hundred_concurrent_look_ups_cause_one_fetch(cache: Cache) -> None:
    upstream = Upstream()
    upstream.gate.clear()
    tasks = [ask(cache, upstream) for _ in range(100)]
    await all_waiting(cache, 100)
    upstream.gate.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
    assert upstream.calls == 1
    assert {answer.source for answer in answers} == {"live"}
    stats = cache.stats().kinds[Kind.TAGS]
    assert (stats.misses, stats.joins, stats.hits, stats.hit_ratio) == (1, 99, 0, 0.99)


@pytest.mark.parametrize("survivor", [0, 50, 99])
async def test_cancelling_ninety_nine_of_them_disturbs_nothing(cache: Cache, survivor: int) -> None:
    upstream = Upstream()
    upstream.gate.clear()
    tasks = [ask(cache, upstream) for _ in range(100)]
    await all_waiting(cache, 100)
    leavers = [task for n, task in enumerate(tasks) if n != survivor]
    for task in leavers:
        task.cancel()
    gone = await asyncio.wait_for(asyncio.gather(*leavers, return_exceptions=True), PATIENCE)
    assert all(isinstance(end, asyncio.CancelledError) for end in gone)
    assert not upstream.stopped.is_set()
    upstream.gate.set()
    assert (await within(tasks[survivor])).value == "v"
    assert (await cache.get(KEY, upstream)).source == "cache"
    assert upstream.calls == 1


async def test_cancelling_all_stops_the_fetch_and_the_next_starts_another(cache: Cache) -> None:
    upstream = Upstream()
    upstream.gate.clear()
    tasks = [ask(cache, upstream) for _ in range(5)]
    await all_waiting(cache, 5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    again = ask(cache, upstream)
    await asyncio.wait_for(upstream.stopped.wait(), PATIENCE)
    upstream.gate.set()
    assert (await within(again)).source == "live"
    assert upstream.calls == 2
    assert cache.stats().in_flight == 0


async def test_a_fetch_that_fails_while_it_is_stopped_complains_to_nobody(cache: Cache) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    started = asyncio.Event()

    async def fetch() -> Fetched[str]:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while stopping")

    task = asyncio.create_task(cache.get(KEY, fetch))
    await asyncio.wait_for(started.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cache.aclose(), PATIENCE)
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)
    assert complaints == []


async def test_an_error_reaches_everyone_who_waits_as_an_exception_of_their_own(cache: Cache) -> None:
    upstream = Upstream()
    upstream.gate.clear()
    upstream.error = RateLimited("slow down", hint="wait", retry_after_s=7)
    tasks = [ask(cache, upstream) for _ in range(10)]
    await all_waiting(cache, 10)
    upstream.gate.set()
    errors = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
    assert all(type(error) is RateLimited for error in errors)
    assert len({id(error) for error in errors}) == 10
    for error in errors:
        assert isinstance(error, RateLimited)
        assert (error.message, error.hint, error.retry_after_s) == ("slow down", "wait", 7)
        assert error.__cause__ is upstream.error


@pytest.mark.parametrize("error", [UpstreamUnavailable("x"), UpstreamInvalid("x"), Forbidden("x"), ValueError("x")])
async def test_errors_are_not_remembered(cache: Cache, error: Exception) -> None:
    upstream = Upstream()
    upstream.error = error
    with pytest.raises(type(error)):
        await cache.get(KEY, upstream)
    upstream.error = None
    assert (await cache.get(KEY, upstream)).source == "live"


async def test_an_exception_that_cannot_be_copied_is_raised_itself(cache: Cache) -> None:
    class Stubborn(Exception):
        def __init__(self, first: str, second: str) -> None:
            super().__init__(first)

    upstream = Upstream()
    upstream.error = Stubborn("a", "b")
    with pytest.raises(Stubborn) as raised:
        await cache.get(KEY, upstream)
    assert raised.value is upstream.error


async def test_what_is_missing_is_remembered_briefly(cache: Cache, clock: Clock) -> None:
    upstream = Upstream()
    upstream.error = NotFound("no such image", hint="search")
    for _ in range(3):
        with pytest.raises(NotFound, match="no such image") as raised:
            await cache.get(KEY, upstream)
        assert raised.value.hint == "search"
    assert upstream.calls == 1
    clock.seconds += NEGATIVE_TTL
    upstream.error = None
    assert (await cache.get(KEY, upstream)).value == "v"
    assert cache.stats().total.bytes == upstream.size + ENTRY_OVERHEAD


async def test_a_remembered_refusal_holds_no_frames(cache: Cache) -> None:
    upstream = Upstream()
    upstream.error = NotFound("gone")
    with pytest.raises(NotFound):
        await cache.get(KEY, upstream)
    with pytest.raises(NotFound) as raised:
        await cache.get(KEY, upstream)
    assert raised.value is not upstream.error
    assert raised.value.__cause__ is not None
    assert raised.value.__cause__.__traceback__ is None


@pytest.mark.parametrize(
    "error", [UpstreamUnavailable("down"), UpstreamTimeout("slow"), RateLimited("limit"), QuotaExhausted("quota")]
)
async def test_an_expired_answer_is_served_stale_while_the_upstream_is_down(
    cache: Cache, clock: Clock, error: DockerHubError
) -> None:
    upstream = Upstream()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.error = error
    for _ in range(2):
        assert await cache.get(KEY, upstream) == Cached("v", "stale", START)
    upstream.error = None
    assert await cache.get(KEY, upstream) == Cached("v", "live", START + timedelta(hours=1))
    assert cache.stats().kinds[Kind.TAGS].stale == 2


@pytest.mark.parametrize("error", [UpstreamInvalid("html"), ValueError("bug")])
async def test_other_failures_are_told_even_when_there_is_an_expired_answer(
    cache: Cache, clock: Clock, error: Exception
) -> None:
    upstream = Upstream()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.error = error
    with pytest.raises(type(error)):
        await cache.get(KEY, upstream)


@pytest.mark.parametrize("error", [NotFound("gone"), Forbidden("no"), AuthenticationFailed("who")])
async def test_what_was_refused_since_never_comes_back_as_stale(
    cache: Cache, clock: Clock, error: DockerHubError
) -> None:
    upstream = Upstream()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.error = error
    with pytest.raises(type(error)):
        await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.error = UpstreamUnavailable("down")
    with pytest.raises(UpstreamUnavailable):
        await cache.get(KEY, upstream)


async def test_a_value_that_is_still_valid_is_renewed_without_a_fetch(cache: Cache, clock: Clock) -> None:
    upstream = Upstream()
    asked: list[str] = []

    async def still_valid(value: str) -> bool:
        asked.append(value)
        return True

    await cache.get(KEY, upstream, still_valid=still_valid)
    await cache.get(KEY, upstream, still_valid=still_valid)
    assert asked == []
    clock.seconds += 3600
    renewed = await cache.get(KEY, upstream, still_valid=still_valid)
    assert renewed == Cached("v", "live", START + timedelta(hours=1))
    assert await cache.get(KEY, upstream) == Cached("v", "cache", START + timedelta(hours=1))
    assert (asked, upstream.calls) == (["v"], 1)
    assert cache.stats().kinds[Kind.TAGS].renewed == 1


async def test_a_value_that_is_no_longer_valid_is_fetched_again(cache: Cache, clock: Clock) -> None:
    async def still_valid(_: str) -> bool:
        return False

    await cache.get(KEY, Upstream("old"), still_valid=still_valid)
    clock.seconds += 3600
    assert (await cache.get(KEY, Upstream("new"), still_valid=still_valid)).value == "new"


async def test_a_revalidation_that_fails_leaves_the_stale_answer(cache: Cache, clock: Clock) -> None:
    async def still_valid(_: str) -> bool:
        raise UpstreamUnavailable("down")

    upstream = Upstream()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    assert (await cache.get(KEY, upstream, still_valid=still_valid)).source == "stale"
    assert upstream.calls == 1


async def test_the_least_recently_used_entry_goes_first() -> None:
    seen = Seen()
    cache = Cache(max_bytes=3 * (ENTRY_OVERHEAD + 10), observer=seen)
    keys = [Key(Kind.TAGS, "", "anonymous", "hub", n) for n in range(4)]
    for key in keys[:3]:
        await cache.get(key, Upstream())
    await cache.get(keys[0], Upstream())
    await cache.get(keys[3], Upstream())
    sources = [(await cache.get(key, Upstream())).source for key in (keys[0], keys[2], keys[3], keys[1])]
    assert sources == ["cache", "cache", "cache", "live"]
    assert seen.events.count(("evicted", "tags")) == cache.stats().total.evictions == 2
    assert max(size for size, _ in seen.sizes) <= 3 * (ENTRY_OVERHEAD + 10)
    assert max(entries for _, entries in seen.sizes) == 3


async def test_a_value_larger_than_the_budget_is_answered_and_not_kept() -> None:
    cache = Cache(max_bytes=1000)
    small, large = Upstream(), Upstream(size=1000)
    await cache.get(KEY, small)
    other = Key(Kind.TAGS, "", "anonymous", "hub", "large")
    for _ in range(2):
        assert (await cache.get(other, large)).source == "live"
    assert (await cache.get(KEY, small)).source == "cache"
    assert cache.stats().total.entries == 1


async def test_a_refetched_value_replaces_the_old_one_in_the_count(cache: Cache, clock: Clock) -> None:
    await cache.get(KEY, Upstream(size=500))
    clock.seconds += 3600
    await cache.get(KEY, Upstream(size=20))
    stats = cache.stats()
    assert (stats.total.entries, stats.total.bytes) == (1, 20 + ENTRY_OVERHEAD)


async def test_clearing_forgets_everything_and_keeps_nothing_that_was_under_way(cache: Cache) -> None:
    kept, under_way = Upstream(), Upstream()
    other = Key(Kind.TAGS, "", "anonymous", "hub", "other")
    await cache.get(other, kept)
    under_way.gate.clear()
    waiting = ask(cache, under_way)
    await asyncio.wait_for(under_way.started.wait(), PATIENCE)
    cache.clear()
    assert (cache.stats().total.entries, cache.stats().total.bytes) == (0, 0)
    under_way.gate.set()
    assert (await within(waiting)).value == "v"
    assert cache.stats().total.entries == 0
    assert (await cache.get(other, kept)).source == "live"


async def test_a_refusal_that_was_under_way_while_clearing_is_not_kept_either(cache: Cache) -> None:
    for error in (NotFound("x"), Forbidden("x")):
        upstream = Upstream()
        upstream.error = error
        upstream.gate.clear()
        waiting = ask(cache, upstream)
        await asyncio.wait_for(upstream.started.wait(), PATIENCE)
        cache.clear()
        newer = Upstream("newer")
        await cache.get(KEY, newer)
        upstream.gate.set()
        with pytest.raises(type(error)):
            await within(waiting)
        assert (await cache.get(KEY, newer)).source == "cache"
        cache.clear()


async def test_cancelling_a_waiter_after_clearing_stops_only_its_own_fetch(cache: Cache) -> None:
    old, new = Upstream("old"), Upstream("new")
    old.gate.clear()
    new.gate.clear()
    first = ask(cache, old)
    await asyncio.wait_for(old.started.wait(), PATIENCE)
    cache.clear()
    second = ask(cache, new)
    await asyncio.wait_for(new.started.wait(), PATIENCE)
    first.cancel()
    await asyncio.wait_for(old.stopped.wait(), PATIENCE)
    third = ask(cache, Upstream("third"))
    new.gate.set()
    assert ((await within(second)).value, (await within(third)).value) == ("new", "new")


async def test_closing_stops_every_fetch_and_tells_who_waits(cache: Cache) -> None:
    upstream = Upstream()
    upstream.gate.clear()
    waiting = ask(cache, upstream)
    await asyncio.wait_for(upstream.started.wait(), PATIENCE)
    await asyncio.wait_for(cache.aclose(), PATIENCE)
    assert upstream.stopped.is_set()
    with pytest.raises(UpstreamUnavailable, match="stopped"):
        await within(waiting)
    await cache.aclose()


async def test_a_caller_whose_time_is_up_leaves_alone(clock: Clock) -> None:
    left = [0.0, math.inf]
    cache = Cache(clock=clock, now=clock.now, remaining=left.pop)
    upstream = Upstream()
    upstream.gate.clear()
    patient = ask(cache, upstream)
    await asyncio.wait_for(upstream.started.wait(), PATIENCE)
    with pytest.raises(UpstreamTimeout):
        await cache.get(KEY, upstream)
    assert not upstream.stopped.is_set()
    upstream.gate.set()
    assert (await within(patient)).source == "live"


async def test_a_caller_whose_time_is_up_gets_the_stale_answer_where_there_is_one(clock: Clock) -> None:
    left = [0.0, math.inf]
    cache = Cache(clock=clock, now=clock.now, remaining=left.pop)
    upstream = Upstream()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.gate.clear()
    assert await cache.get(KEY, upstream) == Cached("v", "stale", START)
    await asyncio.wait_for(upstream.stopped.wait(), PATIENCE)


async def test_a_shared_fetch_has_a_deadline_of_its_own_not_its_first_callers(clock: Clock) -> None:
    cache = Cache(task_context=lambda: own_deadline(60, clock=clock), remaining=remaining)
    left: list[float] = []

    async def fetch() -> Fetched[str]:
        left.append(remaining())
        return Fetched("v", 1)

    with call_deadline(2, clock=clock):
        await cache.get(KEY, fetch)
        left.append(remaining())
    left.append(remaining())
    assert left == [60, 2, math.inf]


async def test_the_task_context_surrounds_revalidation_and_fetch(clock: Clock) -> None:
    inside: ContextVar[bool] = ContextVar("inside", default=False)
    seen: list[bool] = []

    @contextmanager
    def context() -> Iterator[None]:
        token = inside.set(True)
        yield
        inside.reset(token)

    async def fetch() -> Fetched[str]:
        seen.append(inside.get())
        return Fetched("v", 1)

    async def still_valid(_: str) -> bool:
        seen.append(inside.get())
        return False

    cache = Cache(task_context=context, clock=clock)
    await cache.get(KEY, fetch)
    clock.seconds += 3600
    await cache.get(KEY, fetch, still_valid=still_valid)
    assert seen == [True, True, True]
    assert not inside.get()


def test_one_cache_serves_one_event_loop_after_another() -> None:
    cache = Cache()

    async def leave_one_under_way() -> None:
        upstream = Upstream()
        upstream.gate.clear()
        ask(cache, upstream)
        await upstream.started.wait()

    async def look_up() -> str:
        return (await cache.get(KEY, Upstream("second"))).value

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(leave_one_under_way())
        assert asyncio.run(look_up()) == "second"
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def test_the_observer_sees_every_look_up_by_kind(clock: Clock) -> None:
    seen = Seen()
    cache = Cache(clock=clock, now=clock.now, observer=seen)
    upstream = Upstream()
    upstream.gate.clear()
    both = [ask(cache, upstream), ask(cache, upstream)]
    await all_waiting(cache, 2)
    upstream.gate.set()
    await asyncio.wait_for(asyncio.gather(*both), PATIENCE)
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.error = UpstreamUnavailable("down")
    await cache.get(KEY, upstream)
    names = [name for name, kind in seen.events if kind == "tags"]
    assert names == ["miss", "joined", "hit", "miss", "stale"]
    assert seen.sizes == [(10 + ENTRY_OVERHEAD, 1)]


def test_an_unused_cache_has_no_ratio_and_names_every_kind() -> None:
    stats = Cache(max_bytes=5).stats()
    assert stats.total.hit_ratio is None
    assert stats.max_bytes == 5
    assert set(stats.kinds) == set(Kind)
