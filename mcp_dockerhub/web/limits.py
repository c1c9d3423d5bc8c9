"""How many requests at once, and how long each may take."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.scope import App, Exchange, Message, Receive, Scope, Send

BUSY_RETRY: Final = 1.0
"""Seconds after which a client that found the server full should come back."""
LOOK_AFTER: Final = 0.02
"""Seconds a request is served before anybody looks whether its client is still there."""
STREAM_TIMEOUT: Final = 3600.0
"""Seconds a session's own event stream (GET) is kept; clients open another one."""


@dataclass(slots=True)
class InFlight:
    """The requests being served."""

    count: int = 0
    by_caller: Counter[str] = field(default_factory=Counter)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, caller: str) -> None:
        """One more."""
        self.count += 1
        self.by_caller[caller] += 1
        self._idle.clear()

    def leave(self, caller: str) -> None:
        """One less."""
        self.count -= 1
        self.by_caller[caller] -= 1
        if not self.by_caller[caller]:
            del self.by_caller[caller]
        if not self.count:
            self._idle.set()

    async def idle(self) -> None:
        """Return when nothing is being served."""
        if self.count:
            await self._idle.wait()


@dataclass(slots=True)
class Concurrency:
    """ASGI layer: at most ``limit`` requests at once, at most half of them one caller's; never a queue.

    A queue would only make clients wait for an answer that they then no longer wait for. Sessions' own event streams
    (GET) do not count: they wait for hours and do nothing; sessions and connections are limited themselves.
    """

    app: App
    limit: int
    in_flight: InFlight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        principal = Exchange.of(scope).principal
        caller = principal.key if principal else ""
        if self.in_flight.count >= self.limit or self.in_flight.by_caller[caller] >= self.limit // 2:
            raise HttpError(
                503,
                "RATE_LIMITED",
                "The server is serving as many requests as it can.",
                rule="concurrency",
                hint="Wait a moment and send the request again.",
                retry_after_s=BUSY_RETRY,
            )
        self.in_flight.enter(caller)
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight.leave(caller)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """ASGI layer: ends what takes too long, and what nobody waits for any more.

    A client that is gone stops its own upstream work, whichever way the SDK runs the handler: the exchange knows how
    to cancel it. (No answer can be fetched later, so none is finished for a client that may come back.)
    """

    app: App
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange.of(scope)
        client = _Client(exchange, receive)
        time = asyncio.timeout(STREAM_TIMEOUT if scope["method"] == "GET" else self.seconds)
        try:
            async with time:
                with client.watched(time):
                    await self.app(scope, client.replay, send)
        except TimeoutError:
            if not time.expired():
                raise
            if not client.gone.is_set() and scope["method"] != "GET":
                raise _too_late() from None


class _Client:
    """The other end: has sent its body, and may leave before it has its answer."""

    def __init__(self, exchange: Exchange, receive: Receive) -> None:
        self.gone = asyncio.Event()
        self._exchange = exchange
        self._receive = receive
        self._replayed = False

    @contextmanager
    def watched(self, time: asyncio.Timeout) -> Iterator[None]:
        """End ``time`` when the client leaves while the body runs. Most requests are over before anybody looks."""
        loop = asyncio.get_running_loop()
        watches: list[asyncio.Task[None]] = []
        start = loop.call_later(LOOK_AFTER, lambda: watches.append(loop.create_task(self._watch(time))))
        try:
            yield
        except asyncio.CancelledError:
            # Too late, or the client is gone, or the server is stopping.
            self._exchange.cancel_calls()
            raise
        finally:
            start.cancel()
            for watch in watches:
                watch.cancel()

    async def _watch(self, time: asyncio.Timeout) -> None:
        """The only one who reads what the server says of the client from here on."""
        while (await self._receive())["type"] == "http.request":
            pass  # a body where none belongs
        self.gone.set()
        # Servers say "disconnect" after a complete answer too; what a notification set off still runs then.
        if not self._exchange.complete:
            time.reschedule(asyncio.get_running_loop().time())

    async def replay(self) -> Message:
        """What the SDK reads: the body at once, then nothing until the client is gone."""
        if self._replayed:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._replayed = True
        return {"type": "http.request", "body": self._exchange.body, "more_body": False}


def _too_late() -> HttpError:
    return HttpError(
        504,
        "UPSTREAM_TIMEOUT",
        "The request took too long.",
        rule="request_timeout",
        hint="Ask for less at once, or try again later.",
        retry_after_s=BUSY_RETRY,
    )
