"""The HTTP stack, put together: the one place that says in which order its elements stand.

auth → redirects → retry → breaker → throttle → log → timeout → egress guard → body limit → pool
"""

import json as jsonlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

import httpx2

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.transport.auth import Auth
from mcp_dockerhub.transport.breaker import Breaker
from mcp_dockerhub.transport.client import DEFAULT_BODY_LIMIT, Response, StreamedResponse, Upstream
from mcp_dockerhub.transport.clock import SYSTEM_CLOCK, Clock
from mcp_dockerhub.transport.deadline import call_deadline
from mcp_dockerhub.transport.egress import EgressGuard, address_check
from mcp_dockerhub.transport.exchange import Plan, build_request, host_of, origin_of, stream_of
from mcp_dockerhub.transport.limit import BodyLimit
from mcp_dockerhub.transport.log import RedactedLog
from mcp_dockerhub.transport.observer import NULL_OBSERVER, UpstreamObserver
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.realm_client import RealmClient
from mcp_dockerhub.transport.redirects import Redirects
from mcp_dockerhub.transport.resolver import Resolver, system_resolver
from mcp_dockerhub.transport.retry import Retry
from mcp_dockerhub.transport.throttle import Throttle
from mcp_dockerhub.transport.timeout import Timeout
from mcp_dockerhub.transport.token_cache import TokenCache
from mcp_dockerhub.transport.tracing import Traced
from mcp_dockerhub_security.egress import EgressPolicy

if TYPE_CHECKING:
    import httpcore2


_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)


class HttpStack:
    """The HttpClient of the running server. One per process; ``aclose`` it at the end.

    ``dialer`` makes the connections to checked addresses; ``pool`` replaces connections altogether.
    """

    def __init__(
        self,
        options: StackOptions,
        *,
        observer: UpstreamObserver = NULL_OBSERVER,
        clock: Clock = SYSTEM_CLOCK,
        resolver: Resolver = system_resolver,
        dialer: "httpcore2.AsyncNetworkBackend | None" = None,
        pool: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        policy = EgressPolicy(options.allowed_registries, options.configured_origins)
        self._options = options
        self._clock = clock
        self._pool = pool or _LazyPool(options, policy, resolver, dialer)
        guarded = EgressGuard(BodyLimit(self._pool), policy)
        timed = Timeout(guarded, options.request_timeout)
        traced = Traced(RedactedLog(timed, observer, clock), propagated=options.propagate_trace)
        polite = Throttle(traced, options.connections_per_host, clock)
        self._breaker = Breaker(polite, observer, clock.monotonic)
        followed = Redirects(Retry(self._breaker, observer, clock))
        realms = RealmClient(followed, options.user_agent)
        self._top = Auth(followed, realms, TokenCache(clock.monotonic), policy, options.known_realms)

    async def aclose(self) -> None:
        await self._pool.aclose()

    def circuits(self) -> Mapping[str, str]:
        """Host to ``closed``, ``open`` or ``half_open``, of the hosts asked most recently."""
        return self._breaker.circuits()

    async def request(  # noqa: PLR0913  (one keyword for each part of a request)
        self,
        upstream: Upstream,
        method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        """See ``HttpClient.request``; ``form`` is sent as ``application/x-www-form-urlencoded`` instead of JSON."""
        plan = Plan(upstream, upstream.host_class, limit, scope)
        url = _url(upstream, path, params)
        # Digest-addressed documents come as they are; the Hub's JSON shrinks to a fraction of its size.
        coding = "identity" if upstream.host_class == "registry" else "gzip"
        sent = self._headers(coding, headers)
        content = None
        if json is not None:
            content = jsonlib.dumps(json).encode()
            sent["content-type"] = "application/json"
        elif form is not None:
            content = urlencode(form).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        with call_deadline(self._options.call_timeout, clock=self._clock.monotonic):
            answer = await self._top.handle_async_request(build_request(plan, method, url, sent, content))
        return Response(answer.status_code, _headers_of(answer), answer.content, _shown_url(answer))

    @asynccontextmanager
    async def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
        seconds: float | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        """See ``HttpClient.stream``."""
        plan = Plan(upstream, upstream.host_class, limit, scope, streamed=True)
        request = build_request(plan, "GET", _url(upstream, path, None), self._headers("identity", headers))
        with call_deadline(seconds or self._options.call_timeout, clock=self._clock.monotonic):
            answer = await self._top.handle_async_request(request)
            try:
                chunks = aiter(stream_of(answer))
                yield StreamedResponse(answer.status_code, _headers_of(answer), _shown_url(answer), chunks)
            finally:
                await answer.aclose()

    def _headers(self, coding: str, more: Mapping[str, str] | None) -> httpx2.Headers:
        headers = httpx2.Headers({"user-agent": self._options.user_agent, "accept": "*/*", "accept-encoding": coding})
        headers.update(more or {})
        return headers


class _LazyPool(httpx2.AsyncBaseTransport):
    """Connections and the libraries for them, from the first request on: start-up does not pay for them."""

    def __init__(
        self,
        options: StackOptions,
        policy: EgressPolicy,
        resolver: Resolver,
        dialer: "httpcore2.AsyncNetworkBackend | None",
    ) -> None:
        self._arguments = (options, policy, address_check(policy), resolver, dialer)
        self._pool: httpx2.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._pool is None:
            from mcp_dockerhub.transport.pool import ConnectionPool

            self._pool = ConnectionPool(*self._arguments)
        return await self._pool.handle_async_request(request)

    async def aclose(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()


def _url(upstream: Upstream, path: str, params: Mapping[str, str | int] | None) -> httpx2.URL:
    """``path`` below the upstream's base, or an absolute URL (from a pagination link) on the same origin."""
    base = httpx2.URL(upstream.base_url)
    if _DOT_SEGMENT.search(path):
        raise UpstreamInvalid(f"{upstream.name} links to a path that leaves its own.")
    try:
        url = httpx2.URL(f"{upstream.base_url}{path}" if path.startswith("/") else path)
    except httpx2.InvalidURL as error:
        raise UpstreamInvalid(f"{upstream.name} links to something that is not a URL.") from error
    if origin_of(url) != origin_of(base) or url.userinfo:
        raise UpstreamInvalid(f"{upstream.name} links to another host, {host_of(url)}, for the rest of its answer.")
    return url.copy_merge_params(dict(params)) if params else url


def _headers_of(answer: httpx2.Response) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in answer.headers.multi_items():
        found[name] = (*found.get(name, ()), value)
    return found


def _shown_url(answer: httpx2.Response) -> str:
    url = answer.request.url
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))
