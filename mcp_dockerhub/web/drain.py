"""The server process around the application: sweeps of connections, and an end in good order.

On SIGTERM or SIGINT: not ready any more, no new connections, requests under way get ``drain_timeout`` seconds, what is
then left is cancelled and told so. A second signal does not wait.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from mcp_dockerhub.web.connection import Connection, ConnectionLimits
from mcp_dockerhub.web.listener import BACKLOG, Listener

SWEEP: Final = 5
"""Ticks of uvicorn's, a tenth of a second each, from one sweep to the next."""
PATIENCE: Final = ConnectionLimits().head
"""Seconds for a connection to be made, its TLS handshake included."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class DrainingServer(uvicorn.Server):
    """uvicorn's server, ended by signals without being killed by them."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None], listener: Listener) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn, whose ``backlog`` is also how many it accepts at once; more may wait."""
        await super().startup(sockets)
        self._listener.listen(BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if counter % SWEEP == 0:
            now = asyncio.get_running_loop().time()
            self._listener.sweep(now, PATIENCE)
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.sweep(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn; from Python 3.12 on it waits for all that was accepted, even what never said a word."""
        self._listener.abandon()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on signals; unlike uvicorn's own, without raising them again once everything has ended."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows has no such handlers; there the process simply ends
            for number in SIGNALS:
                loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            with suppress(NotImplementedError):
                for number in SIGNALS:
                    loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begin to drain; the second time, give up waiting."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._on_stop()
        if self.force_exit:
            for connection in tuple(self.server_state.connections):
                connection.transport.abort()
