"""Which tags there are: from the Hub with dates and sizes, from any registry with digests."""

from typing import Any

import pytest

from mcp_dockerhub.errors import NotFound
from mcp_dockerhub.images import tag_facts, tags
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.tags import Order, TagPage, Wanted, list_tags
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Repository
from tests.upstreams.callers import Caller
from tests.upstreams.hub import HubState
from tests.upstreams.hub_faults import Fault
from tests.upstreams.hub_seed import repositories
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

ON_HUB = Repository.parse("app")
ELSEWHERE = Repository.parse("ghcr.io/o/app")
ARM64 = Platform("linux", "arm64")
TOO_MANY = [(f"1.{minor}", f"{1000 + minor}-01-01", ["amd64"]) for minor in range(tag_facts.MAX_WALKED + 1)]
DIGEST = "sha256:" + "5a" * 32


async def listed(sources: Sources, access: Caller, repository: Repository, **asked: Any) -> TagPage:
    wanted: dict[str, Any] = {"pattern": None, "order": "updated", "platform": None, "limit": 25, "page": 1} | asked
    return await list_tags(sources, access, repository, **wanted)


def names(found: TagPage) -> list[str]:
    return [tag.name for tag in found.tags]


def fill(hub: HubState, *entries: tuple[str, str, list[str]]) -> None:
    """The Hub's tags: name, day of the push, architectures."""
    listed_tags = [
        {
            "name": name,
            "last_updated": f"{day}T10:00:00Z",
            "digest": DIGEST,
            "images": [{"os": "linux", "architecture": arch, "size": 1000 * len(arch)} for arch in architectures],
        }
        for name, day, architectures in entries
    ]
    hub.repositories = repositories([{"repositories": [{"namespace": "library", "name": "app", "tags": listed_tags}]}])


def fill_both(registry: InMemoryRegistry, hub: HubState, *entries: tuple[str, str, list[str]]) -> None:
    fill(hub, *entries)
    registry.add_tags("library/app", registry.add_image("library/app"), [name for name, _, _ in entries])


async def test_the_hub_lists_the_newest_first_with_dates_sizes_and_platforms(
    hub: HubState, sources: Sources, access: Caller
) -> None:
    fill(hub, ("1.0", "2026-01-01", ["amd64"]), ("2.0", "2026-02-01", ["arm64", "amd64", "unknown"]))
    found = await listed(sources, access, ON_HUB)
    assert (names(found), found.total, found.order, found.warnings) == (["2.0", "1.0"], 2, "updated", [])
    newest = found.tags[0]
    assert (newest.digest, newest.size, newest.platforms) == (
        DIGEST,
        5000,
        ["linux/arm64", "linux/amd64", "linux/unknown"],
    )
    assert str(newest.updated) == "2026-02-01 10:00:00+00:00"
    assert found.render().splitlines() == [
        "app: 2 tags by updated, page 1",
        "  tag     size  updated     digest               platforms",
        "  2.0  5.00 kB  2026-02-01  sha256:5a5a5a5a5a5a  linux/arm64, linux/amd64, linux/unknown",
        "  1.0  5.00 kB  2026-01-01  sha256:5a5a5a5a5a5a  linux/amd64",
    ]


async def test_pages_of_the_hub_are_asked_for_as_they_are(hub: HubState, sources: Sources, access: Caller) -> None:
    fill(hub, *[(f"1.{minor}", f"2026-01-{minor + 1:02}", ["amd64"]) for minor in range(25)])
    found = await listed(sources, access, ON_HUB, limit=10, page=3)
    assert (names(found), found.total) == (["1.4", "1.3", "1.2", "1.1", "1.0"], 25)
    assert len(hub.requests) == 1


async def test_a_pattern_keeps_the_order_and_counts_exactly(hub: HubState, sources: Sources, access: Caller) -> None:
    fill(
        hub,
        ("1.0-alpine", "2026-01-01", ["amd64"]),
        ("1.1-alpine", "2026-03-01", ["amd64"]),
        ("1.1-ALPINE", "2026-03-02", ["amd64"]),
        ("1.1-alpine-slim", "2026-04-01", ["amd64"]),
        ("2.0", "2026-05-01", ["amd64"]),
    )
    found = await listed(sources, access, ON_HUB, pattern="1.?-alpine", limit=1)
    assert (names(found), found.total) == (["1.1-alpine"], 2)
    assert hub.requests[-1].query["name"] == "-alpine".lstrip("-"), "the Hub filters by the pattern's longest literal"
    everything = await listed(sources, access, ON_HUB, pattern="*")
    assert everything.total == 5


async def test_a_platform_keeps_only_tags_that_have_it_and_their_size(
    hub: HubState, sources: Sources, access: Caller
) -> None:
    fill(hub, ("1.0", "2026-01-01", ["amd64"]), ("2.0", "2026-02-01", ["amd64", "arm64"]), ("3.0", "2026-03-01", []))
    found = await listed(sources, access, ON_HUB, platform=ARM64)
    assert (names(found), found.total, found.tags[0].size) == (["2.0"], 1, 5000)


@pytest.mark.parametrize("platform", [None, Platform("linux", "amd64")])
async def test_more_tags_than_are_looked_at_are_said_to_be_more(
    registry: InMemoryRegistry,
    hub: HubState,
    sources: Sources,
    access: Caller,
    platform: Platform | None,
) -> None:
    fill_both(registry, hub, *TOO_MANY)
    found = await listed(sources, access, ON_HUB, pattern="1.*", platform=platform, limit=3)
    assert names(found) == ["1.2000", "1.1999", "1.1998"]
    assert found.total == (None if platform else len(TOO_MANY))
    assert found.warnings == ["Only the 2,000 tags updated last were looked at."]
    assert len(hub.requests) == 20


async def test_the_total_is_unknown_when_the_registry_cannot_count_either(
    hub: HubState, sources: Sources, access: Caller
) -> None:
    fill(hub, *TOO_MANY)
    found = await listed(sources, access, ON_HUB, pattern="1.*", limit=1)
    assert (names(found), found.total) == (["1.2000"], None)
    assert any(warning.startswith("The total is not known") for warning in found.warnings)
    assert found.render().startswith("app: an unknown number of tags by updated, page 1\n")


@pytest.mark.parametrize("platform", [None, Platform("linux", "amd64")])
async def test_the_total_is_unknown_when_the_registrys_list_is_not_complete(
    registry: InMemoryRegistry, sources: Sources, access: Caller, platform: Platform | None
) -> None:
    registry.add_image("o/app", "1.0")
    elsewhere = {"link": "<https://elsewhere.example/v2/o/app/tags/list?last=1.0>; rel=next"}
    registry.script(200, path="/tags/list", body={"name": "o/app", "tags": ["1.0"]}, headers=elsewhere)
    found = await listed(sources, access, ELSEWHERE, order="version", platform=platform)
    assert (names(found), found.total) == (["1.0"], None)
    assert any("not complete" in warning for warning in found.warnings)


async def test_a_list_that_is_not_complete_does_not_count_for_the_hub_either(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    fill(hub, *TOO_MANY)
    elsewhere = {"link": "<https://elsewhere.example/v2/o/app/tags/list?last=1.0>; rel=next"}
    registry.script(200, path="/tags/list", body={"name": "o/app", "tags": ["1.0"]}, headers=elsewhere)
    assert (await listed(sources, access, ON_HUB, pattern="1.*", limit=1)).total is None


async def test_a_registry_without_dates_falls_back_to_version_order_and_says_so(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image("o/app")
    registry.add_tags("o/app", image, ["1.9", "latest", "1.10", "1.10-rc1"])
    found = await listed(sources, access, ELSEWHERE)
    assert (names(found), found.total, found.order) == (["1.10", "1.10-rc1", "1.9", "latest"], 4, "version")
    assert all(tag.digest == image.digest and tag.updated is None and tag.size is None for tag in found.tags)
    assert any("tells no dates" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("order", "expected"), [("name", ["1.10", "1.9", "latest"]), ("version", ["1.10", "1.9", "latest"])]
)
async def test_digests_are_read_by_head_for_the_page_shown_only(
    registry: InMemoryRegistry, sources: Sources, access: Caller, order: Order, expected: list[str]
) -> None:
    registry.add_tags("o/app", registry.add_image("o/app"), ["1.9", "latest", "1.10"])
    registry.clear()
    found = await listed(sources, access, ELSEWHERE, order=order, limit=2, page=2)
    assert (names(found), found.total) == (expected[2:], 3)
    assert registry.count("HEAD", "/manifests/") == 1
    assert registry.count("GET", "/manifests/") == 0


async def test_ten_thousand_tags_take_one_request_for_each_page_of_the_registry(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image("o/app")
    registry.add_tags("o/app", image, [f"1.{minor}.{patch}" for minor in range(100) for patch in range(100)])
    registry.clear()
    found = await listed(sources, access, ELSEWHERE, order="version", pattern="1.9?.*", limit=2)
    assert (names(found), found.total) == (["1.99.99", "1.99.98"], 1000)
    assert registry.count("GET", "/tags/list") <= 10


async def test_tags_about_digests_are_left_out_and_counted(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image("o/app")
    registry.add_tags("o/app", image, ["1.0", f"sha256-{'a' * 64}.sig"])
    found = await listed(sources, access, ELSEWHERE, order="name")
    assert (names(found), found.total) == (["1.0"], 1)
    assert any(warning.startswith("1 tags that hold signatures") for warning in found.warnings)


async def test_on_other_registries_a_platform_is_read_from_the_manifests(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    index, images = registry.add_multi_platform("o/app", "2.0", ["linux/amd64", "linux/arm64"])
    registry.add_image("o/app", "1.0")
    registry.add_artifact("o/app", "chart", artifact_type="application/vnd.cncf.helm.config.v1+json")
    found = await listed(sources, access, ELSEWHERE, order="version", platform=ARM64)
    assert (names(found), found.total) == (["2.0"], 1)
    assert found.tags[0].digest == index.digest
    assert found.tags[0].size == sum(layer["size"] for layer in images[1].layers)
    assert found.tags[0].platforms == ["linux/amd64", "linux/arm64"]


async def test_only_so_many_manifests_are_read_for_a_platform(
    registry: InMemoryRegistry, sources: Sources, access: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "MAX_EXAMINED", 3)
    registry.add_tags("o/app", registry.add_image("o/app", platform="linux/arm64"), [f"1.{n}" for n in range(9)])
    found = await listed(sources, access, ELSEWHERE, order="version", platform=ARM64, limit=2)
    assert (names(found), found.total) == (["1.8", "1.7"], None)
    assert any(warning.startswith("Only the first 3 of 9 tags") for warning in found.warnings)


async def test_version_order_on_the_hub_has_dates_from_one_page(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    fill_both(registry, hub, ("1.9", "2026-03-01", ["amd64"]), ("1.10", "2026-01-01", ["amd64"]))
    found = await listed(sources, access, ON_HUB, order="version")
    assert [(tag.name, str(tag.updated)[:10]) for tag in found.tags] == [("1.10", "2026-01-01"), ("1.9", "2026-03-01")]
    assert len(hub.requests) == 1


async def test_of_a_large_repository_the_hub_is_asked_for_the_tags_shown(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    fill_both(registry, hub, *[(f"1.{minor}", "2026-03-01", ["amd64"]) for minor in range(150)])
    found = await listed(sources, access, ON_HUB, order="version", limit=2)
    assert [(tag.name, tag.size) for tag in found.tags] == [("1.149", 5000), ("1.148", 5000)]
    assert sorted(hub.paths()) == [f"/v2/namespaces/library/repositories/app/tags/1.{n}" for n in (148, 149)]


async def test_a_platform_in_version_order_is_read_from_whole_pages_of_the_hub(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    fill_both(
        registry, hub, *[(f"1.{n}", "2026-03-01", ["amd64"] if n % 2 else ["amd64", "arm64"]) for n in range(150)]
    )
    found = await listed(sources, access, ON_HUB, order="version", platform=ARM64, limit=2)
    assert (names(found), found.total) == (["1.148", "1.146"], 75)
    assert len(hub.requests) == 2
    assert registry.count("GET", "/manifests/") == 0


@pytest.mark.parametrize("order", ["updated", "version"])
async def test_a_hub_that_is_down_costs_dates_and_sizes_only(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller, order: Order
) -> None:
    image = registry.add_image("library/app")
    registry.add_tags("library/app", image, ["1.0", "2.0"])
    hub.faults.append(Fault(status=503))
    found = await listed(sources, access, ON_HUB, order=order)
    assert (names(found), found.order, found.total) == (["2.0", "1.0"], "version", 2)
    assert all(tag.digest == image.digest for tag in found.tags)
    assert any(warning.startswith(tag_facts.HUB_MISSING) for warning in found.warnings)


async def test_a_hub_that_fails_for_one_tag_is_not_asked_for_all(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.images.reading.AT_ONCE", 1)
    fill_both(registry, hub, *[(f"1.{minor}", "2026-03-01", ["amd64"]) for minor in range(150)])
    down = Fault(status=503, times=100)
    hub.faults.append(down)
    found = await listed(sources, access, ON_HUB, order="version", limit=5)
    assert all(tag.digest for tag in found.tags)
    assert down.times == 99, "one request met the fault"
    assert len(found.warnings) == 1


async def test_a_tag_the_hub_does_not_know_is_read_from_the_registry(
    registry: InMemoryRegistry, hub: HubState, sources: Sources, access: Caller
) -> None:
    fill(hub, ("1.0", "2026-03-01", ["amd64"]))
    image = registry.add_image("library/app")
    registry.add_tags("library/app", image, ["1.0", "2.0"])
    found = await listed(sources, access, ON_HUB, order="version")
    assert [(tag.name, tag.digest) for tag in found.tags] == [("2.0", image.digest), ("1.0", DIGEST)]


async def test_a_registry_that_fails_is_replaced_by_the_hubs_own_list(
    hub: HubState, sources: Sources, access: Caller
) -> None:
    fill(hub, ("1.9", "2026-03-01", ["amd64"]), ("1.10", "2026-01-01", ["amd64"]))
    found = await listed(sources, access, ON_HUB, order="version")
    assert (names(found), found.total) == (["1.10", "1.9"], 2)
    assert any(warning.startswith("The registry's tag list could not be read") for warning in found.warnings)


async def test_a_long_list_is_sorted_without_holding_up_other_calls(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_tags("o/app", registry.add_image("o/app"), [f"1.{n}" for n in range(2_100)])
    nothing = await listed(sources, access, ELSEWHERE, order="version", pattern="9.*", limit=1)
    assert (names(nothing), nothing.total) == ([], 0)
    everything = await listed(sources, access, ELSEWHERE, order="version", limit=1)
    assert (names(everything), everything.total) == (["1.2099"], 2_100)


async def test_a_repository_nobody_has_is_not_found(sources: Sources, access: Caller) -> None:
    for repository in (ON_HUB, ELSEWHERE):
        with pytest.raises(NotFound):
            await listed(sources, access, repository)


async def test_a_listed_tag_that_does_not_resolve_is_listed_without_digest(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_tags("o/app", registry.add_image("o/app"), ["1.0", "2.0", "3.0"])
    registry.script(404, path="/manifests/1.0")
    registry.script(500, path="/manifests/2.0")
    found = await listed(sources, access, ELSEWHERE, order="name")
    assert [tag.digest is None for tag in found.tags] == [True, True, False]
    assert [warning.partition(":")[0] for warning in found.warnings] == [
        "Some listed tags do not resolve",
        "Digests are missing",
    ]
    assert " ?  " in found.render()


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (None, None),
        ("*", None),
        ("?", None),
        ("1.*-alpine", "alpine"),
        ("[0-9].slim*", "slim"),
        ("v1.2.*", "v1.2."),
        ("*-*", None),
    ],
)
def test_the_longest_literal_of_a_pattern_is_what_every_match_contains(
    pattern: str | None, literal: str | None
) -> None:
    assert Wanted(pattern, "name", None, 1, 1).literal == literal
