"""Images on this machine, read by the registry client as from a registry."""

import gzip
import os
from pathlib import Path

import pytest

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.errors import (
    InvalidInput,
    NotFound,
    TooLarge,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.models import Index
from mcp_dockerhub.scan.local.files import Folder, whole
from mcp_dockerhub.scan.local.registry import LocalRegistry
from mcp_dockerhub.scan.target import opened, parse_target
from mcp_dockerhub.transport.client import Upstream
from tests.upstreams.content import OCI_LAYER, OCI_MANIFEST, encode
from tests.upstreams.layouts import LayoutSeeder
from tests.upstreams.local_sources import BASE, MAX, TOP, image_of, layers_of, reading
from tests.upstreams.scripted_http import ScriptedHttp, answer

pytestmark = pytest.mark.anyio


@pytest.fixture
def layout(tmp_path: Path) -> LayoutSeeder:
    return LayoutSeeder(tmp_path / "out")


async def test_an_image_of_a_layout_is_read_as_from_a_registry(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE, TOP))
    image = await image_of(f"oci-layout:{layout.folder}")
    assert image.manifest.digest == pushed.digest
    assert [gzip.decompress(layer) for layer in await layers_of(f"oci-layout:{layout.folder}")] == [BASE, TOP]


async def test_the_platform_is_chosen_from_the_index_in_a_layout(layout: LayoutSeeder) -> None:
    _, images = layout.add_multi_platform("app", "1", ["linux/amd64", "linux/arm64"])
    image = await image_of(f"oci-layout:{layout.folder}", "linux/arm64")
    assert image.manifest.digest == images[1].digest


async def test_platforms_listed_without_an_index_of_their_own_are_one_image(layout: LayoutSeeder) -> None:
    for architecture in ("amd64", "arm64"):
        pushed = layout.add_image("app", platform=f"linux/{architecture}", layers=(architecture.encode(),))
        platform = {"os": "linux", "architecture": architecture}
        layout.list(pushed.digest, len(pushed.raw), pushed.media_type, platform=platform)
    image = await image_of(f"oci-layout:{layout.folder}", "linux/arm64")
    assert str(image.platform) == "linux/arm64"


@pytest.mark.parametrize("name", ["two", "registry.test/app:two"])
async def test_one_of_several_images_is_named_by_its_tag(layout: LayoutSeeder, name: str) -> None:
    layout.add_image("app", "one", layers=(BASE,))
    pushed = layout.add_image("app", name, layers=(TOP,))
    image = await image_of(f"oci-layout:{layout.folder}:two")
    assert image.manifest.digest == pushed.digest


async def test_one_of_several_images_is_named_by_its_digest(layout: LayoutSeeder) -> None:
    layout.add_image("app", "one", layers=(BASE,))
    pushed = layout.add_image("app", "two", layers=(TOP,))
    image = await image_of(f"oci-layout:{layout.folder}@{pushed.digest}")
    assert image.manifest.digest == pushed.digest


async def test_which_of_several_images_is_meant_is_never_guessed(layout: LayoutSeeder) -> None:
    layout.add_image("app", "one", layers=(BASE,))
    layout.add_image("app", "two", layers=(TOP,))
    with pytest.raises(InvalidInput, match="which one") as caught:
        await image_of(f"oci-layout:{layout.folder}")
    assert "one, two" in caught.value.hint
    with pytest.raises(NotFound, match="named three"):
        await image_of(f"oci-layout:{layout.folder}:three")


async def test_one_name_for_two_images_is_not_resolved_by_chance(layout: LayoutSeeder) -> None:
    layout.add_image("app", "one", layers=(BASE,))
    layout.add_image("app", "one", layers=(TOP,))
    with pytest.raises(InvalidInput, match="2 images"):
        await image_of(f"oci-layout:{layout.folder}:one")


async def test_what_refers_to_an_image_in_a_layout_is_found(layout: LayoutSeeder) -> None:
    image = layout.add_image("app", "1")
    sbom = layout.add_artifact("app", artifact_type="application/spdx+json", subject=image)
    other = layout.add_image("app", "2", layers=(TOP,))
    layout.add_artifact("app", artifact_type="application/spdx+json", subject=other)
    with reading(f"oci-layout:{layout.folder}:1") as (client, local):
        found = await client.referrers(ANONYMOUS, local.ref.repository, Digest(image.digest))
    assert [(entry.digest, entry.artifact_type) for entry in found.value.descriptors] == [
        (sbom.digest, "application/spdx+json")
    ]


async def test_a_referrer_without_a_type_has_that_of_its_config(layout: LayoutSeeder) -> None:
    image = layout.add_image("app", "1")
    layout.add_artifact("app", "note", config=("application/vnd.note", b"{}"), subject=image)
    broken = layout.put_blob("app", b"not json")
    layout.list(broken, 8, OCI_MANIFEST)
    with reading(f"oci-layout:{layout.folder}:1") as (client, local):
        found = await client.referrers(ANONYMOUS, local.ref.repository, Digest(image.digest))
    assert [entry.artifact_type for entry in found.value.descriptors] == ["application/vnd.note"]


async def test_an_altered_blob_of_a_layout_is_refused(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    path = layout.path(pushed.layers[0]["digest"])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UpstreamInvalid, match="does not match its digest"):
        await layers_of(f"oci-layout:{layout.folder}")


async def test_an_altered_manifest_of_a_layout_is_refused(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1")
    layout.path(pushed.digest).write_bytes(pushed.raw.replace(b"schemaVersion", b"schemaversion"))
    with pytest.raises(UpstreamInvalid):
        await image_of(f"oci-layout:{layout.folder}")


async def test_a_blob_that_is_missing_is_said_to_be(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    layout.path(pushed.layers[0]["digest"]).unlink()
    with pytest.raises(NotFound):
        await layers_of(f"oci-layout:{layout.folder}")
    layout.path(pushed.config_digest).unlink()
    with pytest.raises(NotFound):
        await image_of(f"oci-layout:{layout.folder}")
    layout.path(pushed.digest).unlink()
    with pytest.raises(NotFound):
        await image_of(f"oci-layout:{layout.folder}")


async def test_a_link_out_of_the_layout_is_refused(layout: LayoutSeeder, tmp_path: Path) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    path = layout.path(pushed.layers[0]["digest"])
    outside = path.rename(tmp_path / "secret")
    path.symlink_to(outside)
    with pytest.raises(UpstreamInvalid, match="leads out") as refused:
        await layers_of(f"oci-layout:{layout.folder}")
    assert "registry" not in refused.value.hint


async def test_a_link_inside_the_layout_is_followed(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    path = layout.path(pushed.layers[0]["digest"])
    inside = path.rename(layout.folder / "elsewhere")
    path.symlink_to(inside)
    assert [gzip.decompress(layer) for layer in await layers_of(f"oci-layout:{layout.folder}")] == [BASE]


async def test_a_pipe_in_a_layout_is_refused_and_not_waited_for(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    path = layout.path(pushed.layers[0]["digest"])
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UpstreamInvalid, match="not a regular file"):
        await layers_of(f"oci-layout:{layout.folder}")


async def test_a_circle_of_links_is_an_error(layout: LayoutSeeder) -> None:
    (layout.folder / "a").symlink_to("b")
    (layout.folder / "b").symlink_to("a")
    with pytest.raises(UpstreamInvalid, match="cannot be read"):
        whole(Folder(layout.folder, "out"), "a", 10)


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("oci-layout", None, "not an OCI image layout"),
        ("oci-layout", b"[]", "not an OCI image layout"),
        ("index.json", None, "no index.json"),
        ("index.json", b"{", "not valid JSON"),
        ("index.json", encode({"schemaVersion": 2, "layers": [], "config": {}}), "index"),
    ],
)
async def test_what_is_no_layout_is_said_to_be_none(
    layout: LayoutSeeder, file: str, content: bytes | None, problem: str
) -> None:
    (layout.folder / file).unlink()
    if content is not None:
        (layout.folder / file).write_bytes(content)
    with pytest.raises(UpstreamInvalid, match=problem):
        await image_of(f"oci-layout:{layout.folder}")


async def test_an_empty_layout_holds_no_image(layout: LayoutSeeder) -> None:
    with pytest.raises(NotFound, match="no image"):
        await image_of(f"oci-layout:{layout.folder}")


async def test_a_path_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    for kind in ("oci-layout", "docker-archive"):
        with pytest.raises(NotFound, match="does not exist"):
            await image_of(f"{kind}:{tmp_path / 'nothing'}")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="not a directory"):
        await image_of(f"oci-layout:{tmp_path / 'file'}")
    with pytest.raises(InvalidInput, match="not a whole tar"):
        await image_of(f"docker-archive:{tmp_path}")


@pytest.mark.parametrize("kind", ["oci-layout", "docker-archive"])
async def test_a_path_that_cannot_be_one_is_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        await image_of(f"{kind}:{'x' * 5000}")


@pytest.mark.parametrize("text", ["oci-layout:", "docker-archive:", "oci-layout:a\0b"])
def test_a_source_needs_a_path(text: str) -> None:
    with pytest.raises(InvalidInput, match="path"):
        parse_target(text)


def test_everything_else_is_a_reference() -> None:
    assert parse_target("nginx:1").ref == Reference.parse("nginx:1")
    with pytest.raises(InvalidInput):
        parse_target("NGINX:")


@pytest.mark.parametrize("folder", ["out", "Ünder Score", "___", "x" * 200])
def test_every_path_makes_a_valid_repository(tmp_path: Path, folder: str) -> None:
    layout = LayoutSeeder(tmp_path / folder)
    pushed = layout.add_image("app", "1")
    asked = parse_target(f"oci-layout:{layout.folder}")
    assert asked.place is not None
    with opened(asked.place, MAX) as local:
        assert Reference.parse(str(local.ref)).repository == local.ref.repository
        assert local.ref.digest == pushed.digest


async def test_what_is_not_the_local_image_goes_to_the_network(layout: LayoutSeeder) -> None:
    layout.add_image("app", "1")
    asked = parse_target(f"oci-layout:{layout.folder}")
    assert asked.place is not None
    with opened(asked.place, MAX) as local:
        http = ScriptedHttp(
            {"/v2/library/base/manifests/1": answer({}, 404), "/v2/other/manifests/1": UpstreamUnavailable("down")}
        )
        client = LocalRegistry(local.ref.repository, local.contents, http)
        docker = Upstream("docker.io", "https://registry-1.docker.io", "registry")
        own = Upstream("localhost", "https://localhost", "registry")
        assert (await client.request(docker, "GET", "/v2/library/base/manifests/1")).status == 404
        with pytest.raises(UpstreamUnavailable):
            await client.request(own, "GET", "/v2/other/manifests/1")
        assert [asked.upstream.name for asked in http.asked] == ["docker.io", "localhost"]
        with pytest.raises(NotImplementedError):  # the script's: it was asked
            client.stream(docker, "/v2/library/base/blobs/1")


async def test_the_local_registry_keeps_to_the_limits_it_is_given(layout: LayoutSeeder) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    layer = pushed.layers[0]["digest"]
    with reading(f"oci-layout:{layout.folder}") as (_, local):
        client = LocalRegistry(local.ref.repository, local.contents, ScriptedHttp({}))
        own = Upstream("localhost", "https://localhost", "registry")
        prefix = f"/v2/{local.ref.repository.path}"
        for path in (f"{prefix}/manifests/{pushed.digest}", f"{prefix}/blobs/{layer}"):
            with pytest.raises(TooLarge):
                await client.request(own, "GET", path, limit=10)
        with pytest.raises(TooLarge):
            async with client.stream(own, f"{prefix}/blobs/{layer}", limit=10):
                pass
        for path in ("manifests/latest", "blobs/none", "tags/list", "referrers/none"):
            answer = await client.request(own, "GET", f"{prefix}/{path}")
            assert answer.status == (200 if path.startswith("referrers") else 404)
        head = await client.request(own, "HEAD", f"{prefix}/manifests/{pushed.digest}")
        assert (head.body, head.header("content-length")) == (b"", str(len(pushed.raw)))


async def test_the_index_of_a_layout_is_a_document_too(layout: LayoutSeeder) -> None:
    for architecture in ("amd64", "arm64"):
        pushed = layout.add_image("app", platform=f"linux/{architecture}", layers=(architecture.encode(),))
        platform = {"os": "linux", "architecture": architecture}
        layout.list(pushed.digest, len(pushed.raw), pushed.media_type, platform=platform)
    with reading(f"oci-layout:{layout.folder}") as (client, local):
        top = (await client.manifest(ANONYMOUS, local.ref)).value
    assert isinstance(top, Index)
    assert OCI_LAYER not in {child.media_type for child in top.manifests}


async def test_a_blob_that_is_not_there_has_the_answer_of_a_registry(layout: LayoutSeeder) -> None:
    layout.add_image("app", "1")
    with reading(f"oci-layout:{layout.folder}") as (_, local):
        client = LocalRegistry(local.ref.repository, local.contents, ScriptedHttp({}))
        path = f"/v2/{local.ref.repository.path}/blobs/sha256:{'0' * 64}"
        async with client.stream(Upstream("localhost", "", "registry"), path) as answer:
            assert answer.status == 404
            assert b"BLOB_UNKNOWN" in b"".join([chunk async for chunk in answer.chunks])
