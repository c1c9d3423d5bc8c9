"""What ``docker save`` wrote, read by the registry client as from a registry."""

import gzip
import json
import tarfile
from pathlib import Path

import pytest

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.errors import (
    DockerHubError,
    InvalidInput,
    NotFound,
    TooLarge,
    Unsupported,
    UpstreamInvalid,
)
from mcp_dockerhub.scan.local.files import Archive, whole
from tests.upstreams.content import digest_of, encode
from tests.upstreams.layouts import LayoutSeeder, saved_image, write_tar
from tests.upstreams.local_sources import BASE, MAX, TOP, image_of, layers_of, reading

pytestmark = pytest.mark.anyio


@pytest.fixture
def layout(tmp_path: Path) -> LayoutSeeder:
    return LayoutSeeder(tmp_path / "out")


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_saved_image_is_read_with_its_layers_verified(tmp_path: Path, compressed: bool) -> None:
    path = write_tar(tmp_path / "image.tar", saved_image((BASE, TOP), compressed=compressed))
    image = await image_of(f"docker-archive:{path}")
    assert image.config.diff_ids == (digest_of(BASE), digest_of(TOP))
    found = await layers_of(f"docker-archive:{path}")
    assert [gzip.decompress(layer) if compressed else layer for layer in found] == [BASE, TOP]


async def test_a_saved_image_says_that_its_manifest_is_made_up(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "image.tar", saved_image((BASE,)))
    with reading(f"docker-archive:{path}") as (client, local):
        assert any("made up" in warning for warning in local.contents.warnings)
        referrers = await client.referrers(ANONYMOUS, local.ref.repository, local.contents.image)
        assert referrers.value.descriptors == ()


async def test_a_compressed_archive_is_unpacked_and_left_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_tar(tmp_path / "image.tar", saved_image((BASE, TOP)))
    packed = tmp_path / "image.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert await layers_of(f"docker-archive:{packed}") == [BASE, TOP]
    with pytest.raises(TooLarge, match="unpacked"), reading(f"docker-archive:{packed}", 1000):
        pass
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match="not a whole tar"), reading(f"docker-archive:{packed}"):
        pass
    assert list(scratch.iterdir()) == []


async def test_an_archive_of_a_newer_engine_is_read_as_a_layout(layout: LayoutSeeder, tmp_path: Path) -> None:
    pushed = layout.add_image("app", "1", layers=(BASE,))
    path = tmp_path / "image.tar"
    path.write_bytes(layout.archive())
    image = await image_of(f"docker-archive:{path}")
    assert image.manifest.digest == pushed.digest
    with reading(f"docker-archive:{path}:1") as (_, local):
        assert local.contents.warnings == ()


async def test_a_layer_linked_to_another_is_read_through_the_link(tmp_path: Path) -> None:
    files = saved_image((BASE, BASE))
    del files["layer1/layer.tar"]
    path = write_tar(tmp_path / "image.tar", files, {"layer1/layer.tar": "../layer0/layer.tar"})
    assert await layers_of(f"docker-archive:{path}") == [BASE, BASE]


async def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    files = saved_image((BASE,))
    del files["layer0/layer.tar"]
    path = write_tar(tmp_path / "image.tar", files, {"layer0/layer.tar": "layer.tar"})
    with pytest.raises(UpstreamInvalid, match="leads nowhere"):
        await layers_of(f"docker-archive:{path}")
    path = write_tar(tmp_path / "image.tar", files, {"layer0/layer.tar": "../../etc/passwd"})
    with pytest.raises(UpstreamInvalid, match="lacks the layer"):
        await layers_of(f"docker-archive:{path}")


@pytest.mark.parametrize("name", ["b:2", "docker.io/library/b:2", "2"])
async def test_one_of_several_saved_images_is_named(tmp_path: Path, name: str) -> None:
    one, two = saved_image((BASE,), tags=("a:1",)), saved_image((BASE, TOP), tags=("b:2",))
    manifest = encode([*json.loads(one["manifest.json"]), *json.loads(two["manifest.json"])])
    path = write_tar(tmp_path / "image.tar", {**one, **two, "manifest.json": manifest})
    assert len((await image_of(f"docker-archive:{path}:{name}")).manifest.layers) == 2
    with pytest.raises(InvalidInput, match="which one") as caught:
        await image_of(f"docker-archive:{path}")
    assert "a:1, b:2" in caught.value.hint
    with pytest.raises(NotFound, match="named c:3"):
        await image_of(f"docker-archive:{path}:c:3")


def changed(files: dict[str, bytes], **entry: object) -> dict[str, bytes]:
    manifest = json.loads(files["manifest.json"])
    return {**files, "manifest.json": encode([{**manifest[0], **entry}])}


async def refused(tmp_path: Path, files: dict[str, bytes]) -> DockerHubError:
    path = write_tar(tmp_path / "image.tar", files)
    with pytest.raises(DockerHubError) as caught:
        await layers_of(f"docker-archive:{path}")
    return caught.value


async def test_a_damaged_archive_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    files = saved_image((BASE, TOP))
    config = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    wrong = {
        "altered": {**files, config: files[config] + b" "},
        "lacks the configuration": changed(files, Config="other.json"),
        "lists 1 layers": changed(files, Layers=["layer0/layer.tar"]),
        "lacks the layer": changed(files, Layers=["layer0/layer.tar", "x"]),
        "not written by": {"x": b""},
        "not valid JSON": {**files, "manifest.json": b"["},
        "holds no image": {**files, "manifest.json": b"[]"},
        "does not match": {**files, "layer1/layer.tar": TOP[:-1] + b"x"},
        "bytes where": changed(files, Layers=["layer0/layer.tar", "layer0/layer.tar"]),
    }
    for problem, changes in wrong.items():
        error = await refused(tmp_path, changes)
        assert problem in error.message or (problem == "bytes where" and "match" in error.message), error.message


async def test_a_configuration_named_by_no_digest_is_taken_as_it_is(tmp_path: Path) -> None:
    files = saved_image((BASE,))
    config = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    files["config.json"] = files.pop(config)
    path = write_tar(tmp_path / "image.tar", changed(files, Config="config.json"))
    assert await layers_of(f"docker-archive:{path}") == [BASE]


async def test_compressed_layers_must_unpack_to_what_the_configuration_says(tmp_path: Path) -> None:
    files = saved_image((BASE,), compressed=True)
    name = "layer0/layer.tar.gz"
    wrong = {
        "altered or damaged": gzip.compress(TOP),
        "breaks off": files[name][:-4],
        "not whole gzip": files[name][:20] + b"xxxx" + files[name][24:],
        "zstd": b"\x28\xb5\x2f\xfd" + bytes(10),
    }
    for problem, content in wrong.items():
        error = await refused(tmp_path, {**files, name: content})
        assert problem in error.message
        assert isinstance(error, Unsupported if problem == "zstd" else UpstreamInvalid)
    members = gzip.compress(BASE[:1000]) + gzip.compress(BASE[1000:])
    path = write_tar(tmp_path / "image.tar", {**files, name: members})
    assert await layers_of(f"docker-archive:{path}") == [members]
    with pytest.raises(TooLarge, match="unpacks to more"), reading(f"docker-archive:{path}", 1000):
        pass


def test_small_files_are_bounded(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "image.tar", {"file": b"12345"})
    archive = Archive(path, "image.tar", MAX)
    assert whole(archive, "file", 5) == b"12345"
    assert whole(archive, "other", 5) is None
    with pytest.raises(TooLarge):
        whole(archive, "file", 4)
    path.unlink()
    with pytest.raises(UpstreamInvalid, match="cannot be read"):
        whole(archive, "file", 5)


def test_the_entries_of_an_archive_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_dockerhub.scan.local.files.MAX_ENTRIES", 2)
    path = write_tar(tmp_path / "image.tar", {"a": b"", "b": b"", "c": b""})
    with pytest.raises(TooLarge, match="entries"):
        Archive(path, "image.tar", MAX)


def test_a_folder_in_an_archive_is_no_file(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "image.tar", {})
    folder = tmp_path / "f"
    (folder / "sub").mkdir(parents=True)
    with tarfile.open(path, "w") as archive:
        archive.add(folder / "sub", "sub")
    with pytest.raises(UpstreamInvalid, match="regular"):
        Archive(path, "image.tar", MAX).open("sub")


def test_an_unreadable_archive_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "image.tar", {})

    def denied(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InvalidInput, match="Permission denied"):
        Archive(path, "image.tar", MAX)


async def test_a_name_that_is_no_reference_fits_only_itself(tmp_path: Path) -> None:
    files = saved_image((BASE,), tags=("Odd Name",))
    path = write_tar(tmp_path / "image.tar", files)
    with pytest.raises(NotFound, match="named app"):
        await image_of(f"docker-archive:{path}:app:1")
