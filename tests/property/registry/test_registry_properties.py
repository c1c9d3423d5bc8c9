"""Whatever a registry sends: a document, or an error of ours. Never a crash, never a wrong digest."""

import base64
import json
import math
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import DockerHubError, UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference, Repository
from mcp_dockerhub.registry import Index, Registries, RegistryClient, parse_docker_config
from mcp_dockerhub.registry.configs import parse_config
from mcp_dockerhub.registry.documents import parse_manifest
from mcp_dockerhub.registry.errors import failure
from mcp_dockerhub.registry.links import Pages, next_target
from mcp_dockerhub.registry.media_types import KNOWN, OCI_INDEX
from mcp_dockerhub.registry.notices import MAX_COUNT, MAX_NOTICES, notices
from mcp_dockerhub.registry.platforms import choose
from mcp_dockerhub.registry.quota import parse_quota
from mcp_dockerhub.registry.verify import digest_of
from mcp_dockerhub.results import QUOTED
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Response, Upstream
from tests.upstreams.app_client import AppClient
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

PATIENT = settings(max_examples=60, deadline=None)

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
DIGESTS = st.sampled_from(["sha256:" + "a" * 64, "sha512:" + "b" * 128, "sha256:short", "md5:" + "c" * 32, ""])
PLATFORMS = st.fixed_dictionaries(
    {},
    optional={
        "os": st.sampled_from(["linux", "windows", "unknown", ""]) | JSON,
        "architecture": st.sampled_from(["amd64", "arm64", "arm", "unknown"]) | JSON,
        "variant": st.sampled_from(["v7", "v8", ""]) | JSON,
    },
)
DESCRIPTORS = st.fixed_dictionaries(
    {"mediaType": st.sampled_from(sorted(KNOWN)) | JSON, "digest": DIGESTS | JSON, "size": st.integers() | JSON},
    optional={"platform": PLATFORMS | JSON, "annotations": JSON, "urls": JSON, "data": st.text(max_size=8) | JSON},
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([1, 2]) | JSON,
        "mediaType": st.sampled_from(sorted(KNOWN)) | JSON,
        "manifests": st.lists(DESCRIPTORS | JSON, max_size=5) | JSON,
        "config": DESCRIPTORS | JSON,
        "layers": st.lists(DESCRIPTORS, max_size=5) | JSON,
        "blobs": st.lists(DESCRIPTORS, max_size=2) | JSON,
        "subject": DESCRIPTORS | JSON,
        "annotations": JSON,
        "artifactType": JSON,
        "signatures": JSON,
    },
)


@PATIENT
@given(DOCUMENTS, st.sampled_from([None, "text/plain", *sorted(KNOWN)]))
def test_any_document_is_a_manifest_or_an_error_of_ours(document: dict[str, Any], content_type: str | None) -> None:
    raw = json.dumps(document).encode()
    try:
        parsed = parse_manifest(raw, digest_of(raw), content_type, "x")
    except DockerHubError:
        return
    assert parsed.raw == raw
    assert parsed.media_type in KNOWN
    assert parsed.descriptor.size == len(raw)


@PATIENT
@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_are_an_error_of_ours_that_repeats_none(raw: bytes) -> None:
    with pytest.raises(DockerHubError) as caught:
        parse_manifest(b"\0" + raw, digest_of(raw), None, "x")
    assert caught.value.message in ("x is not valid JSON.", "x is not a JSON object.")


@PATIENT
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "created": JSON | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
            "os": JSON,
            "architecture": JSON,
            "config": st.dictionaries(
                st.sampled_from(["User", "Env", "Cmd", "Labels", "Volumes", "ExposedPorts", "Healthcheck"]), JSON
            )
            | JSON,
            "rootfs": JSON,
            "history": st.lists(st.dictionaries(st.sampled_from(["created", "created_by", "empty_layer"]), JSON))
            | JSON,
        },
    )
)
def test_any_object_is_a_config(document: dict[str, Any]) -> None:
    raw = json.dumps(document).encode()
    config = parse_config(raw, digest_of(raw), "x")
    assert all(isinstance(value, str) for value in (*config.env, *config.labels.values(), *config.diff_ids))
    assert config.created is None or config.created.utcoffset() is not None


@PATIENT
@given(st.lists(st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v6", "linux/arm", None])))
def test_the_child_that_is_chosen_is_for_the_platform_asked_for(offered: list[str | None]) -> None:
    children = [
        {
            "mediaType": OCI_INDEX,
            "digest": "sha256:" + f"{n:064x}",
            "size": n,
            **({"platform": dict(zip(("os", "architecture", "variant"), p.split("/"), strict=False))} if p else {}),
        }
        for n, p in enumerate(offered)
    ]
    raw = json.dumps({"manifests": children}).encode()
    index = parse_manifest(raw, digest_of(raw), OCI_INDEX, "x")
    assert isinstance(index, Index)
    for wanted in (Platform("linux", "arm64", "v8"), Platform("linux", "arm"), Platform("linux", "riscv64")):
        child = choose(index, wanted)
        matching = [platform for platform in index.platforms if platform.matches(wanted)]
        assert (child is None) == (not matching)
        assert child is None or child.platform in matching
        assert child is None or wanted not in index.platforms or child.platform == wanted


@PATIENT
@given(st.text(max_size=300))
def test_any_link_header_is_followed_safely_or_not_at_all(value: str) -> None:
    response = Response(200, {"link": (value,)}, b"", "https://registry.example.com/v2/")
    target = next_target(response)
    assert target is None or target in value
    pages = Pages("https://registry.example.com", "/v2/a/tags/list", 5)
    query = pages.next_query(response)
    assert query is None or all(isinstance(part, str) for pair in query for part in pair)
    assert target is None or query is not None or pages.trouble


@PATIENT
@given(st.lists(st.text(max_size=300) | st.text(max_size=3000).map(lambda t: f'299 - "{t}"'), max_size=6))
def test_any_warning_headers_stay_within_their_bound(values: list[str]) -> None:
    found = notices(Response(200, {"warning": tuple(values)}, b"", "https://x.test/"))
    assert sum(len(notice.removeprefix(QUOTED)) for notice in found) <= MAX_NOTICES
    assert len(set(found)) == len(found) <= MAX_COUNT


@PATIENT
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_quota_headers_are_read_or_ignored(limit: str, remaining: str) -> None:
    parse_quota(
        Response(200, {"ratelimit-limit": (limit,), "ratelimit-remaining": (remaining,)}, b"", "https://x.test/")
    )


@PATIENT
@given(st.integers(100, 599), st.binary(max_size=200) | JSON.map(lambda value: json.dumps({"errors": value}).encode()))
def test_any_refusal_is_an_error_that_repeats_nothing(status: int, body: bytes) -> None:
    upstream = Upstream("x.test", "https://x.test", "registry", ANONYMOUS_CREDENTIAL, "registry")
    error = failure(Response(status, {}, body, "https://x.test/"), "the-image", upstream)
    assert "the-image" in error.message
    assert len(error.message) <= 500


@PATIENT
@given(
    st.dictionaries(
        st.text(max_size=30), st.dictionaries(st.sampled_from(["auth", "username", "password"]), JSON) | JSON
    )
)
def test_any_docker_configuration_can_be_read(auths: dict[str, Any]) -> None:
    found = parse_docker_config(json.dumps({"auths": auths}).encode())
    assert all(credential.secret for credential in found.credentials.values())


@PATIENT
@given(st.text(min_size=1, max_size=20).filter(lambda name: ":" not in name and "\0" not in name), st.text(min_size=1))
def test_logins_come_out_as_they_went_in(username: str, password: str) -> None:
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
    found = parse_docker_config(json.dumps({"auths": {"x.test": {"auth": encoded}}}).encode())
    stripped = password.strip("\0")
    if not stripped:
        assert found.credentials == {}
    elif username != "<token>":
        assert (found.credentials["x.test"].username, found.credentials["x.test"].secret) == (username, stripped)


@pytest.fixture(scope="module")
def stocked() -> Any:
    registry = InMemoryRegistry()
    registry.add_image("team/app", "seed")
    yield registry
    registry.close()


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 60),
    page_size=st.integers(1, 25),
    pagination=st.sampled_from(["relative", "absolute", "artifactory", "trailing_empty"]),
)
def test_every_tag_is_listed_once_in_the_fewest_pages(
    stocked: InMemoryRegistry, count: int, page_size: int, pagination: Any
) -> None:
    repository = stocked.app.repositories["team/app"]
    digest = next(iter(repository.manifests))
    repository.tags = {f"t{n:03}": digest for n in range(count)}
    stocked.app.base_url = "https://x.test"
    stocked.behaviour.page_size = page_size
    stocked.behaviour.pagination = pagination
    client = RegistryClient(AppClient(stocked), Cache(), Registries.build())
    found = anyio.run(client.tags, Caller(), Repository("x.test", "team/app"))
    assert found.value.tags == tuple(sorted(repository.tags))
    assert found.value.complete
    extra = int(pagination == "trailing_empty" and count % page_size == 0 and count > 0)
    assert found.value.requests == max(math.ceil(count / page_size), 1) + extra


@settings(max_examples=40, deadline=None)
@given(position=st.integers(min_value=0), flip=st.integers(1, 255))
def test_a_single_altered_byte_is_noticed(stocked: InMemoryRegistry, position: int, flip: int) -> None:
    repository = stocked.app.repositories["team/app"]
    digest, (media_type, raw) = next(iter(repository.manifests.items()))
    place = position % len(raw)
    altered = raw[:place] + bytes([raw[place] ^ flip]) + raw[place + 1 :]
    repository.manifests[digest] = (media_type, altered)
    try:
        client = RegistryClient(AppClient(stocked), Cache(), Registries.build())
        with pytest.raises(UpstreamInvalid, match="does not match its digest"):
            anyio.run(client.manifest, Caller(), Reference.parse(f"x.test/team/app@{digest}"))
    finally:
        repository.manifests[digest] = (media_type, raw)
