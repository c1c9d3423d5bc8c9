"""Replicas on one real Redis: together they admit what is configured, and never more."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from mcp_dockerhub_security import redis_limits, redis_scripts
from mcp_dockerhub_security.limits import LimitRules, MemoryLimiter
from mcp_dockerhub_security.redis_limits import Down, RedisLimiter
from mcp_dockerhub_security.redis_link import RedisLink, RedisUnavailableError
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.guard_parts import Clock
from tests.upstreams.redis import BINARY, MISSING, RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(BINARY is None, reason=MISSING)]

PATIENCE = 20.0


@asynccontextmanager
async def replicas(
    server: RedisServer, rules: LimitRules, count: int = 3, *, down: Down = "closed", patience: float = 5.0
) -> AsyncIterator[list[RedisLimiter]]:
    """As many processes would have; the machine of a test may be slow, so they wait long."""
    links = [RedisLink(server.url, timeout=patience) for _ in range(count)]
    try:
        yield [RedisLimiter(link, rules, down=down, replicas=count) for link in links]
    finally:
        for link in links:
            await link.aclose()


async def admitted(limiter: RedisLimiter, times: int, principal: str = "a", tenant: str = "") -> int:
    count = 0
    for _ in range(times):
        with suppress(Refusal):
            await limiter.charge(principal, tenant, heavy=False)
            count += 1
    return count


async def until(condition: Callable[[], bool], limiters: list[RedisLimiter]) -> None:
    """Let the replicas look at Redis until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            for limiter in limiters:
                with suppress(RedisUnavailableError):
                    await limiter.refresh()


async def refusal_of(limiter: RedisLimiter, principal: str = "a") -> Refusal:
    with pytest.raises(Refusal) as caught:
        await limiter.charge(principal, heavy=False)
    assert caught.value.code == "RATE_LIMITED"
    return caught.value


async def test_64_clients_on_three_replicas_get_exactly_what_is_configured(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("50/minute;1000/hour", tenant="70/minute")) as limiters:
        clients = [admitted(limiters[number % 3], 4) for number in range(64)]
        assert sum(await asyncio.gather(*clients)) == 50
        assert await admitted(limiters[1], 30, "b") == 20


async def test_in_no_moving_window_is_more_admitted_than_it_allows(redis: RedisServer) -> None:
    amount, length, lasts = 12, 1.0, 2.6
    calls: list[tuple[float, float]] = []

    async def client(limiter: RedisLimiter, stop: float) -> None:
        while (sent := time.monotonic()) < stop:
            with suppress(Refusal):
                await limiter.charge("a", heavy=False)
                calls.append((sent, time.monotonic()))

    async with replicas(redis, LimitRules(f"{amount}/second")) as limiters:
        stop = time.monotonic() + lasts
        await asyncio.gather(*(client(limiters[number % 3], stop) for number in range(6)))
    # Redis admitted each call at some moment between its two times.
    for first, _ in calls:
        surely_inside = [sent for sent, received in calls if sent >= first and received < first + length]
        assert len(surely_inside) <= amount
    assert len(calls) > amount


async def test_status_says_what_the_limits_of_one_process_would_say(redis: RedisServer) -> None:
    rules = LimitRules("10/minute;100/hour", "5/hour", tenant="20/minute", everybody="30/day")
    memory = MemoryLimiter(rules)
    async with replicas(redis, rules) as limiters:
        assert [state.reset_after_s for state in await limiters[0].status("a", "t")] == [0.0] * 5
        for number, heavy in enumerate((True, False, False, True)):
            await limiters[number % 3].charge("a", "t", heavy=heavy)
            await memory.charge("a", "t", heavy=heavy)
        found, expected = await limiters[0].status("a", "t"), await memory.status("a", "t")
    assert [(state.window, state.limit, state.remaining) for state in found] == [
        (state.window, state.limit, state.remaining) for state in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.reset_after_s == pytest.approx(other.reset_after_s, abs=5)


async def test_a_refused_call_says_which_window_is_full_and_for_how_long(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("2/second;3/minute", everybody="1000/second")) as (limiter, *_):
        rules: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while "limit 3/minute" not in rules:
                try:
                    await limiter.charge("a", heavy=False)
                except Refusal as refused:
                    rules.append(refused.rule)
        refusal = await refusal_of(limiter)
        assert set(rules) == {"limit 2/second", "limit 3/minute"}
        assert refusal.rule == "limit 3/minute"
        assert refusal.retry_after_s is not None
        assert 50 < refusal.retry_after_s <= 60


async def test_every_key_expires_and_names_nobody(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("10/minute", "5/hour", tenant="9/minute", everybody="9/day")) as limiters:
        await limiters[0].charge("https://issuer.example.com|ada", "red", heavy=True)
    keys = redis.keys()
    assert len(keys) == 5
    for key in keys:
        assert key.startswith("{mcp-dockerhub:limits}:")
        assert "ada" not in key
        assert 0 < int(redis.command("TTL", key)[1:-2]) <= 86_460


async def test_all_keys_of_a_call_are_in_one_slot_of_a_cluster() -> None:
    rules = LimitRules("2/minute", "5/hour", tenant="9/minute", everybody="9/day")
    with RedisServer(cluster=True) as server:
        async with replicas(server, rules) as limiters:
            assert [await admitted(limiter, 1, tenant="red") for limiter in limiters] == [1, 1, 0]
            assert [state.remaining for state in await limiters[2].status("a", "red")] == [0, 5, 7, 7]


async def test_a_redis_that_is_gone_refuses_calls_until_it_is_back(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("1000/minute"), 1) as (limiter,):
        assert await admitted(limiter, 1) == 1
        redis.kill()
        try:
            refusals = [await refusal_of(limiter) for _ in range(5)]
            assert {refusal.rule for refusal in refusals} == {"limit store_down"}
            assert all(refusal.retryable and refusal.retry_after_s for refusal in refusals)
            assert limiter.problem == "Redis cannot be reached: calls are refused"
        finally:
            redis.start()
        await until(lambda: limiter.problem is None, [limiter])


async def test_a_redis_that_hangs_costs_two_calls_some_time_and_the_others_none(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("1000/minute"), 1, patience=0.2) as (limiter,):
        await until(lambda: True, [limiter])
        redis.pause()
        try:
            started = time.monotonic()
            assert await admitted(limiter, 200) == 0
            # Each waiting its time would take 40 s; a few may try again meanwhile.
            assert time.monotonic() - started < 10
            assert limiter.problem == "Redis does not answer in time: calls are refused"
        finally:
            redis.resume()
        await until(lambda: limiter.problem is None, [limiter])
        assert await admitted(limiter, 5) == 5


async def test_without_redis_each_process_may_go_on_with_its_share(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("30/hour"), 3, down="local") as limiters:
        assert await admitted(limiters[0], 4) == 4
        redis.kill()
        try:
            # The first of them had admitted 4 of its 10 already.
            assert [await admitted(limiter, 20) for limiter in limiters] == [6, 10, 10]
            assert limiters[0].problem == "Redis cannot be reached: each process allows 1/3 of the limits"
            assert [state.remaining for state in await limiters[1].status("a")] == [0, 33]
        finally:
            redis.start()


async def test_what_was_admitted_without_redis_is_told_when_it_is_back(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("30/hour"), 3, down="local", patience=0.3) as limiters:
        for limiter in limiters:
            await limiter.refresh()
        redis.pause()
        try:
            started = time.monotonic()
            assert [await admitted(limiter, 200) for limiter in limiters] == [10, 10, 10]
            # Nobody waits for a Redis that was given up on, whatever there is to tell it.
            assert time.monotonic() - started < 10
        finally:
            redis.resume()
        await until(lambda: all(limiter.problem is None and not limiter._untold for limiter in limiters), limiters)
        assert (await limiters[0].status("a"))[0].remaining == 0
        assert [await admitted(limiter, 5) for limiter in limiters] == [0, 0, 0]


async def test_a_redis_that_lost_its_memory_is_given_it_back(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_limits, "SETTLE", 0.3)
    async with replicas(redis, LimitRules("30/hour", everybody="60/hour")) as limiters:
        before = sum(await asyncio.gather(*(admitted(limiter, 5) for limiter in limiters)))
        before += await admitted(limiters[2], 5, "b")
        assert before == 20
        redis.kill()
        redis.start()
        during = await admitted(limiters[0], 1)
        assert (await refusal_of(limiters[1])).rule == "limit settling"
        # The third does not call: looking is enough.
        await until(lambda: len(redis.keys()) == 4, limiters)
        async with asyncio.timeout(PATIENCE):
            while (await limiters[0].status("a"))[2].remaining != 40 or not await admitted(limiters[0], 1):
                await limiters[2].refresh()
        assert during == 0
        counts = await asyncio.gather(*(admitted(limiter, 30) for limiter in limiters))
        assert sum(counts) == 30 - 15 - 1
        assert await admitted(limiters[0], 40, "b") == 25


async def test_a_store_that_forgets_as_fast_as_it_learns_is_none(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("30/hour"), 1) as (limiter,):
        forget, link = redis.command, limiter._link
        real = link.script

        async def forgetful(*arguments: Any, **options: Any) -> Any:
            forget("FLUSHALL")
            return await real(*arguments, **options)

        link.script = forgetful  # type: ignore[method-assign]
        assert (await refusal_of(limiter)).rule == "limit store_down"


async def test_limits_that_were_dropped_meanwhile_are_not_told(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("30/hour", everybody="9/minute"), 1) as (limiter,):
        assert await admitted(limiter, 2) == 2
        redis.command("FLUSHALL")
        # As after a change of the policy, which this process has read.
        limiter._rules = LimitRules("30/hour")
        with suppress(Refusal):
            await limiter.charge("a", heavy=False)
        assert len(redis.keys()) == 2


async def test_what_is_too_old_to_count_need_not_be_told(redis: RedisServer) -> None:
    clock = Clock()
    link = RedisLink("redis://127.0.0.1:1")
    limiter = RedisLimiter(link, LimitRules("6/minute"), down="local", replicas=2, clock=clock)
    for _ in range(20):
        await limiter.charge("a", heavy=False)
        clock.now += 25
    assert len(limiter._untold["calls:a"]) == 3


async def test_a_new_process_does_not_wait_for_a_redis_that_is_new(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("30/hour")) as limiters:
        assert [await admitted(limiter, 1) for limiter in limiters] == [1, 1, 1]


async def test_scripts_that_redis_forgot_are_sent_again(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("30/hour"), 1) as (limiter,):
        assert await admitted(limiter, 1) == 1
        redis.command("SCRIPT", "FLUSH")
        assert await admitted(limiter, 1) == 1


async def test_connections_that_redis_closed_fail_no_call(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("100/hour"), 1) as (limiter,):
        await asyncio.gather(*(admitted(limiter, 1) for _ in range(10)))
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert sum(await asyncio.gather(*(admitted(limiter, 1) for _ in range(10)))) == 10


async def test_a_cancelled_call_leaves_no_answer_for_the_next(redis: RedisServer) -> None:
    async with replicas(redis, LimitRules("1000/hour"), 1) as (limiter,):
        await limiter.charge("a", heavy=False)
        for _ in range(30):
            task = asyncio.create_task(limiter.charge("a", heavy=False))
            for _ in range(3):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            states = await limiter.status("b")
            assert [state.limit for state in states] == [1000, 100]
        assert limiter.problem is None


async def test_a_wrong_password_is_a_problem_that_does_not_name_it() -> None:
    with RedisServer(password="right") as server:
        link = RedisLink(server.url.replace("right", "wrong-one"), timeout=5)
        limiter = RedisLimiter(link, LimitRules("30/hour"))
        for _ in range(2):
            assert (await refusal_of(limiter)).rule == "limit store_down"
        assert limiter.problem == "Redis refuses commands: calls are refused"
        with pytest.raises(RedisUnavailableError, match=r"Redis refuses commands$") as caught:
            await link.ping()
        assert caught.value.__cause__ is None
        await link.aclose()
        async with replicas(server, LimitRules("30/hour"), 1) as (allowed,):
            assert await admitted(allowed, 1) == 1


async def test_a_clock_that_is_set_back_admits_nothing_more(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_clock_key(monkeypatch)
    async with replicas(redis, LimitRules("3/minute"), 1) as (limiter,):
        set_clock(redis, 1_000.0)
        assert await admitted(limiter, 2) == 2
        set_clock(redis, 990.0)
        assert await admitted(limiter, 3) == 1
        assert (await refusal_of(limiter)).retry_after_s == 70.0
        assert [state.remaining for state in await limiter.status("a")] == [0, 100]
        set_clock(redis, 1_060.0)
        assert await admitted(limiter, 9) == 3


def use_clock_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts read a time that the test sets."""
    for name in ("CHARGE", "RESTORE", "STATUS"):
        script = getattr(redis_scripts, name)
        assert script.count("redis.call('TIME')") == 1
        monkeypatch.setattr(redis_limits, name, script.replace("'TIME'", "'HMGET', 'clock', 's', 'u'"))


def set_clock(server: RedisServer, seconds: float) -> None:
    server.command("HSET", "clock", "s", str(int(seconds)), "u", str(round(seconds % 1 * 1_000_000)))
