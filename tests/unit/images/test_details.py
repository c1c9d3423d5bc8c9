"""What an image is, by its registry and, where there is one, its page on the Hub."""

from typing import Any

import anyio
import pytest

from mcp_dockerhub.errors import NotFound, Unsupported
from mcp_dockerhub.images.configuration import _KEPT, MAX_ENV, MAX_LABELS
from mcp_dockerhub.images.details import MAX_PLATFORMS, image_details
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.hub import HubState
from tests.upstreams.hub_faults import Fault
from tests.upstreams.hub_seed import repositories
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

REF = Reference.parse("app:v1")
ELSEWHERE = Reference.parse("ghcr.io/o/app:v1")
NAME = "library/app"
COSIGN = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
CONFIG = {
    "User": "app",
    "Entrypoint": ["/entry"],
    "Cmd": ["serve", "--all"],
    "WorkingDir": "/srv",
    "StopSignal": "SIGQUIT",
    "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "NGINX_VERSION=1.27"],
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "Labels": {"maintainer": "someone", "api.token": "s3cret"},
}


def page(*tags: dict[str, Any]) -> dict[str, Any]:
    facts = {"namespace": "library", "name": "app", "description": "An app.", "star_count": 3, "pull_count": 12_345}
    return {"repositories": [{**facts, "last_updated": "2026-03-02T00:00:00Z", "tags": list(tags)}]}


async def test_the_whole_answer_about_one_image(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    base = "sha256:" + "ab" * 32
    annotations = {"org.opencontainers.image.base.name": "alpine:3.20", "org.opencontainers.image.base.digest": base}
    amd64 = registry.add_image(NAME, config=CONFIG, annotations=annotations)
    arm64 = registry.add_image(NAME, platform="linux/arm64", layers=(b"other",))
    index = registry.add_index(NAME, "v1", [amd64, arm64, registry.add_attestation(NAME, amd64, [])])
    images = [{"os": "linux", "architecture": "arm64", "digest": arm64.digest, "size": 4321}]
    hub.repositories = repositories([page({"name": "v1", "images": images})])

    found = await image_details(sources, access, REF, None)

    assert (found.kind, found.digest, found.manifest) == ("multi-platform image", index.digest, amd64.digest)
    assert found.media_type == index.media_type
    size = sum(layer["size"] for layer in amd64.layers)
    assert (found.platform, found.size, found.layers) == ("linux/amd64", size, 2)
    assert [(row.platform, row.size) for row in found.platforms] == [("linux/amd64", size), ("linux/arm64", 4321)]
    assert (found.base, found.base_digest) == ("alpine:3.20", base)
    assert (found.attestations, found.signatures) == (True, False)
    assert found.source == "live"
    assert found.fetched_at is not None
    assert found.warnings == []
    assert found.hub is not None
    assert (found.hub.description, found.hub.stars, found.hub.pulls) == ("An app.", 3, 12_345)
    config = found.config
    assert config is not None
    assert (config.user, config.workdir, config.stop_signal) == ("app", "/srv", "SIGQUIT")
    assert (config.entrypoint, config.cmd) == (["/entry"], ["serve", "--all"])
    assert (config.ports, config.volumes) == (["80/tcp"], ["/data"])
    assert config.env == {"PATH": "/bin", "DB_PASSWORD": "[withheld]", "NGINX_VERSION": "1.27"}
    assert config.labels == {"maintainer": "someone", "api.token": "[withheld]"}
    assert "hunter2" not in found.render() + found.model_dump_json()


async def test_the_answer_is_read_in_seconds(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME, "v1", config=CONFIG)
    hub.repositories = repositories([page({"name": "v1"})])
    size = sum(layer["size"] for layer in image.layers)
    found = await image_details(sources, access, REF, None)
    assert found.render().splitlines() == [
        "app:v1: image for linux/amd64",
        "An app.",
        f"digest       {image.digest}",
        "media type   application/vnd.oci.image.manifest.v1+json",
        f"size         {size} B compressed in 2 layers",
        f"platforms    linux/amd64 {size} B",
        "created      2026-03-01 12:00 UTC",
        "attested     no",
        "signed       no",
        "user         app",
        "entrypoint   /entry",
        "cmd          serve --all",
        "workdir      /srv",
        "env          PATH, DB_PASSWORD, NGINX_VERSION",
        "ports        80/tcp",
        "volumes      /data",
        "stop signal  SIGQUIT",
        "labels       maintainer, api.token",
        "Docker Hub   12,345 pulls, 3 stars, updated 2026-03-02",
    ]


async def test_a_hub_that_is_down_costs_its_part_and_a_warning(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME, "v1")
    hub.faults.append(Fault(status=503))
    found = await image_details(sources, access, REF, None)
    assert (found.digest, found.hub) == (image.digest, None)
    assert [warning.partition(":")[0] for warning in found.warnings] == [
        "Docker Hub's page of the repository is missing"
    ]


async def test_a_hub_that_hangs_does_not_hold_up_the_image(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.images.details.PATIENCE_S", 0.05)
    image = registry.add_image(NAME, "v1")
    hub.faults.append(Fault(hang=True))
    with anyio.fail_after(10):
        found = await image_details(sources, access, REF, None)
    assert (found.digest, found.hub, found.signatures) == (image.digest, None, False)
    assert found.warnings == ["Docker Hub's page of the repository took too long and is missing or not complete."]


async def test_other_registries_are_not_looked_up_on_the_hub(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/app", "v1")
    found = await image_details(sources, access, ELSEWHERE, None)
    assert (found.image, found.hub, found.warnings) == ("ghcr.io/o/app:v1", None, [])
    assert not hub.requests
    assert set(access.checked) == {"ghcr.io/o/app"}


async def test_sizes_that_nobody_states_are_unknown(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_multi_platform("o/app", "v1", ["linux/amd64", "linux/arm64"])
    found = await image_details(sources, access, ELSEWHERE, Platform("linux", "arm64"))
    assert [(row.platform, row.size is None) for row in found.platforms] == [
        ("linux/amd64", True),
        ("linux/arm64", False),
    ]
    assert "platforms   linux/amd64, linux/arm64 " in found.render()


async def test_a_second_answer_asks_nobody(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    registry.add_image(NAME, "v1")
    hub.repositories = repositories([page({"name": "v1"})])
    first = await image_details(sources, access, REF, None)
    asked = len(registry.requests), len(hub.requests)
    second = await image_details(sources, access, REF, None)
    assert (len(registry.requests), len(hub.requests)) == asked
    assert (first.source, second.source) == ("live", "cache")
    assert second.model_copy(update={"source": "live"}) == first


def _signed_by_tag(registry: InMemoryRegistry, image: Seeded, kind: str) -> None:
    tag = f"sha256-{image.digest.partition(':')[2]}.{kind}"
    registry.add_artifact("o/app", tag, artifact_type=COSIGN, layers=[("application/x", b"y")])


async def test_signatures_and_attestations_are_found_in_cosigns_tags(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image("o/app", "v1")
    _signed_by_tag(registry, image, "sig")
    found = await image_details(sources, access, ELSEWHERE, None)
    assert (found.signatures, found.attestations) == (True, False)


@pytest.mark.parametrize(
    ("artifact_type", "annotations", "expected"),
    [
        (COSIGN, {}, (True, False)),
        ("application/vnd.cncf.notary.signature", {}, (True, False)),
        (BUNDLE, {}, (True, False)),
        (BUNDLE, {"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}, (True, False)),
        (BUNDLE, {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}, (False, True)),
        ("application/vnd.in-toto+json", {}, (False, True)),
        ("application/spdx+json", {}, (False, True)),
        ("application/vnd.example.unrelated", {}, (False, False)),
    ],
)
async def test_what_refers_to_the_image_is_told_apart(
    registry: InMemoryRegistry,
    sources: Sources,
    access: Caller,
    artifact_type: str,
    annotations: dict[str, str],
    expected: tuple[bool, bool],
) -> None:
    image = registry.add_image("o/app", "v1")
    registry.add_artifact(
        "o/app", artifact_type=artifact_type, subject=image, layers=[("x/y", b"z")], annotations=annotations
    )
    found = await image_details(sources, access, ELSEWHERE, None)
    assert (found.signatures, found.attestations) == expected


async def test_what_cannot_be_found_out_is_said_to_be_unknown(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image("o/app", "v1")
    registry.script(500, path="/referrers/")
    found = await image_details(sources, access, ELSEWHERE, None)
    assert found.digest == image.digest
    assert (found.signatures, found.attestations) == (None, None)
    assert "signed      not known" in found.render()
    assert any("not fully known" in warning for warning in found.warnings)


async def test_what_is_no_image_is_named_for_what_it_is(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    chart = registry.add_artifact(
        "o/app",
        "v1",
        config=("application/vnd.cncf.helm.config.v1+json", b"{}"),
        layers=[("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"chart")],
    )
    found = await image_details(sources, access, ELSEWHERE, None)
    assert (found.kind, found.digest, found.platform, found.config) == ("Helm chart", chart.digest, None, None)
    assert (found.size, found.layers, found.platforms) == (5, 1, [])
    assert found.render().startswith("ghcr.io/o/app:v1: Helm chart\n")


async def test_the_retired_schema_is_named_and_nothing_is_made_up(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    media_type = "application/vnd.docker.distribution.manifest.v1+json"
    registry.put_manifest("o/app", "v1", b'{"schemaVersion": 1, "name": "o/app", "tag": "v1"}', media_type)
    found = await image_details(sources, access, ELSEWHERE, None)
    assert (found.kind, found.media_type) == ("image in the retired schema 1", media_type)
    assert (found.size, found.layers, found.config, found.created) == (None, None, None, None)
    assert "not known" in found.render()


async def test_a_reference_by_digest_asks_the_hub_for_no_tag(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME)
    hub.repositories = repositories([page()])
    found = await image_details(sources, access, Reference.parse(f"app@{image.digest}"), None)
    assert found.digest == image.digest
    assert hub.paths() == ["/v2/namespaces/library/repositories/app"]


async def test_a_platform_there_is_not_is_an_error_of_its_own(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_multi_platform("o/app", "v1", ["linux/amd64", "linux/arm64"])
    with pytest.raises(Unsupported, match="linux/s390x"):
        await image_details(sources, access, ELSEWHERE, Platform("linux", "s390x"))


async def test_a_missing_image_is_not_found_whatever_the_hub_says(
    hub: HubState, sources: Sources, access: Caller
) -> None:
    hub.repositories = repositories([page()])
    with pytest.raises(NotFound):
        await image_details(sources, access, REF, None)


async def test_long_lists_are_cut_with_a_warning(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    config = {
        "Env": [f"V{number}=x" for number in range(MAX_ENV + 1)],
        "Labels": {f"l{number}": "x" for number in range(MAX_LABELS + 5)},
    }
    children = [
        registry.add_image("o/app", platform=f"linux/arch{number}", config=config).descriptor()
        for number in range(MAX_PLATFORMS + 1)
    ]
    registry.add_index("o/app", "v1", children)
    found = await image_details(sources, access, ELSEWHERE, Platform("linux", "arch7"))
    assert found.config is not None
    assert (len(found.config.env), len(found.config.labels)) == (MAX_ENV, MAX_LABELS)
    assert len(found.platforms) == MAX_PLATFORMS
    assert [warning for warning in found.warnings if warning.startswith("Only")] == [
        "Only 60 of 61 platforms are listed.",
        "Only 100 of 101 environment variables are listed.",
        "Only 50 of 55 labels are listed.",
    ]
    assert " and 48 more" in found.render()


async def test_a_configuration_too_large_to_keep_is_answered_all_the_same(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/app", "v1", config={"Labels": {"long": "x" * 40_000}})
    for _ in range(2):
        found = await image_details(sources, access, ELSEWHERE, None)
        assert found.config is not None
        assert "cut" in found.config.labels["long"]
        assert (found.config.entrypoint, found.config.cmd) == (None, None)


async def test_warnings_of_the_registry_are_passed_on(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/app", "v1")
    registry.behaviour.warnings = ('299 - "this registry closes in May"',)
    found = await image_details(sources, access, ELSEWHERE, None)
    assert found.warnings == ["The registry says: this registry closes in May"]


async def test_secrets_given_to_a_command_are_withheld_as_in_its_history(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/app", "v1", config={"Entrypoint": ["run", "--password=hunter2"], "Cmd": ["API_KEY=hunter2"]})
    found = await image_details(sources, access, ELSEWHERE, None)
    assert found.config is not None
    assert found.config.entrypoint == ["run", "--password=[withheld]"]
    assert found.config.cmd == ["API_KEY=[withheld]"]


async def test_the_answer_about_a_large_configuration_is_not_kept(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image("o/app", "v1", config={"Labels": {"in this test only": "x" * 40_000}})
    before = set(_KEPT)
    await image_details(sources, access, ELSEWHERE, None)
    assert set(_KEPT) == before
    registry.add_image("o/app", "v2", config={"Labels": {"short": "kept in this test only"}})
    await image_details(sources, access, ELSEWHERE.with_tag("v2"), None)
    assert len(set(_KEPT) - before) == 1
