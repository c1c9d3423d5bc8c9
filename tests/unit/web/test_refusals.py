"""Every exchange ends with an answer that may be shown, and one record."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.proxies import TrustedProxies
from mcp_dockerhub.web.refusals import Answered, RefusalLog
from mcp_dockerhub.web.scope import App, Exchange, Receive, Scope, Send
from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.principal import Origin
from mcp_dockerhub_security.recorder import Recorder
from tests.upstreams.asgi import ADA, Recorded, Sent, ask, fine, raising, replying, scope_of
from tests.upstreams.guard_parts import Clock

pytestmark = pytest.mark.anyio


class Observed:
    """Satisfies SecurityObserver."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str]] = []
        self.limits: list[tuple[str, str]] = []

    def refused(self, rule: str, code: str) -> None:
        self.refusals.append((rule, code))

    def limit(self, decision: str, window: str) -> None:
        self.limits.append((decision, window))

    def audit(self, event: str, seconds: float) -> None: ...

    def sanitized(self, kind: str, count: int) -> None: ...


class Parts:
    """The layer and everything it tells."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.audit = AuditLog()
        self.observed = Observed()
        self.log = RefusalLog(Recorder(self.audit, self.observed), self.observed, clock=self.clock, burst=3)
        self.streams: list[int] = []

    def around(self, app: App) -> Answered:
        return Answered(app, TrustedProxies(), self.log, self.streams.append)

    @property
    def records(self) -> list[Mapping[str, Any]]:
        return self.audit.tail()


@pytest.fixture
def parts() -> Parts:
    return Parts()


TEAPOT = HttpError(418, "UNSUPPORTED", "No coffee.", rule="teapot", hint="Tea?", headers=(("X-Tea", "yes"),))


async def test_a_refusal_is_small_json_and_one_record(parts: Parts) -> None:
    scope = scope_of("BREW", "/pot\n?secret", {"user-agent": "probe\x1b[0m/1"})
    answer = await ask(parts.around(raising(TEAPOT)), scope)
    assert answer.status == 418
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-tea"] == "yes"
    assert int(answer.headers["content-length"]) == len(answer.body)
    error = json.loads(answer.body)["error"]
    assert error == {
        "code": -32011,
        "message": "No coffee.",
        "data": {"code": "UNSUPPORTED", "message": "No coffee.", "hint": "Tea?", "retryable": False},
    }
    (record,) = parts.records
    assert record["event"] == "refusal"
    assert record["rule"] == "teapot"
    assert record["method"] == "http BREW"
    assert record["tool"].startswith("418 /pot")
    assert record["address"] == "192.0.2.1"
    assert "\x1b" not in record["user_agent"]
    assert parts.observed.refusals == [("teapot", "UNSUPPORTED")]


async def test_a_refusal_after_authentication_names_the_principal(parts: Parts) -> None:
    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange.of(scope)
        exchange.authenticated(scope, ADA)
        exchange.request_id = "r-1"
        raise TEAPOT

    answer = await ask(parts.around(authenticated), scope_of())
    assert json.loads(answer.body)["id"] == "r-1"
    assert parts.records[0]["principal"] == "ada"


async def test_a_defect_says_nothing_of_itself(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(parts.around(raising(ValueError("password=hunter2"))), scope_of())
    assert answer.status == 500
    assert b"hunter2" not in answer.body
    assert json.loads(answer.body)["error"]["data"]["code"] == "INTERNAL"
    assert "request failed" in caplog.text
    assert parts.records[0]["rule"] == "error"


async def test_a_request_that_the_server_stops_is_told_so(parts: Parts) -> None:
    answer = await ask(parts.around(raising(asyncio.CancelledError())), scope_of())
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert parts.records[0]["rule"] == "stopping"


async def test_a_failure_after_the_answer_began_is_recorded_and_not_answered_again(parts: Parts) -> None:
    async def halfway(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise TEAPOT

    answer = await ask(parts.around(halfway), scope_of())
    assert len(answer.messages) == 1
    assert parts.records[0]["rule"] == "teapot"


async def test_a_client_that_is_gone_takes_no_answer(parts: Parts) -> None:
    async def gone(_: Any) -> None:
        raise OSError("gone")

    await parts.around(raising(TEAPOT))(scope_of(), Sent(), gone)
    assert parts.records[0]["rule"] == "teapot"


async def test_good_answers_pass_untouched_and_unrecorded(parts: Parts) -> None:
    async def with_extra(scope: Scope, receive: Receive, send: Send) -> None:
        Exchange.of(scope).extra_headers.append((b"x-extra", b"1"))
        await fine(scope, receive, send)

    scope = scope_of()
    scope["scheme"] = "https"
    answer = await ask(parts.around(with_extra), scope)
    assert (answer.status, answer.body, answer.headers["x-extra"]) == (200, b"fine", "1")
    assert answer.headers["strict-transport-security"]
    assert Exchange.of(scope).complete
    assert not parts.records


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (400, {"content-type": "text/plain; charset=utf-8"}, b"Invalid Content-Type header"),
        (405, {"allow": "POST"}, b""),
        (404, {"content-type": "text/html"}, b"<html>"),
        (400, {"content-type": "application/json"}, b'{"error": "' + b"x" * 3000 + b'"}'),
        (500, {"content-type": "text/plain"}, b"Traceback (most recent call last)"),
        (418, {"content-type": "text/plain"}, b""),
    ],
)
async def test_errors_of_the_sdk_that_are_not_small_json_become_that(
    parts: Parts, status: int, headers: dict[str, str], body: bytes
) -> None:
    answer = await ask(parts.around(replying(status, headers, body[:5], body[5:])), scope_of())
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.body) == int(answer.headers["content-length"]) < 400
    assert json.loads(answer.body)["error"]["data"]["message"]
    assert answer.headers.get("allow") == headers.get("allow")
    assert parts.records[0]["rule"] == ("session_unknown" if status == 404 else "protocol")


async def test_errors_of_the_sdk_that_are_small_json_pass(parts: Parts) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch"}}'
    answer = await ask(parts.around(replying(400, {"content-type": "application/json"}, body)), scope_of())
    assert (answer.status, answer.body) == (400, body)


async def test_what_the_guard_saw_is_recorded_by_the_guard_alone(parts: Parts) -> None:
    async def dispatched(scope: Scope, receive: Receive, send: Send) -> None:
        Exchange.of(scope).dispatched = True
        await replying(400, {"content-type": "application/json"}, b"{}")(scope, receive, send)

    assert (await ask(parts.around(dispatched), scope_of())).status == 400
    assert not parts.records


async def test_open_event_streams_are_counted(parts: Parts) -> None:
    release, opened = asyncio.Event(), asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        opened.set()
        await release.wait()
        await send({"type": "http.response.body", "body": b""})

    layer = parts.around(stream)
    tasks = []
    for _ in range(2):
        opened.clear()
        tasks.append(asyncio.create_task(ask(layer, scope_of())))
        await opened.wait()
    release.set()
    await asyncio.gather(*tasks)
    assert parts.streams == [1, 2, 1, 0]


async def test_nothing_speaks_websocket(parts: Parts) -> None:
    sent = Recorded()
    await parts.around(fine)({"type": "websocket"}, Sent(), sent)
    assert [message["type"] for message in sent.messages] == ["websocket.close"]


def test_a_flood_of_refusals_is_thinned_out_in_the_log_but_not_in_the_counts(parts: Parts) -> None:
    for _ in range(10):
        parts.log.record("GET", "/", 404, TEAPOT, Origin(None))
    assert len(parts.records) == 3
    assert len(parts.observed.refusals) == 10
    parts.clock.now += 1
    parts.log.record("GET", "/", 404, TEAPOT, Origin(None))
    assert [record["rule"] for record in parts.records[3:]] == ["refusals_not_recorded", "teapot"]
    assert parts.records[3]["tool"] == "7 more"


def test_a_flood_of_strangers_hides_no_refusal_of_somebody(parts: Parts) -> None:
    for _ in range(10):
        parts.log.record("GET", "/", 404, TEAPOT, Origin(None))
    for _ in range(10):
        parts.log.record("POST", "/mcp", 403, TEAPOT, Origin(ADA))
    told = [record for record in parts.records if record["rule"] == "teapot"]
    assert [record["principal"] for record in told] == [""] * 3 + [ADA.id] * 3


def test_refusals_for_rate_are_counted_as_limits(parts: Parts) -> None:
    limited = HttpError(429, "RATE_LIMITED", "Slower.", rule="limit attempts", retry_after_s=1)
    parts.log.record("POST", "/mcp", 429, limited, Origin(ADA))
    assert parts.observed.limits == [("refused", "attempts")]
