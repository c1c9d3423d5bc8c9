"""One image for one platform, or the truth about why there is none."""

from typing import Any

import pytest

from mcp_dockerhub.errors import TooLarge, Unsupported, UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry import Descriptor, RegistryClient
from mcp_dockerhub.registry.media_types import OCI_CONFIG
from tests.upstreams.callers import Caller
from tests.upstreams.content import OCI_MANIFEST, embedded, encode
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

REF = Reference.parse("app:v1")
NAME = "library/app"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        (["linux/arm64/v8", "linux/amd64"], "linux/arm64", "linux/arm64/v8"),
        (["linux/arm64", "linux/amd64"], "linux/arm64/v8", "linux/arm64"),
        (["linux/arm/v5", "linux/arm/v7"], "linux/arm", "linux/arm/v7"),
        (["linux/arm64", "linux/arm64/v8"], "linux/arm64/v8", "linux/arm64/v8"),
        (["linux/amd64", "linux/amd64/v3"], "linux/amd64/v3", "linux/amd64/v3"),
        (["linux/386", "linux/amd64"], None, "linux/amd64"),
        (["windows/amd64"], None, "windows/amd64"),
    ],
)
async def test_the_platform_is_matched_exactly_then_by_default_variant(
    registry: InMemoryRegistry, client: RegistryClient, offered: list[str], wanted: str | None, expected: str
) -> None:
    registry.add_multi_platform(NAME, "v1", offered)
    image = (await client.image(Caller(), REF, Platform.parse(wanted) if wanted else None)).value
    assert str(image.platform) == expected
    assert [str(platform) for platform in image.platforms] == offered


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (["linux/amd64"], "linux/arm64"),
        (["linux/arm/v6"], "linux/arm/v7"),
        (["linux/amd64"], "linux/amd64/v3"),
        (["linux/386", "linux/s390x"], None),
    ],
)
async def test_no_platform_nearby_is_offered_instead(
    registry: InMemoryRegistry, client: RegistryClient, offered: list[str], wanted: str | None
) -> None:
    registry.add_multi_platform(NAME, "v1", offered)
    with pytest.raises(Unsupported) as caught:
        await client.image(Caller(), REF, Platform.parse(wanted) if wanted else None)
    assert ", ".join(offered) in caught.value.hint


async def test_a_long_list_of_platforms_is_cut(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.add_multi_platform(NAME, "v1", [f"linux/cpu{n}" for n in range(25)])
    with pytest.raises(Unsupported, match="no image for linux/amd64") as caught:
        await client.image(Caller(), REF)
    assert "and 5 more" in caught.value.hint


async def test_the_first_of_several_windows_versions_wins(registry: InMemoryRegistry, client: RegistryClient) -> None:
    images = [registry.add_image(NAME, platform="windows/amd64", layers=(v.encode(),)) for v in ("2025", "2022")]
    children = [
        image.descriptor(platform={"os": "windows", "architecture": "amd64", "os.version": version})
        for image, version in zip(images, ("10.0.26100", "10.0.20348"), strict=True)
    ]
    registry.add_index(NAME, "v1", children)
    image = (await client.image(Caller(), REF, Platform("windows", "amd64"))).value
    assert image.manifest.digest == images[0].digest
    assert image.platforms == (Platform("windows", "amd64"),)


async def test_a_single_image_for_another_platform_is_not_passed_off(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.add_image(NAME, "v1", platform="linux/arm64")
    with pytest.raises(Unsupported) as caught:
        await client.image(Caller(), REF, AMD64)
    assert "linux/arm64" in caught.value.hint
    assert (await client.image(Caller(), REF)).value.platform == ARM64


async def test_a_single_image_that_does_not_say_is_taken_as_asked(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.add_image(NAME, "v1", extra_config={"os": "", "architecture": ""})
    assert (await client.image(Caller(), REF, ARM64)).value.platform == ARM64
    assert (await client.image(Caller(), REF)).value.platform == Platform("unknown", "unknown")


async def test_a_child_without_a_platform_is_known_by_its_config(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    images = [registry.add_image(NAME, platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    chart = registry.add_artifact(NAME, artifact_type="application/x-thing")
    bare = [{key: value for key, value in image.descriptor().items() if key != "platform"} for image in images]
    registry.add_index(NAME, "v1", [chart, *bare])
    image = (await client.image(Caller(), REF, ARM64)).value
    assert image.manifest.digest == images[1].digest
    assert set(image.platforms) == {AMD64, ARM64}
    with pytest.raises(Unsupported) as caught:
        await client.image(Caller(), REF, Platform("linux", "s390x"))
    assert "linux/amd64, linux/arm64" in caught.value.hint


async def test_an_index_within_an_index_is_searched(registry: InMemoryRegistry, client: RegistryClient) -> None:
    inner, images = registry.add_multi_platform(NAME, "inner", ["linux/arm64"])
    middle = registry.add_index(NAME, None, [inner])
    amd64 = registry.add_image(NAME)
    registry.add_index(NAME, "v1", [amd64, middle])
    image = (await client.image(Caller(), REF, ARM64)).value
    assert image.manifest.digest == images[0].digest
    assert image.index is not None
    assert len(image.index.manifests) == 2


async def test_nesting_beyond_measure_ends(registry: InMemoryRegistry, client: RegistryClient) -> None:
    nested = registry.add_image(NAME)
    for _ in range(6):
        nested = registry.add_index(NAME, None, [nested])
    registry.add_index(NAME, "v1", [nested])
    with pytest.raises(Unsupported):
        await client.image(Caller(), REF, AMD64)
    assert registry.count("GET", "/manifests/") <= 5


async def test_a_wide_search_ends(registry: InMemoryRegistry, client: RegistryClient) -> None:
    inner = [registry.add_index(NAME, None, [], annotations={"n": str(n)}) for n in range(40)]
    registry.add_index(NAME, "v1", [*inner, *inner])
    with pytest.raises(Unsupported, match="no container image"):
        await client.image(Caller(), REF, AMD64)
    assert registry.count("GET", "/manifests/") <= 17


async def test_a_nested_index_with_a_platform_of_its_own_is_followed(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    inner, images = registry.add_multi_platform(NAME, "inner", ["linux/arm64"])
    registry.add_index(NAME, "v1", [inner.descriptor(platform={"os": "linux", "architecture": "arm64"})])
    assert (await client.image(Caller(), REF, ARM64)).value.manifest.digest == images[0].digest


async def test_an_index_that_contradicts_the_config_is_noted(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    image = registry.add_image(NAME, platform="linux/amd64")
    registry.add_index(NAME, "v1", [image.descriptor(platform={"os": "linux", "architecture": "arm64"})])
    found = (await client.image(Caller(), REF, ARM64)).value
    assert found.platform == ARM64
    assert "its configuration says linux/amd64" in found.warnings[0]


async def test_a_child_that_does_not_say_anywhere_is_nobodys(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    image = registry.add_image(NAME, extra_config={"os": "", "architecture": ""})
    bare = {key: value for key, value in image.descriptor().items() if key != "platform"}
    registry.add_index(NAME, "v1", [bare])
    with pytest.raises(Unsupported, match="no container image"):
        await client.image(Caller(), REF, AMD64)


@pytest.mark.parametrize("nested", [False, True])
async def test_artifacts_are_named_instead_of_read(
    registry: InMemoryRegistry, client: RegistryClient, nested: bool
) -> None:
    layers = [("application/vnd.cncf.flux.content.v1.tar+gzip", b"x")]
    kind = "application/vnd.cncf.flux.config.v1+json"
    artifact = registry.add_artifact(NAME, "v1", config=(kind, b"{}"), layers=layers)
    if nested:
        registry.add_index(NAME, "v1", [artifact.descriptor(platform={"os": "linux", "architecture": "amd64"})])
    with pytest.raises(Unsupported, match="not a container image but: Flux artifact"):
        await client.image(Caller(), REF)


async def test_schema_one_is_named_instead_of_read(registry: InMemoryRegistry, client: RegistryClient) -> None:
    raw = encode({"schemaVersion": 1, "fsLayers": []})
    registry.put_manifest(NAME, "v1", raw, "application/vnd.docker.distribution.manifest.v1+json")
    with pytest.raises(Unsupported, match="schema 1"):
        await client.image(Caller(), REF)


async def test_the_config_is_verified(registry: InMemoryRegistry, client: RegistryClient) -> None:
    pushed = registry.add_image(NAME, "v1")
    blobs = registry.app.repositories[NAME].blobs
    genuine = blobs[pushed.config_digest]
    for fake in (genuine[:-1] + b" ", genuine[:-1], genuine + b" "):
        blobs[pushed.config_digest] = fake
        with pytest.raises(UpstreamInvalid):
            await client.image(Caller(), REF)
    blobs[pushed.config_digest] = genuine
    assert (await client.image(Caller(), REF)).value.config.digest == pushed.config_digest


async def test_an_embedded_config_needs_no_request(registry: InMemoryRegistry, client: RegistryClient) -> None:
    config = encode({"os": "linux", "architecture": "amd64"})
    descriptor = registry.blob(NAME, config, OCI_CONFIG)
    manifest = {"schemaVersion": 2, "config": {**descriptor, "data": embedded(config)}, "layers": []}
    registry.put_manifest(NAME, "v1", encode(manifest), OCI_MANIFEST)
    assert (await client.image(Caller(), REF)).value.config.platform == AMD64
    assert registry.count("GET", "/blobs/") == 0


async def test_a_config_of_another_type_or_size_is_not_asked_for(client: RegistryClient) -> None:
    digest = Digest("sha256:" + "0" * 64)
    with pytest.raises(UpstreamInvalid):
        await client.config(Caller(), REF.repository, Descriptor("application/x", digest, 10))
    with pytest.raises(TooLarge):
        await client.config(Caller(), REF.repository, Descriptor(OCI_CONFIG, digest, 9 * 1024 * 1024))


async def test_documents_are_fetched_once_for_all_platforms(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.add_multi_platform(NAME, "v1", ["linux/amd64", "linux/arm64"])
    first = await client.image(Caller(), REF, AMD64)
    second = await client.image(Caller(), REF, ARM64)
    assert (first.source, second.source) == ("live", "cache")
    paths: list[Any] = [(request.method, request.path) for request in registry.requests]
    assert len(paths) == len(set(paths)) == 6


async def test_an_index_of_attestations_only_offers_nothing(registry: InMemoryRegistry, client: RegistryClient) -> None:
    image = registry.add_image(NAME)
    registry.add_index(NAME, "v1", [registry.add_attestation(NAME, image, [])])
    with pytest.raises(Unsupported, match="no container image for any platform"):
        await client.image(Caller(), REF)
