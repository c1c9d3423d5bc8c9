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
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse

from mcp_dockerhub.application import Application
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub.settings import Settings, SettingsError
from mcp_dockerhub.stdio import StandardStreams, standard_streams
from mcp_dockerhub_monitoring.endpoint import MonitoringEndpoint, standard_routes
from mcp_dockerhub_monitoring.logs import configure_logging

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream

GRACE: Final = 0.5
"""Seconds that calls under way get after the input has ended, and a session after a signal."""


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
    """End the input on SIGTERM or SIGINT, as if the client had closed it; cancel what has not ended soon."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        streams.end_input()
        loop.call_later(2 * GRACE, session.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no such handlers; there the process simply ends.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    return stopped


async def _session(server: DockerHubServer, streams: StandardStreams) -> None:
    # The SDK asks for files but only iterates, writes and flushes.
    channel = stdio_server(cast("Any", streams.incoming), cast("Any", streams.outgoing))
    async with channel as (incoming, outgoing):
        unanswered = _Unanswered()
        await server.run_on(_Incoming(incoming, outgoing, unanswered), _Outgoing(outgoing, unanswered))


class _Unanswered:
    """The requests that wait for their answer."""

    def __init__(self) -> None:
        self._requests: set[str | int] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def asked(self, message: SessionMessage) -> None:
        if isinstance(message.message, JSONRPCRequest):
            self._requests.add(message.message.id)
            self._none_left.clear()

    def answered(self, message: SessionMessage) -> None:
        if isinstance(message.message, JSONRPCResponse | JSONRPCError) and message.message.id is not None:
            self._requests.discard(message.message.id)
            if not self._requests:
                self._none_left.set()

    async def wait(self) -> None:
        await self._none_left.wait()


class _Stream:
    """What the SDK asks of both directions besides their one verb."""

    def __init__(self, stream: "ReadStream[Any] | WriteStream[Any]") -> None:
        self._stream = stream

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Outgoing(_Stream):
    """Sends messages and keeps count of the answers among them."""

    def __init__(self, outgoing: "WriteStream[SessionMessage]", unanswered: _Unanswered) -> None:
        super().__init__(outgoing)
        self._outgoing = outgoing
        self._unanswered = unanswered

    async def send(self, item: SessionMessage) -> None:
        await self._outgoing.send(item)
        self._unanswered.answered(item)


class _Incoming(_Stream):
    """Receives messages. Broken ones are answered here (JSON-RPC 2.0, section 5.1).

    The end is passed on when every request is answered, or after GRACE: the SDK cancels what is under way then, and
    requests piped in from a file or by a shell would lose their answers.
    """

    def __init__(
        self,
        incoming: "ReadStream[SessionMessage | Exception]",
        outgoing: "WriteStream[SessionMessage]",
        unanswered: _Unanswered,
    ) -> None:
        super().__init__(incoming)
        self._incoming = incoming
        self._outgoing = outgoing
        self._unanswered = unanswered

    async def receive(self) -> SessionMessage | Exception:
        try:
            while isinstance(message := await self._incoming.receive(), Exception):
                error = ErrorData(code=PARSE_ERROR, message="The line is not a JSON-RPC 2.0 message.")
                await self._outgoing.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))
        except anyio.EndOfStream:
            with anyio.move_on_after(GRACE):
                await self._unanswered.wait()
            raise
        self._unanswered.asked(message)
        return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


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
