"""Who may not use credentials never sees what they fetched: not before, after or during, by cache or otherwise."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import ResourceTemplateReference
from pydantic import SecretStr

from mcp_dockerhub.settings import RegistrySetting
from mcp_dockerhub_security.identity import READ, READ_PRIVATE, Principal
from tests.upstreams.content import Seeded
from tests.upstreams.humans import error_of
from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.team_server import TeamServer, team_server

pytestmark = pytest.mark.anyio

INSIDER = Principal("ann", "token", "", frozenset({READ, READ_PRIVATE}))
OUTSIDER = Principal("bob", "token", "", frozenset({READ}))
MARK = "only-insiders-may-read-this"


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(auth="token", private=frozenset({"team/secret"})) as running:
        running.add_image("team/public", "1")
        yield running


@pytest.fixture
def secret(registry: InMemoryRegistry) -> Seeded:
    return registry.add_image("team/secret", "1", config={"Labels": {"note": MARK}, "Cmd": ["sh"]})


@asynccontextmanager
async def clients(
    folder: Path, registry: InMemoryRegistry, **values: Any
) -> AsyncIterator[tuple[TeamServer, Client, Client]]:
    credentials = RegistrySetting(
        host=registry.host, url=registry.url, username="alice", password=SecretStr("wonderland")
    )
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            team_server(folder, {"ann": INSIDER, "bob": OUTSIDER}, registries=(credentials,), **values)
        )
        insider = await stack.enter_async_context(server.client("ann", "2026-07-28"))
        outsider = await stack.enter_async_context(server.client("bob", "2026-07-28"))
        yield server, insider, outsider


def calls(registry: InMemoryRegistry, secret: Seeded) -> list[tuple[str, dict[str, Any]]]:
    name = f"{registry.host}/team/secret"
    return [
        ("docker_get_image_details", {"image": f"{name}:1"}),
        ("docker_get_image_details", {"image": f"{name}@{secret.digest}"}),
        ("docker_get_manifest", {"image": f"{name}@{secret.digest}", "raw": True}),
        ("docker_get_image_history", {"image": f"{name}:1"}),
        ("docker_get_dockerfile", {"image": f"{name}:1"}),
        ("docker_list_tags", {"repository": name}),
        ("docker_compare_images", {"image1": f"{registry.host}/team/public:1", "image2": f"{name}:1"}),
    ]


async def _sees(client: Client, tool: str, arguments: dict[str, Any]) -> bool:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        assert error_of(result)["code"] == "NOT_FOUND", result
        assert MARK not in result.model_dump_json()
    return not result.is_error


@pytest.mark.parametrize("insider_first", [True, False])
async def test_in_either_order_each_sees_their_own(
    insider_first: bool, registry: InMemoryRegistry, secret: Seeded, tmp_path: Path
) -> None:
    async with clients(tmp_path, registry) as (_, insider, outsider):
        for tool, arguments in calls(registry, secret):
            order = [(insider, True), (outsider, False)]
            for client, sees in order if insider_first else reversed(order):
                assert await _sees(client, tool, arguments) is sees, tool
        # And again, now that everything there is to keep is kept.
        for tool, arguments in calls(registry, secret):
            assert await _sees(insider, tool, arguments)
            assert not await _sees(outsider, tool, arguments)


async def test_at_the_same_time_each_sees_their_own(registry: InMemoryRegistry, secret: Seeded, tmp_path: Path) -> None:
    tool, arguments = "docker_get_image_details", {"image": f"{registry.host}/team/secret:1"}
    async with clients(tmp_path, registry) as (server, insider, outsider):
        with registry.hung():
            waiting = [asyncio.create_task(_sees(client, tool, arguments)) for client in (insider, outsider) * 4]
            async with asyncio.timeout(10):
                while server.application.clients().cache.stats().in_flight < 2:
                    await asyncio.sleep(0.005)
        assert await asyncio.gather(*waiting) == [True, False] * 4


async def test_resources_and_completions_are_no_way_around(
    registry: InMemoryRegistry, secret: Seeded, tmp_path: Path
) -> None:
    uri = f"docker://image/{registry.host}/team/secret/1"
    reference = ResourceTemplateReference(uri="docker://image/{+name}/{tag}")
    name = {"name": f"{registry.host}/team/secret"}
    async with clients(tmp_path, registry) as (_, insider, outsider):
        assert MARK in (await insider.read_resource(uri)).model_dump_json()
        with pytest.raises(MCPError) as caught:
            await outsider.read_resource(uri)
        assert caught.value.error.code == -32002
        tag = {"name": "tag", "value": ""}
        assert (await insider.complete(reference, tag, context_arguments=name)).completion.values == ["1"]
        with pytest.raises(MCPError):
            await outsider.complete(reference, tag, context_arguments=name)


async def test_public_content_is_shared_and_anonymous_for_whoever_may_not_use_credentials(
    registry: InMemoryRegistry, secret: Seeded, tmp_path: Path
) -> None:
    arguments = {"image": f"{registry.host}/team/public:1"}
    async with clients(tmp_path, registry) as (server, insider, outsider):
        assert await _sees(insider, "docker_get_manifest", arguments)
        assert await _sees(outsider, "docker_get_manifest", arguments)
        levels = {
            r["principal"]: r["level"] for r in server.application.audit.tail() if r["tool"] == "docker_get_manifest"
        }
    assert levels == {"ann": "MEDIUM", "bob": "LOW"}


async def test_a_rule_against_medium_makes_a_read_anonymous(
    registry: InMemoryRegistry, secret: Seeded, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[[rules]]\nname = "no-credentials"\neffect = "deny"\nlevels = ["MEDIUM"]\n')
    async with clients(tmp_path, registry, policy_file=policy) as (_, insider, _):
        for tool, arguments in calls(registry, secret):
            assert not await _sees(insider, tool, arguments), tool
