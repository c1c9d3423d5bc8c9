"""What being watched costs: the metrics layer per call, one scrape of a busy server, the memory of its history."""

import asyncio
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final

from mcp_types import CallToolResult

from benchmarks.measures import MEBIBYTE, Bench, Measure
from mcp_dockerhub.tools.catalogue import Catalogue
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.mcp_adapter import MetricsMiddleware
from mcp_dockerhub_monitoring.metrics import CODES, Metrics
from mcp_dockerhub_monitoring.process import expose_process

ROUNDS: Final = 40
CALLS_A_ROUND: Final = 2_000
CALLS: Final = 1_000_000
SCRAPES: Final = 25
DAY: Final = 86_400.0
TOOLS: Final = tuple(Catalogue.of_everything().tools)
MICROSECOND: Final = 1e-6

Handler = Callable[[Any], Awaitable[Any]]


def monitoring_prices(_bench: Bench) -> list[Measure]:
    """The bars of the metrics layer, measured within this process."""
    return [asyncio.run(_per_call()), *_scrape(), _history()]


async def _per_call() -> Measure:
    """Rounds with and without the middleware alternate, so that a slow moment of the machine hits both."""
    result = CallToolResult(content=[])
    context = SimpleNamespace(
        method="tools/call", params={"name": TOOLS[0]}, request_id=1, protocol_version="2025-11-25", headers=None
    )

    async def handler(_context: Any) -> Any:
        return result

    watched = MetricsMiddleware(Metrics(TOOLS, history=History()), transport="stdio")

    async def through(context: Any) -> Any:
        return await watched(context, handler)

    bare, layered = [], []
    for _ in range(ROUNDS):
        bare.append(await _round(handler, context))
        layered.append(await _round(through, context))
    cost = statistics.median(after - before for before, after in zip(bare, layered, strict=True)) / MICROSECOND
    return Measure("metrics layer per call", cost, 25.0, "µs", {"without": statistics.median(bare) / MICROSECOND})


async def _round(call: Handler, context: Any) -> float:
    started = time.perf_counter()
    for _ in range(CALLS_A_ROUND):
        await call(context)
    return (time.perf_counter() - started) / CALLS_A_ROUND


def _scrape() -> list[Measure]:
    metrics = Metrics(TOOLS, history=History())
    expose_process(metrics)
    outcomes = ("ok", *CODES)
    for number in range(CALLS):
        tool, outcome = TOOLS[number % len(TOOLS)], outcomes[number % len(outcomes)]
        metrics.operation("tools/call", tool, outcome, "handshake", "http", number % 97 / 50)
    text = metrics.render().decode()
    times = []
    for _ in range(SCRAPES):
        started = time.perf_counter()
        metrics.render()
        times.append((time.perf_counter() - started) * 1000)
    after = f"scrape after {CALLS:,} calls"
    return [
        Measure(after, statistics.median(times), 20.0, "ms", {"worst": max(times)}),
        Measure(f"{after}: lines", len(text.splitlines()), 3_000, "lines"),
    ]


def _history() -> Measure:
    """A day of traffic of every tool, at every speed there is."""
    now = [0.0]
    tracemalloc.start()
    try:
        history = History(clock=lambda: now[0])
        for minute in range(int(DAY // 60)):
            now[0] = minute * 60.0
            for number, tool in enumerate(TOOLS):
                history.record(tool, "ok", 1.5 ** ((minute * 7 + number) % 60 - 40))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Measure("history of a busy day", size / MEBIBYTE, 4.0, "MiB")
