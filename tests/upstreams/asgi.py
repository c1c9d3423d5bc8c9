"""ASGI by hand: a request, whatever an application sends, and small applications to put layers around."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_dockerhub.web.scope import App, Exchange, Message, Receive, Scope, Send
from mcp_dockerhub_security.principal import Principal

ADA = Principal("ada", "token", "", frozenset({"dockerhub:read"}))
JSON_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@dataclass
class Recorded:
    """What was sent."""

    messages: list[Message] = field(default_factory=list)

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int | None:
        return next((m["status"] for m in self.messages if m["type"] == "http.response.start"), None)

    @property
    def headers(self) -> dict[str, str]:
        start = next(m for m in self.messages if m["type"] == "http.response.start")
        return {name.decode(): value.decode("latin-1") for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")


class Sent:
    """``receive``: the parts of a body, then a client that stays until it is told to leave."""

    def __init__(self, *parts: bytes, complete: bool = True) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": i < len(parts) - 1 or not complete}
            for i, part in enumerate(parts)
        ]
        self._gone = asyncio.Event()

    def leave(self) -> None:
        self._gone.set()

    async def __call__(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}


def scope_of(
    method: str = "POST",
    path: str = "/mcp",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    *,
    query: bytes = b"",
    client: tuple[str, int] | None = ("192.0.2.1", 40000),
    principal: Principal | None = None,
) -> Scope:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "scheme": "http",
        "client": client,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
    }
    exchange = Exchange()
    exchange.open(scope)
    if principal is not None:
        exchange.authenticated(scope, principal)
    return scope


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that is content with everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


async def ask(app: App, scope: Scope, receive: Receive | None = None) -> Recorded:
    """One request to an application."""
    sent = Recorded()
    await app(scope, receive or Sent(b""), sent)
    return sent


def replying(status: int, headers: Mapping[str, str], *parts: bytes) -> App:
    """An application that always answers that."""

    async def reply(scope: Scope, receive: Receive, send: Send) -> None:
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        for index, part in enumerate(parts or (b"",)):
            await send({"type": "http.response.body", "body": part, "more_body": index < len(parts) - 1})

    return reply


def raising(error: BaseException) -> App:
    async def fail(scope: Scope, receive: Receive, send: Send) -> Any:
        raise error

    return fail
