"""A client for HTTP servers that adds as little as possible to what it measures: prepared bytes on kept connections."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PATH: Final = "/mcp"
HANDSHAKE: Final = "2025-11-25"
STATELESS: Final = "2026-07-28"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """What came of calling as fast as the server answers. Durations are in seconds."""

    per_second: float
    durations: tuple[float, ...]
    """Of each call, ascending."""

    def percentile(self, share: float) -> float:
        return self.durations[min(len(self.durations) - 1, int(share * len(self.durations)))]


def tool_call(
    port: int, tool: str, arguments: Mapping[str, Any], *, era: str = STATELESS, token: str | None = None
) -> bytes:
    """The whole request of one tool call."""
    params: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": era,
    }
    if era == STATELESS:
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers["Content-Length"] = str(len(body))
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def load(port: int, request: bytes, *, clients: int, calls: int) -> Load:
    """``calls`` of ``request`` by ``clients`` connections, each of which calls again as soon as it is answered."""
    left = iter(range(calls))
    durations: list[float] = []
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in left:
            sent = time.perf_counter()
            writer.write(request)
            check(await read_answer(reader))
            durations.append(time.perf_counter() - sent)

    started = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    seconds = time.perf_counter() - started
    for _, writer in connections:
        writer.close()
    return Load(calls / seconds, tuple(sorted(durations)))


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one response, of a stated length or in chunks."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if length is not None:
        return head + await reader.readexactly(int(length[1]))
    return head + await reader.readuntil(_LAST_CHUNK)


def check(answer: bytes) -> None:
    """Raise RuntimeError for anything but the result of a tool that worked."""
    if not answer.startswith(b"HTTP/1.1 200 ") or b'"result"' not in answer or b'"isError":true' in answer:
        raise RuntimeError(answer[:1000].decode(errors="replace"))
