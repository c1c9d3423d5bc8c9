"""The stand-in issuer as a process of its own, as several servers under load need it."""

import asyncio
import json
import sys
from typing import Any

import httpx2
import pytest

from mcp_dockerhub.token_settings import load_token_settings
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.web.tokens import TokenChecks
from mcp_dockerhub.web_settings import load_web_settings
from mcp_dockerhub_security.principal import Principal
from tests.integration.tokens.conftest import RESOURCE

pytestmark = pytest.mark.anyio


async def test_an_issuer_in_a_process_of_its_own_mints_rotates_and_fails_when_told() -> None:
    command = (sys.executable, "-m", "tests.upstreams.issuer", "--audience", RESOURCE)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            url = json.loads(await process.stdout.readline())["url"]
            web = load_web_settings({"public_url": RESOURCE, "issuer": url})
            checks = TokenChecks.build(web, load_token_settings(), StackOptions())
            async with httpx2.AsyncClient(base_url=url) as client:

                async def admin(action: str, **arguments: Any) -> Any:
                    return (await client.post(f"/admin/{action}", json=arguments)).json()["result"]

                first = await admin("mint", claims={"sub": "grace"})
                found = await checks.authenticator.authenticate([f"Bearer {first}"], "")
                assert isinstance(found, Principal)
                assert found.id == f"{url}#grace"
                await admin("rotate", keep=False)
                second = await admin("mint")
                assert isinstance(await checks.authenticator.authenticate([f"Bearer {second}"], ""), Principal)
                await admin("outage", mode="503")
                assert (await client.get("/keys")).status_code == 503
                assert ["GET", "/keys"] in await admin("requests")
            await checks.aclose()
    finally:
        process.terminate()
        await process.wait()
