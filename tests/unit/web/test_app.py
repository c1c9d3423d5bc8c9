"""The layers put together, without a socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_dockerhub.application import Application
from mcp_dockerhub.web import app as module
from mcp_dockerhub.web.access import Access, local_access
from mcp_dockerhub.web.app import WebApp, build_app, create_app
from mcp_dockerhub.web.authentication import Authenticated
from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.refusals import RefusalLog
from mcp_dockerhub.web.scope import Exchange
from mcp_dockerhub.web.sdk import CancelledWithItsRequest, SdkApp
from mcp_dockerhub.web_settings import load_web_settings
from mcp_dockerhub_security.principal import Origin
from tests.clients.inprocess import settings as plain_settings
from tests.upstreams.asgi import ADA, JSON_HEADERS, Recorded, Sent, ask, fine, scope_of

pytestmark = pytest.mark.anyio

OPEN = {"insecure_no_auth": True}
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()


@pytest.fixture
def application(tmp_path: Path) -> Application:
    return Application.build(plain_settings(tmp_path, transport="http"))


def request() -> tuple[Any, Sent]:
    return scope_of(headers={**JSON_HEADERS, "host": "localhost"}), Sent(PING)


async def test_it_serves_while_it_runs(application: Application) -> None:
    app = build_app(application, load_web_settings(OPEN))
    with anyio.fail_after(10):
        async with app.running():
            answer = await ask(app, *request())
        assert answer.status == 200
        assert app.stopping
        assert (await ask(app, *request())).status == 500


async def test_refusals_that_were_only_counted_are_told_when_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    app = build_app(
        Application.build(plain_settings(tmp_path, transport="http", audit_file=str(log))), load_web_settings(OPEN)
    )
    app.refusals = RefusalLog(app.application.recorder, app.application.metrics, burst=2, per_second=0.0)
    async with app.running():
        for _ in range(5):
            app.refusals.record("GET", "/", 404, HttpError(404, "NOT_FOUND", "", rule="path_unknown"), Origin(None))
    (told,) = [json.loads(line) for line in log.read_text().splitlines() if "refusals_not_recorded" in line]
    assert told["tool"] == "3 more"


async def test_servers_start_and_end_it_by_the_lifespan_protocol(application: Application) -> None:
    app, sent = build_app(application, load_web_settings(OPEN)), Recorded()
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    with anyio.fail_after(10):
        await app({"type": "lifespan"}, receive, sent)
    assert [message["type"] for message in sent.messages] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@asynccontextmanager
async def _failing() -> AsyncIterator[None]:
    if True:
        raise ValueError("secret")
    yield


async def test_a_start_that_fails_is_said_without_its_reason(application: Application) -> None:
    web, sent = load_web_settings(OPEN), Recorded()
    access = Access(local_access(application).authenticator, running=_failing())
    server = build_app(application, web)._sdk
    app = WebApp(application, web, access, server)

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    with pytest.raises(ValueError, match="secret"):
        await app({"type": "lifespan"}, receive, sent)
    assert sent.messages == [{"type": "lifespan.startup.failed", "message": "ValueError"}]


async def test_the_factory_takes_everything_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_INSECURE_NO_AUTH", "true")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(module, "configure_logging", lambda *_, **__: None)
    app = create_app()
    assert app.application.settings.transport == "http"
    with anyio.fail_after(10):
        async with app.running():
            assert (await ask(app, *request())).status == 200


class Refusing:
    """An authenticator that challenges everybody, and its challenge."""

    status, headers, code = 401, (("WWW-Authenticate", "Bearer"),), "AUTHENTICATION_FAILED"
    message, hint, rule, retry_after_s = "Who are you?", "Log in.", "token_missing", None

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], str]] = []

    async def authenticate(self, authorization: Any, address: str) -> Any:
        self.asked.append((tuple(authorization), address))
        return self


async def test_a_challenge_is_the_answer_before_anything_is_read() -> None:
    refusing = Refusing()
    headers = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
    scope = scope_of(headers=headers)
    Exchange.of(scope).address = "203.0.113.5"
    with pytest.raises(HttpError) as refused:
        await ask(Authenticated(fine, refusing), scope)
    assert (refused.value.status, refused.value.headers) == (401, refusing.headers)
    assert refusing.asked == [(("Bearer a", "Bearer b"), "203.0.113.5")]


async def test_the_sdk_is_reached_through_authentication_only(application: Application) -> None:
    server = build_app(application, load_web_settings(OPEN))._sdk
    with pytest.raises(RuntimeError, match="inside authentication"):
        await ask(server, scope_of())
    assert isinstance(server, SdkApp)


class Context:
    """What the SDK hands to middleware, as far as it is looked at."""

    def __init__(self, scope: Any = None, request_id: int | None = 1) -> None:
        self.request = type("Request", (), {"scope": scope})() if scope is not None else None
        self.request_id = request_id


async def test_handlers_without_an_exchange_and_notifications_run_as_they_are() -> None:
    async def call_next(_: Any) -> Any:
        return {"ok": True}

    middleware: Any = CancelledWithItsRequest()
    for context in (Context(), Context({}), Context(scope_of(principal=ADA), request_id=None)):
        assert await middleware(context, call_next) == {"ok": True}


async def test_a_handler_ends_with_its_exchange() -> None:
    scope = scope_of(principal=ADA)

    async def call_next(_: Any) -> Any:
        Exchange.of(scope).cancel_calls()
        await anyio.sleep_forever()

    middleware: Any = CancelledWithItsRequest()
    with pytest.raises(Exception, match="cancelled"), anyio.fail_after(5):
        await middleware(Context(scope), call_next)
    assert Exchange.of(scope).dispatched
