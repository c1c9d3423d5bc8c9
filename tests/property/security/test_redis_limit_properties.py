"""Whatever several replicas send, and however it interleaves, Redis admits exactly what a model of the windows does."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_dockerhub_security import redis_limits, redis_scripts
from mcp_dockerhub_security.limits import LimitRules
from mcp_dockerhub_security.rates import Meter
from mcp_dockerhub_security.redis_limits import RedisLimiter
from mcp_dockerhub_security.redis_link import RedisLink
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.redis import BINARY, MISSING, RedisServer

pytestmark = pytest.mark.skipif(BINARY is None, reason=MISSING)

RULES = LimitRules("2/second;5/minute", "3/2 minute", tenant="8/minute", everybody="4/second;20/3 minute")


@dataclass
class Model:
    """The times of all admitted calls, and nothing clever."""

    now: float = 1_000_000.0
    admitted: dict[str, list[float]] = field(default_factory=dict)

    def room(self, meter: Meter) -> int:
        times = self.admitted.get(meter.key, [])
        return min(window.amount - sum(at > self.now - window.seconds for at in times) for window in meter.windows)

    def wait(self, meters: tuple[Meter, ...]) -> float:
        """Until the full window that frees last frees."""
        waits = []
        for meter in meters:
            times = sorted(self.admitted.get(meter.key, []))
            for window in meter.windows:
                recent = [at for at in times if at > self.now - window.seconds]
                if len(recent) >= window.amount:
                    waits.append(recent[-window.amount] + window.seconds - self.now)
        return max(waits)

    def admit(self, meters: tuple[Meter, ...]) -> None:
        for meter in meters:
            self.admitted.setdefault(meter.key, []).append(self.now)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running, pytest.MonkeyPatch.context() as patch:
        for name in ("CHARGE", "RESTORE", "STATUS"):
            script = getattr(redis_scripts, name)
            assert script.count("redis.call('TIME')") == 1
            patch.setattr(redis_limits, name, script.replace("'TIME'", "'HMGET', 'clock', 's', 'u'"))
        yield running


# Pauses of quarters of a second, so that edges of windows are hit and no rounding is in the way.
BURSTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["red", "blue"]),
        st.booleans(),
        st.integers(1, 6),
        st.one_of(st.just(0), st.integers(1, 8), st.integers(100, 800)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BURSTS)
def test_concurrent_clients_get_exactly_what_the_model_admits(
    server: RedisServer, bursts: list[tuple[str, str, bool, int, int]]
) -> None:
    asyncio.run(_run(server, bursts))


async def _run(server: RedisServer, bursts: list[tuple[str, str, bool, int, int]]) -> None:
    server.command("FLUSHALL")
    model = Model()
    links = [RedisLink(server.url, timeout=10) for _ in range(3)]
    limiters = [RedisLimiter(link, RULES) for link in links]
    try:
        for principal, tenant, heavy, at_once, pause in bursts:
            model.now += pause / 4
            server.command("HSET", "clock", "s", str(int(model.now)), "u", str(int(model.now % 1 * 1_000_000)))
            calls = [limiters[number % 3].charge(principal, tenant, heavy=heavy) for number in range(at_once)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            meters = RULES.meters(principal, tenant, heavy=heavy)
            expected = max(0, min(at_once, *(model.room(meter) for meter in meters)))
            refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
            assert [outcome for outcome in outcomes if not isinstance(outcome, Refusal)] == [None] * expected
            for _ in range(expected):
                model.admit(meters)
            for refusal in refusals:
                assert refusal.retry_after_s == model.wait(meters)
            states = await limiters[0].status(principal, tenant)
            rooms = [
                window.amount - sum(at > model.now - window.seconds for at in model.admitted.get(meter.key, []))
                for meter in RULES.meters(principal, tenant, heavy=True)
                for window in meter.windows
            ]
            assert [state.remaining for state in states] == [max(0, room) for room in rooms]
    finally:
        for link in links:
            await link.aclose()
