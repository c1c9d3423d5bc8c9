"""Stand-ins for testing one element of the HTTP stack at a time: an inner transport, a clock, an observer."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import httpx2

from mcp_dockerhub.transport.client import Credential, Upstream
from mcp_dockerhub.transport.clock import Clock
from mcp_dockerhub.transport.exchange import Plan, build_request

Answer = httpx2.Response | BaseException
Handler = Callable[[httpx2.Request], Answer | Awaitable[Answer]]

REGISTRY = Upstream("registry.example", "https://registry.example", "registry", scheme="registry")
ALICE = Credential("registry.example:alice", "alice", "s3cret", "basic")


class FakeTime:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.unix = 1_700_000_000.0
        self.slept: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(self.monotonic, lambda: self.unix, self.sleep)

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.unix += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await anyio.lowlevel.checkpoint()


@dataclass
class Inner(httpx2.AsyncBaseTransport):
    """Answers what ``handler`` returns for each request, and raises what it returns if that is an exception."""

    handler: Handler
    requests: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # A copy of the headers: elements change them on the same request between attempts.
        headers = request.headers.copy()
        seen = httpx2.Request(request.method, request.url, headers=headers, stream=request.stream)
        seen.extensions = request.extensions
        self.requests.append(seen)
        answer = self.handler(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        answer.request = request
        return answer

    @property
    def sent(self) -> list[tuple[str, str, str | None]]:
        """Method, URL and Authorization of each request."""
        return [(r.method, str(r.url), r.headers.get("authorization")) for r in self.requests]


def in_turn(*answers: Answer) -> Handler:
    """One after the other; the last one stays."""
    left = list(answers)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


def status(code: int, body: bytes = b"", **headers: str) -> httpx2.Response:
    """Header names are written with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(code, headers=named, content=body)


def get(url: str = "https://registry.example/v2/", *, method: str = "GET", **plan: Any) -> httpx2.Request:
    """A request with a plan for REGISTRY, changed by the keywords."""
    base = Plan(REGISTRY, "registry", 1024)
    return build_request(replace(base, **plan), method, httpx2.URL(url), httpx2.Headers())


@dataclass
class Observed:
    """An UpstreamObserver that remembers."""

    requests: list[tuple[str, str, str]] = field(default_factory=list)
    timings: list[tuple[float, float | None, int]] = field(default_factory=list)
    retries: list[tuple[str, str]] = field(default_factory=list)
    circuits: list[tuple[str, str, str]] = field(default_factory=list)
    quotas: list[tuple[int, int, int]] = field(default_factory=list)

    def request(
        self,
        host_class: str,
        method: str,
        outcome: str,
        seconds: float,
        first_byte_seconds: float | None,
        received_bytes: int,
    ) -> None:
        self.requests.append((host_class, method, outcome))
        self.timings.append((seconds, first_byte_seconds, received_bytes))

    def retry(self, host_class: str, reason: str) -> None:
        self.retries.append((host_class, reason))

    def circuit(self, host_class: str, state: str, host: str) -> None:
        self.circuits.append((host_class, state, host))

    def quota(self, limit: int, remaining: int, window_s: int) -> None:
        self.quotas.append((limit, remaining, window_s))
