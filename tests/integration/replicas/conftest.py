"""Three whole servers with one Redis and one issuer, behind a real nginx."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.web import WebServer
from tests.upstreams import nginx as nginxes
from tests.upstreams import redis as redises
from tests.upstreams.issuer import Issuer
from tests.upstreams.nginx import Nginx
from tests.upstreams.redis import RedisServer
from tests.upstreams.seeded import running_upstreams

RESOURCE = "https://mcp.example.com/mcp"
REPLICAS = 3


@dataclass
class Team:
    """What is behind the proxy."""

    servers: list[WebServer]
    redis: RedisServer
    issuer: Issuer
    proxy: Nginx
    logs: list[Path]
    environment: dict[str, str]

    def records(self) -> list[dict[str, Any]]:
        """Of all replicas' logs; a line that a kill tore is no record."""
        lines = [line for log in self.logs for line in log.read_bytes().splitlines(keepends=True)]
        return [json.loads(line) for line in lines if line.endswith(b"\n")]


@pytest.fixture
def start_team(tmp_path: Path) -> Iterator[Callable[..., Team]]:
    """Start a team with these settings."""
    if nginxes.BINARY is None or redises.BINARY is None:
        pytest.skip(nginxes.MISSING if nginxes.BINARY is None else redises.MISSING)
    with ExitStack() as stack:

        def start(**settings: str) -> Team:
            upstreams = stack.enter_context(running_upstreams())
            issuer = stack.enter_context(Issuer(RESOURCE))
            redis = stack.enter_context(RedisServer())
            environment = {
                **upstreams.settings(tmp_path),
                "MCP_DOCKERHUB_PUBLIC_URL": RESOURCE,
                "MCP_DOCKERHUB_ISSUER": issuer.url,
                "MCP_DOCKERHUB_ALLOWED_HOSTS": "127.0.0.1:*",
                "MCP_DOCKERHUB_TRUSTED_PROXIES": "127.0.0.1",
                "MCP_DOCKERHUB_REDIS_URL": redis.url,
                **settings,
            }
            logs = [tmp_path / f"audit-{number}.jsonl" for number in range(REPLICAS)]
            waiting = [WebServer({**environment, "MCP_DOCKERHUB_AUDIT_FILE": str(log)}) for log in logs]
            servers = [stack.enter_context(server) for server in waiting]
            proxy = stack.enter_context(Nginx([server.port for server in servers]))
            return Team(servers, redis, issuer, proxy, logs, environment)

        yield start


async def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
