"""An SBOM from layers, through the whole server: HTTP below, the protocol above, a real worker between."""

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_dockerhub.settings import RegistrySetting
from tests.clients.inprocess import connected, settings
from tests.upstreams.content import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, encode
from tests.upstreams.faults import Behaviour, Exchange, FaultServer, answer, head, routed
from tests.upstreams.layers import OS_RELEASE, STATUS, Member, layer_of, metadata

pytestmark = pytest.mark.anyio
BASE = layer_of(Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS))
# Noise, so that it takes a moment and some chunks.
APP = layer_of(Member("noise", os.urandom(600_000)), Member("app/six-1.dist-info/METADATA", metadata("six", "1")))


def digest_of(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


CONFIG = encode({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
MANIFEST = encode(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": OCI_LAYER, "digest": digest_of(raw), "size": len(raw)} for raw in (BASE, APP)],
    }
)


def blob(raw: bytes) -> str:
    return f"/v2/team/app/blobs/{digest_of(raw)}"


APP_PATH = blob(APP)


def routes(app: Behaviour) -> Behaviour:
    document = answer(200, MANIFEST, [("Content-Type", OCI_MANIFEST), ("Docker-Content-Digest", digest_of(MANIFEST))])
    known = {f"/v2/team/app/manifests/{name}": document for name in ("1", digest_of(MANIFEST))}
    return routed({**known, blob(CONFIG): answer(200, CONFIG), blob(BASE): answer(200, BASE), APP_PATH: app})


async def half_then_nothing(exchange: Exchange) -> None:
    await exchange.send(head(200, [("Content-Length", str(len(APP)))]) + APP[: len(APP) // 2])
    await exchange.closing.wait()


async def broken_in_the_middle(exchange: Exchange) -> None:
    wanted = exchange.seen.headers.get("range", "")
    if wanted:
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        size = len(APP)
        stated = [("Content-Length", str(size - start)), ("Content-Range", f"bytes {start}-{size - 1}/{size}")]
        await exchange.send(head(206, stated) + APP[start:])
        return
    await exchange.send(head(200, [("Content-Length", str(len(APP)))]) + APP[:100_000])
    exchange.writer.close()


@asynccontextmanager
async def server(app: Behaviour, folder: Path) -> AsyncIterator[tuple[Client, FaultServer]]:
    async with FaultServer(routes(app)) as upstream:
        setting = RegistrySetting(host="registry.test", url=upstream.origin)
        configuration = settings(folder, registries=(setting,), allowed_registries=("registry.test",))
        async with connected(configuration) as client:
            yield client, upstream


async def sbom(client: Client, **options: Any) -> dict[str, Any]:
    arguments = {"image": "registry.test/team/app:1", "format": "packages"}
    result = await client.call_tool("docker_get_sbom", arguments, **options)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def names(found: dict[str, Any]) -> list[str]:
    return sorted(package["name"] for package in found["packages"])


async def test_an_image_without_an_sbom_is_read_layer_by_layer_with_progress(tmp_path: Path) -> None:
    told: list[tuple[float, float | None]] = []

    async def progress(done: float, total: float | None, _: str | None) -> None:
        told.append((done, total))

    async with server(answer(200, APP), tmp_path) as (client, _):
        found = await sbom(client, progress_callback=progress)
    assert names(found) == ["libc6", "libssl3", "openssl", "six"]
    assert told == sorted(told)
    assert told[-1] == (len(BASE) + len(APP), len(BASE) + len(APP))


async def test_a_connection_that_breaks_in_the_middle_of_a_layer_is_taken_up_again(tmp_path: Path) -> None:
    async with server(broken_in_the_middle, tmp_path) as (client, upstream):
        assert "six" in names(await sbom(client))
    asked = [seen.headers.get("range") for seen in upstream.seen if seen.path == APP_PATH]
    assert asked[0] is None
    assert len(asked) == 2


async def test_a_layer_altered_on_the_way_is_refused(tmp_path: Path) -> None:
    altered = bytearray(APP)
    altered[len(APP) // 2] ^= 1
    async with server(answer(200, bytes(altered)), tmp_path) as (client, _):
        found = await sbom(client)
    assert found["code"] == "UPSTREAM_INVALID"
    assert "altered" in found["message"]


async def test_a_call_that_is_given_up_stops_its_download_within_a_second(tmp_path: Path) -> None:
    gone, begun = asyncio.Event(), asyncio.Event()

    async def watched(exchange: Exchange) -> None:
        await exchange.send(head(200, [("Content-Length", str(len(APP)))]) + APP[: len(APP) // 2])
        begun.set()
        with contextlib.suppress(ConnectionError):
            await exchange.writer.wait_closed()
        gone.set()

    async with server(watched, tmp_path) as (client, _):
        task = asyncio.create_task(sbom(client))
        async with asyncio.timeout(20):
            await begun.wait()
        task.cancel()
        async with asyncio.timeout(1):
            await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_one_server_read_the_next_one_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_CACHE_DIR", str(tmp_path / "cache"))
    async with server(answer(200, APP), tmp_path) as (client, _):
        first = await sbom(client)
    async with server(half_then_nothing, tmp_path) as (client, upstream):
        # Another origin: documents are kept by where they came from, findings about layers are not.
        second = await sbom(client)
        assert APP_PATH not in [seen.path for seen in upstream.seen]
    assert names(second) == names(first)


async def test_where_nothing_can_be_kept_the_server_works_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MCP_DOCKERHUB_CACHE_DIR", str(tmp_path / "file"))
    async with server(answer(200, APP), tmp_path) as (client, _):
        assert "six" in names(await sbom(client))
        result = await client.call_tool("get_server_info", {})
    assert "MCP_DOCKERHUB_CACHE_DIR is not used" in json.dumps(result.structured_content)


async def test_scans_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_SCANNER", "none")
    async with server(answer(200, APP), tmp_path) as (client, upstream):
        assert (await sbom(client))["code"] == "NOT_FOUND"
        assert blob(BASE) not in [seen.path for seen in upstream.seen]
