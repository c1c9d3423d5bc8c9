"""Limits, tokens and revocations of three servers behind nginx are those of one."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_dockerhub_security.audit_verify import verify
from tests.clients.crowd import crowd
from tests.clients.web import DEADLINE, inherited
from tests.integration.replicas.conftest import REPLICAS, Team
from tests.upstreams.issuer_tokens import ABSENT

pytestmark = pytest.mark.anyio

CLIENTS = 64
N = 100


async def test_64_clients_at_once_get_exactly_what_one_principal_may_have(start_team: Callable[..., Team]) -> None:
    team = start_team(MCP_DOCKERHUB_RATE_LIMIT=f"{N}/hour", MCP_DOCKERHUB_RATE_LIMIT_GLOBAL="100000/hour")
    token = team.issuer.mint(sub="ada")
    async with crowd(team.proxy.port, CLIENTS) as clients:

        async def client() -> None:
            for _ in range(4):
                await clients.insist("ada", token)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    assert Counter(told.code for told in clients.told) == {"ok": N, "RATE_LIMITED": 4 * CLIENTS - N}
    for server in team.servers:
        assert server.stop() == 0
    # Where the machine is too busy to ask Redis in time, the refusal comes before the tool.
    records = [record for record in team.records() if record.get("tool") == "get_server_info"]
    assert Counter(record["outcome"] for record in records) == {"ok": N, "RATE_LIMITED": 4 * CLIENTS - N}
    assert {record["address"] for record in records} == {"127.0.0.1"}
    assert len({record["instance"] for record in records}) == REPLICAS, "nginx used all of them"
    assert all(verify(log).closed for log in team.logs)


async def test_a_tenant_and_everybody_together_have_limits_over_all_replicas(start_team: Callable[..., Team]) -> None:
    team = start_team(
        MCP_DOCKERHUB_RATE_LIMIT="1000/hour",
        MCP_DOCKERHUB_RATE_LIMIT_TENANT="40/hour",
        MCP_DOCKERHUB_RATE_LIMIT_GLOBAL="60/hour",
        MCP_DOCKERHUB_TOKEN_TENANT_CLAIM="tenant",
    )
    tokens = {name: team.issuer.mint(sub=name, tenant=tenant) for name, tenant in (("a", "x"), ("b", "x"), ("c", "y"))}
    async with crowd(team.proxy.port, CLIENTS) as clients:
        calls = [clients.insist(name, token) for name, token in tokens.items() for _ in range(30)]
        await asyncio.gather(*calls)
        assert clients.count("a", "ok") + clients.count("b", "ok") <= 40
        assert sum(told.code == "ok" for told in clients.told) == 60
        assert {told.code for told in clients.told} == {"ok", "RATE_LIMITED"}


async def test_replay_after_revocation_is_refused_by_every_replica(
    start_team: Callable[..., Team], tmp_path: Path
) -> None:
    team = start_team()
    stolen, other = team.issuer.mint(jti="stolen-1"), team.issuer.mint(jti=ABSENT)
    async with crowd(team.proxy.port, CLIENTS) as clients:

        async def statuses(token: str) -> set[int]:
            return {told.status for told in await asyncio.gather(*(clients.call("ada", token) for _ in range(9)))}

        assert [await statuses(token) for token in (stolen, other)] == [{200}, {200}]
        assert command(team, "revoke", "stolen-1") == (0, "revoked: stolen-1\n", "")
        assert [await statuses(token) for token in (stolen, other)] == [{401}, {200}]
        # Whoever only has the token itself can give that, on stdin: it appears in no list of processes.
        code, shown, _ = command(team, "revoke", text=other)
        assert (code, shown.startswith("revoked: sha256:")) == (0, True)
        assert await statuses(other) == {401}
        assert "stolen-1" in command(team, "revoked")[1].splitlines()
        assert command(team, "restore", "stolen-1", "never-there") == (0, "restored: 1 of 2\n", "")
        assert await statuses(stolen) == {200}
        # While Redis does not answer nobody knows what is revoked, so nobody gets in.
        team.redis.kill()
        assert await statuses(stolen) == {503}
        code, _, problem = command(team, "revoke", "x")
        assert (code, "nothing is changed" in problem) == (1, True)
    assert "token_revoked" in {record.get("rule") for record in team.records()}
    assert all(token not in log.read_text() for log in team.logs for token in (stolen, other))


def test_revoking_needs_redis_and_a_token_that_can_be_one(tmp_path: Path) -> None:
    environment = {"DOCKER_CONFIG": str(tmp_path)}
    code, _, problem = _run(environment, "revoke", "x")
    assert (code, "MCP_DOCKERHUB_REDIS_URL" in problem) == (2, True)
    environment["MCP_DOCKERHUB_REDIS_URL"] = "redis://127.0.0.1:9/0"
    code, _, problem = _run(environment, "revoke", text="an-opaque-secret")
    assert (code, "issuer" in problem, "secret" in problem) == (2, True, False)


def command(team: Team, *words: str, text: str = "") -> tuple[int, str, str]:
    """Exit code and output of ``mcp-dockerhub token``, with the servers' settings."""
    return _run(team.environment, *words, text=text)


def _run(environment: dict[str, str], *words: str, text: str = "") -> tuple[int, str, str]:
    program = str(Path(sys.executable).with_name("mcp-dockerhub"))
    done = subprocess.run(
        [program, "token", *words],
        env={**inherited(), **environment},
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_the_official_client_works_through_nginx_whichever_replica_answers(
    start_team: Callable[..., Team],
) -> None:
    team = start_team(MCP_DOCKERHUB_RATE_LIMIT="1000/minute")
    headers = {"authorization": f"Bearer {team.issuer.mint()}"}
    async with httpx2.AsyncClient(headers=headers, timeout=DEADLINE, trust_env=False) as http:
        for mode in ("2026-07-28", "legacy"):
            transport = streamable_http_client(f"http://127.0.0.1:{team.proxy.port}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                for _ in range(2 * REPLICAS):
                    result = await client.call_tool("docker_list_tags", {"repository": "nginx"})
                    assert not result.is_error
    instances = {record["instance"] for record in team.records() if record.get("tool") == "docker_list_tags"}
    assert len(instances) == REPLICAS
