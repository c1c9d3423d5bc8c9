"""Every tool, resource and prompt through the official client, against a seeded registry and Hub."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextContent

from tests.clients.inprocess import connected, content, settings
from tests.upstreams.osv import osv_settings
from tests.upstreams.seeded import Upstreams

ERAS = ("legacy", "2026-07-28")


@pytest.fixture(params=ERAS)
async def client(
    request: pytest.FixtureRequest, upstreams: Upstreams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    for name, value in osv_settings(upstreams.osv_url).items():
        monkeypatch.setenv(name, value)
    configuration = settings(tmp_path, registry_url=upstreams.registry.url, hub_url=upstreams.hub_url)
    async with connected(configuration, request.param) as running:
        yield running


CALLS: dict[str, dict[str, Any]] = {
    "docker_search_images": {"query": "nginx"},
    "docker_get_image_details": {"image": "nginx:alpine"},
    "docker_list_tags": {"repository": "nginx", "pattern": "1.31*"},
    "docker_get_manifest": {"image": "nginx:alpine"},
    "docker_analyze_layers": {"image": "nginx:alpine"},
    "docker_compare_images": {"image1": "nginx:alpine", "image2": "nginx"},
    "docker_get_image_history": {"image": "nginx:alpine"},
    "docker_get_dockerfile": {"image": "nginx:alpine"},
    "docker_estimate_pull_size": {"image": "nginx:alpine", "present": ["alpine:3.24"]},
    "docker_get_stats": {"repository": "nginx"},
    "docker_track_base_updates": {"image": "python:slim"},
    "docker_get_vulnerabilities": {"image": "example/app:1"},
    "docker_get_sbom": {"image": "example/app:1", "format": "packages"},
    "docker_get_provenance": {"image": "example/app:1"},
    "docker_verify_signature": {"image": "example/app:1"},
    "health_check": {},
    "get_performance_metrics": {},
    "get_server_info": {},
    "docker_cache_info": {},
    "docker_rate_limit_status": {},
}


async def test_every_tool_that_is_listed_answers_as_its_schema_says(client: Client) -> None:
    """The official client validates each answer against the tool's output schema."""
    listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == list(CALLS)
    for name, arguments in CALLS.items():
        result = await client.call_tool(name, arguments)
        assert not result.is_error, (name, result)
        assert result.structured_content is not None
        assert result.structured_content["source"] in ("live", "cache")
        (text,) = result.content
        assert isinstance(text, TextContent)
        assert 0 < len(text.text) < 8_000


async def test_tools_are_described_in_one_line_with_honest_hints(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        assert tool.title
        assert tool.description
        assert "\n" not in tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.input_schema["additionalProperties"] is False


async def test_the_list_of_tools_is_small_enough_to_be_read_by_a_model(client: Client) -> None:
    listed = (await client.list_tools()).tools
    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
    assert len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False).encode()) <= 30_000


async def test_the_same_question_is_answered_from_the_cache_without_a_request(
    client: Client, upstreams: Upstreams
) -> None:
    first = await content(client, "docker_get_image_details", {"image": "nginx:alpine"})
    before = len(upstreams.registry.requests)
    second = await content(client, "docker_get_image_details", {"image": "docker.io/library/nginx:alpine"})
    assert len(upstreams.registry.requests) == before
    assert second["source"] == "cache"
    assert second["digest"] == first["digest"]


async def test_raw_manifests_are_the_exact_bytes_that_the_digest_names(client: Client) -> None:
    answer = await content(client, "docker_get_manifest", {"image": "nginx:alpine", "raw": True})
    raw = base64.b64decode(answer["raw"], validate=True)
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == answer["digest"]


async def test_a_missing_image_is_not_found_and_says_what_to_do(client: Client) -> None:
    error = await content(client, "docker_get_image_details", {"image": "nginx:no-such-tag"})
    assert error["code"] == "NOT_FOUND"
    assert "nginx:no-such-tag" in error["message"]
    assert error["hint"]
    assert error["retryable"] is False


async def test_a_search_on_another_registry_says_what_to_do_instead(client: Client) -> None:
    error = await content(client, "docker_search_images", {"query": "nginx", "registry": "ghcr.io"})
    assert error["code"] == "UNSUPPORTED"
    assert error["hint"]


async def test_an_image_without_the_platform_says_which_it_has(client: Client) -> None:
    error = await content(client, "docker_get_image_details", {"image": "nginx:alpine", "platform": "windows/amd64"})
    assert error["code"] == "UNSUPPORTED"
    assert "linux/amd64" in error["message"] + error["hint"]


async def test_resources_are_the_tools_answers_as_json(client: Client) -> None:
    templates = {template.uri_template for template in (await client.list_resource_templates()).resource_templates}
    assert templates == {"docker://images/{query}", "docker://image/{+name}/{tag}", "docker://repository/{+name}"}
    assert [str(resource.uri) for resource in (await client.list_resources()).resources] == ["docker://server/metrics"]
    details = await content(client, "docker_get_image_details", {"image": "nginx:alpine"})
    for uri, key, value in (
        ("docker://images/nginx", "total", None),
        ("docker://image/library/nginx/alpine", "digest", details["digest"]),
        (f"docker://image/nginx/{details['digest']}", "digest", details["digest"]),
        ("docker://repository/nginx", "pulls", None),
        ("docker://server/metrics", "windows", None),
    ):
        (read,) = (await client.read_resource(uri)).contents
        answer = json.loads(read.model_dump()["text"])
        assert key in answer
        assert value in (None, answer[key])


async def test_a_resource_that_fails_is_a_protocol_error_with_our_code(client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await client.read_resource("docker://image/nginx/no-such-tag")
    assert caught.value.error.data["code"] == "NOT_FOUND"


async def test_prompts_name_the_tools_and_the_image_asked_about(client: Client) -> None:
    prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert list(prompts) == ["choose_base_image", "explain_image", "triage_vulnerabilities"]
    got = await client.get_prompt("explain_image", {"image": "nginx:alpine", "platform": "linux/arm64"})
    (message,) = got.messages
    assert isinstance(message.content, TextContent)
    assert "nginx:alpine for linux/arm64" in message.content.text
    assert "docker_analyze_layers" in message.content.text
    chosen = await client.get_prompt("choose_base_image", {"need": "a web service"})
    assert isinstance(chosen.messages[0].content, TextContent)
    assert "Constraints" not in chosen.messages[0].content.text
    with pytest.raises(MCPError) as caught:
        await client.get_prompt("explain_image", {"image": "../../etc"})
    assert caught.value.error.data["code"] == "INVALID_INPUT"


async def test_completion_offers_tags_and_platforms(client: Client) -> None:
    template = ResourceTemplateReference(uri="docker://image/{+name}/{tag}")
    tags = await client.complete(template, {"name": "tag", "value": "1.31.6-a"}, context_arguments={"name": "nginx"})
    assert "1.31.6-alpine" in tags.completion.values
    assert all(value.startswith("1.31.6-a") for value in tags.completion.values)
    nothing = await client.complete(template, {"name": "tag", "value": ""}, context_arguments={"name": "../.."})
    assert nothing.completion.values == []
    platforms = await client.complete(
        PromptReference(name="explain_image"), {"name": "platform", "value": "linux/arm64"}
    )
    assert platforms.completion.values == ["linux/arm64"]
