"""The Hub client on the real HTTP stack against the stand-in Docker Hub."""

import asyncio

import anyio
import pytest

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    NotFound,
    PolicyDenied,
    RateLimited,
    TooLarge,
    Unsupported,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.hub import SearchFilters
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.transport.client import Credential
from tests.integration.hub.conftest import ACCOUNT, Connect
from tests.upstreams.callers import Caller
from tests.upstreams.hub import HubState
from tests.upstreams.hub_faults import named

pytestmark = pytest.mark.anyio

NGINX = Repository.parse("nginx")
SERVER = Repository.parse("example/server")
SECRET = Repository.parse("example/secret")
ALICE = Credential("docker.io:demo-account", *ACCOUNT, "basic")


async def test_it_reads_what_the_hub_says(connect: Connect) -> None:
    async with connect() as hub:
        repository = (await hub.repository(Caller(), NGINX)).value
        assert (repository.pull_count, repository.full_description) == (12_000_000_000, "# nginx")
        tag = (await hub.tag(Caller(), NGINX, "1.29")).value
        assert [image.platform for image in tag.platform_images] == ["linux/amd64", "linux/arm/v7"]
        assert tag.total_size == 1000 + 1002
        assert (await hub.tag(Caller(), NGINX, "ancient")).value.digest is None


async def test_it_reads_every_page_of_tags_exactly_once(connect: Connect, state: HubState) -> None:
    async with connect() as hub:
        pages = [(await hub.tags(Caller(), SERVER, number)).value for number in (1, 2, 3, 4)]
    assert [len(page.tags) for page in pages] == [100, 100, 50, 0]
    assert {page.total for page in pages} == {250}
    assert len({tag.name for page in pages for tag in page.tags}) == 250
    assert len(state.requests) == 4


async def test_it_finds_tags_by_part_of_their_name(connect: Connect) -> None:
    async with connect() as hub:
        page = (await hub.tags(Caller(), SERVER, ordering="name", name_contains="build-001")).value
    assert page.total == 10
    assert [tag.name for tag in page.tags][:2] == ["build-0010", "build-0011"]


async def test_it_searches_beyond_the_first_page_with_exact_totals(connect: Connect) -> None:
    async with connect() as hub:
        first = (await hub.search(Caller(), "web server", 1, 100)).value
        last = (await hub.search(Caller(), "web server", 25, 100)).value
        filtered = (await hub.search(Caller(), "web", filters=SearchFilters("verified_publisher", "arm64"))).value
    assert (first.total, last.total) == (2602, 2602)
    assert first.results[0].repository == NGINX
    assert not {r.repository for r in first.results} & {r.repository for r in last.results}
    assert [(r.repository, r.badge) for r in filtered.results] == [(SERVER, "verified_publisher")]
    assert filtered.total == 1


async def test_it_falls_back_to_the_old_search(connect: Connect, state: HubState) -> None:
    state.search_v4 = False
    async with connect() as hub:
        found = (await hub.search(Caller(), "nginx")).value
        assert (found.legacy, found.total, found.results[0].repository) == (True, 1, NGINX)
        with pytest.raises(Unsupported):
            await hub.search(Caller(), "nginx", filters=SearchFilters("official"))


async def test_private_repositories_are_read_with_credentials_only(connect: Connect, state: HubState) -> None:
    async with connect(credential=ALICE) as hub:
        with pytest.raises(NotFound, match="does not exist or is private"):
            await hub.repository(Caller(), SECRET)
        found = await hub.repository(Caller(private=True), SECRET)
        assert found.value.is_private
        with pytest.raises(NotFound, match="does not exist or is private"):
            await hub.repository(Caller(), SECRET)
    assert [r.headers.get("authorization", "")[:7] for r in state.requests if r.method == "GET"] == ["", "Bearer "]


async def test_wrong_credentials_are_said_to_be_wrong(connect: Connect) -> None:
    wrong = Credential("docker.io:x", "x", "y", "basic")
    async with connect(credential=wrong) as hub:
        with pytest.raises(AuthenticationFailed):
            await hub.repository(Caller(private=True), NGINX)
        assert (await hub.repository(Caller(), NGINX)).value.repository == NGINX


async def test_tags_are_read_anonymously_where_only_the_older_route_allows_it(
    connect: Connect, state: HubState
) -> None:
    state.tags_want_login = True
    async with connect() as hub:
        assert (await hub.tags(Caller(), NGINX)).value.total == 4
        assert (await hub.tag(Caller(), NGINX, "1.29")).value.name == "1.29"


async def test_a_hundred_concurrent_questions_are_one_request(connect: Connect, state: HubState) -> None:
    async with connect() as hub:
        tasks = [asyncio.create_task(hub.repository(Caller(), NGINX)) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        with anyio.fail_after(10):
            assert (await tasks[0]).value.repository == NGINX
            await asyncio.gather(*tasks, return_exceptions=True)
            await hub.repository(Caller(), NGINX)
    assert len(state.requests) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("unavailable", UpstreamUnavailable),
        ("error-html", UpstreamUnavailable),
        ("unauthorized", AuthenticationFailed),
        ("missing", NotFound),
        ("limited", RateLimited),
        ("abuse", RateLimited),
        ("html", UpstreamInvalid),
        ("not-json", UpstreamInvalid),
        ("wrong-shape", UpstreamInvalid),
        ("deep", UpstreamInvalid),
        ("metadata-redirect", PolicyDenied),
        ("endless", TooLarge),
    ],
)
async def test_every_fault_is_the_right_error_and_nothing_is_kept(
    connect: Connect, state: HubState, fault: str, error: type[DockerHubError]
) -> None:
    state.faults.append(named(fault))
    async with connect() as hub:
        with anyio.fail_after(10), pytest.raises(error) as raised:
            await hub.tags(Caller(), NGINX)
        assert len(raised.value.message) <= 500
        state.faults.clear()
        if error is NotFound:
            return
        assert (await hub.tags(Caller(), SERVER)).value.total == 250


async def test_a_body_cut_short_is_not_an_answer(connect: Connect, state: HubState) -> None:
    state.faults.append(named("cut"))
    async with connect() as hub:
        with pytest.raises((UpstreamUnavailable, UpstreamInvalid)):
            await hub.repository(Caller(), NGINX)


async def test_a_hung_hub_is_a_timeout(connect: Connect, state: HubState) -> None:
    state.faults.append(named("hang"))
    async with connect(request_timeout=0.2) as hub:
        with anyio.fail_after(10), pytest.raises(UpstreamTimeout):
            await hub.repository(Caller(), NGINX)


async def test_a_passing_failure_is_not_noticed(connect: Connect, state: HubState) -> None:
    state.faults.append(named("unavailable", times=1))
    async with connect() as hub:
        assert (await hub.repository(Caller(), NGINX)).source == "live"
    assert len(state.requests) == 1


async def test_the_rate_limit_is_known_after_an_answer(connect: Connect, state: HubState) -> None:
    async with connect() as hub:
        await hub.repository(Caller(), NGINX)
        limits = hub.limits(Caller())
    assert limits is not None
    assert (limits.limit, limits.remaining) == (state.limit, state.limit - 1)
    assert limits.resets_at is not None
