"""What is measured, one function a bar. Each gives figures of ours next to those of the bare server or to a bound."""

import compileall
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.stdio import Server, checked, clean_environment
from tests.upstreams.images import tag_history
from tests.upstreams.seeded import Upstreams

OURS: Final = [str(Path(sys.executable).with_name("mcp-dockerhub")), "serve"]
BARE: Final = [sys.executable, str(Path(__file__).with_name("bare_server.py"))]
PACKAGES: Final = ("mcp", "mcp_types", "mcp_dockerhub", "mcp_dockerhub_security", "mcp_dockerhub_monitoring")
STARTS: Final = 15
ROUNDS: Final = 20
CALLS_A_ROUND: Final = 50
CONCURRENT: Final = 100
MANY_TAGS: Final = 9_000
MEBIBYTE: Final = 1024 * 1024
UNLIMITED: Final = "1000000/second"
PATIENCE: Final = 30.0
DETAILS: Final = "docker_get_image_details"


@dataclass(frozen=True, slots=True)
class Measure:
    """One bar: ``value`` must not be above ``bound``."""

    name: str
    value: float
    bound: float
    unit: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        return self.value <= self.bound


class Bench:
    """Starts both servers against the same stand-ins."""

    def __init__(self, upstreams: Upstreams, folder: Path) -> None:
        self.upstreams = upstreams
        self._environment = clean_environment(
            **upstreams.settings(folder),
            MCP_DOCKERHUB_RATE_LIMIT=UNLIMITED,
            MCP_DOCKERHUB_RATE_LIMIT_HEAVY=UNLIMITED,
            MCP_DOCKERHUB_LOG_LEVEL="error",
        )

    def start(self, command: list[str]) -> Server:
        return Server(command, self._environment)

    @contextmanager
    def running(self, command: list[str]) -> Iterator[Server]:
        """A server that has shaken hands."""
        with self.start(command) as server:
            server.initialize()
            yield server

    def requests(self) -> Counter[str]:
        """What the registry and the Hub were asked, by method and path, page included."""
        asked = [(request, request.query) for request in self.upstreams.registry.requests]
        seen = Counter(f"{request.method} {request.path}?{query}" for request, query in asked)
        seen.update(f"{request.method} {request.path}?{dict(request.query)}" for request in self.upstreams.hub.requests)
        return seen

    def forget(self) -> None:
        self.upstreams.registry.clear()
        self.upstreams.hub.requests.clear()


def start_and_memory(bench: Bench) -> list[Measure]:
    """exec → `initialize` reply, and what is resident after `tools/list`; starts of both take turns."""
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    memory: dict[str, list[int]] = {"bare": [], "ours": []}
    for _ in range(STARTS):
        for name, command in (("bare", BARE), ("ours", OURS)):
            with bench.start(command) as server:
                seconds[name].append(server.initialize())
                server.request("tools/list")
                memory[name].append(server.memory)
    bare, ours = statistics.median(seconds["bare"]), statistics.median(seconds["ours"])
    more = statistics.median(memory["ours"]) - statistics.median(memory["bare"])
    times = {"bare_ms": _milli(bare), "ours_ms": _milli(ours), "starts": STARTS}
    sizes = {f"{name}_mib": round(statistics.median(values) / MEBIBYTE, 1) for name, values in memory.items()}
    return [
        Measure("exec to initialize reply, ours / bare", ours / bare, 1.25, "times", times),
        Measure("memory after tools/list, ours - bare", more / MEBIBYTE, 20, "MiB", sizes),
    ]


def cached_call(bench: Bench) -> list[Measure]:
    """p50 of a cached answer over stdio next to the bare server's echo; calls of both take turns."""
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    with bench.running(BARE) as bare, bench.running(OURS) as ours:
        turns: tuple[tuple[str, Callable[[], object]], ...] = (
            ("bare", lambda: bare.call("echo", {"text": "hello"})),
            ("ours", lambda: ours.call(DETAILS, {"image": "nginx:alpine"})),
        )
        for _, call in turns:
            call()
        bench.forget()
        for _ in range(ROUNDS):
            for name, call in turns:
                seconds[name] += [_timed(call) for _ in range(CALLS_A_ROUND)]
    asked = bench.requests().total()
    bare_p50, ours_p50 = statistics.median(seconds["bare"]), statistics.median(seconds["ours"])
    detail = {"bare_ms": _milli(bare_p50), "ours_ms": _milli(ours_p50), "calls": ROUNDS * CALLS_A_ROUND}
    return [
        Measure("cached details p50, ours / bare echo", ours_p50 / bare_p50, 2, "times", detail),
        Measure("upstream requests of warm calls", asked, 0, "requests"),
    ]


def concurrent_calls(bench: Bench) -> list[Measure]:
    """A hundred identical calls at once, and a hundred of which all but one are cancelled."""
    with bench.running(OURS) as server:
        bench.forget()
        with bench.upstreams.registry.hung():
            identifiers = _send_details(server, "nginx:latest")
            _wait_for(lambda: bench.requests().total() > 0)
        answers = [checked(DETAILS, result)["structuredContent"] for result in server.receive_all(identifiers)]
        together = bench.requests()
        bench.forget()
        with bench.upstreams.registry.hung():
            *cancelled, kept = _send_details(server, "redis:alpine")
            _wait_for(lambda: bench.requests().total() > 0)
            for identifier in cancelled:
                server.notify("notifications/cancelled", {"requestId": identifier})
            _wait_until_read(server)
        checked(DETAILS, server.receive(kept))
        after_cancelling = bench.requests()
    alike = len({str(answer.get("digest")) for answer in answers})
    return [
        Measure("most requests for one document, 100 at once", max(together.values()), 1, "requests", dict(together)),
        Measure("different answers to 100 identical calls", alike, 1, "answers"),
        Measure("the same with 99 cancelled", max(after_cancelling.values()), 1, "requests", dict(after_cancelling)),
    ]


def tools_list(bench: Bench) -> list[Measure]:
    """Bytes of the answer that every session begins with."""
    with bench.running(OURS) as server:
        result = server.request("tools/list")
        size = server.last_size
    return [Measure("tools/list of the default toolsets", size, 30_000, "bytes", {"tools": len(result["tools"])})]


def many_tags(bench: Bench) -> list[Measure]:
    """Listing a repository of 9,000 tags on a registry that gives 1,000 a page at most."""
    registry = bench.upstreams.registry
    image = registry.add_image("many/tags", "seed")
    registry.add_tags("many/tags", image, [fact.name for fact in tag_history("php")[: MANY_TAGS - 1]])
    registry.behaviour.page_size = 1_000
    with bench.running(OURS) as server:
        server.call(DETAILS, {"image": "alpine"})
        bench.forget()
        server.restart_peak()
        before = server.memory
        arguments = {"repository": f"{registry.host}/many/tags", "limit": 100}
        answer = server.call("docker_list_tags", arguments)["structuredContent"]
        growth = server.peak - before
    pages = sum(count for path, count in bench.requests().items() if "/tags/list" in path)
    detail = {"total": answer.get("total"), "all_requests": bench.requests().total()}
    return [
        Measure("requests to list 9,000 tags", pages, math.ceil(MANY_TAGS / 1_000), "requests", detail),
        Measure("peak memory growth meanwhile", growth / MEBIBYTE, 20, "MiB"),
    ]


def _send_details(server: Server, image: str) -> list[int]:
    parameters = {"name": DETAILS, "arguments": {"image": image}}
    identifiers = [server.send("tools/call", parameters) for _ in range(CONCURRENT)]
    _wait_until_read(server)
    return identifiers


def _wait_until_read(server: Server) -> None:
    """Messages are read in order: once this is answered, those before it are on their way."""
    server.request("ping")


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing was asked of the upstreams within {PATIENCE:g} s")
        time.sleep(0.005)


def _milli(seconds: float) -> float:
    return round(1000 * seconds, 3)


def compile_packages() -> None:
    """Without compiled modules a start takes seconds and measures the compiler."""
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{name} is not installed: run `make bench`")
        compileall.compile_dir(Path(spec.origin).parent, quiet=2)


def print_table(measures: Iterable[Measure]) -> None:
    for measure in measures:
        verdict = "ok" if measure.kept else "NOT KEPT"
        figures = ", ".join(f"{name} {value}" for name, value in measure.detail.items() if isinstance(value, float))
        bar = f"{measure.value:>10,.2f} {measure.unit:<9} bar {measure.bound:>9,.2f}"
        print(f"{measure.name:<46}{bar}  {verdict:<9} {figures}".rstrip())
