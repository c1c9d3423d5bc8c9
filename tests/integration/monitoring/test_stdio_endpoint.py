"""The endpoint beside a server on stdio: scraped while the protocol's stream stays clean."""

import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.anyio

PROGRAM = """
import asyncio, pathlib, sys
from mcp.server import MCPServer
from mcp_dockerhub_monitoring.endpoint import MonitoringEndpoint, standard_routes
from mcp_dockerhub_monitoring.health import HealthMonitor
from mcp_dockerhub_monitoring.logs import configure_logging
from mcp_dockerhub_monitoring.mcp_adapter import MetricsMiddleware
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_monitoring.process import expose_process

async def good() -> str:
    return "fine"

async def main():
    configure_logging("debug", "json")
    metrics = Metrics({"good"})
    expose_process(metrics)
    server = MCPServer("test", middleware=[MetricsMiddleware(metrics, transport="stdio")])
    server.add_tool(good)
    async with MonitoringEndpoint(standard_routes(metrics, HealthMonitor({}))) as endpoint:
        pathlib.Path(sys.argv[1]).write_text(str(endpoint.port))
        await server.run_stdio_async()

asyncio.run(main())
"""


async def scrape(port: int) -> str:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    return body.decode()


async def test_a_server_on_stdio_is_scraped_beside_its_protocol(tmp_path: Path) -> None:
    port = tmp_path / "port"
    parameters = StdioServerParameters(command=sys.executable, args=["-c", PROGRAM, str(port)])
    with anyio.fail_after(60):
        async with Client(parameters) as client:
            for _ in range(3):
                await client.call_tool("good")
            families = {f.name: f for f in text_string_to_metric_families(await scrape(int(port.read_text())))}
    calls = [s for s in families["mcp_server_operations"].samples if s.labels["gen_ai_tool_name"] == "good"]
    assert [(s.value, s.labels["outcome"], s.labels["transport"]) for s in calls] == [(3.0, "ok", "stdio")]
    assert families["process_resident_memory_bytes"].samples[0].value > 10_000_000
