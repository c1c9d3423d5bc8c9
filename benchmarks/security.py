"""What the security manager's own parts cost: a charge to the limits, alone or through Redis, and an audit record.

Each figure is the time one more of it takes on a busy event loop; ratios are within the same run.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from benchmarks.measures import Bench, Measure
from mcp_dockerhub_security.audit import AuditLog, AuditOptions, FsyncPolicy
from mcp_dockerhub_security.limits import Limiter, LimitRules, MemoryLimiter
from mcp_dockerhub_security.redis_limits import RedisLimiter
from mcp_dockerhub_security.redis_link import RedisLink
from tests.upstreams.redis import BINARY, RedisServer

CALLS: Final = 2_000
AT_ONCE: Final = 64
# As many windows as a careful operator has, and never full.
RULES: Final = LimitRules(
    "100000/second;1000000/minute;10000000/hour", tenant="1000000/minute", everybody="1000000/second"
)
RECORD: Final = {
    "method": "tools/call",
    "tool": "docker_get_image_details",
    "arguments": {"image": "str(12)", "platform": "null"},
    "target": ["docker.io/library/nginx:alpine"],
    "principal": "https://issuer.example.com|ada",
    "tenant": "red",
    "decision": "allow",
    "rule": "read",
    "outcome": "ok",
    "duration_ms": 1.234,
}


def security_prices(_: Bench | None = None) -> list[Measure]:
    """The price of shared limits, where there is a Redis to start, and of a durable audit record."""
    return [*asyncio.run(_limits()), *asyncio.run(_audit())]


async def _limits() -> list[Measure]:
    alone = await _each(_charge(MemoryLimiter(RULES)), AT_ONCE)
    if BINARY is None:
        return []
    with RedisServer() as server:
        link = RedisLink(server.url, timeout=30)
        limiter = RedisLimiter(link, RULES)
        one = await _each(_charge(limiter), 1)
        many = await _each(_charge(limiter), AT_ONCE)
        await link.aclose()
    detail = {"memory_us": _micro(alone), "redis_us": _micro(one), "redis_64_at_once_us": _micro(many)}
    return [
        Measure("a charge through Redis, alone", 1000 * one, 2, "ms", detail),
        Measure("64 at once, Redis / memory", many / alone, 30, "times", detail),
    ]


async def _audit() -> list[Measure]:
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="mcp-dockerhub-bench-") as folder:
        seconds["memory"] = await _records(None, "intent", AT_ONCE)
        policies: tuple[FsyncPolicy, ...] = ("intent", "always")
        for policy in policies:
            for at_once in (1, AT_ONCE):
                path = Path(folder) / f"{policy}-{at_once}.log"
                seconds[f"{policy}_{at_once}"] = await _records(path, policy, at_once)
    detail = {f"{name}_us": _micro(value) for name, value in seconds.items()}
    batched, shared = seconds["intent_64"], seconds["always_64"]
    return [
        Measure("batched audit record, 64 at once / in memory", batched / seconds["memory"], 3, "times", detail),
        Measure("fsync per record, 64 at once / one by one", shared / seconds["always_1"], 0.5, "times", detail),
    ]


async def _records(path: Path | None, policy: FsyncPolicy, at_once: int) -> float:
    log = AuditLog.open(path, options=AuditOptions(fsync=policy))

    async def record() -> None:
        log.append("outcome", RECORD)
        await log.settle()

    try:
        return await _each(record, at_once)
    finally:
        log.close()


def _charge(limiter: Limiter) -> Callable[[], Awaitable[None]]:
    return lambda: limiter.charge("https://issuer.example.com|ada", "red", heavy=False)


async def _each(work: Callable[[], Awaitable[None]], at_once: int) -> float:
    """Seconds for one, with so many going on."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await work()

    await worker(10)
    count = CALLS // at_once
    started = time.perf_counter()
    await asyncio.gather(*(worker(count) for _ in range(at_once)))
    return (time.perf_counter() - started) / (count * at_once)


def _micro(seconds: float) -> float:
    return round(1_000_000 * seconds, 1)


if __name__ == "__main__":
    from benchmarks.measures import print_table

    print_table(security_prices())
