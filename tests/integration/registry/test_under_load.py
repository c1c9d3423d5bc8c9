"""Many callers at once, callers that leave, registries that go down; and the stand-in as a process of its own."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import anyio
import pytest

from mcp_dockerhub.cache import Cache, Kind
from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry import Image, Registries, RegistryClient
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams.any_registry import connected
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

CALLS = 100
DOCUMENTS = 4  # HEAD of the tag, index, manifest, config
ROOT = Path(__file__).parents[3]


async def test_a_hundred_equal_calls_cause_one_request_for_each_document() -> None:
    with InMemoryRegistry() as registry:
        registry.add_multi_platform("team/app", "v1", ["linux/amd64", "linux/arm64"])
        ref = Reference.parse(f"{registry.host}/team/app:v1")
        async with connected(registry) as client:
            images = await asyncio.gather(*(client.image(Caller(), ref) for _ in range(CALLS)))
            assert registry.count() == DOCUMENTS
            await client.image(Caller(), ref)
            assert registry.count() == DOCUMENTS
    assert len({image.value.manifest.digest for image in images}) == 1


async def test_ninety_nine_callers_that_leave_disturb_nothing() -> None:
    with InMemoryRegistry() as registry:
        registry.add_multi_platform("team/app", "v1", ["linux/amd64", "linux/arm64"])
        ref = Reference.parse(f"{registry.host}/team/app:v1")
        found: list[Image] = []

        async def ask(client: RegistryClient, scope: anyio.CancelScope) -> None:
            with scope:
                found.append((await client.image(Caller(), ref)).value)

        async with connected(registry) as client:
            scopes = [anyio.CancelScope() for _ in range(CALLS)]
            with anyio.fail_after(20), registry.hung():
                async with anyio.create_task_group() as group:
                    for scope in scopes:
                        group.start_soon(ask, client, scope)
                    await anyio.wait_all_tasks_blocked()
                    for scope in scopes[1:]:
                        scope.cancel()
                    await anyio.wait_all_tasks_blocked()
                    registry.release()
            assert registry.count() == DOCUMENTS
    assert len(found) == 1


async def test_what_is_kept_is_served_as_stale_while_the_registry_is_down() -> None:
    with InMemoryRegistry() as registry:
        registry.add_image("team/app", "v1")
        stack = HttpStack(StackOptions(configured_origins=registry.origins, call_timeout=2.0))
        client = RegistryClient(stack, Cache(ttl={Kind.TAG_DIGEST: 0.0}), Registries.build(hub_url=registry.url))
        ref = Reference.parse("team/app:v1")
        fresh = await client.image(Caller(), ref)
        registry.script(500, path="/v2/", headers={"retry-after": "60"})
        stale = await client.image(Caller(), ref)
        with pytest.raises(UpstreamUnavailable):
            await client.image(Caller(), Reference.parse("team/other:v1"))
        await stack.aclose()
    assert (fresh.source, stale.source) == ("live", "stale")
    assert stale.value == fresh.value


def test_the_stand_in_runs_as_a_process_with_a_seed(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    images = [
        {"repository": "library/one", "tags": ["v1", "v2"], "layers": ["a", "b"]},
        {"repository": "library/two", "tags": ["v1"], "platforms": ["linux/amd64", "linux/arm64"], "docker": True},
    ]
    seed.write_text(json.dumps({"images": images, "tag_lists": {"library/one": ["v3"]}}))
    command = [sys.executable, "-m", "tests.upstreams.registry", "--port", "0", "--seed", str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            with urllib.request.urlopen(f"{url}/v2/library/one/tags/list", timeout=10) as answer:
                assert json.load(answer)["tags"] == ["v1", "v2", "v3"]
            with urllib.request.urlopen(f"{url}/v2/library/two/manifests/v1", timeout=10) as answer:
                assert len(json.load(answer)["manifests"]) == 2
        finally:
            process.terminate()
