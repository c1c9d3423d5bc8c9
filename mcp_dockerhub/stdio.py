"""The process's standard streams as a message channel.

Unlike reads on a worker thread, these end when they are cancelled, so that SIGTERM stops a server whose client
is silent; and a line longer than ``MAX_LINE`` bytes costs no more memory than that. While the channel is open,
descriptor 1 points at stderr: nothing but messages can ever appear on stdout.
"""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import anyio

MAX_LINE: Final = 4 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_UNREADABLE: Final = "{"
"""What stands for a line that is too long: no JSON, so it is answered like any other broken line."""


class LineReader:
    """Lines of a pipe as text; iteration ends at end of file."""

    def __init__(
        self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport | None = None, limit: int = MAX_LINE
    ) -> None:
        self._reader = reader
        self._transport = transport
        self._limit = limit

    def end(self) -> None:
        """End the input here, whatever the other side still sends."""
        if self._transport is not None:
            self._transport.close()
        self._reader.feed_eof()

    async def __aiter__(self) -> AsyncIterator[str]:
        pending = bytearray()
        overlong = False
        while chunk := await self._reader.read(_CHUNK):
            *lines, rest = chunk.split(b"\n")
            for line in lines:
                pending += line
                yield _UNREADABLE if overlong or len(pending) > self._limit else pending.decode("utf-8", "replace")
                pending.clear()
                overlong = False
            pending += rest
            if len(pending) > self._limit:
                overlong = True
                pending.clear()
        if pending or overlong:
            yield _UNREADABLE if overlong else pending.decode("utf-8", "replace")


class LineWriter:
    """Text to a pipe, with back-pressure; a client that went away ends the process by its closed stdin."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, text: str) -> None:
        self._writer.write(text.encode())

    async def flush(self) -> None:
        with suppress(ConnectionError):
            await self._writer.drain()


Incoming = LineReader | anyio.AsyncFile[str]
Outgoing = LineWriter | anyio.AsyncFile[str]


@dataclass(frozen=True, slots=True)
class StandardStreams:
    """The two directions of the channel."""

    incoming: Incoming
    outgoing: Outgoing

    def end_input(self) -> None:
        """Make the input end here; a regular file ends by itself."""
        if isinstance(self.incoming, LineReader):
            self.incoming.end()


@asynccontextmanager
async def standard_streams() -> AsyncIterator[StandardStreams]:
    """Claim stdin and stdout for messages, and give stdout back afterwards."""
    sys.stdout.flush()
    wire = os.dup(1)
    os.dup2(2, 1)
    blocking = [(fd, os.get_blocking(fd)) for fd in (0, wire)]
    async with AsyncExitStack() as stack:
        stack.callback(os.close, wire)
        stack.callback(os.dup2, wire, 1)
        for fd, state in blocking:
            stack.callback(os.set_blocking, fd, state)
        yield StandardStreams(await _reader(0, stack), await _writer(wire, stack))


def _can_wait_for(fd: int) -> bool:
    """Whether the event loop can wait for ``fd``: pipes, sockets and terminals, not files or devices."""
    mode = os.fstat(fd).st_mode
    return os.name == "posix" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd))


async def _reader(fd: int, stack: AsyncExitStack) -> Incoming:
    if not _can_wait_for(fd):
        return anyio.wrap_file(os.fdopen(fd, encoding="utf-8", errors="replace", closefd=False))
    reader = asyncio.StreamReader()
    pipe = os.fdopen(fd, "rb", buffering=0, closefd=False)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    stack.callback(transport.close)
    return LineReader(reader, transport)


async def _writer(fd: int, stack: AsyncExitStack) -> Outgoing:
    if not _can_wait_for(fd):
        return anyio.wrap_file(os.fdopen(fd, "w", encoding="utf-8", closefd=False))
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(fd, "wb", buffering=0, closefd=False)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    transport.set_write_buffer_limits(high=0)  # drained means written: nothing is lost when the process ends
    stack.callback(transport.close)
    return LineWriter(asyncio.StreamWriter(transport, protocol, None, loop))
