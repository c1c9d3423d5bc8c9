"""Politeness per host: how many requests at once, and how long to hold back after a 429.

The hold-back doubles with each 429 and halves with each success, so a host that copes again is trusted again
gradually. A spent pull quota is no reason to hold back: what does not count against it still works.
"""

from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx2

from mcp_dockerhub.errors import RateLimited
from mcp_dockerhub.transport.clock import Clock
from mcp_dockerhub.transport.deadline import remaining
from mcp_dockerhub.transport.exchange import WatchedStream, body_is_open, host_of, stream_of
from mcp_dockerhub.transport.faults import QueueTimeout
from mcp_dockerhub.transport.quota import quota_spent
from mcp_dockerhub.transport.retry_after import retry_after

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
_FORGOTTEN_BELOW: Final = 0.2
_MOST_HOSTS: Final = 1024


@dataclass(slots=True)
class _Host:
    slots: anyio.Semaphore
    pause: float = 0.0
    not_before: float = field(default=float("-inf"))
    users: int = 0

    def refused(self, now: float, asked: float | None) -> None:
        self.pause = min(max(self.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        wait = self.pause if asked is None else min(asked, LONGEST_PAUSE)
        self.not_before = max(self.not_before, now + wait)

    def accepted(self) -> None:
        self.pause = self.pause / 2 if self.pause > _FORGOTTEN_BELOW else 0.0

    def forgettable(self, now: float) -> bool:
        return not self.users and not self.pause and self.not_before <= now


class Throttle(httpx2.AsyncBaseTransport):
    """Raises QueueTimeout or RateLimited when the deadline comes before a request's turn."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, per_host: int, clock: Clock) -> None:
        self._inner = inner
        self._per_host = per_host
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        name = host_of(request.url)
        host = self._hosts.get(name)
        if host is None:
            self._make_room()
            host = self._hosts[name] = _Host(anyio.Semaphore(self._per_host, fast_acquire=True))
        host.users += 1
        try:
            await self._take_turn(name, host)
        except BaseException:
            self._left(name, host)
            raise
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            self._done(name, host)
            raise
        self._learn(host, response)
        if not body_is_open(request, response):
            self._done(name, host)
            return response

        async def done() -> None:
            self._done(name, host)

        response.stream = WatchedStream(stream_of(response), done)
        return response

    async def _take_turn(self, name: str, host: _Host) -> None:
        """Wait for a slot, then for the end of the hold-back; both within the deadline."""
        try:
            with anyio.fail_after(remaining()):
                await host.slots.acquire()
        except TimeoutError as error:
            raise QueueTimeout(f"Too many requests to {name} were waiting ahead of this one.") from error
        try:
            await self._hold_back(name, host)
        except BaseException:
            host.slots.release()
            raise

    async def _hold_back(self, name: str, host: _Host) -> None:
        while (wait := host.not_before - self._clock.monotonic()) > 0:
            if wait > remaining():
                raise RateLimited(f"{name} asked for fewer requests.", retry_after_s=wait)
            await self._clock.sleep(wait)

    def _learn(self, host: _Host, response: httpx2.Response) -> None:
        if response.status_code == 429:
            if not quota_spent(response.headers, response.content):
                asked = retry_after(response.headers, self._clock.wall())
                host.refused(self._clock.monotonic(), asked)
        elif response.status_code < 500:
            host.accepted()

    def _make_room(self) -> None:
        """Host names come from the other side too: forget the oldest idle ones rather than grow without end."""
        while len(self._hosts) >= _MOST_HOSTS:
            idle = next((name for name, host in self._hosts.items() if not host.users), None)
            if idle is None:
                return
            del self._hosts[idle]

    def _done(self, name: str, host: _Host) -> None:
        host.slots.release()
        self._left(name, host)

    def _left(self, name: str, host: _Host) -> None:
        host.users -= 1
        if host.forgettable(self._clock.monotonic()):
            self._hosts.pop(name, None)
