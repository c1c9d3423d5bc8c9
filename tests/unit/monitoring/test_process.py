"""What the process says of itself, and the lag of its event loop."""

import asyncio
import os
import time

import psutil
import pytest

from mcp_dockerhub_monitoring.cgroup import GroupMemory
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_monitoring.process import LagSampler, expose_process, sample_process

pytestmark = pytest.mark.anyio


def test_a_sample_describes_this_process() -> None:
    sample = sample_process()
    assert sample.resident_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert sample.cpu_seconds == pytest.approx(sum(os.times()[:2]), abs=1.0)
    assert 0 < sample.open_fds <= sample.max_fds
    assert sample.threads >= 1
    assert sample.started_at <= time.time()
    assert 0 < sample.memory_ratio < 1


def test_the_groups_limit_counts_where_it_is_below_the_systems_memory() -> None:
    sample = sample_process(lambda: GroupMemory(usage=90_000_000, limit=100_000_000))
    assert sample.memory_scope == "cgroup"
    assert sample.memory_ratio == pytest.approx(0.9)


@pytest.mark.parametrize("group", [None, GroupMemory(usage=1, limit=1 << 55)])
def test_without_a_limit_that_limits_the_systems_memory_counts(group: GroupMemory | None) -> None:
    sample = sample_process(lambda: group)
    assert sample.memory_scope == "system"
    assert sample.memory_limit_bytes == psutil.virtual_memory().total


def test_the_process_is_shown_afresh_at_each_scrape() -> None:
    metrics = Metrics()
    expose_process(metrics)
    text = metrics.render().decode()
    for name in (
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_threads",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "mcp_dockerhub_memory_usage_bytes",
        "mcp_dockerhub_memory_limit_bytes",
    ):
        assert f"\n{name} " in text
    assert "collect_errors_total{" not in text


class LateLoop:
    """A loop whose sleeps last longer than asked, by what the test says."""

    def __init__(self, *lags: float) -> None:
        self.now = 0.0
        self._lags = list(lags)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if not self._lags:
            raise asyncio.CancelledError
        self.now += seconds + self._lags.pop(0)


async def run_out(sampler: LagSampler) -> None:
    with pytest.raises(asyncio.CancelledError):
        await sampler.run()


async def test_each_late_wake_up_is_observed() -> None:
    seen: list[float] = []
    loop = LateLoop(0.0, 0.3, 0.0)
    await run_out(LagSampler(seen.append, clock=loop.clock, sleep=loop.sleep))
    assert seen == pytest.approx([0.0, 0.3, 0.0])


async def test_the_worst_lag_is_forgotten_after_a_minute() -> None:
    loop = LateLoop(0.0, 3.0, 0.1)
    sampler = LagSampler(lambda _: None, clock=loop.clock, sleep=loop.sleep)
    assert sampler.worst() is None
    await run_out(sampler)
    assert sampler.worst() == pytest.approx(3.0)
    loop.now += 59.6
    assert sampler.worst() == pytest.approx(0.1)
    loop.now += 60
    assert sampler.worst() is None


async def test_a_blocked_loop_is_measured_on_the_real_clock() -> None:
    measured: asyncio.Queue[float] = asyncio.Queue()
    task = asyncio.create_task(LagSampler(measured.put_nowait).run())
    loop = asyncio.get_running_loop()
    loop.call_later(LagSampler.INTERVAL / 2, time.sleep, LagSampler.INTERVAL + 0.2)
    async with asyncio.timeout(10):
        assert await measured.get() >= 0.2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
