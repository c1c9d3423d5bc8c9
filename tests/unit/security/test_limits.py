"""Windows, and what happens at their edges."""

import pytest

from mcp_dockerhub_security.limits import MemoryLimiter, Window, parse_limits
from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.windows import WindowStore
from tests.upstreams.guard_parts import Clock

pytestmark = pytest.mark.anyio


async def charge(limiter: MemoryLimiter, times: int, principal: str = "a", *, heavy: bool = False) -> None:
    for _ in range(times):
        await limiter.charge(principal, heavy=heavy)


async def refusal_of(limiter: MemoryLimiter, principal: str = "a", *, heavy: bool = False) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await limiter.charge(principal, heavy=heavy)
    assert caught.value.code == "RATE_LIMITED"
    assert caught.value.retryable
    return caught.value


def test_windows_are_parsed_in_every_spelling() -> None:
    assert parse_limits("10/second; 60 per minute,5/2 hours;1/DAY") == (
        Window(10, 1, "10/second"),
        Window(60, 60, "60/minute"),
        Window(5, 7_200, "5/2 hour"),
        Window(1, 86_400, "1/day"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "part 1 is not"),
        ("10/second;", "part 2 is not"),
        ("ten/second", "part 1 is not"),
        ("10/fortnight", "part 1 is not"),
        ("-1/second", "part 1 is not"),
        ("1.5/second", "part 1 is not"),
        ("٣/second", "part 1 is not"),
        ("1/\u017fecond", "part 1 is not"),
        ("0/second", "zero"),
        ("5/0 hour", "zero"),
        (";".join(["1/second"] * 9), "at most 8"),
    ],
)
def test_a_wrong_limit_says_which_part_and_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_limits(text)


async def test_a_full_window_refuses_until_its_oldest_call_is_old_enough() -> None:
    clock = Clock()
    limiter = MemoryLimiter("3/minute", clock=clock)
    await charge(limiter, 1)
    clock.now += 10
    await charge(limiter, 2)
    refusal = await refusal_of(limiter)
    assert refusal.rule == "limit 3/minute"
    assert "3/minute" in refusal.message
    assert refusal.retry_after_s == 50.0
    clock.now += 49.999
    await refusal_of(limiter)
    clock.now += 0.001
    await charge(limiter, 1)
    assert (await refusal_of(limiter)).retry_after_s == 10.0


async def test_all_windows_hold_and_the_longest_wait_is_named() -> None:
    clock = Clock()
    limiter = MemoryLimiter("2/second;3/minute", clock=clock)
    await charge(limiter, 2)
    assert (await refusal_of(limiter)).rule == "limit 2/second"
    clock.now += 1
    await charge(limiter, 1)
    refusal = await refusal_of(limiter)
    assert refusal.rule == "limit 3/minute"
    assert refusal.retry_after_s == 59.0


async def test_a_refused_call_is_charged_to_no_window() -> None:
    clock = Clock()
    limiter = MemoryLimiter("1/second;2/minute", clock=clock)
    await charge(limiter, 1)
    for _ in range(20):
        await refusal_of(limiter)
    clock.now += 1
    await charge(limiter, 1)


async def test_principals_do_not_share_windows() -> None:
    limiter = MemoryLimiter("1/minute", clock=Clock())
    await charge(limiter, 1, "a")
    await charge(limiter, 1, "b")
    await refusal_of(limiter, "a")


async def test_heavy_calls_have_a_window_more() -> None:
    limiter = MemoryLimiter("100/minute", "2/hour", clock=Clock())
    await charge(limiter, 2, heavy=True)
    assert (await refusal_of(limiter, heavy=True)).rule == "limit heavy 2/hour"
    await charge(limiter, 1)


async def test_the_same_window_for_calls_and_heavy_calls_is_counted_apart() -> None:
    limiter = MemoryLimiter("2/hour", "2/hour", clock=Clock())
    await charge(limiter, 1, heavy=True)
    await charge(limiter, 1)
    assert (await refusal_of(limiter)).rule == "limit 2/hour"
    assert [state.remaining for state in await limiter.status("a")] == [0, 1]


async def test_status_tells_what_is_left_without_charging() -> None:
    clock = Clock()
    limiter = MemoryLimiter("10/second;60/minute", "5/hour", clock=clock)
    await charge(limiter, 3)
    clock.now += 0.25
    states = [await limiter.status("a") for _ in range(3)][-1]
    assert [(state.window, state.limit, state.remaining, state.reset_after_s) for state in states] == [
        ("10/second", 10, 7, 0.75),
        ("60/minute", 60, 57, 59.75),
        ("heavy 5/hour", 5, 5, 0.0),
    ]


async def test_the_longest_silent_principal_is_forgotten_when_there_are_too_many() -> None:
    limiter = MemoryLimiter("1/hour", "1/hour", clock=Clock(), max_principals=2)
    for name in ("a", "b", "c", "d", "e"):
        await charge(limiter, 1, name)
        limiter.attempt(name)
    assert limiter._windows is not None
    assert len(limiter._windows._store._calls) <= 4
    assert len(limiter._attempts._buckets) == 2
    await refusal_of(limiter, "e")
    await charge(limiter, 1, "a")


def test_attempts_are_bounded_and_renew() -> None:
    clock = Clock()
    limiter = MemoryLimiter("10/second;60/minute;1000/hour", clock=clock)
    for _ in range(240):
        limiter.attempt("a")
    with pytest.raises(Refusal) as caught:
        limiter.attempt("a")
    assert caught.value.rule == "limit attempts"
    assert caught.value.retry_after_s == 0.25
    clock.now += 0.25
    limiter.attempt("a")
    limiter.attempt("b")


def test_few_allowed_calls_still_leave_room_for_the_protocol() -> None:
    limiter = MemoryLimiter("1/hour", clock=Clock())
    for _ in range(60):
        limiter.attempt("a")
    with pytest.raises(Refusal):
        limiter.attempt("a")


def test_the_store_offers_moving_windows_only() -> None:
    store = WindowStore(Clock(), 10)
    assert store.check()
    assert store.acquire_entry("k", 2, 60)
    assert store.get("k") == 1
    assert not store.acquire_entry("k", 2, 60, amount=2)
    assert store.base_exceptions is ValueError
    for unsupported in (lambda: store.incr("k", 1), lambda: store.get_expiry("k")):
        with pytest.raises(NotImplementedError):
            unsupported()
    store.clear("k")
    assert store.get("k") == 0
    assert store.acquire_entry("k", 2, 60)
    assert store.reset() == 1
