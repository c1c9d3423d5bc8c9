"""The official MCP client logs in by itself: 401, metadata, authorization code with PKCE, resource indicator, token."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import uvicorn
from mcp import ClientSession
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from mcp_dockerhub.application import Application
from mcp_dockerhub.settings import load_settings
from mcp_dockerhub.web.app import build_app
from mcp_dockerhub.web_settings import load_web_settings
from tests.upstreams.issuer import CLIENT_ID, Issuer
from tests.upstreams.issuer_tokens import peek

pytestmark = pytest.mark.anyio

CALLBACK = "http://127.0.0.1:9/callback"


class Storage(TokenStorage):
    """A client that the issuer knows already."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return OAuthClientInformationFull(
            client_id=CLIENT_ID, redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method="none"
        )

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("nothing is registered")


@asynccontextmanager
async def listening(issuer_of: Issuer, listener: socket.socket, resource: str) -> AsyncIterator[None]:
    """The server on a socket of its own."""
    web = load_web_settings({"public_url": resource, "issuer": issuer_of.url})
    app = build_app(Application.build(load_settings({"transport": "http"})), web)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none", http="h11"))
    async with app.running():
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await task


async def test_the_official_client_gets_in_with_a_token_for_this_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    listener = socket.create_server(("127.0.0.1", 0))
    resource = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    storage = Storage()
    with Issuer("https://nobody.example") as issuer:
        async with (
            listening(issuer, listener, resource),
            asyncio.timeout(20),
            httpx2.AsyncClient(auth=_provider(resource, storage), timeout=10) as http,
            streamable_http_client(resource, http_client=http) as streams,
            ClientSession(*streams) as session,
        ):
            await session.initialize()
            result = await session.call_tool("get_server_info", {})
    assert not result.is_error
    assert storage.tokens is not None
    claims = peek(storage.tokens.access_token)
    assert claims["aud"] == resource
    assert claims["scope"] == "dockerhub:read", "the client asks for what the challenge names, and not for all"


def _provider(resource: str, storage: Storage) -> OAuthClientProvider:
    answers: list[str] = []

    async def open_browser(url: str) -> None:
        """The issuer sends the code back at once; nobody has to click."""
        async with httpx2.AsyncClient() as browser:
            answers.append((await browser.get(url)).headers["location"])

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers.pop()).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], client_name="probe")
    return OAuthClientProvider(resource, metadata, storage, open_browser, wait_for_callback)
