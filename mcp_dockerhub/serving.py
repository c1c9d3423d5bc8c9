"""Running a server: the monitoring endpoint beside it, and an orderly end by end of input or by a signal."""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Self, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse

from mcp_dockerhub.application import Application
from mcp_dockerhub.misspelt import configuration_warnings
from mcp_dockerhub.probes import monitoring_endpoint
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub.settings import Settings
from mcp_dockerhub.stdio import StandardStreams, standard_streams
from mcp_dockerhub_monitoring.logs import configure_logging
from mcp_dockerhub_monitoring.tracing import trace_fields

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream

GRACE: Final = 0.5
"""Seconds that calls under way get after the input has ended, and a session after a signal."""


def serve(settings: Settings, web: Mapping[str, Any] | None = None) -> int:
    """Serve MCP until a signal ends the process, or over stdio the client closes stdin; returns the exit code.

    ``web`` holds the flags that only HTTP has.
    """
    if settings.transport == "http":
        from mcp_dockerhub.web.serve import serve_http

        return serve_http(settings, web)
    configure_logging(settings.log_level, settings.log_format, context=trace_fields)
    application = Application.build(settings)
    for warning in configuration_warnings(settings):
        sys.stderr.write(f"mcp-dockerhub: {warning}\n")
    asyncio.run(_serve(application))
    return 0


async def _serve(application: Application) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(application.running())
        if application.settings.metrics_port is not None:
            await stack.enter_async_context(monitoring_endpoint(application))
        streams = await stack.enter_async_context(standard_streams())
        await _until_ended(DockerHubServer(application), streams)


async def _until_ended(server: DockerHubServer, streams: StandardStreams) -> None:
    """Run the session. SIGTERM and SIGINT end the input, as if the client had; what has not ended soon is cancelled."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def cut_off() -> None:
        stopped.set()
        session.cancel()

    def end_soon() -> None:
        # A client that closed its input and reads no more would keep the last answers, and the process, waiting.
        loop.call_later(2 * GRACE, cut_off)

    def stop() -> None:
        stopped.set()
        streams.end_input()
        end_soon()

    session = asyncio.create_task(_session(server, streams, end_soon))
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no such handlers; there the process simply ends.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        await session
    except (Exception, asyncio.CancelledError):
        # A session that is cut off may fail on its way out; only an unasked-for failure is one.
        if not stopped.is_set():
            raise


async def _session(server: DockerHubServer, streams: StandardStreams, ended: Callable[[], None]) -> None:
    # The SDK asks for files but only iterates, writes and flushes.
    channel = stdio_server(cast("Any", streams.incoming), cast("Any", streams.outgoing))
    async with channel as (incoming, outgoing):
        unanswered = _Unanswered()
        await server.run_on(_Incoming(incoming, outgoing, unanswered, ended), _Outgoing(outgoing, unanswered))


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
        ended: Callable[[], None],
    ) -> None:
        super().__init__(incoming)
        self._incoming = incoming
        self._outgoing = outgoing
        self._unanswered = unanswered
        self._ended = ended

    async def receive(self) -> SessionMessage | Exception:
        try:
            while isinstance(message := await self._incoming.receive(), Exception):
                error = ErrorData(code=PARSE_ERROR, message="The line is not a JSON-RPC 2.0 message.")
                await self._outgoing.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))
        except anyio.EndOfStream:
            self._ended()
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
