"""Bodies and what they may hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.web import messages
from mcp_dockerhub.web.errors import HttpError, body_of
from mcp_dockerhub.web.messages import MAX_DEPTH, MAX_VALUES, Messages, parse, read_body
from mcp_dockerhub.web.scope import Exchange, Receive, Scope, Send
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.asgi import ADA, JSON_HEADERS, Sent, ask, fine, scope_of

pytestmark = pytest.mark.anyio

LIMIT = 4096
PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Halves of surrogate pairs are no characters.
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


def refusal_of(body: bytes) -> HttpError:
    with pytest.raises(HttpError) as refused:
        parse(body)
    return refused.value


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON), st.booleans())
def test_every_honest_message_is_read_as_it_was_meant(params: dict[str, Any], ascii_only: bool) -> None:
    message = {**PING, "params": params}
    assert parse(json.dumps(message, ensure_ascii=ascii_only).encode()) == message


@given(st.binary(max_size=100) | st.text(alphabet='{}[]",:\\ue+-.019 anNtrfl', max_size=60).map(str.encode))
def test_no_body_does_anything_but_pass_or_be_refused(body: bytes) -> None:
    refused: HttpError | None = None
    try:
        parse(body)
    except HttpError as error:
        refused = error
    assert refused is None or (refused.status == 400 and len(body_of(refused)) < 2048)


@given(st.integers(1, 200), st.sampled_from(["[", '{"a":']))
def test_depth_is_counted_outside_strings_only(levels: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    nested = opening * levels + "1" + closing * levels
    body = json.dumps(PING)[:-1] + f', "params": {{"a": {nested}, "b": "{"[" * 500}"}}}}'
    if levels + 2 <= MAX_DEPTH:
        assert parse(body.encode())["method"] == "ping"
    else:
        assert refusal_of(body.encode()).rule == "json_invalid"


@pytest.mark.parametrize(
    "body",
    [
        '{"a":1,"a":1}',
        '{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":{"a":1,"\\u0061":2}}}',
        '{"a":-Infinity}',
        '"\\ud800"',
    ],
)
def test_what_parsers_may_read_differently_is_refused(body: str) -> None:
    assert refusal_of(body.encode()).rpc_code == -32700


@pytest.mark.parametrize(
    "message",
    [
        PING,
        {**PING, "params": {}},
        {**PING, "id": "x" * 256},
        {**PING, "id": 2**63},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}},
    ],
)
def test_requests_notifications_and_responses_are_messages(message: dict[str, Any]) -> None:
    assert parse(json.dumps(message).encode()) == message


@pytest.mark.parametrize(
    "message",
    [
        [PING],
        {**PING, "jsonrpc": 2.0},
        {**PING, "id": "x" * 257},
        {**PING, "id": 2**64},
        {**PING, "id": None},
        {**PING, "params": None},
        {**PING, "params": []},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
    ],
)
def test_nothing_else_is(message: Any) -> None:
    assert refusal_of(json.dumps(message).encode()).rpc_code == -32600


async def test_a_body_comes_in_parts() -> None:
    assert await read_body(scope_of(), Sent(b"one", b"", b"two"), LIMIT) == b"onetwo"


@pytest.mark.parametrize("length", ["4097", "99999999999999999999"])
async def test_a_body_that_says_it_is_too_large_is_not_read(length: str) -> None:
    with pytest.raises(HttpError) as refused:
        await read_body(scope_of(headers={"content-length": length}), Sent(complete=False), LIMIT)
    assert refused.value.status == 413


async def test_a_body_is_refused_with_the_first_byte_too_many() -> None:
    assert len(await read_body(scope_of(), Sent(b"x" * LIMIT), LIMIT)) == LIMIT
    with pytest.raises(HttpError) as refused:
        await read_body(scope_of(), Sent(b"x" * LIMIT, b"x", complete=False), LIMIT)
    assert refused.value.rule == "body_too_large"


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "BODY_TIMEOUT", 0)
    with pytest.raises(HttpError) as refused:
        await read_body(scope_of(), Sent(b"x", complete=False), LIMIT)
    assert refused.value.status == 408


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("[" + "1," * (MAX_VALUES - 3) + "1]", True),
        ("[" + "1," * (MAX_VALUES + 1) + "1]", False),
        ("[" + "[]," * (MAX_VALUES - 2) + "[]]", False),
        ("[" + "[]," * (MAX_VALUES // 2) + "[]]", True),
        ("[" + '{"a":1},' * (MAX_VALUES + 1) + "1]", False),
        ('"' + "[{," * MAX_VALUES + '"', True),
        ('["' + '\\",' * MAX_VALUES + '"]', True),
    ],
)
def test_only_so_many_values_are_read(value: str, taken: bool) -> None:
    body = f'{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{value}}}}}'.encode()
    if taken:
        assert parse(body)["id"] == 1
    else:
        with pytest.raises(HttpError) as refused:
            parse(body)
        assert (refused.value.status, refused.value.rule) == (400, "json_invalid")


class Charged:
    """Counts attempts, and refuses after ``allowed``."""

    def __init__(self, allowed: int = 100) -> None:
        self.count = 0
        self._allowed = allowed

    def __call__(self, principal: str) -> None:
        self.count += 1
        assert principal == "ada"
        if self.count > self._allowed:
            raise Refusal("RATE_LIMITED", "Too many.", rule="limit attempts", retryable=True, retry_after_s=2.5)


def posting(message: Any) -> tuple[Scope, Sent]:
    return scope_of(headers=JSON_HEADERS, principal=ADA), Sent(json.dumps(message).encode())


async def test_requests_are_left_to_the_guard_to_charge_and_the_rest_is_charged_here() -> None:
    charged = Charged()
    layer = Messages(fine, LIMIT, charged)
    scope, sent = posting(PING)
    assert (await ask(layer, scope, sent)).status == 200
    assert Exchange.of(scope).request_id == 7
    assert charged.count == 0
    for message in ({"jsonrpc": "2.0", "method": "notifications/x"}, {"jsonrpc": "2.0", "id": 1, "result": {}}):
        assert (await ask(layer, *posting(message))).status == 200
    for method in ("GET", "DELETE"):
        assert (await ask(layer, scope_of(method, principal=ADA))).status == 200
    assert charged.count == 4


async def test_a_flood_of_notifications_is_refused() -> None:
    layer = Messages(fine, LIMIT, Charged(allowed=0))
    with pytest.raises(HttpError) as refused:
        await ask(layer, *posting({"jsonrpc": "2.0", "method": "notifications/x"}))
    assert (refused.value.status, refused.value.retry_after_s) == (429, 2.5)


async def test_what_is_refused_before_the_guard_sees_it_is_charged_too() -> None:
    layer = Messages(fine, LIMIT, Charged(allowed=2), Demanding())
    beyond_its_scopes = json.dumps({**PING, "method": "tools/call", "params": {"name": "x"}}).encode()
    statuses = []
    for body in (beyond_its_scopes, b"{}{}", beyond_its_scopes, b"{}{}"):
        with pytest.raises(HttpError) as refused:
            await ask(layer, scope_of(headers=JSON_HEADERS, principal=ADA), Sent(body))
        statuses.append(refused.value.status)
    assert statuses == [403, 400, 429, 429]


async def test_a_client_that_leaves_amid_its_body_gets_nothing() -> None:
    sent = Sent(b"{", complete=False)
    sent.leave()
    assert (await ask(Messages(fine, LIMIT, Charged()), scope_of(principal=ADA), sent)).status is None


class Demanding:
    """A step-up that wants more for one method."""

    status, headers, code = 403, (("www-authenticate", 'Bearer scope="a b"'),), "FORBIDDEN"
    message, hint, rule, retry_after_s = "More is needed.", "", "scope", None

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    async def authorize(self, principal: Any, method: str, params: Any) -> Any:
        self.asked.append((method, params))
        return self if method == "tools/call" else None


async def test_a_step_up_is_asked_about_requests_only_and_its_challenge_is_the_answer() -> None:
    step_up = Demanding()
    layer = Messages(fine, LIMIT, Charged(), step_up)
    assert (await ask(layer, *posting(PING))).status == 200
    assert (await ask(layer, *posting({"jsonrpc": "2.0", "method": "tools/call"}))).status == 200
    with pytest.raises(HttpError) as refused:
        await ask(layer, *posting({**PING, "method": "tools/call", "params": {"name": "x"}}))
    assert (refused.value.status, refused.value.headers) == (403, step_up.headers)
    assert step_up.asked == [("ping", {}), ("tools/call", {"name": "x"})]


async def test_without_a_principal_it_is_built_wrongly() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match="inside authentication"):
        await ask(Messages(never, LIMIT, Charged()), scope_of())
