"""From tags to digests to documents: few requests, and nothing that does not match its digest."""

import base64
import hashlib
import json

import pytest

from mcp_dockerhub.cache import Cache, Kind
from mcp_dockerhub.errors import (
    NotFound,
    PolicyDenied,
    TooLarge,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference, Repository
from mcp_dockerhub.registry import Index, Registries, RegistryClient, RegistryConfig, SchemaOneManifest
from mcp_dockerhub.registry.media_types import SCHEMA_ONE_SIGNED
from mcp_dockerhub.transport.client import Credential
from tests.upstreams.app_client import AppClient
from tests.upstreams.callers import Caller
from tests.upstreams.content import OCI_MANIFEST, encode
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

REF = Reference.parse("nginx:alpine")
MULTI = ["linux/amd64", "linux/arm64/v8"]


async def test_a_tag_costs_one_head(registry: InMemoryRegistry, client: RegistryClient) -> None:
    pushed = registry.add_image("library/nginx", "alpine")
    resolved = await client.resolve(Caller(), REF)
    assert (resolved.value.digest, resolved.value.media_type) == (pushed.digest, OCI_MANIFEST)
    assert [request.method for request in registry.requests] == ["HEAD"]


async def test_requests_carry_the_scope_and_every_manifest_type(
    registry: InMemoryRegistry, client: RegistryClient, http: AppClient
) -> None:
    registry.add_image("library/nginx", "alpine")
    await client.manifest(Caller(), REF)
    assert set(http.scopes) == {"repository:library/nginx:pull"}
    for request in registry.requests:
        accept = request.headers["accept"]
        assert all(
            kind in accept for kind in ("oci.image.index", "oci.image.manifest", "manifest.list.v2", "manifest.v2")
        )
        assert "prettyjws" not in accept
    assert http.upstreams[0].base_url == "https://registry-1.docker.io"


@pytest.mark.parametrize("head", ["not_allowed", "not_found", "no_digest"])
async def test_get_stands_in_for_a_head_that_tells_nothing(
    registry: InMemoryRegistry, client: RegistryClient, head: str
) -> None:
    registry.behaviour.head = head  # type: ignore[assignment]
    pushed = registry.add_image("library/nginx", "alpine")
    resolved = await client.resolve(Caller(), REF)
    assert (resolved.value.digest, resolved.value.size) == (pushed.digest, len(pushed.raw))
    await client.manifest(Caller(), REF)
    assert [request.method for request in registry.requests] == ["HEAD", "GET"], "the document is not fetched twice"


async def test_a_registry_without_digest_headers_is_believed_by_the_hash(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.behaviour.digest_header = False
    pushed = registry.add_image("library/nginx", "alpine")
    assert (await client.manifest(Caller(), REF)).value.digest == pushed.digest


async def test_a_missing_tag_takes_a_get_to_tell_what_is_missing(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.add_image("library/nginx", "latest")
    with pytest.raises(NotFound, match="no such tag"):
        await client.resolve(Caller(), REF)
    with pytest.raises(NotFound, match="no such repository"):
        await client.resolve(Caller(), Reference.parse("nothing:here"))


async def test_a_server_error_says_nothing_about_the_image(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.script(503, path="/manifests/")
    with pytest.raises(UpstreamUnavailable):
        await client.resolve(Caller(), REF)
    assert registry.count() == 1


@pytest.mark.parametrize("digest_header", [True, False])
async def test_a_document_that_does_not_match_its_digest_is_refused(
    registry: InMemoryRegistry, client: RegistryClient, digest_header: bool
) -> None:
    pushed = registry.add_image("library/nginx", "alpine")
    registry.behaviour.corrupt = True
    registry.behaviour.digest_header = digest_header
    with pytest.raises(UpstreamInvalid, match="does not match its digest"):
        await client.manifest(Caller(), REF.with_digest(pushed.digest))


async def test_the_digest_in_the_header_must_match_too(registry: InMemoryRegistry, client: RegistryClient) -> None:
    pushed = registry.add_image("library/nginx", "alpine")
    wrong = {"docker-content-digest": "sha256:" + "0" * 64, "content-type": OCI_MANIFEST}
    registry.script(200, path="/manifests/", body=pushed.raw, headers=wrong)
    pinned = REF.with_digest(pushed.digest)
    with pytest.raises(UpstreamInvalid, match="does not match its digest"):
        await client.manifest(Caller(), pinned)
    with pytest.raises(UpstreamInvalid, match="another digest"):
        await client.resolve(Caller(), pinned)


async def test_a_sha512_digest_is_verified_as_such(registry: InMemoryRegistry, client: RegistryClient) -> None:
    pushed = registry.add_image("library/nginx", "alpine")
    digest = f"sha512:{hashlib.sha512(pushed.raw).hexdigest()}"
    registry.put_manifest("library/nginx", digest, pushed.raw, OCI_MANIFEST)
    assert (await client.manifest(Caller(), REF.with_digest(digest))).value.digest == digest
    registry.behaviour.corrupt = True
    with pytest.raises(UpstreamInvalid):
        await RegistryClient(AppClient(registry), Cache(), Registries.build()).manifest(
            Caller(), REF.with_digest(digest)
        )


async def test_a_digest_costs_no_head_and_its_answer_is_kept(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    pushed = registry.add_image("library/nginx", "alpine")
    pinned = REF.with_digest(pushed.digest)
    await client.manifest(Caller(), pinned)
    await client.manifest(Caller(), pinned)
    assert [request.method for request in registry.requests] == ["GET"]


async def test_a_tag_that_moved_is_seen_when_its_time_is_up(registry: InMemoryRegistry) -> None:
    client = RegistryClient(AppClient(registry), Cache(ttl={Kind.TAG_DIGEST: 0.0}), Registries.build())
    registry.add_image("library/nginx", "alpine")
    await client.manifest(Caller(), REF)
    await client.manifest(Caller(), REF)
    assert [request.method for request in registry.requests] == ["HEAD", "GET", "HEAD"]
    moved = registry.add_image("library/nginx", "alpine", layers=(b"new",))
    assert (await client.manifest(Caller(), REF)).value.digest == moved.digest


async def test_a_document_over_eight_mebibytes_is_too_large(registry: InMemoryRegistry, client: RegistryClient) -> None:
    raw = encode({"schemaVersion": 2, "manifests": [], "annotations": {"x": "y" * (8 * 1024 * 1024)}})
    digest = registry.put_manifest("library/nginx", "alpine", raw, "application/vnd.oci.image.index.v1+json")
    with pytest.raises(TooLarge):
        await client.manifest(Caller(), REF.with_digest(digest))


async def test_policy_comes_before_any_request(registry: InMemoryRegistry, client: RegistryClient) -> None:
    pushed = registry.add_image("library/nginx", "alpine")
    caller = Caller(denied=frozenset({"docker.io/library/nginx"}))
    manifest = (await client.manifest(Caller(), REF)).value
    registry.clear()
    for ask in (
        client.resolve(caller, REF),
        client.manifest(caller, REF),
        client.image(caller, REF),
        client.tags(caller, REF.repository),
        client.referrers(caller, REF.repository, manifest.digest),
        client.blob(caller, REF.repository, manifest.descriptor, 10_000),
        client.quota(Caller(denied=frozenset({"docker.io/ratelimitpreview/test"}))),
    ):
        with pytest.raises(PolicyDenied):
            await ask
    assert registry.requests == []
    assert pushed.digest == manifest.digest


async def test_what_was_read_with_credentials_is_not_shared(registry: InMemoryRegistry) -> None:
    alice = RegistryConfig(
        "docker.io", "https://registry-1.docker.io", Credential("docker.io:alice", "alice", "s", "basic")
    )
    http = AppClient(registry)
    client = RegistryClient(http, Cache(), Registries.build([alice]))
    registry.add_image("library/nginx", "alpine")
    for caller in (Caller(private=True), Caller(), Caller(private=True, partition="other")):
        assert (await client.manifest(caller, REF)).source == "live"
    assert (await client.manifest(Caller(), REF)).source == "cache"
    assert [upstream.credential.identity for upstream in http.upstreams[::2]] == [
        "docker.io:alice",
        "anonymous",
        "docker.io:alice",
    ]


async def test_warning_headers_are_surfaced(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.behaviour.warnings = ('299 - "this repository moves"',)
    said = ("The registry says: this repository moves",)
    registry.add_multi_platform("library/nginx", "alpine", MULTI)
    assert (await client.resolve(Caller(), REF)).value.warnings == said
    assert (await client.manifest(Caller(), REF)).value.warnings == said
    assert (await client.image(Caller(), REF)).value.warnings == said
    assert (await client.tags(Caller(), REF.repository)).value.warnings == said


def schema_one(signed: bool) -> tuple[bytes, str]:
    """A manifest of schema 1 and its digest, which leaves the signatures out."""
    payload = json.dumps({"schemaVersion": 1, "name": "library/old", "fsLayers": []}, indent=3).encode()
    if not signed:
        return payload, hashlib.sha256(payload).hexdigest()
    length, tail = len(payload) - 2, payload[-2:]
    protected = {"formatLength": length, "formatTail": base64.urlsafe_b64encode(tail).decode().rstrip("=")}
    signature = {"protected": base64.urlsafe_b64encode(json.dumps(protected).encode()).decode().rstrip("=")}
    raw = payload[:length] + b',\n   "signatures": ' + json.dumps([signature]).encode() + tail
    return raw, hashlib.sha256(payload).hexdigest()


async def test_signed_schema_one_is_recognised_by_the_digest_of_its_payload(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    raw, payload_digest = schema_one(signed=True)
    digest = f"sha256:{payload_digest}"
    registry.put_manifest("library/nginx", digest, raw, SCHEMA_ONE_SIGNED)
    registry.app.repositories["library/nginx"].tags["alpine"] = digest
    document = (await client.manifest(Caller(), REF)).value
    assert isinstance(document, SchemaOneManifest)
    assert (document.digest, document.raw) == (digest, raw)


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        [],
        ["x"],
        [{}],
        [{"protected": "e30"}],
        [{"protected": "%"}],
        [{"protected": "a"}],
        [{"protected": "eyJmb3JtYXRMZW5ndGgiOiA5OTk5OX0"}],
    ],
)
async def test_schema_one_with_a_broken_signature_block_is_refused(
    registry: InMemoryRegistry, client: RegistryClient, signatures: object
) -> None:
    raw = encode({"schemaVersion": 1, "fsLayers": [], "signatures": signatures})
    registry.put_manifest("library/nginx", "alpine", raw, SCHEMA_ONE_SIGNED)
    with pytest.raises(UpstreamInvalid):
        await client.manifest(Caller(), REF)


async def test_html_with_status_200_is_no_manifest(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.script(200, path="/manifests/", body=b"<html>welcome</html>", headers={"content-type": "text/html"})
    with pytest.raises(UpstreamInvalid, match="not valid JSON"):
        await client.manifest(Caller(), Reference(Repository("registry.example.com", "a"), "b"))


async def test_a_child_must_have_the_size_its_index_says(registry: InMemoryRegistry, client: RegistryClient) -> None:
    child = registry.add_image("library/nginx")
    for tag, size in (("less", len(child.raw) - 1), ("more", len(child.raw) + 1)):
        registry.add_index("library/nginx", tag, [child.descriptor(size=size)])
        with pytest.raises(UpstreamInvalid, match=r"(the|its) index says"):
            await client.image(Caller(), REF.with_tag(tag), Platform("linux", "amd64"))
    registry.add_index("library/nginx", "huge", [child.descriptor(size=2**40)])
    with pytest.raises(TooLarge):
        await client.image(Caller(), REF.with_tag("huge"))


async def test_an_index_can_be_asked_for_as_it_is(registry: InMemoryRegistry, client: RegistryClient) -> None:
    index, images = registry.add_multi_platform("library/nginx", "alpine", MULTI, docker=True)
    document = (await client.manifest(Caller(), REF)).value
    assert isinstance(document, Index)
    assert (document.raw, document.media_type) == (index.raw, index.media_type)
    assert [child.digest for child in document.manifests] == [image.digest for image in images]
