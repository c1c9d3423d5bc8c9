"""The innermost element: connections, TLS, and the addresses they go to.

Origins that the operator configured have a pool of their own, without address check; a connection checked
under one rule is therefore never used under the other.
"""

import logging
import ssl
from collections.abc import AsyncIterable, AsyncIterator

import httpcore2
import httpx2

from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.transport.bypass import Bypass
from mcp_dockerhub.transport.egress import AddressCheck
from mcp_dockerhub.transport.exchange import endpoint_of, host_of
from mcp_dockerhub.transport.faults import TlsFailed
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.pinning import PinnedBackend
from mcp_dockerhub.transport.resolver import Resolver
from mcp_dockerhub.transport.translate import translated
from mcp_dockerhub_security.egress import EgressPolicy

_KEEPALIVE_SECONDS = 30.0
_KEEPALIVE_CONNECTIONS = 20


class ConnectionPool(httpx2.AsyncBaseTransport):
    """Sends requests as they are; raises DockerHubErrors that name the host."""

    def __init__(
        self,
        options: StackOptions,
        policy: EgressPolicy,
        check: AddressCheck,
        resolver: Resolver,
        dialer: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        # The library's debug log holds whole headers: signed URLs in Location among them.
        logging.getLogger("httpcore2").setLevel(logging.WARNING)
        self._policy = policy
        self._timeouts = {"connect": options.connect_timeout, "read": options.request_timeout}
        self._timeouts["write"] = options.request_timeout
        dialer = dialer or httpcore2.AnyIOBackend()
        tls = _tls_context(options)
        pinned = PinnedBackend(resolver, check, dialer)
        trusted = PinnedBackend(resolver, _accept, dialer)
        self._direct = _pool(tls, trusted)
        self._public = _pool(tls, pinned)
        # Through a proxy it is the proxy that resolves names: its own address is the operator's choice.
        self._proxied = _proxy_pool(tls, options.proxy, trusted) if options.proxy else None
        self._bypass = Bypass(options.no_proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = host_of(request.url)
        pool = self._choose(request.url)
        with translated(host, proxied=pool is self._proxied):
            answer = await pool.handle_async_request(self._core_request(request))
        assert isinstance(answer.stream, AsyncIterable)  # noqa: S101  (asynchronous pools only)
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, host),
            extensions=answer.extensions,
            request=request,
        )

    async def aclose(self) -> None:
        for pool in (self._direct, self._public, self._proxied):
            if pool is not None:
                await pool.aclose()

    def _choose(self, url: httpx2.URL) -> httpcore2.AsyncConnectionPool:
        if self._proxied is not None and url.scheme == "https" and not self._bypass.covers(url.host, url.port or 443):
            return self._proxied
        return self._direct if self._policy.is_configured(endpoint_of(url)) else self._public

    def _core_request(self, request: httpx2.Request) -> httpcore2.Request:
        url = request.url
        assert isinstance(request.stream, AsyncIterable)  # noqa: S101
        return httpcore2.Request(
            request.method,
            httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions={"timeout": self._timeouts},
        )


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response, host: str) -> None:
        self._answer = answer
        self._host = host

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with translated(self._host):
            async for chunk in self._answer.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        with translated(self._host):
            await self._answer.aclose()


def _accept(host: str, addresses: object) -> None:
    """The operator vouches for this host."""


def _tls_context(options: StackOptions) -> ssl.SSLContext:
    if options.ca_file is None:
        return httpcore2.default_ssl_context()
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise TlsFailed(
            "The certificates to trust cannot be read.", hint="The operator must check the file in SSL_CERT_FILE."
        ) from error


def _pool(tls: ssl.SSLContext, backend: httpcore2.AsyncNetworkBackend) -> httpcore2.AsyncConnectionPool:
    # How many connections a host gets is the throttle's business: here they are not limited.
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=None,
        max_keepalive_connections=_KEEPALIVE_CONNECTIONS,
        keepalive_expiry=_KEEPALIVE_SECONDS,
        network_backend=backend,
    )


def _proxy_url(proxy: str) -> httpx2.URL:
    """As other programs read it: without a scheme it is http."""
    try:
        url = httpx2.URL(proxy if "://" in proxy else f"http://{proxy}")
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise UpstreamUnavailable(
            "The proxy's address is not the URL of an http or https proxy.",
            hint="The operator must check HTTPS_PROXY: it is written as http://proxy.example.com:3128.",
        )
    return url


def _proxy_pool(
    tls: ssl.SSLContext, proxy: str, backend: httpcore2.AsyncNetworkBackend
) -> httpcore2.AsyncConnectionPool:
    url = _proxy_url(proxy)
    auth = (url.username.encode(), url.password.encode()) if url.userinfo else None
    return httpcore2.AsyncHTTPProxy(
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/"),
        proxy_auth=auth,
        ssl_context=tls,
        max_connections=None,
        max_keepalive_connections=_KEEPALIVE_CONNECTIONS,
        keepalive_expiry=_KEEPALIVE_SECONDS,
        network_backend=backend,
    )
