"""What this process uses, and whether its event loop keeps up."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from . import definitions as d
from .cgroup import GroupMemory, group_memory
from .metrics import Metrics


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One reading; sizes in bytes, times in seconds."""

    resident_bytes: int
    cpu_seconds: float
    threads: int
    open_fds: int
    max_fds: int
    started_at: float
    """Unix time."""
    memory_usage_bytes: int
    memory_limit_bytes: int
    memory_scope: Literal["cgroup", "system"]
    """What the two above speak of."""

    @property
    def memory_ratio(self) -> float:
        """Use of the memory there is, 0 to 1."""
        return self.memory_usage_bytes / self.memory_limit_bytes


def sample_process(group: Callable[[], GroupMemory | None] = group_memory) -> ProcessSample:
    """Read this process and the memory it may use.

    A limit beyond the machine's memory limits nothing: the system's numbers hold then.
    """
    import resource

    import psutil

    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        memory = psutil.virtual_memory()
        limited = group()
        in_group = limited is not None and limited.limit < memory.total
        return ProcessSample(
            resident_bytes=process.memory_info().rss,
            cpu_seconds=times.user + times.system,
            threads=process.num_threads(),
            open_fds=process.num_fds(),
            max_fds=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            started_at=process.create_time(),
            memory_usage_bytes=limited.usage if limited and in_group else memory.total - memory.available,
            memory_limit_bytes=limited.limit if limited and in_group else memory.total,
            memory_scope="cgroup" if in_group else "system",
        )


def expose_process(metrics: Metrics, sample: Callable[[], ProcessSample] = sample_process) -> None:
    """Refresh the process series at each scrape."""

    def refresh() -> None:
        now = sample()
        metrics.gauge(d.PROCESS_MEMORY, now.resident_bytes)
        metrics.gauge(d.PROCESS_CPU, now.cpu_seconds)
        metrics.gauge(d.PROCESS_THREADS, now.threads)
        metrics.gauge(d.PROCESS_FDS, now.open_fds)
        metrics.gauge(d.PROCESS_MAX_FDS, now.max_fds)
        metrics.gauge(d.PROCESS_START, now.started_at)
        metrics.gauge(d.MEMORY_USAGE, now.memory_usage_bytes)
        metrics.gauge(d.MEMORY_LIMIT, now.memory_limit_bytes)

    metrics.before_scrape("process", refresh)


class LagSampler:
    """Measures how late the event loop wakes a sleeper, and remembers the last minute."""

    INTERVAL: Final = 0.5
    """Seconds between measurements."""
    REMEMBERED: Final = 60.0
    """Seconds :meth:`worst` looks back."""

    def __init__(
        self,
        observe: Callable[[float], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._recent: deque[tuple[float, float]] = deque(maxlen=int(self.REMEMBERED / self.INTERVAL))

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = self._clock() + self.INTERVAL
            await self._sleep(self.INTERVAL)
            now = self._clock()
            lag = max(0.0, now - due)
            self._recent.append((now, lag))
            self._observe(lag)

    def worst(self) -> float | None:
        """The longest lag of the last minute in seconds; None before the first measurement."""
        since = self._clock() - self.REMEMBERED
        return max((lag for at, lag in self._recent if at >= since), default=None)
