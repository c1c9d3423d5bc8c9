"""Running a server: the monitoring endpoint beside it, and an orderly end by end of input or by a signal."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError

from mcp_dockerhub.application import Application
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub.settings import Settings, SettingsError
from mcp_dockerhub.stdio import StandardStreams, standard_streams
from mcp_dockerhub_monitoring.endpoint import MonitoringEndpoint, standard_routes
from mcp_dockerhub_monitoring.logs import configure_logging

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream

GRACE: Final = 0.5
"""Seconds a session gets to end by itself after a signal."""


def serve(settings: Settings) -> int:
    """Serve MCP over stdio until the client closes stdin or a signal ends the process; returns the exit code."""
    configure_logging(settings.log_level, settings.log_format)
    application = Application.build(settings)
    for warning in settings.warnings:
        sys.stderr.write(f"mcp-dockerhub: {warning}\n")
    asyncio.run(_serve(application))
    return 0


async def _serve(application: Application) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(application.running())
        if application.settings.metrics_port is not None:
            await stack.enter_async_context(monitoring_endpoint(application))
        streams = await stack.enter_async_context(standard_streams())
        session = asyncio.create_task(_session(DockerHubServer(application), streams))
        stopped = _stop_on_signals(session, streams)
        try:
            await session
        except (Exception, asyncio.CancelledError):
            # A session that is cut off may fail on its way out; only an unasked-for failure is one.
            if not stopped.is_set():
                raise


def _stop_on_signals(session: "asyncio.Task[None]", streams: StandardStreams) -> asyncio.Event:
    """End the input on SIGTERM or SIGINT, as if the client had closed it; cancel what has not ended after GRACE."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        streams.end_input()
        loop.call_later(GRACE, session.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no such handlers; there the process simply ends.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    return stopped


async def _session(server: DockerHubServer, streams: StandardStreams) -> None:
    # The SDK asks for files but only iterates, writes and flushes.
    channel = stdio_server(cast("Any", streams.incoming), cast("Any", streams.outgoing))
    async with channel as (incoming, outgoing):
        await server.run_on(_Answered(incoming, outgoing), outgoing)


class _Answered:
    """An incoming stream whose broken messages are answered (JSON-RPC 2.0, section 5.1) and not passed on."""

    def __init__(
        self, incoming: "ReadStream[SessionMessage | Exception]", outgoing: "WriteStream[SessionMessage]"
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def receive(self) -> SessionMessage | Exception:
        while isinstance(message := await self._incoming.receive(), Exception):
            error = ErrorData(code=PARSE_ERROR, message="The line is not a JSON-RPC 2.0 message.")
            await self._outgoing.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))
        return message

    async def aclose(self) -> None:
        await self._incoming.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@asynccontextmanager
async def monitoring_endpoint(application: Application) -> AsyncIterator[None]:
    """``/metrics``, ``/healthz`` and ``/readyz`` on a port of their own while the body runs.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    settings = application.settings
    routes = standard_routes(application.metrics, application.health)
    endpoint = MonitoringEndpoint(routes, host=settings.metrics_host, port=settings.metrics_port or 0)
    try:
        await endpoint.start()
    except OSError as error:
        reason = error.strerror or "no such address"
        raise SettingsError(f"MCP_DOCKERHUB_METRICS_PORT: the address cannot be listened on ({reason}).") from error
    try:
        yield
    finally:
        await endpoint.aclose()
