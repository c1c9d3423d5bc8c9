"""Many HTTP clients at once, and what each was told."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.clients.web import DEADLINE, HEADERS, call_of

BROKEN = "broken"
"""The connection ended without a whole answer, or a proxy answered for a server that is not there."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one call was answered."""

    request_id: str
    who: str
    status: int
    code: str
    """``ok``, the code of an error, or ``broken``."""


@dataclass
class Crowd:
    """Calls one tool for whoever has a token, and keeps what was answered."""

    http: httpx2.AsyncClient
    url: str
    told: list[Told] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def call(
        self, who: str, token: str, tool: str = "get_server_info", arguments: dict[str, Any] | None = None
    ) -> Told:
        """One call; ``who`` only names it."""
        request_id = f"{who}-{next(self._numbers)}"
        headers = {**HEADERS, "authorization": f"Bearer {token}"}
        try:
            response = await self.http.post(self.url, headers=headers, json=call_of(tool, arguments, request_id))
            told = Told(request_id, who, response.status_code, _code(response))
        except httpx2.HTTPError:
            told = Told(request_id, who, 0, BROKEN)
        self.told.append(told)
        return told

    async def insist(self, who: str, token: str) -> Told:
        """Call again as long as the server is too busy to say whether it may be."""
        async with asyncio.timeout(6 * DEADLINE):
            while (told := await self.call(who, token)).status == 503:
                self.told.remove(told)
        return told

    def count(self, who: str, code: str) -> int:
        return sum(told.who == who and told.code == code for told in self.told)


@asynccontextmanager
async def crowd(port: int, size: int) -> AsyncIterator[Crowd]:
    """``size`` connections to a server, or to a proxy in front of servers."""
    limits = httpx2.Limits(max_connections=size, max_keepalive_connections=size)
    async with httpx2.AsyncClient(limits=limits, timeout=DEADLINE, trust_env=False) as http:
        yield Crowd(http, f"http://127.0.0.1:{port}/mcp")


def _code(response: httpx2.Response) -> str:
    kind = response.headers.get("content-type", "")
    if kind.startswith("text/event-stream"):
        lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
        message = json.loads(lines[-1]) if lines else {}
    elif kind.startswith("application/json"):
        message = response.json()
    else:
        return BROKEN
    if "error" in message:
        return str(message["error"]["data"]["code"])
    if "result" not in message:
        return BROKEN
    result = message["result"]
    return str(result["structuredContent"]["code"]) if result.get("isError") else "ok"
