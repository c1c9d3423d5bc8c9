"""What two images share, and what a pull transfers."""

import gzip

import pytest

from mcp_dockerhub.errors import NotFound
from mcp_dockerhub.images.compare import MAX_DIFFERENCES, compare_images
from mcp_dockerhub.images.pull_size import estimate_pull_size, uncompressed_size
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.models import Descriptor
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

ONE, TWO = Reference.parse("ghcr.io/o/one:v1"), Reference.parse("ghcr.io/o/two:v2")


def stored(content: bytes) -> int:
    return len(gzip.compress(content, mtime=0))


async def test_shared_and_own_layers_are_told_apart_with_the_bytes_of_each_direction(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    first = registry.add_image("o/one", "v1", layers=(b"base", b"one's own"), created="2026-03-01T00:00:00Z")
    second = registry.add_image(
        "o/two", "v2", layers=(b"base", b"two", b"three, longer"), created="2026-03-13T00:00:00Z"
    )
    found = await compare_images(sources, access, ONE, TWO, None)
    assert [layer.digest for layer in found.shared] == [first.layers[0]["digest"]]
    assert found.shared_size == stored(b"base")
    assert [layer.digest for layer in found.image1.own] == [first.layers[1]["digest"]]
    assert [layer.digest for layer in found.image2.own] == [layer["digest"] for layer in second.layers[1:]]
    assert (found.image1.to_pull, found.image2.to_pull) == (
        stored(b"one's own"),
        stored(b"two") + stored(b"three, longer"),
    )
    assert found.image1.size == found.shared_size + found.image1.to_pull
    assert not found.identical
    text = found.render()
    assert "newer: ghcr.io/o/two:v2, by 12 days" in text
    assert f"shared: 1 layer, {found.shared_size} B" in text
    assert "configuration: no differences" in text


async def test_an_image_compared_with_itself_is_identical(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/one", "v1")
    found = await compare_images(sources, access, ONE, ONE, None)
    assert found.identical
    assert (found.image1.own, found.image1.to_pull, found.differences) == ([], 0, [])
    assert found.render().splitlines()[0] == "ghcr.io/o/one:v1 and ghcr.io/o/one:v1 (linux/amd64): identical"


async def test_differences_of_configuration_are_listed_without_secrets(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image(
        "o/one",
        "v1",
        config={"User": "app", "Cmd": ["a"], "Env": ["A=1", "TOKEN=x"], "Labels": {"note": "<b>hi</b>", "same": "1"}},
    )
    registry.add_image(
        "o/two", "v2", config={"Cmd": ["a", "--password=b"], "Env": ["A=2", "TOKEN=y"], "Labels": {"same": "1"}}
    )
    found = await compare_images(sources, access, ONE, TWO, None)
    assert [(row.setting, row.image1, row.image2) for row in found.differences] == [
        ("user", "app", None),
        ("cmd", "a", "a --password=[withheld]"),
        ("env A", "1", "2"),
        ("env TOKEN", "[withheld]", "[withheld]"),
        ("label note", "hi", None),
    ]
    assert "  user        app         -" in found.render()


async def test_a_thousand_differences_are_cut(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    registry.add_image("o/one", "v1", config={"Env": [f"V{number}=1" for number in range(MAX_DIFFERENCES + 1)]})
    registry.add_image("o/two", "v2", config={})
    found = await compare_images(sources, access, ONE, TWO, None)
    assert len(found.differences) == MAX_DIFFERENCES
    assert len(found.warnings) == 1
    assert len(found.render().splitlines()) <= 60


async def test_without_a_platform_asked_for_each_image_has_its_own_and_that_is_said(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_multi_platform("o/one", "v1", ["linux/arm64"])
    registry.add_multi_platform("o/two", "v2", ["linux/amd64", "linux/386"])
    found = await compare_images(sources, access, ONE, TWO, None)
    assert found.warnings == ["The platforms differ: linux/arm64 and linux/amd64."]
    assert found.image2.platforms == ["linux/amd64", "linux/386"]


async def test_an_image_that_is_missing_is_named(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    registry.add_image("o/one", "v1")
    with pytest.raises(NotFound, match=r"ghcr\.io/o/two:v2"):
        await compare_images(sources, access, ONE, TWO, None)


async def test_layers_that_are_present_need_no_pull(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/one", "v1", layers=(b"base", b"own", b"own"))
    registry.add_image("o/two", "v2", layers=(b"base", b"other"))
    found = await estimate_pull_size(sources, access, ONE, None, [TWO])
    assert (found.size, found.present) == (stored(b"base") + stored(b"own"), stored(b"base"))
    assert found.to_pull == stored(b"own")
    assert (found.layers, found.layers_present, found.uncompressed) == (2, 1, None)
    assert found.render().splitlines() == [
        f"ghcr.io/o/one:v1 (linux/amd64): {found.to_pull} B to pull",
        f"{found.size} B in all, {found.present} B already there in 1 of 2 layers",
        "uncompressed: not known before the pull",
    ]


async def test_an_image_that_is_said_to_be_present_but_cannot_be_read_is_not_counted(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_multi_platform("o/one", "v1", ["linux/amd64", "linux/arm64"])
    registry.add_image("o/two", "v2")
    found = await estimate_pull_size(
        sources, access, ONE, Platform("linux", "arm64"), [TWO, Reference.parse("ghcr.io/o/none:1")]
    )
    assert (found.present, found.to_pull) == (0, found.size)
    assert [warning.partition(":")[0] for warning in found.warnings] == ["ghcr.io/o/two", "ghcr.io/o/none"]


def layer(media_type: str, size: int, stated: str = "") -> Descriptor:
    noted = {"io.containers.estargz.uncompressed-size": stated} if stated else {}
    return Descriptor(media_type, Digest("sha256:" + "0" * 64), size, annotations=noted)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([layer("application/vnd.oci.image.layer.v1.tar", 30), layer("x.tar+gzip", 5, "70")], 100),
        ([layer("application/vnd.oci.image.layer.v1.tar", 30), layer("x.tar+gzip", 5)], None),
        ([layer("x.tar+gzip", 5, "many")], None),
        ([layer("x.tar+gzip", 5, "9" * 20)], None),
        ([], 0),
    ],
)
def test_bytes_on_disk_are_told_only_where_every_layer_tells(layers: list[Descriptor], expected: int | None) -> None:
    assert uncompressed_size(layers) == expected


async def test_layers_kept_elsewhere_are_counted_and_pointed_out(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    registry.add_image(
        "o/one", "v1", extra_manifest={"layers": [{"mediaType": media_type, "digest": "sha256:" + "1" * 64, "size": 9}]}
    )
    found = await estimate_pull_size(sources, access, ONE, None, [])
    assert found.to_pull == 9
    assert "kept outside the registry" in found.warnings[0]


async def test_a_known_size_on_disk_is_shown(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    plain = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + "1" * 64, "size": 2_000_000}
    registry.add_image("o/one", "v1", extra_manifest={"layers": [plain]})
    found = await estimate_pull_size(sources, access, ONE, None, [])
    assert found.render().splitlines()[1] == "uncompressed: 2.00 MB"
