"""What the Hub counts and finds, and what other registries do not."""

from typing import Any

import pytest

from mcp_dockerhub.errors import InvalidInput, NotFound, Unsupported
from mcp_dockerhub.images.search import MAX_SCANNED, SearchFilters, SearchResults, search_images
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.stats import repository_stats
from mcp_dockerhub.reference import Repository
from tests.upstreams.callers import Caller
from tests.upstreams.hub import HubState
from tests.upstreams.hub_faults import Fault
from tests.upstreams.hub_seed import repositories

pytestmark = pytest.mark.anyio


def entry(name: str, stars: int, pulls: int, **more: Any) -> dict[str, Any]:
    namespace, _, short = name.rpartition("/")
    facts = {"namespace": namespace or "library", "name": short, "description": "A web <b>server</b>."}
    return {**facts, "star_count": stars, "pull_count": pulls, **more}


@pytest.fixture
def filled(hub: HubState) -> HubState:
    found = [
        entry("nginx", 20_000, 2_000_000_000, last_updated="2026-03-02T00:00:00Z"),
        entry("vendor/nginx", 300, 40_000, badge="verified_publisher"),
        entry("someone/nginx", 2, 75),
    ]
    hub.repositories = repositories([{"repositories": found}])
    return hub


async def found(
    sources: Sources, access: Caller, filters: SearchFilters, limit: int = 25, page: int = 1
) -> SearchResults:
    return await search_images(sources, access, "nginx", "docker.io", filters, limit=limit, page=page)


def names(results: SearchResults) -> list[str]:
    return [row.name for row in results.results]


async def test_results_come_in_the_hubs_order_with_its_exact_total(
    filled: HubState, sources: Sources, access: Caller
) -> None:
    results = await found(sources, access, SearchFilters(), limit=2)
    assert (names(results), results.total, results.total_upstream) == (["nginx", "vendor/nginx"], 3, 3)
    assert results.results[0].description == "A web server."
    assert (results.results[0].badge, results.results[0].pulls, results.results[0].pulls_exact) == (
        "official",
        1_000_000_000,
        False,
    )
    assert results.render().splitlines() == [
        "'nginx': 3 found, page 1",
        "  name           stars           pulls  badge               description",
        "  nginx         20,000  1,000,000,000+  official            A web server.",
        "  vendor/nginx     300         10,000+  verified_publisher  A web server.",
    ]
    second = await found(sources, access, SearchFilters(), limit=2, page=2)
    assert names(second) == ["someone/nginx"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (SearchFilters(is_official=True), ["nginx"]),
        (SearchFilters(is_verified_publisher=True), ["vendor/nginx"]),
        (SearchFilters(is_official=False), ["vendor/nginx", "someone/nginx"]),
        (SearchFilters(is_verified_publisher=False), ["nginx", "someone/nginx"]),
        (SearchFilters(min_stars=300), ["nginx", "vendor/nginx"]),
        (SearchFilters(min_pulls=10_001), ["nginx"]),
        (SearchFilters(is_verified_publisher=True, min_stars=301), []),
    ],
)
async def test_filters_leave_an_exact_total(
    filled: HubState, sources: Sources, access: Caller, filters: SearchFilters, expected: list[str]
) -> None:
    results = await found(sources, access, filters)
    assert (names(results), results.total, results.warnings) == (expected, len(expected), [])


async def test_filters_of_our_own_page_too(filled: HubState, sources: Sources, access: Caller) -> None:
    results = await found(sources, access, SearchFilters(min_stars=3), limit=1, page=2)
    assert (names(results), results.total, results.total_upstream) == (["vendor/nginx"], 2, 3)


async def test_what_was_not_looked_at_is_not_counted(hub: HubState, sources: Sources, access: Caller) -> None:
    many = [entry(f"user{number}/nginx", number, 10) for number in range(MAX_SCANNED + 1)]
    hub.repositories = repositories([{"repositories": many}])
    results = await found(sources, access, SearchFilters(min_stars=10**6))
    assert (names(results), results.total, results.total_upstream) == ([], None, MAX_SCANNED + 1)
    assert "500 of its 501 matches were looked at" in results.warnings[0]
    assert results.render().startswith("'nginx': some of 501 found, page 1\n")
    soon = await found(sources, access, SearchFilters(min_stars=1), limit=3)
    assert (len(soon.results), soon.total) == (3, None)


async def test_a_hub_that_lists_less_than_it_counts_leaves_the_total_open(
    hub: HubState, sources: Sources, access: Caller
) -> None:
    headers = {"content-type": "application/json"}
    hub.faults.append(Fault(path="/search/", status=200, headers=headers, body='{"total": 7, "results": []}'))
    results = await found(sources, access, SearchFilters(min_stars=1))
    assert (names(results), results.total, results.total_upstream) == ([], None, 7)
    assert "0 of its 7 matches were looked at" in results.warnings[0]


async def test_filters_that_exclude_each_other_are_refused(sources: Sources, access: Caller) -> None:
    with pytest.raises(InvalidInput, match="never both"):
        await found(sources, access, SearchFilters(is_official=True, is_verified_publisher=True))


async def test_other_registries_cannot_be_searched(hub: HubState, sources: Sources, access: Caller) -> None:
    with pytest.raises(Unsupported, match="quay") as caught:
        await search_images(sources, access, "nginx", "quay.io", SearchFilters(), limit=5, page=1)
    assert "docker_list_tags" in caught.value.hint
    assert not hub.requests


async def test_the_old_search_is_pointed_out(filled: HubState, sources: Sources, access: Caller) -> None:
    filled.search_v4 = False
    results = await found(sources, access, SearchFilters())
    assert results.results[0].pulls_exact
    assert results.warnings == ["The Hub's old search answered: dates and publishers are missing."]


async def test_results_with_unusable_names_are_counted(hub: HubState, sources: Sources, access: Caller) -> None:
    body = '{"total": 1, "results": [{"id": "../x", "name": "../x", "pull_count": "1"}]}'
    hub.faults.append(Fault(path="/search/", status=200, headers={"content-type": "application/json"}, body=body))
    results = await found(sources, access, SearchFilters())
    assert results.results == []
    assert results.warnings == ["1 results with unusable names are left out."]


async def test_counts_and_dates_of_a_repository(filled: HubState, sources: Sources, access: Caller) -> None:
    stats = await repository_stats(sources, access, Repository.parse("nginx"))
    assert (stats.repository, stats.pulls, stats.stars) == ("nginx", 2_000_000_000, 20_000)
    assert stats.render().splitlines() == [
        "nginx",
        "pulls       2,000,000,000",
        "stars       20,000",
        "last push   2026-03-02",
        "registered  2015-01-01",
        "storage     0 B",
        "status      active",
    ]


async def test_a_missing_repository_is_not_found(sources: Sources, access: Caller) -> None:
    with pytest.raises(NotFound):
        await repository_stats(sources, access, Repository.parse("none"))


async def test_other_registries_publish_no_counts(hub: HubState, sources: Sources, access: Caller) -> None:
    with pytest.raises(Unsupported, match="publishes no pull") as caught:
        await repository_stats(sources, access, Repository.parse("ghcr.io/o/app"))
    assert "docker_get_image_details" in caught.value.hint
    assert not hub.requests
