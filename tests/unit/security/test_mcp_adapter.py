"""The Guard behind the SDK's own server and client, both protocol eras."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp_types import CallToolResult, InputRequiredResult, PromptReference, TextContent
from pydantic import ValidationError

from mcp_dockerhub_security.grant import current_grant
from mcp_dockerhub_security.guard import ParsedCall
from mcp_dockerhub_security.mcp_adapter import GuardMiddleware, request_of, rpc_error, tool_error
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.guard_parts import FakeSpec, Parts, make_guard

pytestmark = pytest.mark.anyio

Era = Literal["legacy", "auto"]
ERAS: list[Era] = ["legacy", "auto"]
TOOL = "docker_get_image_details"


class AnySpec(FakeSpec):
    """Takes whatever arguments come, as resources and prompts of this test do."""

    def parse(self, arguments: Any) -> ParsedCall:
        return ParsedCall(dict(arguments))


class NotFound(Exception):
    """A service's own error."""

    code, message, hint, retryable, retry_after_s = "NOT_FOUND", "No such image.", "Search first.", False, None


SPECS = [
    FakeSpec(TOOL),
    AnySpec("failing"),
    AnySpec("crashing"),
    AnySpec("probe://one"),
    AnySpec("probe://bad"),
    AnySpec("ask"),
]


def make_server(parts: Parts) -> MCPServer:
    server = MCPServer("probe", middleware=[GuardMiddleware(parts.guard)])

    @server.tool(name=TOOL)
    async def details(image: str) -> dict[str, Any]:
        return {"image": current_grant("tools/call", TOOL).arguments.image}

    @server.tool()
    async def failing() -> CallToolResult:
        return tool_error(NotFound())

    @server.tool()
    async def crashing() -> str:
        raise RuntimeError("secret detail")

    @server.resource("probe://one")
    async def one() -> str:
        return current_grant("resources/read", "probe://one").name

    @server.resource("probe://bad")
    async def bad() -> str:
        raise rpc_error(NotFound())

    @server.prompt()
    async def ask(what: str) -> str:
        return f"Explain {what}"

    return server


@asynccontextmanager
async def connected(era: Era, **fields: Any) -> AsyncIterator[tuple[Client, Parts]]:
    parts = make_guard(specs=SPECS, **fields)
    async with Client(make_server(parts), mode=era) as client:
        yield client, parts


def content_of(result: Any) -> dict[str, Any]:
    assert result.is_error
    assert len(result.model_dump_json()) < 2_048
    return cast("dict[str, Any]", result.structured_content)


@pytest.mark.parametrize("era", ERAS)
async def test_an_admitted_call_reaches_the_tool_with_its_grant(era: Era) -> None:
    async with connected(era) as (client, parts):
        result = await client.call_tool(TOOL, {"image": "nginx"})
        assert result.structured_content == {"image": "nginx"}
        (record,) = [record for record in parts.log.tail() if record["method"] == "tools/call"]
        assert (record["outcome"], record["tool"]) == ("ok", TOOL)
        assert record["client"].startswith("mcp/")
        assert record["request_id"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("docker_get_image_detail", {"image": "nginx"}, "INVALID_INPUT"),
        (TOOL, {}, "INVALID_INPUT"),
        (TOOL, {"image": "nginx", "more": 1}, "INVALID_INPUT"),
        (TOOL, {"image": "x" * 1_000_000}, "INVALID_INPUT"),
        (TOOL, {"image": "a\x1b[31m\x00\r\n", "registry": "evil\x1b.example"}, "POLICY_DENIED"),
    ],
)
async def test_a_refused_tool_call_is_a_tool_error(era: Era, name: str, arguments: Any, code: str) -> None:
    async with connected(era) as (client, parts):
        result = await client.call_tool(name, arguments)
        content = content_of(result)
        assert content["code"] == code
        assert set(content) == {"code", "message", "hint", "retryable"}
        (text,) = result.content
        assert isinstance(text, TextContent)
        assert text.text == f"{code}: {content['message']} {content['hint']}"
        assert text.text.isprintable()
        assert parts.log.tail(1)[0]["event"] == "refusal"


@pytest.mark.parametrize("era", ERAS)
async def test_a_limit_says_when_to_come_back(era: Era) -> None:
    async with connected(era, calls="1/minute") as (client, _):
        await client.call_tool(TOOL, {"image": "nginx"})
        content = content_of(await client.call_tool(TOOL, {"image": "nginx"}))
        assert (content["code"], content["retryable"], content["retry_after_s"]) == ("RATE_LIMITED", True, 60.0)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("name", "outcome"), [("failing", "NOT_FOUND"), ("crashing", "INTERNAL")])
async def test_a_tool_that_fails_is_recorded_by_its_code(era: Era, name: str, outcome: str) -> None:
    async with connected(era) as (client, parts):
        result = await client.call_tool(name, {})
        assert result.is_error
        assert "secret" not in result.model_dump_json()
        assert parts.log.tail(1)[0]["outcome"] == outcome
        assert parts.log.tail(1)[0]["event"] == "outcome"


@pytest.mark.parametrize("era", ERAS)
async def test_resources_and_prompts_go_through_the_guard(era: Era) -> None:
    async with connected(era) as (client, parts):
        assert "probe://one" in (await client.read_resource("probe://one")).model_dump_json()
        await client.get_prompt("ask", {"what": "this"})
        assert [record["method"] for record in parts.log.tail(2)] == ["resources/read", "prompts/get"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_refused_or_failed_read_is_an_rpc_error_with_the_same_data(era: Era) -> None:
    async with connected(era) as (client, parts):
        for uri, rpc, code in (("probe://none", -32003, "INVALID_INPUT"), ("probe://bad", -32002, "NOT_FOUND")):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert caught.value.code == rpc
            assert caught.value.data["code"] == code
            assert parts.log.tail(1)[0]["outcome"] == code
        with pytest.raises(MCPError) as caught:
            await client.get_prompt("asks")
        assert "Did you mean ask?" in caught.value.data["hint"]


@pytest.mark.parametrize("era", ERAS)
async def test_completion_goes_through_the_guard(era: Era) -> None:
    async with connected(era) as (client, parts):
        with pytest.raises(MCPError) as caught:
            await client.complete(PromptReference(type="ref/prompt", name="nothing"), {"name": "a", "value": "b"})
        assert caught.value.data["code"] == "INVALID_INPUT"
        with pytest.raises(MCPError) as caught:
            await client.complete(PromptReference(type="ref/prompt", name="ask"), {"name": "what", "value": "b"})
        assert caught.value.code == -32601
        assert parts.log.tail(1)[0]["outcome"] == "UNSUPPORTED"


@pytest.mark.parametrize("era", ERAS)
async def test_lists_are_recorded_without_being_parsed(era: Era) -> None:
    async with connected(era) as (client, parts):
        assert len((await client.list_tools()).tools) == 3
        record = parts.log.tail(1)[0]
        assert (record["method"], record["rule"], record["tool"]) == ("tools/list", "protocol", "")


async def test_the_handshake_is_recorded() -> None:
    async with connected("legacy") as (_, parts):
        assert "initialize" in [record["method"] for record in parts.log.tail()]


def context(method: str, params: Any, request_id: Any = 1) -> Any:
    session = SimpleNamespace(client_params=None)
    return SimpleNamespace(method=method, params=params, request_id=request_id, session=session)


@pytest.mark.parametrize(
    ("method", "params", "name", "arguments"),
    [
        ("tools/call", {"name": "t", "arguments": {"a": 1}}, "t", {"a": 1}),
        ("tools/call", {"name": ["t"], "arguments": "x"}, ["t"], "x"),
        ("tools/call", None, None, None),
        ("tools/call", ["not", "an", "object"], None, None),
        ("prompts/get", {"name": "p"}, "p", None),
        ("resources/read", {"uri": "u"}, "u", {"uri": "u"}),
        ("completion/complete", {"ref": {"name": "p"}, "argument": {}}, "p", {"ref": {"name": "p"}, "argument": {}}),
        ("completion/complete", {"ref": {"uri": "u"}}, "u", {"ref": {"uri": "u"}}),
        ("completion/complete", {"ref": "x"}, None, None),
        ("tools/list", {"cursor": "c"}, "", None),
    ],
)
def test_what_a_request_names_is_taken_from_its_raw_parameters(
    method: str, params: Any, name: Any, arguments: Any
) -> None:
    request = request_of(context(method, params))
    assert (request.name, request.arguments, request.client) == (name, arguments, "")


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", "a" * 32),
        (f"01-{'a' * 32}-{'b' * 16}-01-more", "a" * 32),
        (f"00-{'A' * 32}-{'b' * 16}-01", ""),
        ("x" * 10_000, ""),
        (5, ""),
        (None, ""),
    ],
)
def test_the_trace_is_taken_from_a_valid_traceparent_only(parent: Any, trace: str) -> None:
    assert request_of(context("ping", {"_meta": {"traceparent": parent}})).trace_id == trace
    assert request_of(context("ping", {"_meta": "x"})).trace_id == ""


@pytest.mark.parametrize(
    ("given", "shown"), [(7, "7"), ("abc\x1b[31m", "abc"), ("x" * 999, "x" * 64), (2**64, "…"), (-(2**80), "…")]
)
def test_the_id_of_a_request_is_shown_bounded(given: Any, shown: str) -> None:
    assert request_of(context("ping", {}, request_id=given)).request_id == shown


def test_an_id_too_long_for_python_to_print_is_no_failure() -> None:
    assert request_of(context("ping", {}, request_id=10**5_000)).request_id == "…"


async def test_notifications_pass_without_a_record() -> None:
    parts = make_guard()

    async def handled(_: Any) -> None:
        return None

    ctx = context("notifications/cancelled", {"requestId": 1}, request_id=None)
    assert await GuardMiddleware(parts.guard)(ctx, handled) is None
    assert parts.log.tail() == []


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (None, "ok"),
        ({"resultType": "input_required"}, "input_required"),
        (InputRequiredResult(request_state="s"), "input_required"),
        ({"isError": True, "structuredContent": {"code": "TOO_LARGE"}}, "TOO_LARGE"),
        ({"isError": True, "structuredContent": {"code": "MADE_UP"}}, "INTERNAL"),
        ({"isError": True, "structuredContent": "x"}, "INTERNAL"),
        (tool_error(NotFound()), "NOT_FOUND"),
    ],
)
async def test_the_outcome_is_read_from_the_result(result: Any, outcome: str) -> None:
    parts = make_guard()

    async def handled(_: Any) -> Any:
        return result

    assert await GuardMiddleware(parts.guard)(context("tools/list", {}), handled) is result
    assert parts.log.tail(1)[0]["outcome"] == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(MCPError(-32602, "bad"), "INVALID_INPUT"), (MCPError(-32603, "broken"), "INTERNAL"), (KeyError("x"), "INTERNAL")],
)
async def test_errors_that_are_not_ours_pass_unchanged(error: Exception, outcome: str) -> None:
    parts = make_guard()

    async def failing(_: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        await GuardMiddleware(parts.guard)(context("tools/list", {}), failing)
    assert caught.value is error
    assert parts.log.tail(1)[0]["outcome"] == outcome


async def test_parameters_that_the_sdk_finds_invalid_are_the_clients_doing() -> None:
    parts = make_guard()

    async def validating(_: Any) -> Any:
        TextContent.model_validate({"type": "text"})

    with pytest.raises(ValidationError):
        await GuardMiddleware(parts.guard)(context("tools/list", {"cursor": 5}), validating)
    assert parts.log.tail(1)[0]["outcome"] == "INVALID_INPUT"


def test_errors_of_every_kind_stay_below_two_kilobytes() -> None:
    huge = Refusal("X" * 500, "m" * 9_000, rule="r", hint="h" * 9_000, retry_after_s=1e9)
    for error in (huge, NotFound(), RuntimeError("x" * 9_000)):
        assert len(tool_error(error).model_dump_json()) < 2_048
        assert len(json.dumps(rpc_error(error).error.model_dump())) < 2_048
    assert rpc_error(huge).code == -32015
