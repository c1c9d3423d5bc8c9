"""Consent over HTTP: stateless and with sessions, several principals, several replicas."""

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from pydantic import SecretStr

from mcp_dockerhub_security.consent import HumanConsent
from mcp_dockerhub_security.consent_store import RedisConsentStore
from mcp_dockerhub_security.identity import ADMIN, READ, WRITE, Principal
from mcp_dockerhub_security.redis_link import RedisLink
from tests.upstreams.humans import Human, Round, error_of
from tests.upstreams.redis import BINARY, MISSING, RedisServer
from tests.upstreams.team_server import team_server

pytestmark = pytest.mark.anyio

SCOPES = frozenset({READ, WRITE, ADMIN})
ANN = Principal("ann", "token", "", SCOPES, auth_time=time.time())
BOB = Principal("bob", "token", "", SCOPES)
ARGUMENTS = {"repository": "acme/app"}
TOOLS = ("probe_change", "probe_delete")
POLICY = """
version = 1
[[rules]]
name = "team-may-change"
effect = "allow"
levels = ["HIGH", "RESTRICTED"]
"""
STATELESS, SESSION = "2026-07-28", "legacy"


@pytest.fixture
def options(tmp_path: Path, effects: list[str]) -> dict[str, Any]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    return {"policy_file": policy, "allow_writes": True, "tools": TOOLS}


PRINCIPALS = {"ann": ANN, "bob": BOB}


@pytest.mark.parametrize(("era", "sessions"), [(STATELESS, False), (STATELESS, True), (SESSION, True)])
async def test_a_human_is_asked_wherever_that_is_possible(
    era: str, sessions: bool, effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    human = Human()
    async with team_server(tmp_path, PRINCIPALS, sessions=sessions, **options) as server:
        async with server.client("ann", era, elicitation_callback=human) as client:
            assert not (await client.call_tool("probe_delete", ARGUMENTS)).is_error
        record = server.application.audit.tail(1)[0]
        accepted = [r for r in server.application.audit.tail() if r["consent"] == "accepted"]
    assert [r["event"] for r in accepted] == ["intent", "outcome"]
    assert {r["rule"] for r in accepted} == {"policy team-may-change"}
    assert effects == ["delete docker.io/acme/app"]
    assert len(human.asked) == 1
    assert record["principal"] == "ann"


async def test_without_a_back_channel_the_handshake_era_is_refused(
    effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    human = Human()
    async with (
        team_server(tmp_path, PRINCIPALS, **options) as server,
        server.client("ann", SESSION, elicitation_callback=human) as client,
    ):
        error = error_of(await client.call_tool("probe_change", ARGUMENTS))
    assert error["code"] == "CONSENT_REQUIRED"
    assert (effects, human.asked) == ([], [])


async def test_another_principals_answer_is_refused(
    effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(team_server(tmp_path, PRINCIPALS, **options))
        ann = await stack.enter_async_context(server.client("ann", STATELESS, elicitation_callback=Human()))
        bob = await stack.enter_async_context(server.client("bob", STATELESS, elicitation_callback=Human()))
        question = await Round.start(ann, "probe_change", ARGUMENTS)
        with pytest.raises(MCPError, match="requestState"):
            await question.answer(client=bob)
        assert effects == []
        refused = [record for record in server.application.audit.tail() if record["rule"] == "consent_state"]
        assert [record["principal"] for record in refused] == ["bob"]
        assert not (await question.answer()).is_error
    assert len(effects) == 1


@pytest.mark.parametrize("difference", [{"tenant": "other"}, {"client": "another-app"}])
async def test_the_same_id_in_another_tenant_or_client_answers_nothing(
    difference: dict[str, Any], effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    principals = {"ann": ANN, "twin": replace(ANN, **difference)}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(team_server(tmp_path, principals, **options))
        ann = await stack.enter_async_context(server.client("ann", STATELESS, elicitation_callback=Human()))
        twin = await stack.enter_async_context(server.client("twin", STATELESS, elicitation_callback=Human()))
        question = await Round.start(ann, "probe_change", ARGUMENTS)
        with pytest.raises(MCPError, match="requestState"):
            await question.answer(client=twin)
    assert effects == []


@pytest.mark.skipif(BINARY is None, reason=MISSING)
async def test_replicas_share_questions_and_an_answer_counts_on_one_of_them_only(
    effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    options = {**options, "state_keys": SecretStr("k" * 32 + ",older-" + "j" * 32)}
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        replicas = [await stack.enter_async_context(team_server(tmp_path, PRINCIPALS, **options)) for _ in range(2)]
        clients = []
        for replica in replicas:
            link = RedisLink(redis.url)
            stack.push_async_callback(link.aclose)
            replica.application.guard._consent = HumanConsent(RedisConsentStore(link))
            connecting = replica.client("ann", STATELESS, elicitation_callback=Human())
            clients.append(await stack.enter_async_context(connecting))
        question = await Round.start(clients[0], "probe_change", ARGUMENTS)
        assert not (await question.answer(client=clients[1])).is_error
        for client in clients:
            assert error_of(await question.answer(client=client))["code"] == "CONSENT_REQUIRED"
        assert len(effects) == 1
        redis.kill()
        error = error_of(await clients[0].session.call_tool("probe_change", ARGUMENTS))
        assert (error["code"], error["retryable"]) == ("CONSENT_REQUIRED", True)
    assert len(effects) == 1


async def test_replicas_without_common_keys_refuse_each_others_state(
    effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(team_server(tmp_path, PRINCIPALS, **options)) for _ in range(2)]
        first, second = [
            await stack.enter_async_context(server.client("ann", STATELESS, elicitation_callback=Human()))
            for server in servers
        ]
        question = await Round.start(first, "probe_change", ARGUMENTS)
        with pytest.raises(MCPError, match="requestState"):
            await question.answer(client=second)
    assert effects == []


@pytest.mark.parametrize("age", [None, 301.0, -60.0])
async def test_restricted_needs_a_fresh_login(
    age: float | None, effects: list[str], options: dict[str, Any], tmp_path: Path
) -> None:
    human = Human()
    someone = replace(ANN, auth_time=None if age is None else time.time() - age)
    async with (
        team_server(tmp_path, {"ann": someone}, **options) as server,
        server.client("ann", STATELESS, elicitation_callback=human) as client,
    ):
        error = error_of(await client.call_tool("probe_delete", ARGUMENTS))
        assert not (await client.call_tool("probe_change", ARGUMENTS)).is_error
    assert error["code"] == "AUTHENTICATION_FAILED"
    assert "5 minutes" in error["message"]
    assert effects == ["change docker.io/acme/app"]
    assert len(human.asked) == 1
