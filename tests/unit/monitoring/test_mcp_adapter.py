"""How each way a request can end is counted."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from pydantic import BaseModel, ValidationError

from mcp_dockerhub_monitoring import logs
from mcp_dockerhub_monitoring.mcp_adapter import MetricsMiddleware, outcome_of_error, outcome_of_result
from mcp_dockerhub_monitoring.metrics import Metrics

pytestmark = pytest.mark.anyio


class Recorder(Metrics):
    """Keeps what was counted."""

    def __init__(self) -> None:
        super().__init__({"docker_list_tags"})
        self.seen: list[tuple[object, ...]] = []

    def operation(self, method: str, name: object, outcome: str, era: str, transport: str, seconds: float) -> None:
        self.seen.append((method, name, outcome, era, transport, seconds))


def context(method: str = "tools/call", version: str = "2026-07-28", **params: object) -> Any:
    return SimpleNamespace(method=method, params=params or None, request_id=7, protocol_version=version)


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


async def counted(ctx: Any, result: Any) -> tuple[object, ...]:
    metrics = Recorder()
    middleware = MetricsMiddleware(metrics, transport="http", clock=Ticks())

    async def call_next(_: Any) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    if isinstance(result, BaseException):
        with pytest.raises(type(result)) as passed_on:
            await middleware(ctx, call_next)
        assert passed_on.value is result
    else:
        assert await middleware(ctx, call_next) is result
    (seen,) = metrics.seen
    return seen


async def test_a_call_is_counted_with_tool_era_transport_and_time() -> None:
    seen = await counted(context(name="docker_list_tags"), {"content": [], "isError": False})
    assert seen == ("tools/call", "docker_list_tags", "ok", "stateless", "http", 0.5)


@pytest.mark.parametrize(
    ("version", "era"), [("2025-11-25", "handshake"), ("2024-11-05", "handshake"), ("1999-01-01", "")]
)
async def test_the_era_follows_from_the_protocol_version(version: str, era: str) -> None:
    assert (await counted(context("tools/list", version), {}))[3] == era


async def test_names_are_read_from_tool_calls_only() -> None:
    assert (await counted(context("prompts/get", name="x"), {}))[1] is None
    assert (await counted(context("tools/call"), {}))[1] is None


async def test_a_cancelled_call_is_counted_as_such() -> None:
    assert (await counted(context(name="x"), asyncio.CancelledError()))[2] == "cancelled"


async def test_an_exit_of_the_process_is_counted_as_an_error() -> None:
    assert (await counted(context(name="x"), SystemExit(1)))[2] == "error"


async def test_errors_are_passed_on() -> None:
    assert (await counted(context(name="x"), MCPError(-32602, "no")))[2] == "INVALID_INPUT"


async def test_lines_logged_in_a_call_carry_its_request_id() -> None:
    middleware = MetricsMiddleware(Recorder(), transport="stdio")
    inside: list[str] = []

    async def call_next(_: Any) -> None:
        inside.append(logs.request_id.get())

    await middleware(context(), call_next)
    notification = context("notifications/initialized")
    notification.request_id = None
    await middleware(notification, call_next)
    assert inside == ["7", ""]
    assert logs.request_id.get() == ""


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (None, "ok"),
        ({}, "ok"),
        ({"isError": True, "structuredContent": {"code": "NOT_FOUND"}}, "NOT_FOUND"),
        ({"isError": True, "structuredContent": {"code": "made up"}}, "error"),
        ({"isError": True, "structuredContent": {"code": ["NOT_FOUND"]}}, "error"),
        ({"isError": True}, "error"),
        ({"isError": False, "structuredContent": {"code": "NOT_FOUND"}}, "ok"),
        ({"resultType": "input_required"}, "input_required"),
        (CallToolResult(content=[]), "ok"),
        (CallToolResult(content=[], is_error=True, structured_content={"code": "POLICY_DENIED"}), "POLICY_DENIED"),
        (CallToolResult(content=[], is_error=True), "error"),
    ],
)
def test_results_tell_how_the_call_ended(result: Any, outcome: str) -> None:
    assert outcome_of_result(result) == outcome


class Failure(Exception):
    code = "UPSTREAM_TIMEOUT"


class OddFailure(Exception):
    code = 7


class Model(BaseModel):
    number: int


def malformed() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"number": "x"})
    return caught.value


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MCPError(-32003, "no", {"code": "POLICY_DENIED"}), "POLICY_DENIED"),
        (MCPError(-32601, "no", "method"), "UNSUPPORTED"),
        (MCPError(-32602, "no"), "INVALID_INPUT"),
        (MCPError(-32603, "no"), "error"),
        (malformed(), "INVALID_INPUT"),
        (Failure(), "UPSTREAM_TIMEOUT"),
        (OddFailure(), "error"),
        (RuntimeError(), "error"),
    ],
)
def test_errors_tell_how_the_call_ended(error: Exception, outcome: str) -> None:
    assert outcome_of_error(error) == outcome
