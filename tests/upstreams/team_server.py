"""The server over HTTP on loopback, with principals that a test makes up: a bearer token is a principal's name."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_dockerhub.application import Application
from mcp_dockerhub.settings import Settings
from mcp_dockerhub.web.access import Access
from mcp_dockerhub.web.app import build_app
from mcp_dockerhub.web.authentication import StepUp
from mcp_dockerhub.web_settings import WebSettings
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.refusals import RefusalCode
from tests.clients.inprocess import settings


@dataclass(frozen=True, slots=True)
class _Unknown:
    """The challenge to a name that nobody has."""

    status: int = 401
    headers: Sequence[tuple[str, str]] = (("WWW-Authenticate", "Bearer"),)
    code: str = RefusalCode.AUTHENTICATION_FAILED
    message: str = "Nobody."
    hint: str = ""
    rule: str = "token_invalid"
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class ByName:
    """An Authenticator."""

    principals: Mapping[str, Principal]

    async def authenticate(self, authorization: Sequence[str], address: str) -> Any:
        name = authorization[0].removeprefix("Bearer ") if authorization else ""
        return self.principals.get(name, _Unknown())


@dataclass(frozen=True, slots=True)
class TeamServer:
    """A running server."""

    application: Application
    url: str

    @asynccontextmanager
    async def client(
        self, name: str, mode: str = "auto", headers: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[Client]:
        """The official client of the principal called ``name``."""
        headers = {"Authorization": f"Bearer {name}", **(headers or {})}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20.0) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield client


@asynccontextmanager
async def team_server(
    folder: Path,
    principals: Mapping[str, Principal],
    *,
    sessions: bool = False,
    step_up: StepUp | None = None,
    proxies: tuple[str, ...] = (),
    **values: Any,
) -> AsyncIterator[TeamServer]:
    """Serve with these settings until left."""
    configuration: Settings = settings(folder, transport="http", **values)
    application = Application.build(configuration)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        web = WebSettings(insecure_no_auth=True, port=port, sessions=sessions, trusted_proxies=proxies)
        with patch("mcp_dockerhub.web.app.access_of", return_value=Access(ByName(principals), step_up)):
            app = build_app(application, web)
        running = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", lifespan="on", access_log=False, proxy_headers=False)
        )
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(10):
                while not running.started:
                    await asyncio.sleep(0.005)
            yield TeamServer(application, f"http://127.0.0.1:{port}/mcp")
        finally:
            running.should_exit = True
            async with asyncio.timeout(10):
                await serving
