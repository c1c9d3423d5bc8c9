"""The document behind a reference, in order and byte for byte."""

import base64
import hashlib

import pytest

from mcp_dockerhub.images.manifest import MAX_ANNOTATIONS, MAX_ENTRIES, MAX_RAW, image_manifest
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

REF = Reference.parse("ghcr.io/o/app:v1")
NAME = "o/app"


async def test_an_index_is_shown_with_its_platforms_and_attestations(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME)
    attestation = registry.add_attestation(NAME, image, [])
    index = registry.add_index(NAME, "v1", [image, attestation], annotations={"note": "<i>x</i>", "my.token": "t0p"})
    found = await image_manifest(sources, access, REF, None)
    assert (found.kind, found.digest, found.size) == ("multi-platform image", index.digest, len(index.raw))
    assert [(entry.platform, entry.about) for entry in found.entries] == [
        ("linux/amd64", None),
        ("unknown/unknown", image.digest),
    ]
    assert found.annotations == {"note": "x", "my.token": "[withheld]"}
    assert (found.config, found.raw, found.subject) == (None, None, None)
    lines = found.render().splitlines()
    assert lines[0] == f"ghcr.io/o/app:v1: multi-platform image, {len(index.raw)} B"
    assert lines[-1].split()[:2] == ["attestation", "of"]


async def test_with_a_platform_its_own_manifest_is_shown(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    _, images = registry.add_multi_platform(NAME, "v1", ["linux/amd64", "linux/arm64"])
    found = await image_manifest(sources, access, REF, Platform("linux", "arm64"))
    assert (found.kind, found.digest) == ("image", images[1].digest)
    assert [entry.digest for entry in found.entries] == [layer["digest"] for layer in images[1].layers]
    assert found.config is not None
    assert found.config.digest == images[1].config_digest
    assert "config      application/vnd.oci.image.config.v1+json" in found.render()


async def test_raw_is_the_exact_bytes_of_the_digest(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME, "v1")
    found = await image_manifest(sources, access, REF, None, raw=True)
    assert found.raw is not None
    raw = base64.b64decode(found.raw, validate=True)
    assert raw == image.raw
    assert found.digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert "exact bytes in the structured answer" in found.render()


async def test_raw_of_a_document_no_model_could_read_is_left_out_and_said_to_be(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    notes = {f"note{number}": "x" * 10_000 for number in range(MAX_ANNOTATIONS + 10)}
    index = registry.add_index(NAME, "v1", [registry.add_image(NAME)], annotations=notes)
    assert len(index.raw) > MAX_RAW
    found = await image_manifest(sources, access, REF, None, raw=True)
    assert found.raw is None
    assert found.warnings == [
        "Only 100 of 110 annotations are listed.",
        "raw is left out: the document has 1.10 MB, and up to 1,048,576 bytes are shown.",
    ]


async def test_artifacts_are_named_and_shown_too(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    image = registry.add_image(NAME)
    registry.add_artifact(
        NAME, "v1", artifact_type="application/spdx+json", layers=[("application/spdx+json", b"{}")], subject=image
    )
    found = await image_manifest(sources, access, REF, None)
    assert (found.kind, found.artifact_type, found.subject) == ("SBOM (SPDX)", "application/spdx+json", image.digest)
    assert [entry.media_type for entry in found.entries] == ["application/spdx+json"]


async def test_an_index_of_no_images_is_called_an_index(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_index(NAME, "v1", [])
    found = await image_manifest(sources, access, REF, None)
    assert (found.kind, found.entries) == ("index", [])


async def test_the_retired_schema_is_recognised(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    media_type = "application/vnd.docker.distribution.manifest.v1+json"
    registry.put_manifest(NAME, "v1", b'{"schemaVersion": 1, "name": "o/app", "tag": "v1"}', media_type)
    found = await image_manifest(sources, access, REF, None)
    assert (found.kind, found.entries, found.config) == ("image in the retired schema 1", [], None)


async def test_endless_lists_are_cut_and_raw_has_the_rest(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME)
    notes = {f"note{number}": "x" for number in range(MAX_ANNOTATIONS + 1)}
    registry.add_index(NAME, "v1", [image] * (MAX_ENTRIES + 1), annotations=notes)
    found = await image_manifest(sources, access, REF, None)
    assert (len(found.entries), len(found.annotations)) == (MAX_ENTRIES, MAX_ANNOTATIONS)
    assert found.warnings == [
        "Only 500 of 501 entries are listed; raw has all.",
        "Only 100 of 101 annotations are listed; raw has all.",
    ]
    assert len(found.render().splitlines()) < 60
