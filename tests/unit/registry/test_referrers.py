"""What refers to a manifest: by the API, by the fallback tag, or not at all."""

from typing import Any

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import Forbidden, NotFound, TooLarge, UpstreamInvalid, UpstreamUnavailable
from mcp_dockerhub.reference import Digest, Repository
from mcp_dockerhub.registry import Descriptor, Quota, Registries, RegistryClient, fallback_tag
from tests.upstreams.app_client import AppClient
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

NAME = "team/app"
REPOSITORY = Repository("registry.example.com", NAME)
BUNDLE, SBOM = "application/vnd.dev.sigstore.bundle.v0.3+json", "application/spdx+json"


@pytest.fixture
def image(registry: InMemoryRegistry) -> Seeded:
    """An image with a signature and two SBOMs."""
    image = registry.add_image(NAME, "v1")
    registry.add_artifact(NAME, artifact_type=BUNDLE, subject=image, annotations={"signed": "yes"})
    for n in range(2):
        registry.add_artifact(NAME, artifact_type=SBOM, subject=image, annotations={"n": str(n)})
    return image


async def test_the_api_lists_them_with_type_and_annotations(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    found = (await client.referrers(Caller(), REPOSITORY, Digest(image.digest))).value
    assert [entry.artifact_type for entry in found.descriptors] == [BUNDLE, SBOM, SBOM]
    assert found.descriptors[0].annotations == {"signed": "yes"}
    assert (found.from_api, found.complete) == (True, True)
    assert registry.count() == 1


async def test_one_type_is_picked_from_the_list_that_is_kept(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    await client.referrers(Caller(), REPOSITORY, Digest(image.digest))
    found = await client.referrers(Caller(), REPOSITORY, Digest(image.digest), SBOM)
    assert [entry.artifact_type for entry in found.value.descriptors] == [SBOM, SBOM]
    assert (found.source, registry.count()) == ("cache", 1)


async def test_every_page_of_the_api_is_read(registry: InMemoryRegistry, client: RegistryClient, image: Seeded) -> None:
    registry.behaviour.referrers_page_size = 1
    found = (await client.referrers(Caller(), REPOSITORY, Digest(image.digest))).value
    assert len(found.descriptors) == registry.count() == 3


async def test_paging_that_leads_elsewhere_gives_a_partial_list_that_says_so(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    index = {"schemaVersion": 2, "manifests": []}
    headers = {"content-type": "application/vnd.oci.image.index.v1+json", "link": "<https://x.test/?a=1>; rel=next"}
    registry.script(200, body=index, headers=headers)
    found = (await client.referrers(Caller(), REPOSITORY, Digest(image.digest))).value
    assert not found.complete
    assert "another host" in found.warnings[0]


async def test_a_list_whose_pages_grow_without_end_is_left_and_charged_for_what_it_holds(
    registry: InMemoryRegistry, http: AppClient, image: Seeded
) -> None:
    cache = Cache()
    client = RegistryClient(http, cache, Registries.build())
    kind = "application/vnd.oci.image.index.v1+json"
    for page in range(10):
        entry = {"mediaType": kind, "digest": f"sha256:{page:064}", "size": 1, "annotations": {"a": "x" * 3_000_000}}
        headers = {"content-type": kind, "link": f"<?cursor={page}>; rel=next"}
        registry.script(200, body={"schemaVersion": 2, "manifests": [entry]}, headers=headers, times=1)
    listed = (await client.referrers(Caller(), REPOSITORY, Digest(image.digest))).value
    assert (len(listed.descriptors), listed.complete, registry.count("GET", "/referrers/")) == (3, False, 3)
    assert "is longer than" in listed.warnings[-1]
    assert cache.stats().total.bytes > 9_000_000


@pytest.mark.parametrize("api", ["404", "400", "406", "html"])
async def test_without_the_api_the_fallback_tag_is_read(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded, api: str
) -> None:
    registry.behaviour.referrers = api  # type: ignore[assignment]
    tag = fallback_tag(Digest(image.digest))
    none = (await client.referrers(Caller(), REPOSITORY, Digest("sha256:" + "1" * 64))).value
    registry.add_index(NAME, tag, [{**image.descriptor(), "artifactType": SBOM}])
    found = (await client.referrers(Caller(), REPOSITORY, Digest(image.digest))).value
    assert (none.descriptors, none.from_api) == ((), False)
    assert [entry.digest for entry in found.descriptors] == [image.digest]
    assert not found.from_api


async def test_a_fallback_tag_on_something_else_is_noted(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    registry.behaviour.referrers = "404"
    registry.add_tags(NAME, image, [fallback_tag(Digest(image.digest))])
    found = (await client.referrers(Caller(), REPOSITORY, Digest(image.digest))).value
    assert (found.descriptors, found.complete) == ((), False)
    assert "something else" in found.warnings[0]


async def test_a_page_that_fails_fails_the_list(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    registry.behaviour.referrers_page_size = 1
    headers = {"content-type": "application/vnd.oci.image.index.v1+json", "link": "<?cursor=1>; rel=next"}
    registry.script(200, body={"schemaVersion": 2, "manifests": []}, headers=headers, times=1)
    registry.script(500, times=1)
    with pytest.raises(UpstreamUnavailable):
        await client.referrers(Caller(), REPOSITORY, Digest(image.digest))


async def test_a_page_that_is_no_index_is_refused(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    headers = {"content-type": "application/vnd.oci.image.index.v1+json", "link": "<?cursor=1>; rel=next"}
    registry.script(200, body={"schemaVersion": 2, "manifests": []}, headers=headers, times=1)
    registry.script(200, body=image.raw, headers={"content-type": image.media_type}, times=1)
    with pytest.raises(UpstreamInvalid, match="not answered with an index"):
        await client.referrers(Caller(), REPOSITORY, Digest(image.digest))


async def test_unreachable_is_not_none(registry: InMemoryRegistry, client: RegistryClient, image: Seeded) -> None:
    registry.script(503)
    with pytest.raises(UpstreamUnavailable):
        await client.referrers(Caller(), REPOSITORY, Digest(image.digest))


async def test_a_failing_fallback_is_not_none(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    registry.script(404, path="/referrers/")
    registry.script(403, path="/manifests/")
    with pytest.raises(Forbidden):
        await client.referrers(Caller(), REPOSITORY, Digest(image.digest))


async def test_an_index_type_over_something_else_is_refused(
    registry: InMemoryRegistry, client: RegistryClient, image: Seeded
) -> None:
    body: dict[str, Any] = {"schemaVersion": 1, "fsLayers": []}
    registry.script(200, body=body, headers={"content-type": "application/vnd.oci.image.index.v1+json"})
    with pytest.raises(UpstreamInvalid):
        await client.referrers(Caller(), REPOSITORY, Digest(image.digest))


@pytest.mark.parametrize(
    ("digest", "tag"),
    [("sha256:" + "ab" * 32, "sha256-" + "ab" * 32), ("sha512:" + "ab" * 64, "sha512-" + "ab" * 32)],
)
def test_the_fallback_tag_is_cut_to_the_length_of_a_tag(digest: str, tag: str) -> None:
    assert fallback_tag(Digest(digest)) == tag


async def test_a_blob_is_read_up_to_its_promised_size(registry: InMemoryRegistry, client: RegistryClient) -> None:
    digest = Digest(registry.put_blob(NAME, b"content"))
    blob = Descriptor("application/x", digest, 7)
    assert (await client.blob(Caller(), REPOSITORY, blob, 7)).value == b"content"
    assert (await client.blob(Caller(), REPOSITORY, blob, 7)).source == "cache"
    assert registry.count() == 1


@pytest.mark.parametrize("size", [6, 8])
async def test_a_blob_of_another_size_than_promised_is_refused(
    registry: InMemoryRegistry, client: RegistryClient, size: int
) -> None:
    digest = Digest(registry.put_blob(NAME, b"content"))
    with pytest.raises(UpstreamInvalid):
        await client.blob(Caller(), REPOSITORY, Descriptor("application/x", digest, size), 100)


async def test_a_blob_that_was_altered_is_refused(registry: InMemoryRegistry, client: RegistryClient) -> None:
    digest = Digest(registry.put_blob(NAME, b"content"))
    registry.behaviour.corrupt = True
    with pytest.raises(UpstreamInvalid, match="does not match its digest"):
        await client.blob(Caller(), REPOSITORY, Descriptor("application/x", digest, 7), 100)


async def test_a_blob_over_the_callers_limit_is_not_asked_for(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    with pytest.raises(TooLarge):
        await client.blob(Caller(), REPOSITORY, Descriptor("x", Digest("sha256:" + "0" * 64), 101), 100)
    assert registry.count() == 0


async def test_a_foreign_layer_is_asked_for_at_the_registry_only(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    foreign = Descriptor("x", Digest("sha256:" + "0" * 64), 5, urls=("https://elsewhere.example.com/layer",))
    registry.add_image(NAME, "v1")
    with pytest.raises(NotFound):
        await client.blob(Caller(), REPOSITORY, foreign, 100)
    assert [request.path for request in registry.requests] == [f"/v2/{NAME}/blobs/{foreign.digest}"]


async def test_the_quota_is_asked_for_by_head(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.add_image("ratelimitpreview/test", "latest")
    registry.behaviour.rate_limit = ("100;w=21600", "76;w=21600")
    assert await client.quota(Caller()) == Quota(100, 76, 21600)
    assert [(request.method, request.path) for request in registry.requests] == [
        ("HEAD", "/v2/ratelimitpreview/test/manifests/latest")
    ]


async def test_no_quota_headers_are_no_quota(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.add_image("ratelimitpreview/test", "latest")
    assert await client.quota(Caller()) is None


async def test_a_mirror_without_the_image_that_states_it_has_no_quota(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    assert await client.quota(Caller()) is None
    assert registry.count("HEAD", "/ratelimitpreview/test/") == 1


async def test_a_quota_that_cannot_be_asked_for_is_an_error(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.script(500, times=1)
    with pytest.raises(UpstreamUnavailable):
        await client.quota(Caller())
    registry.script(429, headers={"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"})
    assert await client.quota(Caller()) == Quota(100, 0, 21600)
