"""A small HTTP server for scrapes and probes on a port of its own.

Unauthenticated, so it shows nothing an outsider must not know, listens on loopback unless told otherwise,
and answers GET and HEAD of a fixed set of paths only. It works beside either transport: over stdio it is
the only socket there is. Semantics: RFC 9110; one request per connection.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from .health import HealthMonitor
from .metrics import Metrics

_log = logging.getLogger(__name__)

MAX_HEAD_BYTES: Final = 8192
HEAD_TIMEOUT: Final = 5.0
"""Seconds a client has to send its request."""
WRITE_TIMEOUT: Final = 10.0
"""Seconds a client has to take the answer."""
MAX_CONNECTIONS: Final = 32
TEXT: Final = "text/plain; charset=utf-8"
METRICS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SECURITY_HEADERS: Final = (
    "X-Content-Type-Options: nosniff\r\n"
    "Cache-Control: no-store\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Connection: close\r\n"
)
_STRICT_CSP: Final = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    policy: str = _STRICT_CSP
    """Content-Security-Policy."""


Handler = Callable[[], Reply]


def _plain(status: HTTPStatus) -> Reply:
    return Reply(status, f"{status.phrase}\n".encode())


def standard_routes(metrics: Metrics, health: HealthMonitor) -> dict[str, Handler]:
    """``/metrics`` for Prometheus, ``/healthz`` (alive) and ``/readyz`` (may get traffic) for probes."""

    def alive() -> Reply:
        return Reply(HTTPStatus.OK, b"ok\n")

    def ready() -> Reply:
        if health.health().ready:
            return Reply(HTTPStatus.OK, b"ready\n")
        return Reply(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")

    def scrape() -> Reply:
        return Reply(HTTPStatus.OK, metrics.render(), METRICS_TEXT)

    return {"/metrics": scrape, "/healthz": alive, "/readyz": ready}


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        self.status = status


class MonitoringEndpoint:
    """Serves ``routes`` (path to handler) from :meth:`start` until :meth:`aclose`; an async context manager."""

    def __init__(self, routes: Mapping[str, Handler], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._routes = dict(routes)
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port listened on; the one asked for before :meth:`start`."""
        if self._server is not None and self._server.sockets:
            return int(self._server.sockets[0].getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=MAX_HEAD_BYTES, backlog=MAX_CONNECTIONS
        )

    async def aclose(self) -> None:
        """Stop listening and drop open connections."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.write(_encoded(_plain(HTTPStatus.SERVICE_UNAVAILABLE), with_body=True))
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader)
            if answer is not None:
                writer.write(answer)
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # the client went away or does not read; nobody is left to tell
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes | None:
        """The bytes to send, None where the client left without asking anything."""
        method = "GET"
        try:
            async with asyncio.timeout(HEAD_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
            method, path = self._parsed(head)
            reply = self._called(path)
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            reply = _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except TimeoutError:
            reply = _plain(HTTPStatus.REQUEST_TIMEOUT)
        except _Refused as refused:
            reply = _plain(refused.status)
        return _encoded(reply, with_body=method != "HEAD")

    def _parsed(self, head: bytes) -> tuple[str, str]:
        """Method and path of a request; raises :class:`_Refused`."""
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or parts[2] not in {"HTTP/1.0", "HTTP/1.1"}:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        method, target, _ = parts
        if method not in {"GET", "HEAD"}:
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED)
        self._check_host([line for line in lines[1:] if line.lower().startswith("host:")])
        return method, target.partition("?")[0]

    def _check_host(self, lines: list[str]) -> None:
        """On loopback accept no other name: a web page whose name was rebound to 127.0.0.1 must read nothing."""
        if len(lines) > 1:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        if not lines or self._host not in _LOOPBACK:
            return
        name = lines[0].partition(":")[2].strip().lower()
        if _without_port(name) not in _LOOPBACK:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST)

    def _called(self, path: str) -> Reply:
        handler = self._routes.get(path)
        if handler is None:
            raise _Refused(HTTPStatus.NOT_FOUND)
        try:
            return handler()
        except Exception:  # noqa: BLE001 - a defect of one page must not end the server
            _log.exception("monitoring handler failed", extra={"path": path})
            raise _Refused(HTTPStatus.INTERNAL_SERVER_ERROR) from None


def _without_port(authority: str) -> str:
    """The host of ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _encoded(reply: Reply, *, with_body: bool) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if reply.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\n"
        f"Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n"
        f"Content-Security-Policy: {reply.policy}\r\n"
        f"{_SECURITY_HEADERS}{allow}\r\n"
    )
    return head.encode("latin-1") + (reply.body if with_body else b"")
