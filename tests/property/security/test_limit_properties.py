"""No window ever lets more through than it says, and specifications mean what the library means by them."""

import asyncio
from contextlib import suppress

import limits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_security.limits import LimitRules, MemoryLimiter, Window, parse_limits
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.guard_parts import Clock

UNITS = st.sampled_from(["second", "minute", "hour", "day"])
PARTS = st.tuples(
    st.integers(1, 10**6), st.one_of(st.none(), st.integers(1, 999)), UNITS, st.sampled_from(["/", " per "])
)


@given(st.lists(PARTS, min_size=1, max_size=8), st.sampled_from([";", ",", " ; "]))
def test_what_parses_means_the_same_as_in_the_limits_library(
    parts: list[tuple[int, int | None, str, str]], joint: str
) -> None:
    text = joint.join(f"{amount}{per}{multiple or ''} {unit}s" for amount, multiple, unit, per in parts)
    ours = [(window.amount, window.seconds) for window in parse_limits(text)]
    assert ours == [(item.amount, item.get_expiry()) for item in limits.parse_many(text)]
    assert [limits.parse(window.label).get_expiry() for window in parse_limits(text)] == [
        seconds for _, seconds in ours
    ]


@given(st.text(max_size=40))
def test_any_text_is_windows_or_a_clear_error(text: str) -> None:
    windows: tuple[Window, ...] = ()
    with suppress(ValueError):
        windows = parse_limits(text)
        assert windows
    assert all(window.amount > 0 and window.seconds > 0 for window in windows)


STEPS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans(), st.floats(0, 30)), max_size=60)


@given(STEPS)
def test_no_window_is_ever_exceeded_and_refusals_are_justified(steps: list[tuple[str, bool, float]]) -> None:
    asyncio.run(_run(steps))


async def _run(steps: list[tuple[str, bool, float]]) -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("2/second;5/minute", "2/minute"), clock=clock)
    windows = [(2, 1.0, False), (5, 60.0, False), (2, 60.0, True)]
    admitted: list[tuple[str, bool, float]] = []
    for principal, heavy, pause in steps:
        clock.now += pause
        full = [
            (amount, seconds, only_heavy)
            for amount, seconds, only_heavy in windows
            if (heavy or not only_heavy)
            and sum(
                who == principal and at > clock.now - seconds and (was_heavy or not only_heavy)
                for who, was_heavy, at in admitted
            )
            >= amount
        ]
        if full:
            with pytest.raises(Refusal) as caught:
                await limiter.charge(principal, heavy=heavy)
            assert caught.value.retry_after_s is not None
            assert 0 < caught.value.retry_after_s <= 60
        else:
            await limiter.charge(principal, heavy=heavy)
            admitted.append((principal, heavy, clock.now))


@given(st.lists(st.floats(0, 5), min_size=1, max_size=300))
def test_attempts_never_exceed_burst_and_refill(pauses: list[float]) -> None:
    clock = Clock()
    limiter = MemoryLimiter(LimitRules("1/minute"), clock=clock)
    started, admitted = clock.now, 0
    for pause in pauses:
        clock.now += pause
        try:
            limiter.attempt("a")
        except Refusal:
            continue
        admitted += 1
        assert admitted <= 60 + (clock.now - started) * 1.0 + 1e-6
