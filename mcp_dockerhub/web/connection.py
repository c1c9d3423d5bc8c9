"""One connection: what an ASGI application never gets to see of it.

uvicorn's own protocol reads heads and bodies without a time limit, waits for ever for a client that does not read,
takes what two parsers may read differently, and answers its refusals in plain text. Here a connection is handed whole,
unambiguous heads; a sweep that the server runs twice a second cuts off what is overdue.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from mcp_dockerhub.web.errors import HttpError, body_of, headers_of
from mcp_dockerhub.web.heads import MAX_HEAD, check_head, end_of_head, too_large

if TYPE_CHECKING:
    import asyncio

Report = Callable[[HttpError, str], None]
"""Told of each refusal and the peer's address."""
Arrived = Callable[[int], None]
"""Told of each connection that is made, by the number of its socket."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Seconds and counts."""

    connections: int = 4096
    head: float = 10.0
    """For a head to arrive, and for a new connection to say anything at all."""
    body: float = 25.0
    """For a body to arrive; the application refuses earlier and politely."""
    linger: float = 2.0
    """For the rest of a body whose request was answered already, so that the client gets to read that answer; and for
    its farewell (TLS) when the server stops."""
    write: float = 30.0
    """For the client to take what is waiting for it, until it is given up."""


Phase = Literal["head", "idle", "body", "linger", "busy", "stuck"]


class Connection(H11Protocol):
    """uvicorn's connection, with an end to everything. ``connection_class`` makes it fit for use."""

    limits: ConnectionLimits = ConnectionLimits()
    report: Report
    arrived: Arrived

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]
        super().connection_made(transport)
        accepted = transport.get_extra_info("socket")
        if accepted is not None:
            self.arrived(accepted.fileno())
        self._head = bytearray()
        self._requests = 0
        self._seen: tuple[Phase, int] = ("head", 0)
        """In which phase of which request the last sweep found it, and since when."""
        self._since = self.loop.time()
        self._deaf = False
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def _make_room(self) -> None:
        """One connection more than there may be: an idle one goes, or this one."""
        idle = next((c for c in self.connections if isinstance(c, Connection) and c is not self and c.is_idle), self)
        idle._reset()  # noqa: SLF001 - one of us

    @property
    def is_idle(self) -> bool:
        """No request is being served on it, and it is not ending already."""
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Hand on whole, checked heads, and bodies as they come."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if self.conn.their_state is h11.IDLE:
            whole = self._collect(data)
            if whole is None:
                return
            data = whole
        super().data_received(data)
        if not self._deaf:
            self._refuse_pipelining()

    def _collect(self, data: bytes) -> bytes | None:
        """A head that is complete, and what came after it; None while it is not, or when it is refused."""
        searched = len(self._head)
        self._head += data
        end = end_of_head(self._head, searched)
        try:
            if end < 0:
                if len(self._head) > MAX_HEAD:
                    raise too_large()
                return None
            whole = bytes(self._head)
            self._head.clear()
            check_head(whole[:end])
        except HttpError as error:
            self.refuse(error)
            return None
        self._requests += 1
        return whole

    def _refuse_pipelining(self) -> None:
        """What follows a request before its answer is not listened to: it may be half of a smuggled request."""
        if self.conn.trailing_data[0]:
            self._deaf = True
            self.cycle.keep_alive = False
            error = HttpError(400, "INVALID_INPUT", "Requests came without waiting for answers.", rule="pipelining")
            self.report(error, self.client[0] if self.client else "")

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for a body that breaks off its framing; ``msg`` is its own text."""
        self.refuse(HttpError(400, "INVALID_INPUT", "The body is not framed as its head says.", rule="body_framing"))

    def refuse(self, error: HttpError) -> None:
        """Answer by hand, unless an answer has begun, and close."""
        self.report(error, self.client[0] if self.client else "")
        self._deaf = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_encoded(error))
        else:
            if not cycle.response_started:
                self.transport.write(_encoded(error))
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def shutdown(self) -> None:
        """Called by uvicorn when it stops: end it now if it is idle, else after the answer."""
        if not self.transport.is_closing():  # closed a second time, asyncio's TLS could not be aborted any more
            super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(self.limits.linger, self._end)

    def _end(self) -> None:
        """Wait no longer for a client that has got everything: idle ones do not even notice that TLS says farewell."""
        if self in self.connections and not _unsent(self.transport):
            self.transport.abort()

    def sweep(self, now: float) -> None:
        """Cut off what is overdue at ``now``, of the loop's clock."""
        phase = self._phase_now()
        seen = (phase, self._requests)
        if seen != self._seen:
            self._seen, self._since = seen, now
            return
        allowed = self._allowed(phase)
        if allowed is None or now - self._since <= allowed:
            return
        if phase == "head" and self._head:
            self.refuse(_slow())
        else:
            self._reset()

    def _reset(self) -> None:
        """Drop the connection and what the system still holds for its other end."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _phase_now(self) -> Phase:
        if self.transport.is_closing() or self.flow.write_paused:
            return "stuck"
        if self.conn.their_state is h11.IDLE:
            return "head" if self._head or not self._requests else "idle"
        if self.conn.their_state is h11.SEND_BODY:
            return "linger" if self.cycle.response_complete else "body"
        return "busy"

    def _allowed(self, phase: Phase) -> float | None:
        """Seconds; None where something else sees to the end: keep-alive, or the request's own limit."""
        limits = self.limits
        return {"head": limits.head, "body": limits.body, "linger": limits.linger, "stuck": limits.write}.get(phase)


def connection_class(limits: ConnectionLimits, report: Report, arrived: Arrived) -> type[Connection]:
    """The class uvicorn makes connections of."""
    told = {"report": staticmethod(report), "arrived": staticmethod(arrived)}
    return type("LimitedConnection", (Connection,), {"limits": limits, **told})


def _unsent(transport: "asyncio.Transport") -> int:
    """Bytes that the system has not taken yet; those that asyncio's TLS handed on already are not among its own."""
    if not hasattr(transport, "_ssl_protocol"):
        return transport.get_write_buffer_size()
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    # It forgets what is below when it ends, and so it does when it is closed twice.
    return 0 if below is None else transport.get_write_buffer_size() + below.get_write_buffer_size()


def _encoded(error: HttpError) -> bytes:
    body = body_of(error)
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines += [name + b": " + value for name, value in headers_of(error, body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _slow() -> HttpError:
    return HttpError(
        408,
        "INVALID_INPUT",
        "The head of the request did not arrive in time.",
        rule="head_timeout",
        headers=(("connection", "close"),),
    )
