"""The Hub client: what it asks, as whom, what it keeps, and what refusals become."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    Forbidden,
    InvalidInput,
    NotFound,
    PolicyDenied,
    RateLimited,
    Unsupported,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.hub import HubClient, HubLimits, SearchFilters
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential
from tests.upstreams.callers import Caller
from tests.upstreams.scripted_http import ScriptedHttp, answer

pytestmark = pytest.mark.anyio

BASE = "https://hub.invalid"
NGINX = Repository.parse("nginx")
ROUTE = "/v2/namespaces/library/repositories/nginx"
ALIAS = "/v2/repositories/library/nginx"
SEARCH = "/api/search/v4"
OLD_SEARCH = "/v2/search/repositories/"
ALICE = Credential("docker.io:alice", "alice", "secret", "basic")
REPOSITORY = {"name": "nginx", "namespace": "library", "description": "Official build"}
TAG = {"name": "1.29", "images": []}
EMPTY_SEARCH: dict[str, Any] = {"total": 0, "results": []}


def page(*names: str, count: int | None = None) -> dict[str, Any]:
    results = [{"name": name, "images": []} for name in names]
    return {"count": len(names) if count is None else count, "next": None, "previous": None, "results": results}


def client(script: dict[str, Any], credential: Credential = ALICE) -> tuple[HubClient, ScriptedHttp]:
    http = ScriptedHttp(script)
    return HubClient(http, Cache(), BASE, credential), http


async def test_a_repository_is_asked_for_once_and_then_kept() -> None:
    hub, http = client({ROUTE: answer(REPOSITORY)})
    first = await hub.repository(Caller(), NGINX)
    second = await hub.repository(Caller(), NGINX)
    assert (first.value.description, first.source, second.source) == ("Official build", "live", "cache")
    assert http.paths == [ROUTE]


async def test_a_request_is_anonymous_unless_the_caller_may_read_private_things() -> None:
    hub, http = client({ROUTE: answer(REPOSITORY)})
    await hub.repository(Caller(), NGINX)
    await hub.repository(Caller(private=True), NGINX)
    assert [asked.upstream.credential for asked in http.asked] == [ANONYMOUS_CREDENTIAL, ALICE]
    upstream = http.asked[0].upstream
    assert (upstream.name, upstream.scheme, upstream.host_class, upstream.base_url) == ("hub", "hub", "hub", BASE)


async def test_only_anonymous_answers_are_shared_between_tenants() -> None:
    hub, http = client({ROUTE: answer(REPOSITORY)})
    for partition in ("a", "b"):
        await hub.repository(Caller(partition=partition), NGINX)
    assert len(http.asked) == 1
    for partition in ("a", "b", "a"):
        await hub.repository(Caller(private=True, partition=partition), NGINX)
    assert len(http.asked) == 3


async def test_without_configured_credentials_private_callers_share_the_anonymous_answer() -> None:
    hub, http = client({ROUTE: answer(REPOSITORY)}, ANONYMOUS_CREDENTIAL)
    await hub.repository(Caller(), NGINX)
    await hub.repository(Caller(private=True, partition="a"), NGINX)
    assert len(http.asked) == 1


async def test_policy_is_asked_before_anything_is_sent_or_found_in_the_cache() -> None:
    hub, http = client({ROUTE: answer(REPOSITORY)})
    await hub.repository(Caller(), NGINX)
    denied = Caller(denied=frozenset({"docker.io/library/nginx", "docker.io/"}))
    with pytest.raises(PolicyDenied):
        await hub.repository(denied, NGINX)
    for ask in (hub.tags(denied, NGINX), hub.tag(denied, NGINX, "1")):
        with pytest.raises(PolicyDenied):
            await ask
    with pytest.raises(PolicyDenied):
        await hub.search(denied, "nginx")
    assert len(http.asked) == 1


async def test_tags_are_asked_for_by_page_size_order_and_name() -> None:
    hub, http = client({f"{ROUTE}/tags": answer(page("1.29", "1.28", count=900))})
    found = await hub.tags(Caller(), NGINX, 3, 50, "-name", "1.2")
    assert ([tag.name for tag in found.value.tags], found.value.total) == (["1.29", "1.28"], 900)
    assert http.asked[0].params == {"page": 3, "page_size": 50, "ordering": "-name", "name": "1.2"}
    await hub.tags(Caller(), NGINX, 4, 50, "-name", "1.2")
    assert len(http.asked) == 2


async def test_a_page_past_the_end_is_empty_and_keeps_the_total() -> None:
    hub, http = client({f"{ROUTE}/tags": [answer({}, 404), answer(page("a", "b", count=2))]})
    found = await hub.tags(Caller(), NGINX, 7)
    assert (found.value.tags, found.value.total) == ((), 2)
    assert [asked.params["page"] for asked in http.asked] == [7, 1]


async def test_a_page_of_a_repository_that_is_not_there_is_not_found() -> None:
    hub, _ = client({f"{ROUTE}/tags": answer({"message": "object not found"}, 404)})
    for number in (1, 7):
        with pytest.raises(NotFound, match=r"tags of nginx.*does not exist or is private"):
            await hub.tags(Caller(), NGINX, number)


async def test_one_tag_is_asked_for_by_name() -> None:
    hub, http = client({f"{ROUTE}/tags/1.29": answer(TAG)})
    assert (await hub.tag(Caller(), NGINX, "1.29")).value.name == "1.29"
    assert len(http.asked) == 1


@pytest.mark.parametrize("hostile", ["", "../x", "a/b", "a?b=c", "a#b", "x" * 129, "a\r\nb"])
async def test_nothing_that_is_no_tag_gets_into_a_request(hostile: str) -> None:
    hub, http = client({})
    with pytest.raises(InvalidInput, match="A tag has"):
        await hub.tag(Caller(), NGINX, hostile)
    if hostile:
        with pytest.raises(InvalidInput, match="A tag has"):
            await hub.tags(Caller(), NGINX, name_contains=hostile)
    assert http.asked == []


async def test_only_docker_hub_repositories_of_two_parts_are_asked_for() -> None:
    hub, http = client({})
    with pytest.raises(Unsupported, match=r"ghcr\.io is not Docker Hub"):
        await hub.repository(Caller(), Repository.parse("ghcr.io/a/b"))
    with pytest.raises(InvalidInput, match="namespace and a name"):
        await hub.tags(Caller(), Repository.parse("a/b/c"))
    assert http.asked == []


@pytest.mark.parametrize("route", ["", "/tags", "/tags/1.29"])
async def test_where_the_documented_route_wants_a_login_the_older_one_is_asked(route: str) -> None:
    content: Any = {"": REPOSITORY, "/tags": page("1.29"), "/tags/1.29": TAG}[route]
    alias = f"{ALIAS}{route}" if route else f"{ALIAS}/"
    hub, http = client({f"{ROUTE}{route}": answer({"detail": "login"}, 401), alias: answer(content)})
    await _ask(hub, route, Caller())
    assert http.paths == [f"{ROUTE}{route}", alias]
    with pytest.raises(AuthenticationFailed, match="refused the configured credentials"):
        await _ask(hub, route, Caller(private=True))
    assert len(http.asked) == 3


async def _ask(hub: HubClient, route: str, caller: Caller) -> object:
    if route == "/tags":
        return await hub.tags(caller, NGINX)
    if route:
        return await hub.tag(caller, NGINX, "1.29")
    return await hub.repository(caller, NGINX)


async def test_a_search_asks_for_images_by_offset_and_filters() -> None:
    hub, http = client({SEARCH: answer({"total": 5000, "results": []})})
    filters = SearchFilters("verified_publisher", "arm64")
    found = await hub.search(Caller(), "  web   server ", 3, 50, filters)
    assert found.value.total == 5000
    assert http.asked[0].params == {
        "query": "web server",
        "type": "image",
        "from": 100,
        "size": 50,
        "badges": "verified_publisher",
        "architectures": "arm64",
    }


async def test_searches_are_kept_by_query_page_and_filters() -> None:
    hub, http = client({SEARCH: answer(EMPTY_SEARCH)})
    for _ in range(2):
        await hub.search(Caller(), "a")
        await hub.search(Caller(), "b")
        await hub.search(Caller(), "a", 2)
        await hub.search(Caller(), "a", 1, 10)
        await hub.search(Caller(), "a", 1, 25, SearchFilters("official"))
        await hub.search(Caller(private=True), "a")
    assert len(http.asked) == 6


@pytest.mark.parametrize(("number", "size"), [(25, 100), (100, 25), (2500, 1)])
async def test_a_search_can_be_paged_to_the_end_of_its_window(number: int, size: int) -> None:
    hub, http = client({SEARCH: answer(EMPTY_SEARCH)})
    await hub.search(Caller(), "a", number, size)
    assert int(http.asked[0].params["from"]) + int(http.asked[0].params["size"]) == 2500


@pytest.mark.parametrize(("number", "size"), [(26, 100), (101, 25), (2501, 1)])
async def test_a_search_cannot_be_paged_beyond_its_window(number: int, size: int) -> None:
    hub, http = client({})
    with pytest.raises(InvalidInput, match="first 2500 results"):
        await hub.search(Caller(), "a", number, size)
    assert http.asked == []


@pytest.mark.parametrize(("number", "size"), [(0, 10), (-1, 10), (1, 0), (1, 101)])
async def test_pages_have_bounds(number: int, size: int) -> None:
    hub, _ = client({})
    with pytest.raises(InvalidInput, match="Pages start at 1"):
        await hub.search(Caller(), "a", number, size)
    with pytest.raises(InvalidInput, match="Pages start at 1"):
        await hub.tags(Caller(), NGINX, number, size)


@pytest.mark.parametrize("query", ["", "   ", "x" * 101, "a\x00b", "a\x1b[2Jb", "a\u202eb"])
async def test_a_query_is_short_printable_text(query: str) -> None:
    hub, http = client({})
    with pytest.raises(InvalidInput, match="1 to 100 printable") as raised:
        await hub.search(Caller(), query)
    assert len(raised.value.message) < 100
    assert http.asked == []


@pytest.mark.parametrize("status", [404, 410])
async def test_without_the_new_search_the_old_one_answers_what_it_can(status: int) -> None:
    entry = {"repo_name": "nginx", "is_official": True, "pull_count": 5}
    old = answer({"count": 321, "next": None, "previous": "", "results": [entry]})
    hub, http = client({SEARCH: answer(b"gone", status), OLD_SEARCH: old})
    found = (await hub.search(Caller(), "nginx", 2, 10)).value
    assert (found.total, found.legacy, found.results[0].repository) == (321, True, NGINX)
    assert http.asked[1].params == {"query": "nginx", "page": 2, "page_size": 10}
    with pytest.raises(Unsupported, match="filters"):
        await hub.search(Caller(), "nginx", 1, 10, SearchFilters("official"))


async def test_without_any_search_that_is_said() -> None:
    hub, _ = client({SEARCH: answer(b"", 404), OLD_SEARCH: answer(b"", 404)})
    with pytest.raises(Unsupported, match="not available"):
        await hub.search(Caller(), "nginx")


@pytest.mark.parametrize(
    ("status", "private", "error", "said"),
    [
        (400, False, InvalidInput, "does not accept"),
        (422, False, InvalidInput, "does not accept"),
        (401, True, AuthenticationFailed, "refused the configured credentials"),
        (403, False, Forbidden, "does not allow"),
        (403, True, Forbidden, "does not allow"),
        (404, False, NotFound, "does not exist or is private"),
        (404, True, NotFound, "hidden from the configured account"),
        (410, False, NotFound, "does not exist"),
        (408, False, UpstreamTimeout, "408"),
        (429, False, RateLimited, "limits requests"),
        (500, False, UpstreamUnavailable, "500"),
        (503, False, UpstreamUnavailable, "503"),
        (504, False, UpstreamTimeout, "504"),
        (204, False, UpstreamInvalid, "204"),
        (301, False, UpstreamInvalid, "301"),
        (418, False, UpstreamInvalid, "418"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>secret-of-the-body</html>", b'{"errinfo": {"a": "secret-of-the-body"}}', b"secret-of-the-body", b"["],
)
async def test_every_status_is_an_error_of_its_own_whatever_its_body(
    status: int, private: bool, error: type[DockerHubError], said: str, body: bytes
) -> None:
    hub, _ = client({f"{ROUTE}/tags/1.29": answer(body, status)})
    with pytest.raises(error, match=said) as raised:
        await hub.tag(Caller(private=private), NGINX, "1.29")
    assert type(raised.value) is error
    assert "nginx:1.29" in raised.value.message
    assert "secret-of-the-body" not in raised.value.message + raised.value.hint


async def test_an_anonymous_caller_is_told_that_a_login_is_wanted() -> None:
    refused = answer({}, 401)
    hub, _ = client({f"{ROUTE}/tags": refused, f"{ALIAS}/tags": refused})
    with pytest.raises(AuthenticationFailed, match="wants a login") as raised:
        await hub.tags(Caller(), NGINX)
    assert "DOCKERHUB_USERNAME" in raised.value.hint


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7),
        ({"x-retry-after": "9", "retry-after": "7"}, 9),
        ({"x-retry-after": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "1"}, 1),
        ({"x-retry-after": "1000000500"}, 0),
        ({}, None),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait_where_the_hub_does(
    headers: dict[str, str], wait: float | None
) -> None:
    hub, _ = client({SEARCH: answer(b"Too Many Requests", 429, headers)})
    with pytest.raises(RateLimited) as raised:
        await hub.search(Caller(), "a")
    assert raised.value.retry_after_s == wait


@pytest.mark.parametrize(
    "body", [b"<html>Log in</html>", b"", b'{"count": ', b"[" * 20_000, b'{"results": 5}', b"null", b'"x"']
)
async def test_a_good_status_with_a_bad_body_is_invalid_and_not_kept(body: bytes) -> None:
    script = {f"{ROUTE}{rest}": [answer(body), answer(good)] for rest, good in (("", REPOSITORY), ("/tags", page("a")))}
    hub, _ = client({**script, SEARCH: [answer(body), answer(EMPTY_SEARCH)]})
    for ask in (
        lambda: hub.repository(Caller(), NGINX),
        lambda: hub.tags(Caller(), NGINX),
        lambda: hub.search(Caller(), "a"),
    ):
        with pytest.raises(UpstreamInvalid):
            await ask()
        assert (await ask()).source == "live"


async def test_what_the_http_client_raises_comes_through() -> None:
    hub, _ = client({ROUTE: UpstreamUnavailable("no connection")})
    with pytest.raises(UpstreamUnavailable, match="no connection"):
        await hub.repository(Caller(), NGINX)


async def test_answers_are_read_up_to_a_limit_of_their_own() -> None:
    hub, http = client({ROUTE: answer(REPOSITORY)})
    await hub.repository(Caller(), NGINX)
    assert http.asked[0].limit == 4 * 1024 * 1024


async def test_the_latest_rate_limit_is_known_by_credential() -> None:
    limits = {"x-ratelimit-limit": "180", "x-ratelimit-remaining": "179", "x-ratelimit-reset": "1746136938"}
    hub, _ = client({ROUTE: answer(REPOSITORY, 200, limits), SEARCH: answer(EMPTY_SEARCH)})
    assert hub.limits(Caller()) is None
    await hub.repository(Caller(), NGINX)
    known = HubLimits(180, 179, datetime(2025, 5, 1, 22, 2, 18, tzinfo=UTC))
    assert hub.limits(Caller()) == known
    await hub.search(Caller(), "a")
    assert hub.limits(Caller()) == known
    assert hub.limits(Caller(private=True)) is None
