"""Tenants share a server and nothing else: credentials, cache, registries, limits and audit streams are their own."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_dockerhub_security.identity import READ, READ_PRIVATE, Principal
from tests.upstreams.humans import error_of
from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.team_server import TeamServer, team_server

pytestmark = pytest.mark.anyio

SCOPES = frozenset({READ, READ_PRIVATE})
NAMES = ("red", "blue", "green")


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    private = frozenset({"team/secret"})
    with InMemoryRegistry(auth="token", private=private, users={"alice": "wonderland"}) as running:
        running.add_image("team/secret", "1")
        yield running


def policy(folder: Path, registry: InMemoryRegistry, other: InMemoryRegistry) -> Path:
    """Red has the right password, blue a wrong one for the same account, green a registry that the others lack."""
    (folder / "red").write_text("wonderland\n")
    (folder / "blue").write_text("looking-glass\n")
    registries = "".join(
        f'[[tenants.{name}.registries]]\nhost = "{registry.host}"\nurl = "{registry.url}"\n'
        f'username = "alice"\npassword_file = "{name}"\n'
        for name in ("red", "blue")
    )
    path = folder / "policy.toml"
    path.write_text(
        f"version = 1\n{registries}"
        f'[tenants.green]\nrate_limit = "3/hour"\naudit_file = "{folder}/green.jsonl"\n'
        f'[[tenants.green.registries]]\nhost = "{other.host}"\nurl = "{other.url}"\n'
    )
    return path


@asynccontextmanager
async def members(
    folder: Path, registry: InMemoryRegistry
) -> AsyncIterator[tuple[TeamServer, InMemoryRegistry, dict[str, Client]]]:
    principals = {name: Principal(f"{name}-member", "token", name, SCOPES) for name in (*NAMES, "grey")}
    principals["none"] = Principal("none", "token", "", SCOPES)
    principals["green2"] = Principal("green-too", "token", "green", SCOPES)
    async with AsyncExitStack() as stack:
        other = stack.enter_context(InMemoryRegistry())
        other.add_image("team/app", "1")
        file = policy(folder, registry, other)
        server = await stack.enter_async_context(team_server(folder, principals, policy_file=file))
        found = {name: await stack.enter_async_context(server.client(name, "2026-07-28")) for name in principals}
        yield server, other, found


async def call(client: Client, image: str) -> str:
    result = await client.call_tool("docker_get_manifest", {"image": image})
    return str(error_of(result)["code"]) if result.is_error else "ok"


@pytest.mark.parametrize("order", [("red", "blue"), ("blue", "red")])
async def test_credentials_and_what_they_fetched_stay_with_their_tenant(
    order: tuple[str, str], registry: InMemoryRegistry, tmp_path: Path
) -> None:
    async with members(tmp_path, registry) as (_, _, found):
        image = f"{registry.host}/team/secret:1"
        answers = {name: await call(found[name], image) for name in order * 2}
    assert answers == {"red": "ok", "blue": "AUTHENTICATION_FAILED"}


async def test_a_registry_of_one_tenant_cannot_be_named_by_another(registry: InMemoryRegistry, tmp_path: Path) -> None:
    async with members(tmp_path, registry) as (_, other, found):
        image = f"{other.host}/team/app:1"
        assert await call(found["green"], image) == "ok"
        assert await call(found["red"], image) == "POLICY_DENIED"
        assert await call(found["green"], f"{registry.host}/team/secret:1") == "POLICY_DENIED"


@pytest.mark.parametrize("name", ["grey", "none"])
async def test_whoever_belongs_to_no_known_tenant_gets_nothing(
    name: str, registry: InMemoryRegistry, tmp_path: Path
) -> None:
    async with members(tmp_path, registry) as (server, _, found):
        assert await call(found[name], f"{registry.host}/team/secret:1") == "POLICY_DENIED"
        assert server.application.audit.tail(1)[0]["rule"] == "tenant_unknown"
        assert (await found[name].list_tools()).tools == []


async def test_the_process_credentials_are_no_tenants(registry: InMemoryRegistry, tmp_path: Path) -> None:
    async with members(tmp_path, registry) as (server, _, _):
        clients = server.application.clients()
        assert clients.tenants["green"].registries.auths == {}
        assert not clients.tenants["green"].has("docker.io")
        identities = {
            name: clients.tenants[name].registries.choose(registry.host, private=True).identity
            for name in ("red", "blue")
        }
        assert identities == {name: f"{name}/{registry.host}:alice" for name in ("red", "blue")}


async def test_a_tenants_limit_is_its_members_together(registry: InMemoryRegistry, tmp_path: Path) -> None:
    async with members(tmp_path, registry) as (_, other, found):
        image = f"{other.host}/team/app:1"
        answers = [await call(found[name], image) for name in ("green", "green2", "green", "green2", "green")]
    assert answers == ["ok", "ok", "ok", "RATE_LIMITED", "RATE_LIMITED"]


async def test_the_same_name_in_two_tenants_is_limited_apart(tmp_path: Path) -> None:
    same = {tenant: Principal("issuer#ada", "token", tenant, SCOPES) for tenant in ("red", "blue")}
    async with team_server(tmp_path, same, rate_limit="2/hour") as server:
        answers = {}
        for name in same:
            async with server.client(name, "2026-07-28") as client:
                results = [await client.call_tool("get_server_info", {}) for _ in range(3)]
            answers[name] = [result.is_error for result in results]
    assert answers == {key: [False, False, True] for key in same}


async def test_a_tenant_has_an_audit_stream_of_its_own(registry: InMemoryRegistry, tmp_path: Path) -> None:
    async with members(tmp_path, registry) as (server, other, found):
        await call(found["green"], f"{other.host}/team/app:1")
        await call(found["red"], f"{registry.host}/team/secret:1")
        shared = [record for record in server.application.audit.tail() if record["tool"] == "docker_get_manifest"]
    assert {record["tenant"] for record in shared} == {"red"}
    own: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "green.jsonl").read_text().splitlines()]
    assert {record["tenant"] for record in own if record["event"] == "outcome"} == {"green"}
