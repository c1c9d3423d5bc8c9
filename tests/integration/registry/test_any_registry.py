"""One suite for every registry: the stand-in and Debian's docker-registry, open, with passwords, with tokens."""

import pytest

from mcp_dockerhub.errors import AuthenticationFailed, NotFound, TooLarge, Unsupported
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference, Repository
from mcp_dockerhub.registry import ArtifactManifest, ImageManifest, Index, fallback_tag
from tests.upstreams.any_registry import SECRET_REPOSITORY, AnyRegistry, connected
from tests.upstreams.callers import Caller

pytestmark = pytest.mark.anyio

OWNER = Caller(private=True)


def reference(registry: AnyRegistry, rest: str) -> Reference:
    return Reference.parse(f"{registry.host}/{rest}")


async def test_a_tag_resolves_to_what_was_pushed(registry: AnyRegistry) -> None:
    pushed = registry.add_image("suite/resolve", "v1")
    async with connected(registry) as client:
        resolved = (await client.resolve(OWNER, reference(registry, "suite/resolve:v1"))).value
    assert resolved.digest == pushed.digest
    assert resolved.media_type == pushed.media_type
    assert resolved.size == len(pushed.raw)


@pytest.mark.parametrize("docker", [False, True])
async def test_the_image_of_a_platform_is_found_in_an_index(registry: AnyRegistry, docker: bool) -> None:
    name = f"suite/multi{int(docker)}"
    index, images = registry.add_multi_platform(name, "v1", ["linux/amd64", "linux/arm64/v8"], docker=docker)
    async with connected(registry) as client:
        ref = reference(registry, f"{name}:v1")
        image = (await client.image(OWNER, ref, Platform("linux", "arm64"))).value
        document = (await client.manifest(OWNER, ref)).value
    assert isinstance(document, Index)
    assert document.raw == index.raw
    assert image.digest == index.digest
    assert image.manifest.digest == images[1].digest
    assert image.platform == Platform("linux", "arm64", "v8")
    assert image.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64", "v8"))
    assert [layer.digest for layer in image.manifest.layers] == [layer["digest"] for layer in images[1].layers]
    assert image.config.env == ("PATH=/usr/bin:/bin",)
    assert len(image.config.history) == 2


async def test_an_image_without_an_index_is_read_by_digest(registry: AnyRegistry) -> None:
    pushed = registry.add_image("suite/single", "v1")
    async with connected(registry) as client:
        ref = reference(registry, f"suite/single@{pushed.digest}")
        image = (await client.image(OWNER, ref, Platform("linux", "amd64"))).value
    assert image.index is None
    assert image.digest == pushed.digest
    assert image.config.digest == pushed.config_digest


async def test_a_missing_platform_lists_those_there_are(registry: AnyRegistry) -> None:
    registry.add_multi_platform("suite/platforms", "v1", ["linux/amd64", "linux/arm/v7"])
    async with connected(registry) as client:
        with pytest.raises(Unsupported) as caught:
            await client.image(OWNER, reference(registry, "suite/platforms:v1"), Platform("linux", "s390x"))
    assert "linux/amd64, linux/arm/v7" in caught.value.hint


async def test_a_missing_tag_is_not_found(registry: AnyRegistry) -> None:
    registry.add_image("suite/tagless", "v1")
    async with connected(registry) as client:
        with pytest.raises(NotFound, match="no such tag or digest"):
            await client.manifest(OWNER, reference(registry, "suite/tagless:v2"))


async def test_the_tags_of_a_missing_repository_are_not_found(registry: AnyRegistry) -> None:
    async with connected(registry) as client:
        with pytest.raises(NotFound, match="no such repository"):
            await client.tags(OWNER, Repository(registry.host, "suite/nowhere"))


async def test_all_tags_are_listed_but_those_about_a_digest(registry: AnyRegistry) -> None:
    pushed = registry.add_image("suite/tags", "v0")
    wanted = {f"v{n}" for n in range(30)}
    registry.add_tags("suite/tags", pushed, [*wanted, f"sha256-{pushed.digest[7:]}.sig"])
    async with connected(registry) as client:
        listing = (await client.tags(OWNER, Repository(registry.host, "suite/tags"))).value
    assert set(listing.tags) == wanted
    assert (listing.hidden, listing.complete, listing.requests) == (1, True, 1)


async def test_a_helm_chart_is_named_and_is_no_image(registry: AnyRegistry) -> None:
    registry.add_artifact(
        "suite/chart",
        "1.0.0",
        config=("application/vnd.cncf.helm.config.v1+json", b'{"name":"chart"}'),
        layers=[("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"chart")],
    )
    ref = reference(registry, "suite/chart:1.0.0")
    async with connected(registry) as client:
        document = (await client.manifest(OWNER, ref)).value
        with pytest.raises(Unsupported, match="Helm chart"):
            await client.image(OWNER, ref)
    assert isinstance(document, ArtifactManifest)
    assert document.kind == "Helm chart"


async def test_attestations_are_no_platforms_and_can_be_read(registry: AnyRegistry) -> None:
    image = registry.add_image("suite/attested")
    attestation = registry.add_attestation("suite/attested", image, [{"predicateType": "https://spdx.dev/Document"}])
    registry.add_index("suite/attested", "v1", [image, attestation])
    ref = reference(registry, "suite/attested:v1")
    async with connected(registry) as client:
        found = (await client.image(OWNER, ref)).value
        assert found.index is not None
        listed = found.index.attestations[0]
        document = (await client.manifest(OWNER, ref.with_digest(listed.digest))).value
        assert isinstance(document, ArtifactManifest)
        statement = await client.blob(OWNER, ref.repository, document.layers[0], 1000)
    assert found.platforms == (Platform("linux", "amd64"),)
    assert listed.describes == image.digest
    assert document.kind == "BuildKit attestation"
    assert b"spdx" in statement.value


async def test_a_blob_beyond_the_limit_is_not_fetched(registry: AnyRegistry) -> None:
    pushed = registry.add_image("suite/blob", "v1", layers=(b"x" * 100,))
    ref = reference(registry, "suite/blob:v1")
    async with connected(registry) as client:
        manifest = (await client.manifest(OWNER, ref)).value
        assert isinstance(manifest, ImageManifest)
        layer = manifest.layers[0]
        assert (await client.blob(OWNER, ref.repository, layer, layer.size)).value[:2] == b"\x1f\x8b"
        with pytest.raises(TooLarge):
            await client.blob(OWNER, ref.repository, layer, layer.size - 1)
    assert layer.digest == pushed.layers[0]["digest"]


async def test_referrers_are_read_from_the_fallback_tag(registry: AnyRegistry) -> None:
    image = registry.add_image("suite/referred", "v1")
    digest = Digest(image.digest)
    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    signature = registry.add_artifact("suite/referred", artifact_type=bundle, subject=image, layers=[(bundle, b"{}")])
    registry.add_index("suite/referred", fallback_tag(digest), [signature])
    repository = Repository(registry.host, "suite/referred")
    async with connected(registry) as client:
        found = (await client.referrers(OWNER, repository, digest)).value
        none = (await client.referrers(OWNER, repository, digest, "application/x")).value
        unreferred = (await client.referrers(OWNER, repository, Digest(signature.digest))).value
    assert [(entry.digest, entry.artifact_type) for entry in found.descriptors] == [(signature.digest, bundle)]
    assert not found.from_api
    assert none.descriptors == unreferred.descriptors == ()


async def test_a_second_question_costs_no_request_and_says_it_is_from_the_cache(registry: AnyRegistry) -> None:
    registry.add_multi_platform("suite/cached", "v1", ["linux/amd64", "linux/arm64"])
    ref = reference(registry, "suite/cached:v1")
    async with connected(registry) as client:
        first = await client.image(OWNER, ref)
        second = await client.image(OWNER, ref)
    assert (first.source, second.source) == ("live", "cache")
    assert second.value == first.value


async def test_a_private_repository_is_read_with_credentials(token_registry: AnyRegistry) -> None:
    pushed = token_registry.add_image(SECRET_REPOSITORY, "v1")
    async with connected(token_registry) as client:
        found = await client.resolve(OWNER, reference(token_registry, f"{SECRET_REPOSITORY}:v1"))
    assert found.value.digest == pushed.digest


async def test_a_private_repository_may_not_exist_for_strangers(token_registry: AnyRegistry) -> None:
    token_registry.add_image(SECRET_REPOSITORY, "v1")
    async with connected(token_registry) as client:
        ref = reference(token_registry, f"{SECRET_REPOSITORY}:v1")
        await client.resolve(OWNER, ref)  # what the owner read is kept for the owner only
        with pytest.raises(NotFound, match="does not exist or is private"):
            await client.resolve(Caller(), ref)


async def test_a_public_repository_is_read_without_credentials(token_registry: AnyRegistry) -> None:
    pushed = token_registry.add_image("suite/public", "v1")
    async with connected(token_registry) as client:
        found = await client.resolve(Caller(), reference(token_registry, "suite/public:v1"))
    assert found.value.digest == pushed.digest


async def test_a_wrong_password_is_an_authentication_failure(guarded_registry: AnyRegistry) -> None:
    guarded_registry.add_image("suite/login", "v1")
    async with connected(guarded_registry, password="wrong-password") as client:
        with pytest.raises(AuthenticationFailed) as caught:
            await client.resolve(OWNER, reference(guarded_registry, "suite/login:v1"))
    assert "wrong-password" not in str(caught.value) + caught.value.hint


async def test_a_registry_with_passwords_only_says_that_it_wants_one(basic_registry: AnyRegistry) -> None:
    async with connected(basic_registry) as client:
        with pytest.raises(AuthenticationFailed, match="without a login"):
            await client.resolve(Caller(), reference(basic_registry, "suite/any:v1"))


async def test_docker_hub_is_whatever_registry_is_configured_for_it(token_registry: AnyRegistry) -> None:
    pushed = token_registry.add_image("library/suite", "v1")
    async with connected(token_registry) as client:
        found = await client.resolve(Caller(), Reference.parse("suite:v1"))
    assert found.value.digest == pushed.digest
