"""A reverse proxy on loopback that adds an access token: the official suite cannot log in by itself.

It is the one trusted proxy of the server behind it, so that forwarded addresses are part of what is exercised.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

CHUNK = 64 * 1024
MAX_HEAD = 64 * 1024


def with_token(head: bytes, token: str) -> bytes:
    """A request's head with a token and the client's address added, for one request per connection."""
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(
        [
            *lines,
            b"Authorization: Bearer " + token.encode(),
            b"X-Forwarded-For: 192.0.2.7",
            b"Connection: close",
            b"\r\n",
        ]
    )


@asynccontextmanager
async def front(target: Callable[[], tuple[str, int]], token: Callable[[], str]) -> AsyncIterator[int]:
    """Proxy to ``target``; gives the port listened on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            upstream_reader, upstream_writer = await asyncio.open_connection(*target())
            upstream_writer.write(with_token(head, token()))
            # Whichever side ends first ends both: a client that leaves must be seen to leave.
            pumps = [
                asyncio.create_task(_pump(reader, upstream_writer)),
                asyncio.create_task(_pump(upstream_reader, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            upstream_writer.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=MAX_HEAD)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
