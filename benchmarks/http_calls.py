"""Calls a second over HTTP: the whole security stack next to a bare server of the same SDK, taking turns.

The stack is the one a team runs: every token verified (and known from then on), limits of a principal, its tenant and
everybody, a hash-chained audit record on a file for every call, metrics. Its variants put the limits into Redis and
every record on the disk before the call is answered.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.measures import BARE, DETAILS, PATIENCE, Bench, Measure
from benchmarks.web import HANDSHAKE, STATELESS, Load, load, tool_call
from tests.clients.web import WebServer
from tests.upstreams.issuer import Issuer
from tests.upstreams.redis import BINARY, RedisServer, free_port
from tests.upstreams.seeded import Upstreams

CLIENTS: Final = 64
ROUNDS: Final = 5
CALLS_A_ROUND: Final = 1_000
WARM_UP: Final = 200
SHARE: Final = 0.6
"""Of the bare server's calls a second, at least."""
RESOURCE: Final = "https://mcp.example.com/mcp"
LIMITS: Final = {
    "MCP_DOCKERHUB_RATE_LIMIT": "100000/second;1000000/minute;10000000/hour",
    "MCP_DOCKERHUB_RATE_LIMIT_TENANT": "1000000/minute",
    "MCP_DOCKERHUB_RATE_LIMIT_GLOBAL": "1000000/second",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """One request, and the server it goes to."""

    port: int
    request: bytes

    def load(self, calls: int) -> Load:
        return asyncio.run(load(self.port, self.request, clients=CLIENTS, calls=calls))


def http_calls(bench: Bench) -> list[Measure]:
    """Both eras against the bare server, then what Redis and fsync cost the stack."""
    with ExitStack() as stack:
        issuer = stack.enter_context(Issuer(RESOURCE))
        bare = stack.enter_context(bare_server())
        plain = stack.enter_context(full_stack(bench.upstreams, issuer))
        token = issuer.mint()
        measures = []
        for era in (STATELESS, HANDSHAKE):
            callers = {
                "bare": Caller(bare, tool_call(bare, "echo", {"text": "hello"}, era=era)),
                "ours": Caller(plain, tool_call(plain, "get_server_info", {}, era=era, token=token)),
                "details": Caller(plain, tool_call(plain, DETAILS, {"image": "nginx:alpine"}, era=era, token=token)),
            }
            measures += _next_to_bare(era, _turns(callers))
        variants = {"plain": plain, "fsync": stack.enter_context(full_stack(bench.upstreams, issuer, fsync="always"))}
        if BINARY is not None:
            redis = stack.enter_context(RedisServer())
            variants["redis"] = stack.enter_context(full_stack(bench.upstreams, issuer, redis=redis.url))
        calls = {name: tool_call(port, "get_server_info", {}, token=token) for name, port in variants.items()}
        return measures + _prices(_turns({name: Caller(variants[name], calls[name]) for name in variants}))


def _next_to_bare(era: str, loads: Mapping[str, list[Load]]) -> list[Measure]:
    rates = {name: _rate(found) for name, found in loads.items()}
    late = {name: _late(found) for name, found in loads.items()}
    detail: dict[str, Any] = {f"{name}_per_second": round(rate, 1) for name, rate in rates.items()}
    detail["details_times"] = round(rates["bare"] / rates["details"], 3)
    slow = {f"{name}_p99_ms": round(1000 * seconds, 1) for name, seconds in late.items()}
    return [
        Measure(f"HTTP {era}, bare / full stack", rates["bare"] / rates["ours"], 1 / SHARE, "times", detail),
        Measure(f"HTTP {era}, p99 of 64 clients, stack / bare", late["ours"] / late["bare"], 2, "times", slow),
    ]


def _prices(loads: Mapping[str, list[Load]]) -> list[Measure]:
    rates = {name: _rate(found) for name, found in loads.items()}
    detail = {f"{name}_per_second": round(rate, 1) for name, rate in rates.items()}
    detail |= {f"{name}_p99_ms": round(1000 * _late(found), 1) for name, found in loads.items()}
    names = {"redis": "full stack, memory / Redis limits", "fsync": "full stack, batched / fsync per record"}
    return [
        Measure(text, rates["plain"] / rates[name], 3, "times", detail) for name, text in names.items() if name in rates
    ]


def _turns(callers: Mapping[str, Caller]) -> dict[str, list[Load]]:
    """Every caller's loads; they take turns, so that what else the machine does meets all alike."""
    for caller in callers.values():
        caller.load(WARM_UP)
    loads: dict[str, list[Load]] = {name: [] for name in callers}
    for _ in range(ROUNDS):
        for name, caller in callers.items():
            loads[name].append(caller.load(CALLS_A_ROUND))
    return loads


def _rate(loads: list[Load]) -> float:
    return statistics.median(each.per_second for each in loads)


def _late(loads: list[Load]) -> float:
    return statistics.median(each.percentile(0.99) for each in loads)


@contextmanager
def bare_server() -> Iterator[int]:
    """The bare server on HTTP, with what the SDK does by default, and no log of requests; gives its port."""
    port = free_port()
    process = subprocess.Popen([*BARE, "http", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def full_stack(upstreams: Upstreams, issuer: Issuer, *, redis: str = "", fsync: str = "intent") -> Iterator[int]:
    """Our server as a team runs it; gives its port."""
    with tempfile.TemporaryDirectory(prefix="mcp-dockerhub-bench-") as folder:
        environment = {
            **upstreams.settings(Path(folder)),
            **LIMITS,
            **({"MCP_DOCKERHUB_REDIS_URL": redis} if redis else {}),
            "MCP_DOCKERHUB_PUBLIC_URL": RESOURCE,
            "MCP_DOCKERHUB_ISSUER": issuer.url,
            "MCP_DOCKERHUB_ALLOWED_HOSTS": "127.0.0.1:*",
            "MCP_DOCKERHUB_AUDIT_FILE": str(Path(folder) / "audit.jsonl"),
            "MCP_DOCKERHUB_AUDIT_FSYNC": fsync,
        }
        with WebServer(environment) as server:
            yield server.port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            asyncio.run(load(port, tool_call(port, "echo", {"text": "hello"}), clients=1, calls=1))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    from benchmarks.measures import compile_packages, print_table
    from tests.upstreams.seeded import running_upstreams

    compile_packages()
    with running_upstreams() as running, tempfile.TemporaryDirectory() as scratch:
        found = http_calls(Bench(running, Path(scratch)))
    print_table(found)
    sys.exit(0 if all(measure.kept for measure in found) else 1)
