"""The listening socket, and how many connections may be on their way in.

asyncio accepts whoever waits before it looks at any of them, and lets a TLS handshake take a minute; until that is done
there is no ``Connection`` that anybody counts. Here both are bounded, so that idle connections never use up the
descriptors that the audit log and upstream connections need.
"""

import socket
from contextlib import suppress
from typing import Any, Final

BACKLOG: Final = 2048
"""Connections that the system keeps waiting."""
ACCEPTS: Final = 64
"""Connections that are accepted in one turn of the event loop: the ``backlog`` that asyncio is to be given."""
ARRIVING: Final = 1024
"""Connections accepted and not made yet, where the system gives room for them: clients of a server that was restarted
come back all at once, and with TLS each is on its way for at least one round trip."""
FEWEST_ARRIVING: Final = 4 * ACCEPTS
"""Where it does not: those of a few turns, since it takes three to make a connection even without TLS."""


class Listener(socket.socket):
    """Keeps hold of what it accepted until it is told that a connection was made of it.

    Of more than ``arriving`` the oldest is dropped: who means it is done with a handshake long before.
    """

    def __init__(self, family: socket.AddressFamily, *, arriving: int = ARRIVING) -> None:
        # The protocol is said, since asyncio sends small writes at once (TCP_NODELAY) only where it is known.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._limit = arriving
        self._arriving: dict[int, tuple[socket.socket, float | None]] = {}
        """By descriptor, oldest first, and when the first sweep saw it."""

    def accept(self) -> tuple[socket.socket, Any]:
        """As every socket does."""
        accepted, address = super().accept()
        # A number that is used again is of a connection that is gone.
        self._arriving.pop(accepted.fileno(), None)
        if len(self._arriving) >= self._limit:
            self._drop(next(iter(self._arriving)))
        self._arriving[accepted.fileno()] = (accepted, None)
        return accepted, address

    def arrived(self, descriptor: int) -> None:
        """A connection was made of what has this number; from here on that has limits of its own."""
        self._arriving.pop(descriptor, None)

    def sweep(self, now: float, patience: float) -> None:
        """Drop what has been on its way for ``patience`` seconds at ``now``, of any clock."""
        for descriptor, (accepted, since) in tuple(self._arriving.items()):
            if accepted.fileno() < 0:
                del self._arriving[descriptor]
            elif since is None:
                self._arriving[descriptor] = (accepted, now)
            elif now - since > patience:
                self._drop(descriptor)

    def abandon(self) -> None:
        """Drop all that is on its way."""
        for descriptor in tuple(self._arriving):
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        """End it; the event loop, which reads from it, closes it."""
        accepted, _ = self._arriving.pop(descriptor)
        with suppress(OSError):
            accepted.shutdown(socket.SHUT_RDWR)
