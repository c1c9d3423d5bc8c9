"""The cache: one fetch for all who wait, and who may leave when."""

import asyncio
import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from mcp_dockerhub.cache import Cache, Cached, Fetched, Key, Kind
from mcp_dockerhub.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.deadline import call_deadline, own_deadline, remaining
from tests.upstreams.cache_fakes import KEY, PATIENCE, START, Clock, HeldFetch, all_waiting, ask, within

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(clock=clock, now=clock.now)


async def test_a_hundred_concurrent_look_ups_cause_one_fetch(cache: Cache) -> None:
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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


async def test_an_exception_that_cannot_be_copied_is_raised_itself(cache: Cache) -> None:
    class Stubborn(Exception):
        def __init__(self, first: str, second: str) -> None:
            super().__init__(first)

    upstream = HeldFetch()
    upstream.error = Stubborn("a", "b")
    with pytest.raises(Stubborn) as raised:
        await cache.get(KEY, upstream)
    assert raised.value is upstream.error


async def test_clearing_forgets_everything_and_keeps_nothing_that_was_under_way(cache: Cache) -> None:
    kept, under_way = HeldFetch(), HeldFetch()
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
        upstream = HeldFetch()
        upstream.error = error
        upstream.gate.clear()
        waiting = ask(cache, upstream)
        await asyncio.wait_for(upstream.started.wait(), PATIENCE)
        cache.clear()
        newer = HeldFetch("newer")
        await cache.get(KEY, newer)
        upstream.gate.set()
        with pytest.raises(type(error)):
            await within(waiting)
        assert (await cache.get(KEY, newer)).source == "cache"
        cache.clear()


async def test_cancelling_a_waiter_after_clearing_stops_only_its_own_fetch(cache: Cache) -> None:
    old, new = HeldFetch("old"), HeldFetch("new")
    old.gate.clear()
    new.gate.clear()
    first = ask(cache, old)
    await asyncio.wait_for(old.started.wait(), PATIENCE)
    cache.clear()
    second = ask(cache, new)
    await asyncio.wait_for(new.started.wait(), PATIENCE)
    first.cancel()
    await asyncio.wait_for(old.stopped.wait(), PATIENCE)
    third = ask(cache, HeldFetch("third"))
    new.gate.set()
    assert ((await within(second)).value, (await within(third)).value) == ("new", "new")


async def test_closing_stops_every_fetch_and_tells_who_waits(cache: Cache) -> None:
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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
        upstream = HeldFetch()
        upstream.gate.clear()
        ask(cache, upstream)
        await upstream.started.wait()

    async def look_up() -> str:
        return (await cache.get(KEY, HeldFetch("second"))).value

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
