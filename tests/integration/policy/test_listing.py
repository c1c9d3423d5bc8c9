"""Whoever can never use a tool does not get to see it, and every refusal names its rule."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_dockerhub.policies import PolicyRequirements
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub.settings import RegistrySetting
from mcp_dockerhub_security.grant import Grant, enter_grant, leave_grant
from mcp_dockerhub_security.identity import ADMIN, READ, WRITE, Principal
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.refusals import Refusal
from tests.clients.inprocess import connected, settings
from tests.upstreams.humans import error_of
from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.team_server import TeamServer, team_server

pytestmark = pytest.mark.anyio

POLICY = """
version = 1
[roles."*"]
scopes = ["dockerhub:read"]
[roles.ops]
scopes = ["dockerhub:read", "dockerhub:write"]
[roles.owner]
scopes = ["dockerhub:read", "dockerhub:write", "dockerhub:admin"]
[roles.guest]
scopes = []
[[rules]]
name = "no-metrics-for-guests"
effect = "deny"
tools = ["get_performance_metrics", "docker_search_*"]
roles = ["guest"]
[[rules]]
name = "writers"
effect = "allow"
levels = ["HIGH", "RESTRICTED"]
roles = ["ops", "owner"]
repositories = ["acme/**"]
[[rules]]
name = "no-debian"
effect = "deny"
repositories = ["library/debian"]
reason = "Use library/alpine."
"""
ALL = frozenset({READ, WRITE, ADMIN})
PRINCIPALS = {
    "guest": Principal("guest", "token", "", ALL, roles=frozenset({"guest"})),
    "reader": Principal("reader", "token", "", ALL),
    "ops": Principal("ops", "token", "", frozenset({READ}), roles=frozenset({"ops"})),
    "owner": Principal("owner", "token", "", ALL, roles=frozenset({"owner"})),
}


@asynccontextmanager
async def served(folder: Path, **values: Any) -> AsyncIterator[TeamServer]:
    file = folder / "policy.toml"
    file.write_text(POLICY)
    tools = ("probe_change", "probe_delete")
    options = {"policy_file": file, "allow_writes": True, "tools": tools, **values}
    async with team_server(folder, PRINCIPALS, **options) as server:
        yield server


async def _tools(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


async def test_lists_leave_out_what_their_reader_can_never_use(effects: list[str], tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(served(tmp_path))
        lists = {}
        for name in PRINCIPALS:
            client = await stack.enter_async_context(server.client(name, "2026-07-28"))
            lists[name] = await _tools(client)
            assert (await client.list_tools()).cache_scope == "private"
            resources = {str(r.uri) for r in (await client.list_resources()).resources}
            templates = {r.uri_template for r in (await client.list_resource_templates()).resource_templates}
            assert ("docker://server/metrics" in resources) is (name != "guest")
            assert ("docker://images/{query}" in templates) is (name != "guest")
    assert lists["guest"] == lists["reader"] - {"get_performance_metrics", "docker_search_images"}
    assert not {"probe_change", "probe_delete"} & lists["reader"]
    # A better token would let them: they must see the tool to be asked for one.
    assert lists["ops"] - lists["reader"] == {"probe_change"}
    assert lists["owner"] - lists["reader"] == {"probe_change", "probe_delete"}


async def test_what_is_not_listed_cannot_be_called_either(effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client("guest", "2026-07-28") as client:
        error = error_of(await client.call_tool("get_performance_metrics", {}))
        assert error["code"] == "POLICY_DENIED"
        assert 'rule "no-metrics-for-guests"' in error["message"]
        writing = error_of(await client.call_tool("probe_change", {"repository": "acme/app"}))
        assert "None of the caller's roles may use the scope dockerhub:write" in writing["message"]


async def test_a_refusal_gives_rule_target_and_reason(effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path) as server, server.client("reader", "2026-07-28") as client:
        error = error_of(await client.call_tool("docker_list_tags", {"repository": "debian"}))
        assert error["message"] == 'The policy denies docker_list_tags on docker.io/library/debian: rule "no-debian".'
        assert error["hint"] == "Use library/alpine."
        record = server.application.audit.tail(1)[0]
        assert (record["rule"], record["outcome"]) == ("policy no-debian", "POLICY_DENIED")


async def test_what_the_token_layer_asks_for_is_what_the_policy_misses(effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        requirements = PolicyRequirements(server.application.guard)
        change = requirements.of(PRINCIPALS["ops"], "tools/call", "probe_change")
        assert change is not None
        assert (change.scopes, change.recent) == (frozenset({WRITE}), False)
        delete = requirements.of(PRINCIPALS["owner"], "tools/call", "probe_delete")
        assert delete is not None
        assert (delete.scopes, delete.recent) == (frozenset(), True)
        for name, tool in (("reader", "probe_change"), ("ops", "probe_delete"), ("owner", "no_such_tool")):
            assert requirements.of(PRINCIPALS[name], "tools/call", tool) is None
        assert requirements.of(PRINCIPALS["owner"], "resources/read", "x" * 5_000) is None
        assert requirements.of(PRINCIPALS["owner"], "tools/list", "") is None


@pytest.mark.parametrize(
    ("proxies", "forwarded", "code"),
    [
        (("127.0.0.1",), "203.0.113.7", "POLICY_DENIED"),
        (("127.0.0.1",), "198.51.100.7", "INVALID_INPUT"),
        ((), "203.0.113.7", "INVALID_INPUT"),
    ],
)
async def test_an_address_counts_as_trusted_proxies_tell_it(
    proxies: tuple[str, ...], forwarded: str, code: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        'version = 1\n[[rules]]\nname = "not-from-there"\neffect = "deny"\naddresses = ["203.0.113.0/24"]\n'
    )
    async with AsyncExitStack() as stack:
        serving = team_server(tmp_path, PRINCIPALS, proxies=proxies, policy_file=file)
        server = await stack.enter_async_context(serving)
        connecting = server.client("reader", "2026-07-28", {"X-Forwarded-For": forwarded})
        client = await stack.enter_async_context(connecting)
        # A search of another registry is refused for its arguments, if the rule lets it get there.
        search = {"query": "x", "registry": "docker.io", "is_official": True, "is_verified_publisher": True}
        assert error_of(await client.call_tool("docker_search_images", search))["code"] == code
        assert bool((await client.list_tools()).tools) is (code != "POLICY_DENIED")


async def test_a_discovered_target_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    with InMemoryRegistry() as registry:
        base = {"org.opencontainers.image.base.name": f"{registry.host}/library/debian:12"}
        registry.add_image("acme/app", "1", annotations=base)
        registry.add_image("library/debian", "12")
        file.write_text(POLICY)
        setting = RegistrySetting(host=registry.host, url=registry.url)
        configuration = settings(tmp_path, policy_file=file, registries=(setting,))
        async with connected(configuration) as client:
            result = await client.call_tool("docker_track_base_updates", {"image": f"{registry.host}/acme/app:1"})
        assert registry.count(path="library/debian") == 0
    assert not result.is_error
    assert result.structured_content is not None
    assert any('rule "no-debian"' in warning for warning in result.structured_content["warnings"])


async def test_without_a_grant_for_the_list_there_is_none(tmp_path: Path) -> None:
    async with served(tmp_path, tools=()) as server:
        sdk = DockerHubServer(server.application)
        with pytest.raises(Refusal, match="not granted"):
            await sdk.list_tools()
        granted = Grant(PRINCIPALS["reader"], "tools/list", "", None, (), Level.PUBLIC, False, "", "1", never)
        token = enter_grant(granted)
        try:
            assert await sdk.list_tools()
        finally:
            leave_grant(token)


def never(grant: Grant, registry: str, repository: str) -> None:
    raise AssertionError
