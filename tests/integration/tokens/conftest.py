"""The whole server over HTTP, in this process, against a real issuer on loopback."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import generate_latest

from mcp_dockerhub.application import Application
from mcp_dockerhub.settings import load_settings
from mcp_dockerhub.web.app import build_app
from mcp_dockerhub.web_settings import load_web_settings
from tests.upstreams.issuer import RESOURCE_SERVER, Issuer

RESOURCE = "http://127.0.0.1:8000/mcp"
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


@dataclass
class Server:
    """A server and a client of it."""

    application: Application
    client: httpx2.AsyncClient
    audit_file: Path

    async def call(
        self, token: str | None, tool: str = "get_server_info", arguments: dict[str, Any] | None = None, **headers: str
    ) -> httpx2.Response:
        """A tool call with ``token`` as Bearer token; None sends none."""
        params = {"name": tool, "arguments": arguments or {}}
        sent = {**HEADERS, **headers}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return await self.client.post("/mcp", headers=sent, json=body)

    def records(self) -> list[dict[str, Any]]:
        """The audit log's records of calls and refusals so far."""
        self.application.audit.flush()
        records = [json.loads(line) for line in self.audit_file.read_text().splitlines()]
        return [record for record in records if "rule" in record]

    def metrics(self) -> str:
        return generate_latest(self.application.metrics.registry).decode()


@asynccontextmanager
async def serving(
    issuer: Issuer,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[Server]:
    for name, value in (environment or {}).items():
        monkeypatch.setenv(f"MCP_DOCKERHUB_{name}", value)
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    web = load_web_settings({"public_url": RESOURCE, "issuer": issuer.url})
    audit_file = directory / "audit.jsonl"
    application = Application.build(
        load_settings({"transport": "http", "audit_file": str(audit_file), "rate_limit": "10000/second", **settings})
    )
    app = build_app(application, web)
    transport = httpx2.ASGITransport(app=app)
    async with app.running(), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield Server(application, client, audit_file)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer(RESOURCE) as issuer:
        yield issuer


@pytest.fixture
async def server(issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """With introspection, and tenants told apart by the claim ``tenant`` nowhere."""
    environment = {
        "INTROSPECTION_URL": issuer.introspection_url,
        "INTROSPECTION_CLIENT_ID": RESOURCE_SERVER[0],
        "INTROSPECTION_CLIENT_SECRET": RESOURCE_SERVER[1],
    }
    async with serving(issuer, tmp_path, monkeypatch, environment) as server:
        yield server
