"""What a request carries down the chain besides HTTP, in ``request.extensions``."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import httpx2

from mcp_dockerhub.transport.client import HostClass, Upstream
from mcp_dockerhub_security.egress import Purpose

_PLAN: Final = "mcp_dockerhub.plan"
_METER: Final = "mcp_dockerhub.meter"


@dataclass(frozen=True, slots=True)
class Plan:
    """On whose behalf a request is made, and what its answer may be."""

    upstream: Upstream
    host_class: HostClass
    limit: int
    """The most bytes a successful body may have after decoding."""
    scope: str = ""
    streamed: bool = False
    """True leaves a successful body unread and undecoded; otherwise it is read before the answer is passed up."""
    purpose: Purpose = "request"
    token_request: bool = False
    """True for a log-in: it may be repeated whatever its method."""


@dataclass(slots=True)
class Meter:
    """What one attempt measured, for its log line and its metrics."""

    now: Callable[[], float] = time.monotonic
    first_byte_at: float | None = None
    received: int = 0
    """Bytes of the body on the wire."""

    def answer_begins(self) -> None:
        self.first_byte_at = self.now()


def plan_of(request: httpx2.Request) -> Plan:
    plan = request.extensions[_PLAN]
    assert isinstance(plan, Plan)  # noqa: S101  (an extension has no type of its own)
    return plan


def meter_of(request: httpx2.Request) -> Meter:
    """The attempt's meter; a fresh one where nobody measures."""
    meter = request.extensions.setdefault(_METER, Meter())
    assert isinstance(meter, Meter)  # noqa: S101
    return meter


def start_meter(request: httpx2.Request, now: Callable[[], float]) -> Meter:
    meter = Meter(now)
    request.extensions[_METER] = meter
    return meter


def build_request(
    plan: Plan, method: str, url: httpx2.URL, headers: httpx2.Headers, content: bytes | None = None
) -> httpx2.Request:
    """A request whose body, if any, can be sent again."""
    return httpx2.Request(method, url, headers=headers, content=content, extensions={_PLAN: plan})


def follow(request: httpx2.Request, url: httpx2.URL, headers: httpx2.Headers, *, elsewhere: bool) -> httpx2.Request:
    """The same request to where a redirect points; ``elsewhere`` when that is another origin."""
    plan = plan_of(request)
    if elsewhere:
        plan = replace(plan, host_class="redirect", purpose="redirect")
    return build_request(plan, request.method, url, headers)


def origin_of(url: httpx2.URL) -> tuple[str, str, int | None]:
    """Scheme, host and effective port: two URLs with the same triple share credentials."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def endpoint_of(url: httpx2.URL) -> str:
    """Scheme, user information if any, host and port: all that the egress rules look at.

    Taken from the same parsed URL that is connected to, so that no second parser can see another host in it.
    """
    user = "@" if url.userinfo else ""
    return f"{url.scheme}://{user}{url.netloc.decode('ascii')}"


def host_of(url: httpx2.URL) -> str:
    """Host with its port where it is not the default one: what messages and circuits are named by."""
    return url.netloc.decode("ascii")


class WatchedStream(httpx2.AsyncByteStream):
    """A body that runs ``on_close`` once, when it is closed, whether or not it was read to its end."""

    def __init__(self, inner: httpx2.AsyncByteStream, on_close: Callable[[], Awaitable[None]]) -> None:
        self._inner = inner
        self._on_close: Callable[[], Awaitable[None]] | None = on_close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        on_close, self._on_close = self._on_close, None
        try:
            await self._inner.aclose()
        finally:
            if on_close is not None:
                await on_close()


def body_is_open(request: httpx2.Request, response: httpx2.Response) -> bool:
    """True when the caller will read the body: of a streamed request, once it succeeded. All others are read."""
    return plan_of(request).streamed and response.is_success


def stream_of(response: httpx2.Response) -> httpx2.AsyncByteStream:
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  (asynchronous transports only)
    return response.stream
