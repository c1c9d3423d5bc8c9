"""Two whole servers on one Redis: one set of limits, a health that tells of it, and a metric."""

import asyncio
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from mcp import Client

from mcp_dockerhub.application import Application
from mcp_dockerhub.protection_settings import ProtectionSettings
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub_security.audit_query import Filter, query
from mcp_dockerhub_security.audit_segments import writer_paths
from mcp_dockerhub_security.audit_verify import verify
from mcp_dockerhub_security.identity import READ
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.redis_anchors import RedisAnchors
from tests.clients.inprocess import content, settings
from tests.upstreams.redis import BINARY, MISSING, RedisServer
from tests.upstreams.team_server import team_server

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(BINARY is None, reason=MISSING)]


@pytest.fixture(autouse=True)
def _environment(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for field in ProtectionSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_URL", redis.url)


async def test_two_servers_have_one_set_of_limits_and_anchored_logs(redis: RedisServer, tmp_path: Path) -> None:
    applications = [
        Application.build(settings(tmp_path, rate_limit="6/hour", audit_file=str(tmp_path / f"audit{number}.log")))
        for number in range(2)
    ]
    async with AsyncExitStack() as stack:
        clients = []
        for application in applications:
            await stack.enter_async_context(application.running())
            clients.append(await stack.enter_async_context(Client(DockerHubServer(application))))
        answers = [await content(clients[number % 2], "get_server_info") for number in range(8)]
        codes = [answer.get("code", "ok") for answer in answers]
        assert codes == ["ok"] * 6 + ["RATE_LIMITED"] * 2
        assert 3_000 < answers[-1]["retry_after_s"] <= 3_600
        assert answers[0]["features"]["redis"] is True
        assert applications[0].health.evaluate().ready
        link = applications[0].protection.redis
        assert link is not None
        assert "mcp_dockerhub_redis_up 1.0" in applications[0].metrics.render().decode()
    assert link._client is None
    known = await RedisAnchors(link).all()
    for number in range(2):
        report = verify(tmp_path / f"audit{number}.log", anchors=known)
        assert report.satisfies
        assert report.proof.anchor == report.head_sequence
    await link.aclose()


async def test_64_http_clients_of_one_principal_on_three_servers_get_what_one_may_have(
    redis: RedisServer, tmp_path: Path
) -> None:
    principals = {"ada": Principal("ada", "token", "", frozenset({READ}))}
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                team_server(tmp_path, principals, rate_limit="40/hour", audit_file=str(tmp_path / "audit.log"))
            )
            for _ in range(3)
        ]
        for server in servers:
            link = server.application.protection.redis
            assert link is not None
            # Three servers and all their clients share one event loop here, which may be late.
            link._timeout = 20.0

        async def call(number: int) -> str:
            async with servers[number % 3].client("ada", mode="2026-07-28") as client:
                return str((await content(client, "get_server_info")).get("code", "ok"))

        codes = Counter(await asyncio.gather(*(call(number) for number in range(64))))
    assert codes == {"ok": 40, "RATE_LIMITED": 24}
    # Each process wrote a log of its own, and together they tell of every call.
    paths = writer_paths(tmp_path / "audit.log")
    assert len(paths) == 3
    assert all(verify(path).closed for path in paths)
    outcomes = Counter(record["outcome"] for path in paths for record, _ in query(path, Filter(tool="get_server_info")))
    assert outcomes == codes


async def test_status_shows_what_is_left_together(redis: RedisServer, tmp_path: Path) -> None:
    application = Application.build(settings(tmp_path, rate_limit="6/hour", rate_limit_heavy="3/hour"))
    async with application.running(), Client(DockerHubServer(application)) as client:
        await content(client, "get_server_info")
        answer = await content(client, "get_server_info")
        assert "code" not in answer
        states = await application.limiter.status(_local_principal(redis, application))
    assert [(state.window, state.remaining) for state in states] == [("6/hour", 4), ("heavy 3/hour", 3)]


def _local_principal(redis: RedisServer, application: Application) -> str:
    record = application.audit.tail(1)[0]
    assert json.dumps(record["principal"]) not in " ".join(redis.keys())
    return str(record["principal"])


@pytest.mark.parametrize(("down", "ready", "status"), [("closed", False, "unhealthy"), ("local", True, "degraded")])
async def test_without_redis_health_and_metrics_say_so_and_recover(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: str, ready: bool, status: str
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_DOWN", down)
    monkeypatch.setenv("MCP_DOCKERHUB_REPLICAS", "2")
    application = Application.build(settings(tmp_path, rate_limit="6/hour"))
    protection = application.protection
    assert protection.shared is not None
    async with application.running(), Client(DockerHubServer(application)) as client:
        assert "code" not in await content(client, "get_server_info")
        redis.kill()
        try:
            codes = [(await content(client, "get_server_info")).get("code", "ok") for _ in range(4)]
            # Locally three of six are this one's, and one of them was used before.
            assert codes == (["ok", "ok", "RATE_LIMITED", "RATE_LIMITED"] if down == "local" else ["RATE_LIMITED"] * 4)
            health = application.health.evaluate()
            part = next(part for part in health.components if part.name == "redis")
            assert (health.ready, part.status.value) == (ready, status)
            assert "Redis cannot be reached" in part.reason
            shown = application.metrics.render().decode()
            assert "mcp_dockerhub_redis_up 0.0" in shown
            assert 'mcp_dockerhub_redis_failures_total{reason="unreachable"}' in shown
        finally:
            redis.start()
        deadline = time.monotonic() + 20
        while protection.redis_problem() is not None:
            assert time.monotonic() < deadline
            await protection.shared.refresh()
        assert application.health.evaluate().ready
        assert "mcp_dockerhub_redis_up 1.0" in application.metrics.render().decode()
