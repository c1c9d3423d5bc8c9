"""Whatever lies in an archive: it is read as it was written, or refused by a named error."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.scan.target import parse_target
from tests.upstreams.layouts import LayoutSeeder, saved_image, write_tar
from tests.upstreams.local_sources import BASE, layers_of


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("archives")
    layout = LayoutSeeder(folder / "layout")
    layout.add_image("app", "1", layers=(BASE,))
    saved = write_tar(folder / "saved.tar", saved_image((BASE,)))
    packed = write_tar(folder / "packed.tar", saved_image((BASE,), compressed=True))
    return {"layout": layout.archive(), "saved": saved.read_bytes(), "packed": packed.read_bytes()}


@given(kind=st.sampled_from(["layout", "saved", "packed"]), data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_archive_with_a_changed_byte_is_read_the_same_or_refused(
    archives: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    raw = bytearray(archives[kind])
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "image.tar"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    original = tmp_path / "original.tar"
    original.write_bytes(archives[kind])
    with contextlib.suppress(DockerHubError):
        assert asyncio.run(layers_of(f"docker-archive:{path}")) == asyncio.run(layers_of(f"docker-archive:{original}"))


@given(st.text(max_size=40))
@settings(deadline=None)
def test_every_target_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(DockerHubError):
        assert parse_target(f"oci-layout:{text}").place is not None
