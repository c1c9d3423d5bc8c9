"""Windows, and what happens at their edges."""

import pytest

from mcp_dockerhub_security.limits import LimitRules, MemoryLimiter, Window, parse_limits
from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.tenants import Tenant, Tenants
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
    limiter = MemoryLimiter(LimitRules("3/minute"), clock=clock)
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
    limiter = MemoryLimiter(LimitRules("2/second;3/minute"), clock=clock)
    await charge(limiter, 2)
    assert (await refusal_of(limiter)).rule == "limit 2/second"
    clock.now += 1
    await charge(limiter, 1)
    refusal = await refusal_of(limiter)
    assert refusal.rule == "limit 3/minute"
    assert refusal.retry_after_s == 59.0


async def test_a_refused_call_is_charged_to_no_window() -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("1/second;2/minute"), clock=clock)
    await charge(limiter, 1)
    for _ in range(20):
        await refusal_of(limiter)
    clock.now += 1
    await charge(limiter, 1)


async def test_principals_do_not_share_windows() -> None:
    limiter = MemoryLimiter(LimitRules("1/minute"), clock=Clock())
    await charge(limiter, 1, "a")
    await charge(limiter, 1, "b")
    await refusal_of(limiter, "a")


async def test_heavy_calls_have_a_window_more() -> None:
    limiter = MemoryLimiter(LimitRules("100/minute", "2/hour"), clock=Clock())
    await charge(limiter, 2, heavy=True)
    assert (await refusal_of(limiter, heavy=True)).rule == "limit heavy 2/hour"
    await charge(limiter, 1)


async def test_the_same_window_for_calls_and_heavy_calls_is_counted_apart() -> None:
    limiter = MemoryLimiter(LimitRules("2/hour", "2/hour"), clock=Clock())
    await charge(limiter, 1, heavy=True)
    await charge(limiter, 1)
    assert (await refusal_of(limiter)).rule == "limit 2/hour"
    assert [state.remaining for state in await limiter.status("a")] == [0, 1]


async def test_status_tells_what_is_left_without_charging() -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("10/second;60/minute", "5/hour"), clock=clock)
    await charge(limiter, 3)
    clock.now += 0.25
    states = [await limiter.status("a") for _ in range(3)][-1]
    assert [(state.window, state.limit, state.remaining, state.reset_after_s) for state in states] == [
        ("10/second", 10, 7, 0.75),
        ("60/minute", 60, 57, 59.75),
        ("heavy 5/hour", 5, 5, 0.0),
    ]


async def test_the_longest_silent_principal_is_forgotten_when_there_are_too_many() -> None:
    limiter = MemoryLimiter(LimitRules("1/hour", "1/hour"), clock=Clock(), max_keys=2)
    for name in ("a", "b", "c", "d", "e"):
        await charge(limiter, 1, name)
        limiter.attempt(name)
    assert limiter._windows is not None
    assert len(limiter._windows._store._calls) == 2
    assert len(limiter._attempts._buckets) == 2
    await refusal_of(limiter, "e")
    await charge(limiter, 1, "a")


async def test_what_expired_is_not_kept() -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("5/second;10/minute"), clock=clock)
    for _ in range(200):
        clock.now += 6
        await charge(limiter, 1)
    assert limiter._windows is not None
    assert limiter._windows._store.get("limit/calls:a/10/1/minute") == 10


async def test_the_principals_of_a_tenant_share_its_windows() -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("2/minute", tenant="3/minute"), clock=clock)
    for principal in ("a", "a", "b"):
        await limiter.charge(principal, "red", heavy=False)
    with pytest.raises(Refusal) as caught:
        await limiter.charge("b", "red", heavy=False)
    assert caught.value.rule == "limit tenant 3/minute"
    assert caught.value.retry_after_s == 60.0
    await limiter.charge("b", "blue", heavy=False)


async def test_a_tenant_may_have_windows_of_its_own() -> None:
    tenants = Tenants({"red": Tenant("red", rate_limit="5/minute", rate_limit_heavy="1/minute")})
    limiter = MemoryLimiter(LimitRules("100/minute", "100/minute", tenant="1/minute", tenants=tenants), clock=Clock())
    await limiter.charge("a", "red", heavy=True)
    with pytest.raises(Refusal) as caught:
        await limiter.charge("b", "red", heavy=True)
    assert caught.value.rule == "limit tenant heavy 1/minute"
    for _ in range(4):
        await limiter.charge("b", "red", heavy=False)
    assert [(state.window, state.remaining) for state in await limiter.status("a", "red")] == [
        ("100/minute", 99),
        ("heavy 100/minute", 99),
        ("tenant 5/minute", 0),
        ("tenant heavy 1/minute", 0),
    ]
    await limiter.charge("a", "blue", heavy=True)
    assert [state.remaining for state in await limiter.status("b", "blue")][-1] == 0


async def test_the_ceiling_holds_for_everybody_together() -> None:
    limiter = MemoryLimiter(LimitRules("2/minute", everybody="3/second"), clock=Clock())
    for principal, tenant in (("a", "red"), ("b", "blue"), ("c", "")):
        await limiter.charge(principal, tenant, heavy=False)
    with pytest.raises(Refusal) as caught:
        await limiter.charge("d", "green", heavy=False)
    assert caught.value.rule == "limit global 3/second"
    # What was refused was charged to nobody.
    assert [state.remaining for state in await limiter.status("d", "green")] == [2, 100, 0]


def test_rules_show_what_holds_for_everyone_and_refuse_what_they_cannot_read() -> None:
    rules = LimitRules("2/second", "1/hour", tenant="9/minute", everybody="5/second;99/hour")
    assert rules.labels == ("2/second", "heavy 1/hour", "tenant 9/minute", "global 5/second", "global 99/hour")
    with pytest.raises(ValueError, match="part 1 is not"):
        LimitRules("1/second", everybody="lots")


def test_shares_never_add_up_to_more_than_the_whole() -> None:
    (meter,) = LimitRules("10/second;2/minute").meters("a", "", heavy=False)
    assert [window.amount for window in meter.divided(3).windows] == [3, 0]
    assert [window.label for window in meter.divided(3).windows] == ["10/second", "2/minute"]


def test_a_meter_is_found_again_by_its_key() -> None:
    tenants = Tenants({"a:b": Tenant("a:b", rate_limit="5/minute")})
    rules = LimitRules("1/second", "1/hour", tenant="2/minute", everybody="9/second", tenants=tenants)
    for meter in (*rules.meters("who:ever", "a:b", heavy=True), *rules.meters("", "", heavy=True)):
        assert rules.meter(meter.key) == meter
    assert rules.meter("tenant-heavy:nobody").windows == ()


def test_attempts_are_bounded_and_renew() -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("10/second;60/minute;1000/hour"), clock=clock)
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
    limiter = MemoryLimiter(LimitRules("1/hour"), clock=Clock())
    for _ in range(60):
        limiter.attempt("a")
    with pytest.raises(Refusal):
        limiter.attempt("a")


def test_the_store_offers_moving_windows_only() -> None:
    clock = Clock()
    store = WindowStore(clock, 10)
    minute, second = "limit/k/2/1/minute", "limit/k/2/1/second"
    assert store.check()
    assert store.acquire_entry(minute, 2, 60)
    assert store.get(second) == 1
    assert not store.acquire_entry(minute, 2, 60, amount=2)
    clock.now += 1.5
    assert list(store.ages()) == [("k", [1.5])]
    assert store.get_moving_window(second, 2, 1) == (clock.now, 0)
    assert store.base_exceptions is ValueError
    for unsupported in (lambda: store.incr("k", 1), lambda: store.get_expiry("k")):
        with pytest.raises(NotImplementedError):
            unsupported()
    store.clear(minute)
    assert store.get(minute) == 0
    assert store.acquire_entry(minute, 2, 60)
    assert store.reset() == 1
