"""One connection, without a network: what is handed on, what is refused, and what is cut off when."""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from mcp_dockerhub.web.connection import Connection, ConnectionLimits, connection_class
from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.scope import Receive, Scope, Send
from tests.upstreams.asgi import fine

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(connections=3, head=10, body=20, linger=2, write=30)
HEAD = b"POST /mcp HTTP/1.1\r\nHost: a\r\n"


class Wire:
    """A transport that keeps what is written. Closed twice it cannot be aborted, as asyncio's for TLS."""

    def __init__(self) -> None:
        self.written = b""
        self.unread = 0
        self.closed = self.aborted = self.forgotten = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.forgotten = self.closed
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.aborted = not self.forgotten

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 40000) if name == "peername" else None

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def error(self) -> dict[str, Any]:
        """What the one refusal that was written says."""
        head, _, body = self.written.partition(b"\r\n\r\n")
        assert b"content-type: application/json" in head
        assert head.count(b"HTTP/1.1") == 1
        found: dict[str, Any] = json.loads(body)["error"]["data"]
        return found


class Line:
    """A connection on a wire, with the application behind it."""

    def __init__(self, app: Any = fine, state: ServerState | None = None) -> None:
        self.refused: list[str] = []
        self.arrived: list[int] = []
        config = uvicorn.Config(
            app,
            http=connection_class(LIMITS, self._report, self.arrived.append),
            ws="none",
            lifespan="off",
            log_config=None,
        )
        config.load()
        self.state = state or ServerState()
        protocol = cast("type[Connection]", config.http_protocol_class)
        self.connection = protocol(config, self.state, {}, asyncio.get_running_loop())
        self.wire = Wire()
        self.connection.connection_made(cast("asyncio.Transport", self.wire))
        self.now = self.connection._since

    def _report(self, error: HttpError, address: str) -> None:
        self.refused.append(error.rule)

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.data_received(part)

    async def answered(self) -> None:
        await asyncio.gather(*self.state.tasks)

    def wait(self, seconds: float) -> None:
        """Let time pass, looked at twice a second as the server does."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            self.connection.sweep(self.now)

    def leave(self) -> None:
        self.connection.connection_lost(None)


async def test_a_request_is_served_however_it_is_cut() -> None:
    request = HEAD + b"Content-Length: 2\r\n\r\n{}"
    for cut in range(1, len(request)):
        line = Line()
        line.say(request[:cut], request[cut:])
        await line.answered()
        assert line.wire.written.startswith(b"HTTP/1.1 200 ")
        line.leave()


async def test_requests_follow_each_other_on_one_connection() -> None:
    line = Line()
    for _ in range(3):
        line.say(HEAD + b"Content-Length: 2\r\n\r\n{}")
        await line.answered()
    assert line.wire.written.count(b"HTTP/1.1 200 ") == 3
    assert not line.wire.closed
    line.leave()


async def test_a_refused_head_reaches_nobody_and_nothing_after_it_is_listened_to() -> None:
    line = Line()
    line.say(HEAD + b"Host: b\r\n\r\n", HEAD + b"\r\n")
    assert not line.state.tasks
    assert line.wire.error["code"] == "INVALID_INPUT"
    assert line.wire.closed
    assert line.refused == ["head_ambiguous"]


async def test_a_head_without_end_is_refused_once_it_is_too_large() -> None:
    line = Line()
    line.say(HEAD, *[b"X: " + b"a" * 8000] * 6)
    assert line.refused == ["headers_too_large"]
    assert line.wire.error["code"] == "TOO_LARGE"


async def test_what_comes_before_the_answer_closes_the_connection_after_it() -> None:
    line = Line()
    line.say(HEAD + b"Content-Length: 0\r\n\r\n" + HEAD + b"\r\n", HEAD + b"\r\n")
    await line.answered()
    assert line.wire.written.count(b"HTTP/1.1 ") == 1
    assert line.wire.closed
    assert line.refused == ["pipelining"]


async def test_a_body_that_breaks_its_framing_is_the_clients_end() -> None:
    seen: list[str] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["type"])

    line = Line(reading)
    line.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n")
    await line.answered()
    assert line.refused == ["body_framing"]
    assert line.wire.error["message"]
    assert seen == ["http.disconnect"]


async def test_a_framing_error_amid_an_answer_only_closes() -> None:
    started = asyncio.Event()

    async def starting(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        started.set()
        await receive()

    line = Line(starting)
    line.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    await started.wait()
    line.say(b"zz\r\n")
    await line.answered()
    assert line.wire.written.count(b"HTTP/1.1") == 1
    assert line.wire.closed


async def test_a_connection_that_says_nothing_is_cut_off() -> None:
    line = Line()
    line.wait(LIMITS.head)
    assert not line.wire.closed
    line.wait(1)
    assert line.wire.aborted
    assert line.wire.written == b""


async def test_a_slow_head_is_answered_before_it_is_cut_off() -> None:
    line = Line()
    for _ in range(30):
        line.say(b"X")
        line.wait(0.5)
    assert line.refused == ["head_timeout"]
    assert line.wire.closed


async def test_a_slow_body_is_cut_off() -> None:
    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    line = Line(patient)
    line.say(HEAD + b"Content-Length: 100\r\n\r\n{")
    line.wait(LIMITS.body)
    assert not line.wire.closed
    line.wait(1)
    assert line.wire.aborted
    line.leave()
    await line.answered()


async def test_bodies_one_after_the_other_are_not_one_slow_body() -> None:
    line = Line()
    for _ in range(50):
        line.say(HEAD + b"Content-Length: 2\r\n\r\n{")
        line.wait(0.5)
        line.say(b"}")
        await line.answered()
    assert line.wire.written.count(b"HTTP/1.1 200 ") == 50
    assert not line.wire.closed
    line.leave()


async def test_the_rest_of_an_answered_body_gets_a_moment() -> None:
    line = Line()
    line.say(HEAD + b"Content-Length: 100\r\n\r\n{")
    await line.answered()
    assert line.wire.written.startswith(b"HTTP/1.1 200 ")
    line.wait(LIMITS.linger)
    assert not line.wire.closed
    line.wait(1)
    assert line.wire.aborted


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    line = Line()
    line.connection.pause_writing()
    line.say(HEAD + b"\r\n")
    line.wait(LIMITS.write)
    assert not line.wire.closed
    line.connection.resume_writing()
    line.wait(1)
    line.connection.pause_writing()
    line.wait(LIMITS.write + 1)
    assert line.wire.aborted
    line.leave()
    await line.answered()


async def test_a_closing_connection_does_not_linger_for_ever() -> None:
    line = Line()
    line.wire.close()
    line.wait(LIMITS.write + 1)
    assert line.wire.aborted


async def test_a_request_that_is_being_served_has_its_own_limit() -> None:
    release = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await fine(scope, receive, send)

    line = Line(held)
    line.say(HEAD + b"\r\n")
    line.wait(600)
    assert not line.wire.closed
    release.set()
    await line.answered()
    line.leave()


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize(("unread", "waits"), [(0, False), (1000, True)])
async def test_when_the_server_stops_idle_clients_are_not_waited_for(unread: int, waits: bool, ending: bytes) -> None:
    line = Line()
    line.say(HEAD + ending + b"Content-Length: 2\r\n\r\n{}")
    await line.answered()
    line.wire.unread = unread
    due: list[tuple[float, Callable[[], None]]] = []
    line.connection.loop = cast("asyncio.AbstractEventLoop", SimpleNamespace(call_later=lambda *call: due.append(call)))
    line.connection.shutdown()
    assert (line.wire.closed, line.wire.aborted) == (True, False)
    ((seconds, end),) = due
    end()
    assert (seconds, line.wire.aborted) == (LIMITS.linger, not waits)


async def test_when_the_server_stops_an_answer_that_tls_handed_on_is_waited_for() -> None:
    line = Line()
    below = SimpleNamespace(get_write_buffer_size=lambda: 1000)
    tls = line.wire.__dict__["_ssl_protocol"] = SimpleNamespace(_transport=below)
    line.connection._end()
    assert not line.wire.aborted
    below.get_write_buffer_size = lambda: 0
    line.connection._end()
    assert line.wire.aborted
    tls._transport = None
    line.connection._end()


@pytest.mark.parametrize("left", [True, False])
async def test_when_the_server_stops_what_tls_has_forgotten_is_no_error(left: bool) -> None:
    """asyncio's TLS, closed twice, no longer tells what it has to write: uvicorn closes again what has ended."""
    line = Line()

    def unknown() -> int:
        raise AttributeError

    line.wire.__dict__.update(_ssl_protocol=None, get_write_buffer_size=unknown)
    if left:
        line.leave()
    line.connection._end()
    assert line.wire.aborted is not left


async def test_when_the_server_stops_a_request_under_way_is_answered_first() -> None:
    release = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await fine(scope, receive, send)

    line = Line(held)
    line.say(HEAD + b"Content-Length: 2\r\n\r\n{}")
    line.connection.shutdown()
    assert not line.wire.closed
    release.set()
    await line.answered()
    assert line.wire.written.startswith(b"HTTP/1.1 200 ")
    assert (line.wire.closed, line.wire.aborted) == (True, False)


async def test_one_connection_too_many_costs_an_idle_one() -> None:
    state = ServerState()
    lines = [Line(state=state) for _ in range(LIMITS.connections)]
    assert not any(line.wire.closed for line in lines)
    lines.append(Line(state=state))
    assert [line.wire.aborted for line in lines].count(True) == 1
    assert not lines[-1].wire.aborted
    for line in lines:
        line.leave()


async def test_many_at_once_cost_as_many_idle_ones() -> None:
    """What is cut off is gone one turn of the event loop later: meanwhile it makes no room again."""
    state = ServerState()
    lines = [Line(state=state) for _ in range(LIMITS.connections * 2)]
    assert [line.wire.aborted for line in lines].count(True) == LIMITS.connections
    for line in lines:
        line.leave()


async def test_where_all_are_busy_the_new_connection_goes() -> None:
    release = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await fine(scope, receive, send)

    state = ServerState()
    lines = [Line(held, state) for _ in range(LIMITS.connections)]
    for line in lines:
        line.say(HEAD + b"\r\n")
    late = Line(state=state)
    assert late.wire.aborted
    assert not any(line.wire.closed for line in lines)
    release.set()
    await asyncio.gather(*state.tasks)
    for line in [*lines, late]:
        line.leave()
