"""The cache: times to live, staleness, refusals, revalidation, bounds and counts."""

import asyncio
import math
from datetime import timedelta

import pytest

from mcp_dockerhub.cache import DEFAULT_TTL, ENTRY_OVERHEAD, NEGATIVE_TTL, Cache, Cached, Key, Kind
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
from tests.upstreams.cache_fakes import KEY, PATIENCE, START, Clock, HeldFetch, Seen, all_waiting, ask, within

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(clock=clock, now=clock.now)


async def test_the_first_answer_is_live_and_the_next_is_the_same_from_the_cache(cache: Cache, clock: Clock) -> None:
    upstream = HeldFetch()
    assert await cache.get(KEY, upstream) == Cached("v", "live", START)
    clock.seconds += 60
    assert await cache.get(KEY, upstream) == Cached("v", "cache", START)
    assert upstream.calls == 1


@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_expires_after_its_own_time(cache: Cache, clock: Clock, kind: Kind) -> None:
    upstream = HeldFetch()
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
    tags, search = HeldFetch(), HeldFetch()
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
    mine, theirs = HeldFetch("mine"), HeldFetch("theirs")
    mine.gate.clear()
    waiting = ask(cache, mine)
    assert (await cache.get(other, theirs)).value == "theirs"
    mine.gate.set()
    assert (await within(waiting)).value == "mine"
    assert (await cache.get(KEY, theirs)).value == "mine"


@pytest.mark.parametrize("error", [UpstreamUnavailable("x"), UpstreamInvalid("x"), Forbidden("x"), ValueError("x")])
async def test_errors_are_not_remembered(cache: Cache, error: Exception) -> None:
    upstream = HeldFetch()
    upstream.error = error
    with pytest.raises(type(error)):
        await cache.get(KEY, upstream)
    upstream.error = None
    assert (await cache.get(KEY, upstream)).source == "live"


async def test_what_is_missing_is_remembered_briefly(cache: Cache, clock: Clock) -> None:
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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
    upstream = HeldFetch()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    upstream.error = error
    with pytest.raises(type(error)):
        await cache.get(KEY, upstream)


@pytest.mark.parametrize("error", [NotFound("gone"), Forbidden("no"), AuthenticationFailed("who")])
async def test_what_was_refused_since_never_comes_back_as_stale(
    cache: Cache, clock: Clock, error: DockerHubError
) -> None:
    upstream = HeldFetch()
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
    upstream = HeldFetch()
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

    await cache.get(KEY, HeldFetch("old"), still_valid=still_valid)
    clock.seconds += 3600
    assert (await cache.get(KEY, HeldFetch("new"), still_valid=still_valid)).value == "new"


async def test_a_revalidation_that_fails_leaves_the_stale_answer(cache: Cache, clock: Clock) -> None:
    async def still_valid(_: str) -> bool:
        raise UpstreamUnavailable("down")

    upstream = HeldFetch()
    await cache.get(KEY, upstream)
    clock.seconds += 3600
    assert (await cache.get(KEY, upstream, still_valid=still_valid)).source == "stale"
    assert upstream.calls == 1


async def test_the_least_recently_used_entry_goes_first() -> None:
    seen = Seen()
    cache = Cache(max_bytes=3 * (ENTRY_OVERHEAD + 10), observer=seen)
    keys = [Key(Kind.TAGS, "", "anonymous", "hub", n) for n in range(4)]
    for key in keys[:3]:
        await cache.get(key, HeldFetch())
    await cache.get(keys[0], HeldFetch())
    await cache.get(keys[3], HeldFetch())
    sources = [(await cache.get(key, HeldFetch())).source for key in (keys[0], keys[2], keys[3], keys[1])]
    assert sources == ["cache", "cache", "cache", "live"]
    assert seen.events.count(("evicted", "tags")) == cache.stats().total.evictions == 2
    assert max(size for size, _ in seen.sizes) <= 3 * (ENTRY_OVERHEAD + 10)
    assert max(entries for _, entries in seen.sizes) == 3


async def test_a_value_larger_than_the_budget_is_answered_and_not_kept() -> None:
    cache = Cache(max_bytes=1000)
    small, large = HeldFetch(), HeldFetch(size=1000)
    await cache.get(KEY, small)
    other = Key(Kind.TAGS, "", "anonymous", "hub", "large")
    for _ in range(2):
        assert (await cache.get(other, large)).source == "live"
    assert (await cache.get(KEY, small)).source == "cache"
    assert cache.stats().total.entries == 1


async def test_a_refetched_value_replaces_the_old_one_in_the_count(cache: Cache, clock: Clock) -> None:
    await cache.get(KEY, HeldFetch(size=500))
    clock.seconds += 3600
    await cache.get(KEY, HeldFetch(size=20))
    stats = cache.stats()
    assert (stats.total.entries, stats.total.bytes) == (1, 20 + ENTRY_OVERHEAD)


async def test_the_observer_sees_every_look_up_by_kind(clock: Clock) -> None:
    seen = Seen()
    cache = Cache(clock=clock, now=clock.now, observer=seen)
    upstream = HeldFetch()
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
