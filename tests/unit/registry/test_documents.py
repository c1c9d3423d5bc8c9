"""Manifests are read forgivingly where the specifications are loose, and refused where they are not."""

import base64
import json
from typing import Any

import pytest

from mcp_dockerhub.errors import DockerHubError, TooLarge, UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.registry import ArtifactManifest, ImageManifest, Index, SchemaOneManifest, media_types
from mcp_dockerhub.registry.documents import parse_descriptor, parse_manifest
from mcp_dockerhub.registry.fields import MAX_ITEMS
from mcp_dockerhub.registry.models import Manifest
from mcp_dockerhub.registry.verify import digest_of

DIGEST = "sha256:" + "a" * 64


def entry(media_type: str = media_types.OCI_MANIFEST, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 7, **more}


def image(**more: Any) -> dict[str, Any]:
    layers = [entry(media_types.OCI_LAYER_GZIP)]
    return {"schemaVersion": 2, "config": entry(media_types.OCI_CONFIG), "layers": layers, **more}


def parse(document: Any, content_type: str | None = None) -> Manifest:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_manifest(raw, digest_of(raw), content_type, "The manifest of x")


def test_an_index_keeps_children_of_types_nobody_knows() -> None:
    index = parse(
        {"manifests": [entry("application/x-future"), entry(platform={"os": "linux", "architecture": "amd64"})]}
    )
    assert isinstance(index, Index)
    assert [child.media_type for child in index.manifests] == ["application/x-future", media_types.OCI_MANIFEST]
    assert index.platforms == (Platform("linux", "amd64"),)


def test_an_index_leaves_out_and_counts_children_it_cannot_address() -> None:
    index = parse({"manifests": [entry(), entry(digest="blake3:" + "a" * 64), "child", entry(size=-1)]})
    assert isinstance(index, Index)
    assert len(index.manifests) == 1
    assert index.warnings == ("3 entries of the index could not be read and are left out.",)


def test_attestations_and_unknown_platforms_are_no_images() -> None:
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": DIGEST}
    unknown = {"os": "unknown", "architecture": "unknown"}
    index = parse(
        {
            "manifests": [
                entry(platform=unknown, annotations=about),
                entry(platform=unknown),
                entry(platform=unknown, annotations={"vnd.docker.reference.type": "builder"}),
                entry(platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
                entry(),
            ]
        }
    )
    assert isinstance(index, Index)
    assert [child.platform for child in index.images] == [Platform("linux", "arm64", "v8"), None]
    assert [child.describes for child in index.attestations] == [DIGEST]
    assert [child.describes for child in index.images] == ["", ""]


@pytest.mark.parametrize("field", ["manifests", "layers"])
def test_null_lists_are_empty(field: str) -> None:
    document = {"manifests": None} if field == "manifests" else image(layers=None)
    parsed = parse(document)
    assert (parsed.manifests if isinstance(parsed, Index) else parsed.layers) == ()  # type: ignore[union-attr]


def test_the_type_comes_from_the_document_before_the_header_before_the_shape() -> None:
    assert parse(image(mediaType=media_types.DOCKER_MANIFEST), "text/plain").media_type == media_types.DOCKER_MANIFEST
    assert parse(image(), f"{media_types.DOCKER_MANIFEST}; charset=utf-8").media_type == media_types.DOCKER_MANIFEST
    assert parse(image(), "application/octet-stream").media_type == media_types.OCI_MANIFEST
    assert parse({"manifests": []}).media_type == media_types.OCI_INDEX


@pytest.mark.parametrize(
    ("document", "content_type", "message"),
    [
        (image(manifests=[]), None, "both an index and a manifest"),
        ({"manifests": [], "layers": []}, None, "both an index and a manifest"),
        (image(mediaType=media_types.OCI_INDEX), None, "form of the type"),
        ({"manifests": [], "mediaType": media_types.OCI_MANIFEST}, None, "form of the type"),
        (image(mediaType=media_types.OCI_MANIFEST), media_types.DOCKER_MANIFEST, "served as another"),
        ({"hello": "world"}, None, "not a manifest of any known kind"),
        ({"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST}, None, "lacks a descriptor"),
        (image(config=None), None, "lacks a descriptor"),
        (image(config=entry(size="7")), None, "without a proper size"),
        (image(config=entry(size=True)), None, "without a proper size"),
        (image(config=entry(size=2**63)), None, "without a proper size"),
        (image(layers=[entry(digest="sha256:abc")]), None, "without a proper digest"),
        (image(subject={"digest": "x"}), None, "without a proper size"),
        ([], None, "not a JSON object"),
        (b"<html>login</html>", "text/html", "not valid JSON"),
        (b'{"a":NaN}', None, "not valid JSON"),
        (b"[" * 200_000, None, "not valid JSON"),
        (b'{"schemaVersion":' + b"9" * 10_000 + b"}", None, "not valid JSON"),
        (b'{"a":"\xff"}', None, "not valid JSON"),
    ],
)
def test_what_is_no_manifest_is_refused(document: Any, content_type: str | None, message: str) -> None:
    with pytest.raises(UpstreamInvalid, match=message):
        parse(document, content_type)


def test_more_entries_than_any_real_document_has_are_refused() -> None:
    with pytest.raises(TooLarge):
        parse({"manifests": [0] * (MAX_ITEMS + 1)})
    with pytest.raises(TooLarge):
        parse(image(annotations={str(n): "" for n in range(MAX_ITEMS + 1)}))


def test_an_image_knows_its_foreign_layers_and_its_size() -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    parsed = parse(
        image(
            layers=[
                entry(foreign, urls=["https://example.com/layer"]),
                entry("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
                entry(media_types.OCI_LAYER_GZIP),
            ],
            annotations={"org.opencontainers.image.base.name": "alpine", "number": 1},
        )
    )
    assert isinstance(parsed, ImageManifest)
    assert [layer.is_foreign for layer in parsed.layers] == [True, True, False]
    assert parsed.has_foreign_layers
    assert parsed.layers_size == 21
    assert parsed.annotations == {"org.opencontainers.image.base.name": "alpine"}
    assert parsed.descriptor.size == parsed.size == len(parsed.raw)
    assert parsed.descriptor.digest == parsed.digest


def test_an_image_of_no_layers_is_an_image() -> None:
    assert isinstance(parse(image(layers=[])), ImageManifest)


def test_a_manifest_about_another_names_its_subject() -> None:
    parsed = parse(image(subject=entry(), artifactType="application/x-thing"))
    assert isinstance(parsed, ImageManifest)
    assert parsed.subject is not None
    assert parsed.subject.digest == DIGEST
    assert parsed.artifact_type == "application/x-thing"


def test_an_artifact_without_a_type_has_that_of_its_config() -> None:
    parsed = parse(image(config=entry("application/vnd.cncf.helm.config.v1+json"), layers=[entry("application/x")]))
    assert isinstance(parsed, ArtifactManifest)
    assert (parsed.kind, parsed.artifact_type) == ("Helm chart", "application/vnd.cncf.helm.config.v1+json")


def test_a_manifest_of_the_withdrawn_artifact_type_is_an_artifact() -> None:
    document = {"mediaType": media_types.OCI_ARTIFACT, "artifactType": "text/spdx", "blobs": [entry("text/spdx")]}
    parsed = parse(document)
    assert isinstance(parsed, ArtifactManifest)
    assert (parsed.kind, parsed.config, len(parsed.layers)) == ("SBOM (SPDX)", None, 1)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, media_types.SCHEMA_ONE),
        ({"schemaVersion": 1, "fsLayers": [], "signatures": []}, media_types.SCHEMA_ONE_SIGNED),
    ],
)
def test_schema_one_is_recognised_by_its_shape(document: dict[str, Any], expected: str) -> None:
    parsed = parse(document, "text/plain")
    assert isinstance(parsed, SchemaOneManifest)
    assert parsed.media_type == expected


def test_embedded_content_must_match_its_descriptor() -> None:
    data = b"{}"
    good = {"mediaType": "x", "digest": str(digest_of(data)), "size": 2, "data": base64.b64encode(data).decode()}
    assert parse_descriptor(good, "x").data == data
    for change in ({"size": 3}, {"digest": DIGEST}, {"data": "e30"}, {"data": "%%"}, {"data": "é"}):
        with pytest.raises(UpstreamInvalid):
            parse_descriptor({**good, **change}, "x")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"os": "linux", "architecture": "x86_64"}, Platform("linux", "amd64")),
        ({"os": "Linux", "architecture": "amd64"}, Platform("Linux", "amd64")),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, Platform("linux", "arm", "v7")),
        ({"os": "linux", "architecture": "amd64", "variant": None}, Platform("linux", "amd64")),
        ({"os": "linux"}, None),
        ({"os": "linux", "architecture": "a" * 65}, None),
        ("linux/amd64", None),
    ],
)
def test_platforms_are_taken_as_stated_with_aliases_resolved(stated: Any, expected: Platform | None) -> None:
    assert parse_descriptor(entry(platform=stated), "x").platform == expected


def test_windows_children_keep_their_version() -> None:
    stated = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2461"}
    assert parse_descriptor(entry(platform=stated), "x").os_version == "10.0.20348.2461"


def test_errors_name_what_was_read_and_nothing_of_its_content() -> None:
    with pytest.raises(DockerHubError) as caught:
        parse(b"secret token abc")
    assert "The manifest of x" in str(caught.value)
    assert "secret" not in str(caught.value)
