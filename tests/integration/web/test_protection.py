"""Tokens, addresses, sessions and origins through the whole stack, against real processes."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from mcp_dockerhub.web.sdk import MAX_OWN_SESSIONS
from tests.clients.web import HEADERS, WebServer, call_of, modern_headers
from tests.integration.web.conftest import RESOURCE
from tests.upstreams.issuer import Issuer

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def records(environment: dict[str, str]) -> list[dict[str, Any]]:
    lines = Path(environment["MCP_DOCKERHUB_AUDIT_FILE"]).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_without_a_token_the_way_to_get_one_is_told(guarded: WebServer, issuer: Issuer) -> None:
    answer = guarded.post(PING)
    assert answer.status == 401
    assert answer.error["code"] == "AUTHENTICATION_FAILED"
    challenge = answer.headers["www-authenticate"]
    assert "error=" not in challenge  # RFC 6750, section 3.1: none where no token came
    metadata = challenge.partition('resource_metadata="')[2].partition('"')[0]
    assert metadata.startswith("https://mcp.example.com/")
    document = guarded.request("GET", metadata.removeprefix("https://mcp.example.com"))
    assert document.status == 200
    assert document.json["resource"] == RESOURCE
    assert document.json["authorization_servers"] == [issuer.url]


def test_metadata_are_json_that_anybody_may_get(guarded: WebServer) -> None:
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
        answer = guarded.request("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json["resource"] == RESOURCE
        assert [] not in answer.json.values(), "members without values are left out"
        assert guarded.request("POST", path, b"{}", HEADERS).status == 405


def test_a_token_for_this_server_opens_it_and_one_for_another_does_not(guarded: WebServer, issuer: Issuer) -> None:
    good, foreign = issuer.mint(scope="dockerhub:read"), issuer.mint(aud="https://other.example.com/mcp")
    assert guarded.call("docker_list_tags", {"repository": "nginx"}, bearer(good)).status == 200
    answer = guarded.call("health_check", headers=bearer(foreign))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert foreign not in answer.body.decode()


def test_nothing_of_a_body_is_read_before_the_token_is_good(guarded: WebServer) -> None:
    assert guarded.post(b"{" * 500, bearer("no.such.token")).status == 401


def test_an_operation_beyond_the_scopes_is_challenged_with_all_it_needs(guarded: WebServer, issuer: Issuer) -> None:
    token = issuer.mint(scope="dockerhub:write")
    answer = guarded.call("docker_list_tags", {"repository": "nginx"}, bearer(token))
    assert answer.status == 403
    assert answer.json["id"] == 1
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert "dockerhub:read" in challenge
    assert "resource_metadata=" in challenge


def test_records_name_the_client_behind_the_trusted_proxy(protected: dict[str, str], issuer: Issuer) -> None:
    token = issuer.mint(scope="dockerhub:read", sub="ada")
    with WebServer(protected) as server:
        forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.7", "forwarded": "for=192.0.2.66"}
        server.call("docker_list_tags", {"repository": "nginx"}, bearer(token, **forwarded))
        server.request("GET", "/nowhere", headers={**forwarded, "user-agent": "probe/1 \x9b31m"})
        server.stop()
    named = {record.get("tool"): record for record in records(protected)}
    call, refusal = named["docker_list_tags"], named["404 /nowhere"]
    assert call["address"] == refusal["address"] == "198.51.100.7"
    assert refusal["rule"] == "path_unknown"
    assert refusal["user_agent"] == "probe/1"
    assert token not in json.dumps([call, refusal])


def test_nobody_but_its_owner_can_use_a_session(protected: dict[str, str], issuer: Issuer) -> None:
    with WebServer({**protected, "MCP_DOCKERHUB_SESSIONS": "true"}) as server:
        ada, bob = (issuer.mint(scope="dockerhub:read", sub=name) for name in ("ada", "bob"))
        other_app = issuer.mint(scope="dockerhub:read", sub="ada", client_id="another-app")
        session = {"mcp-session-id": open_session(server, ada)}
        assert server.post(PING, bearer(ada, **session)).status == 200
        for method, stranger in product(("POST", "GET", "DELETE"), (bob, other_app)):
            body = json.dumps(PING).encode() if method == "POST" else None
            answer = server.request(method, body=body, headers={**HEADERS, **bearer(stranger, **session)})
            assert answer.status == 404
            assert answer.json["error"]["message"] == "Session not found"
        assert server.post(PING, session).status == 401  # a session is no authentication
        assert server.post(PING, bearer(ada, **session)).status == 200
        assert server.request("DELETE", headers=bearer(ada, **session)).status == 200
        assert server.post(PING, bearer(ada, **session)).status == 404
        server.stop()
    assert sum(record.get("rule") == "session_unknown" for record in records(protected)) == 7


def open_session(server: WebServer, token: str) -> str:
    return server.post(INITIALIZE, bearer(token)).headers["mcp-session-id"]


def test_session_ids_are_long_and_never_the_same(protected: dict[str, str], issuer: Issuer) -> None:
    with WebServer({**protected, "MCP_DOCKERHUB_SESSIONS": "true"}) as server:
        token = issuer.mint(scope="dockerhub:read")
        found = {open_session(server, token) for _ in range(20)}
    assert len(found) == 20
    # 122 random bits of a UUID of version 4 (RFC 9562, section 5.4).
    assert all(len(set(session)) > 6 and len(session) >= 32 for session in found)


def test_nobody_takes_all_sessions(protected: dict[str, str], issuer: Issuer) -> None:
    ada, bob = (issuer.mint(scope="dockerhub:read", sub=name) for name in ("ada", "bob"))
    with WebServer({**protected, "MCP_DOCKERHUB_SESSIONS": "true"}) as server:
        sessions = [open_session(server, ada) for _ in range(MAX_OWN_SESSIONS)]
        refused = server.post(INITIALIZE, bearer(ada))
        assert refused.status == 503
        assert refused.error["code"] == "RATE_LIMITED"
        assert open_session(server, bob)
        modern = {**modern_headers("get_server_info"), **bearer(ada)}
        assert server.post(call_of("get_server_info", modern=True), modern).status == 200, "it needs no session"
        server.request("DELETE", headers=bearer(ada, **{"mcp-session-id": sessions[0]}))
        assert open_session(server, ada)


@pytest.mark.parametrize(("name", "value"), [("mcp-name", "docker_list_tags"), ("mcp-method", "tools/list")])
def test_headers_that_say_something_else_than_the_body_are_refused(
    guarded: WebServer, issuer: Issuer, name: str, value: str
) -> None:
    headers = {**modern_headers("get_server_info"), **bearer(issuer.mint(scope="dockerhub:read"))}
    message = call_of("get_server_info", modern=True)
    assert guarded.post(message, headers).status == 200
    assert guarded.post(message, {**headers, name: value}).status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"])
def test_without_sessions_only_post_is_taken(server: WebServer, method: str) -> None:
    answer = server.request(method, headers=HEADERS)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.error["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/jsonp"}, 415),
        ({"content-type": "application/json; charset=utf-16"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-type": 'Application/JSON; charset="UTF-8"'}, 200),
        ({"accept": "text/html"}, 406),
        ({"accept": "application/json"}, 406),
        ({"accept": "*/*"}, 200),
        ({"accept": "application/*;q=0.5, text/*"}, 200),
    ],
)
def test_media_types_are_those_of_the_protocol(server: WebServer, headers: dict[str, str], status: int) -> None:
    answer = server.call("health_check", headers=headers)
    assert answer.status == status
    if status != 200:
        assert answer.error["hint"]


@pytest.mark.parametrize(
    "path", ["/", "/mcp/", "/MCP", "/mcp/x", "//mcp", "/metrics", "/%6dcp", "/%6dcp%00", "/.well-known/x"]
)
def test_elsewhere_there_is_nothing(server: WebServer, path: str) -> None:
    answer = server.request("GET", path)
    assert answer.status == 404
    assert answer.error["code"] == "NOT_FOUND"


def test_pages_of_allowed_origins_may_call_and_read(server: WebServer) -> None:
    origin = {"origin": "http://localhost:6274"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "mcp-param-region, x-evil"}
    preflight = server.request("OPTIONS", headers={**origin, **asked})
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == origin["origin"]
    assert "mcp-param-region" in preflight.headers["access-control-allow-headers"]
    assert "x-evil" not in preflight.headers["access-control-allow-headers"]
    answer = server.call("health_check", headers=origin)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin["origin"]
    assert "access-control-allow-credentials" not in answer.headers
    assert server.request("GET", headers=origin).headers["access-control-allow-origin"] == origin["origin"]


@pytest.mark.parametrize(
    ("headers", "message", "status"),
    [
        ({"mcp-protocol-version": "2099-01-01"}, PING, 400),
        ({"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}, call_of("x", modern=True), 400),
        ({"mcp-protocol-version": "2026-07-28", "mcp-method": "nope"}, {**PING, "method": "nope"}, 400),
    ],
)
def test_what_the_protocol_itself_refuses_is_json_too(
    server: WebServer, headers: dict[str, str], message: dict[str, Any], status: int
) -> None:
    answer = server.post(message, headers)
    assert answer.status == status
    assert answer.json["error"]["code"]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client_works_in_both_eras(server: WebServer, mode: str) -> None:
    url = f"http://127.0.0.1:{server.port}/mcp"
    with anyio.fail_after(20):
        async with Client(streamable_http_client(url), mode=mode) as client:
            tools = await client.list_tools()
            assert "docker_get_image_details" in [tool.name for tool in tools.tools]
            result = await client.call_tool("docker_get_image_details", {"image": "nginx"})
            assert not result.is_error
            assert isinstance(result.content[0], TextContent)
