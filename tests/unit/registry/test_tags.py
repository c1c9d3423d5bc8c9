"""Tag lists under every way of paging."""

import math
import tracemalloc
from typing import Any

import pytest

from mcp_dockerhub.errors import NotFound, UpstreamInvalid, UpstreamUnavailable
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.registry import RegistryClient, TagList, tags
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

NAME = "team/app"
REPOSITORY = Repository("registry.example.com", NAME)


def fill(registry: InMemoryRegistry, count: int) -> list[str]:
    names = [f"{n:05}" for n in range(count)]
    image = registry.add_image(NAME, names[0])
    registry.add_tags(NAME, image, names[1:])
    return names


async def listed(client: RegistryClient) -> TagList:
    return (await client.tags(Caller(), REPOSITORY)).value


@pytest.mark.parametrize("pagination", ["relative", "absolute", "wrong_scheme", "artifactory"])
async def test_every_page_is_read(registry: InMemoryRegistry, client: RegistryClient, pagination: str) -> None:
    registry.behaviour.pagination = pagination  # type: ignore[assignment]
    registry.behaviour.page_size = 4
    registry.app.base_url = "https://registry.example.com"
    names = fill(registry, 10)
    listing = await listed(client)
    assert listing.tags == tuple(names)
    assert (listing.requests, listing.complete, listing.warnings) == (3, True, ())
    assert registry.count("GET", f"/v2/{NAME}/tags/list") == 3


@pytest.mark.parametrize("page_size", [0, 100, 1000, 5000])
async def test_twenty_thousand_tags_take_as_few_requests_as_the_registry_allows(
    registry: InMemoryRegistry, client: RegistryClient, page_size: int
) -> None:
    registry.behaviour.page_size = page_size
    names = fill(registry, 20_000)
    accepted = min(page_size or tags.PAGE_SIZE, tags.PAGE_SIZE)
    tracemalloc.start()
    try:
        listing = await listed(client)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert list(listing.tags) == names
    assert listing.requests <= math.ceil(20_000 / accepted)
    assert peak <= 20 * 1024 * 1024


async def test_a_registry_that_refuses_our_page_size_chooses_its_own(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.behaviour.refuse_page_size_over = 500
    registry.behaviour.page_size = 50
    names = fill(registry, 120)
    listing = await listed(client)
    assert listing.tags == tuple(names)
    assert [request.query for request in registry.requests][:2] == ["n=1000", ""]


async def test_a_registry_that_gives_all_at_once_is_asked_once(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.behaviour.pagination = "none"
    names = fill(registry, 3000)
    listing = await listed(client)
    assert (len(listing.tags), listing.requests) == (len(names), 1)


async def test_an_empty_last_page_is_no_trouble(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.behaviour.pagination = "trailing_empty"
    registry.behaviour.page_size = 5
    registry.behaviour.tags_null = True
    names = fill(registry, 10)
    listing = await listed(client)
    assert (listing.tags, listing.complete, listing.requests) == (tuple(names), True, 3)


@pytest.mark.parametrize(("pagination", "reason"), [("other_origin", "another host"), ("circular", "circles")])
async def test_paging_that_leads_nowhere_gives_a_partial_list_that_says_so(
    registry: InMemoryRegistry, client: RegistryClient, pagination: str, reason: str
) -> None:
    registry.behaviour.pagination = pagination  # type: ignore[assignment]
    registry.behaviour.page_size = 4
    names = fill(registry, 10)
    listing = await listed(client)
    assert listing.tags == tuple(names[:4])
    assert not listing.complete
    assert reason in listing.warnings[0]
    assert registry.count() <= 2


async def test_endless_lists_end(
    registry: InMemoryRegistry, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "MAX_TAGS", 8)
    registry.behaviour.page_size = 4
    fill(registry, 100)
    listing = await listed(client)
    assert len(listing.tags) == 8
    assert not listing.complete
    assert "more than 8 tags" in listing.warnings[0]


async def test_tags_that_are_about_a_digest_are_hidden_and_counted(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    image = registry.add_image(NAME, "v1")
    about = f"sha256-{image.digest.removeprefix('sha256:')}"
    shown = ["sha256-abc", f"v1-{about}", "sha"]
    hidden = [about, f"{about}.sig", f"{about}.att", f"{about}.sbom", f"{about}.0011223344556677.meta"]
    registry.add_tags(NAME, image, [*hidden, *shown])
    listing = await listed(client)
    assert set(listing.tags) == {"v1", *shown}
    assert listing.hidden == 5


async def test_the_order_is_the_registrys_own_and_repeats_are_dropped(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.script(200, body={"name": NAME, "tags": ["b", "a", "b", "c"]})
    assert (await listed(client)).tags == ("b", "a", "c")


async def test_names_that_are_no_tags_are_left_out_and_counted(
    registry: InMemoryRegistry, client: RegistryClient
) -> None:
    registry.script(200, body={"name": NAME, "tags": ["ok", 7, None, "a b", "\u202eevil", "x" * 129, ".dot"]})
    listing = await listed(client)
    assert listing.tags == ("ok",)
    assert listing.warnings == ("6 names in the tag list are not valid tags and are left out.",)


async def test_an_empty_list_written_as_null_is_empty(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.script(200, body={"name": NAME, "tags": None})
    listing = await listed(client)
    assert (listing.tags, listing.complete) == ((), True)


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"tags": "v1"}, {}, {"tags": None}])
async def test_what_is_no_tag_list_is_refused(registry: InMemoryRegistry, client: RegistryClient, body: Any) -> None:
    registry.script(200, body=body)
    with pytest.raises(UpstreamInvalid):
        await listed(client)


async def test_a_page_that_fails_fails_the_list(registry: InMemoryRegistry, client: RegistryClient) -> None:
    registry.behaviour.page_size = 4
    fill(registry, 10)
    registry.script(200, body={"name": NAME, "tags": ["a"]}, headers={"link": "</x?last=a>; rel=next"}, times=1)
    registry.script(500, times=1)
    with pytest.raises(UpstreamUnavailable):
        await listed(client)


async def test_a_missing_repository_is_not_found(client: RegistryClient) -> None:
    with pytest.raises(NotFound, match="no such repository"):
        await listed(client)


async def test_the_list_is_kept(registry: InMemoryRegistry, client: RegistryClient) -> None:
    fill(registry, 3)
    await listed(client)
    assert (await client.tags(Caller(), REPOSITORY)).source == "cache"
    assert registry.count() == 1
