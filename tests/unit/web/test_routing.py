"""Paths, methods and media types."""

from typing import Any

import pytest

from mcp_dockerhub.web.access import Document
from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.routing import ProperlyAsked, Router
from mcp_dockerhub.web.scope import Receive, Scope, Send
from tests.upstreams.asgi import JSON_HEADERS, ask, fine, scope_of

pytestmark = pytest.mark.anyio

ROUTER = Router(fine, "/mcp", {"/doc": Document(b'{"a":1}', max_age=5)})
STATELESS = ProperlyAsked(fine, ("POST",), events=True)
SESSIONS = ProperlyAsked(fine, ("POST", "GET", "DELETE"), events=True)
JSON_ONLY = ProperlyAsked(fine, ("POST",), events=False)


async def refusal_of(layer: Any, scope: Scope) -> tuple[int, str]:
    with pytest.raises(HttpError) as refused:
        await ask(layer, scope)
    return refused.value.status, refused.value.rule


async def test_the_protocol_and_documents_have_their_paths() -> None:
    assert (await ask(ROUTER, scope_of())).body == b"fine"
    document = await ask(ROUTER, scope_of("GET", "/doc"))
    assert (document.body, document.headers["cache-control"]) == (b'{"a":1}', "public, max-age=5")
    without_body = await ask(ROUTER, scope_of("HEAD", "/doc"))
    assert (without_body.body, without_body.headers["content-length"]) == (b"", "7")


@pytest.mark.parametrize("path", ["/", "", "/mcp/", "/mcp/x", "/Mcp", "*", "/doc/"])
async def test_there_is_nothing_elsewhere(path: str) -> None:
    assert await refusal_of(ROUTER, scope_of(path=path)) == (404, "path_unknown")


async def test_documents_are_read_only() -> None:
    assert await refusal_of(ROUTER, scope_of("POST", "/doc")) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "headers", [[(f"x-{i}", "") for i in range(101)], [("x", "a" * 40_000)], [(f"x{i}", "a" * 4000) for i in range(9)]]
)
async def test_too_many_or_too_large_header_fields_are_refused_by_any_server(headers: list[tuple[str, str]]) -> None:
    assert await refusal_of(ROUTER, scope_of(headers=headers)) == (431, "headers_too_large")


@pytest.mark.parametrize(
    ("layer", "scope", "expected"),
    [
        (STATELESS, scope_of("GET"), (405, "method_not_allowed")),
        (STATELESS, scope_of("DELETE"), (405, "method_not_allowed")),
        (SESSIONS, scope_of("PUT"), (405, "method_not_allowed")),
        (SESSIONS, scope_of("GET", headers={"accept": "application/json"}), (406, "not_acceptable")),
        (STATELESS, scope_of(headers=JSON_HEADERS, query=b"a"), (400, "query_not_allowed")),
        (STATELESS, scope_of(headers={"accept": "*/*"}), (415, "media_type")),
        (STATELESS, scope_of(headers=[("content-type", "application/json")] * 2), (415, "media_type")),
        (STATELESS, scope_of(headers={**JSON_HEADERS, "content-type": "text/json"}), (415, "media_type")),
        (STATELESS, scope_of(headers={**JSON_HEADERS, "content-encoding": "br"}), (415, "media_type")),
        (STATELESS, scope_of(headers={**JSON_HEADERS, "accept": "application/json"}), (406, "not_acceptable")),
        (STATELESS, scope_of(headers={"content-type": "application/json"}), (406, "not_acceptable")),
        (JSON_ONLY, scope_of(headers={**JSON_HEADERS, "accept": "text/event-stream"}), (406, "not_acceptable")),
    ],
)
async def test_what_is_not_asked_properly_is_refused(layer: Any, scope: Scope, expected: tuple[int, str]) -> None:
    assert await refusal_of(layer, scope) == expected


@pytest.mark.parametrize(
    ("layer", "scope"),
    [
        (STATELESS, scope_of(headers=JSON_HEADERS)),
        (STATELESS, scope_of(headers={**JSON_HEADERS, "accept": "application/*, text/*;q=0.1"})),
        (STATELESS, scope_of(headers={**JSON_HEADERS, "content-encoding": "identity"})),
        (JSON_ONLY, scope_of(headers={**JSON_HEADERS, "accept": "application/json"})),
        (SESSIONS, scope_of("GET", headers={"accept": "text/event-stream"})),
        (SESSIONS, scope_of("DELETE")),
    ],
)
async def test_what_is_asked_properly_passes(layer: Any, scope: Scope) -> None:
    assert (await ask(layer, scope)).status == 200


async def test_the_sdk_sees_one_spelling_of_the_media_type() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(field for field in scope["headers"] if field[0] == b"content-type")

    headers = {**JSON_HEADERS, "content-type": 'Application/JSON; Charset="UTF-8"'}
    await ask(ProperlyAsked(look, ("POST",), events=True), scope_of(headers=headers))
    assert seen == [(b"content-type", b"application/json")]
