"""The whole server in this process, behind the official client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client

from mcp_dockerhub.application import Application
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub.settings import Settings

WIDE = "100000/second"


def settings(folder: Path, **values: Any) -> Settings:
    """Settings that nothing outside the test decides; limits that no test reaches unless it says so."""
    defaults = {
        "docker_config": folder,
        "rate_limit": WIDE,
        "rate_limit_heavy": WIDE,
        "https_proxy": None,
        "ca_file": None,
    }
    return Settings(**{**defaults, **values})


@asynccontextmanager
async def connected(configuration: Settings, mode: str = "auto") -> AsyncIterator[Client]:
    """A client of a server with this configuration; ``mode`` is a protocol version, or lets the client choose."""
    application = Application.build(configuration)
    async with application.running(), Client(DockerHubServer(application), mode=mode) as client:
        yield client


async def content(client: Client, tool: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The structured answer, of an error too."""
    result = await client.call_tool(tool, dict(arguments or {}))
    answer: dict[str, Any] | None = result.structured_content
    assert answer is not None
    return answer
