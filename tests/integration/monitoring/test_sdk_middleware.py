"""The middleware on a real server of the SDK, in both protocol eras."""

import anyio
import anyio.lowlevel
import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.mcp_adapter import MetricsMiddleware
from mcp_dockerhub_monitoring.metrics import Metrics

pytestmark = pytest.mark.anyio

TOOLS = {"good", "missing", "broken", "slow"}
ERAS = pytest.mark.parametrize(("mode", "era"), [("legacy", "handshake"), ("2026-07-28", "stateless")])


class Observed:
    """A server whose tools end in every way, and what was counted."""

    def __init__(self) -> None:
        self.history = History()
        self.metrics = Metrics(TOOLS, history=self.history)
        self.server = MCPServer("test", middleware=[MetricsMiddleware(self.metrics, transport="stdio")])
        self.slow_began = anyio.Event()
        self.server.add_tool(self.good)
        self.server.add_tool(self.missing)
        self.server.add_tool(self.broken)
        self.server.add_tool(self.slow)

    async def good(self) -> str:
        self.metrics.hit("tags")
        return "fine"

    async def missing(self) -> CallToolResult:
        content = TextContent(type="text", text="no such image")
        return CallToolResult(content=[content], is_error=True, structured_content={"code": "NOT_FOUND"})

    async def broken(self) -> str:
        raise RuntimeError("a defect")

    async def slow(self) -> str:
        self.slow_began.set()
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    def counted(self, method: str, tool: str, outcome: str, era: str) -> float:
        return self.metrics._operations.get((method, tool, outcome, era, "stdio"))


@ERAS
async def test_each_ending_of_a_tool_call_is_counted(mode: str, era: str) -> None:
    seen = Observed()
    async with Client(seen.server, mode=mode) as client:
        await client.call_tool("good")
        await client.call_tool("missing")
        await client.call_tool("broken")
        await client.call_tool("no such tool\n")
    assert seen.counted("tools/call", "good", "ok", era) == 1
    assert seen.counted("tools/call", "missing", "NOT_FOUND", era) == 1
    assert seen.counted("tools/call", "broken", "error", era) == 1
    assert seen.counted("tools/call", "unknown", "error", era) == 1
    operations = seen.history.window("1m").operations
    assert operations["good"].cache_ratio == 1.0
    assert operations["missing"].errors == 0
    assert operations["broken"].errors == 1
    assert seen.metrics._in_flight.get() == 0


@ERAS
async def test_listings_and_protocol_errors_are_counted(mode: str, era: str) -> None:
    seen = Observed()
    async with Client(seen.server, mode=mode) as client:
        await client.list_tools()
        with pytest.raises(MCPError):
            await client.get_prompt("no such prompt")
    assert seen.counted("tools/list", "", "ok", era) == 1
    failed = sum(seen.counted("prompts/get", "", outcome, era) for outcome in ("INVALID_INPUT", "error"))
    assert failed == 1


@ERAS
async def test_a_cancelled_call_is_counted_and_no_longer_in_flight(mode: str, era: str) -> None:
    seen = Observed()
    with anyio.fail_after(20):
        async with Client(seen.server, mode=mode) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "slow")
                await seen.slow_began.wait()
                assert seen.metrics._in_flight.get() == 1
                group.cancel_scope.cancel()
            while seen.metrics._in_flight.get():
                await anyio.lowlevel.checkpoint()
    assert seen.counted("tools/call", "slow", "cancelled", era) == 1
