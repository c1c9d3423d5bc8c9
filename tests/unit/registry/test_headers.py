"""Links, warnings and quota: headers that registries write in many ways."""

import pytest

from mcp_dockerhub.registry import Quota
from mcp_dockerhub.registry.freshness import all_warnings
from mcp_dockerhub.registry.links import Pages, next_target
from mcp_dockerhub.registry.notices import MAX_COUNT, MAX_NOTICES, notices
from mcp_dockerhub.registry.quota import parse_quota
from mcp_dockerhub.results import QUOTED
from mcp_dockerhub.transport.client import Response


def response(**headers: str | tuple[str, ...]) -> Response:
    found = {name.replace("_", "-"): value if isinstance(value, tuple) else (value,) for name, value in headers.items()}
    return Response(200, found, b"", "https://registry.example.com/v2/")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ('</v2/a/tags/list?last=x&n=5>; rel="next"', "/v2/a/tags/list?last=x&n=5"),
        ("</v2/a?last=x>; rel=next", "/v2/a?last=x"),
        ("</v2/a?last=x>;rel=NEXT", "/v2/a?last=x"),
        ('<https://a/1>; rel="prev", <https://a/2>; rel="next"', "https://a/2"),
        ('</1>; title="a, rel=next"; rel="last", </2>; rel="next last"', "/2"),
        ('</a,b;c>; rel="next"', "/a,b;c"),
        ('</a>; rel="nextish"', None),
        ("</a>", None),
        ("rel=next", None),
        ("", None),
        ("<" * 5000, None),
    ],
)
def test_the_next_link_is_found(link: str, target: str | None) -> None:
    assert next_target(response(link=link)) == target


def test_the_next_link_is_found_in_repeated_headers() -> None:
    assert next_target(response(link=('</1>; rel="first"', '</2>; rel="next"'))) == "/2"
    assert next_target(response()) is None


def pages(base: str = "https://registry.example.com/prefix", limit: int = 9) -> Pages:
    return Pages(base, "/v2/team/app/tags/list", limit)


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/v2/team/app/tags/list?last=a%2Fb&n=5", (("last", "a/b"), ("n", "5"))),
        ("https://registry.example.com/v2/team/app/tags/list?last=b", (("last", "b"),)),
        ("https://registry.example.com:443/v2/x?last=b", (("last", "b"),)),
        ("http://registry.example.com/v2/x?last=b", (("last", "b"),)),
        ("?last=b&empty=", (("last", "b"), ("empty", ""))),
        ("/v2/app/tags/list?last=from-artifactory", (("last", "from-artifactory"),)),
    ],
)
def test_only_the_query_of_a_link_is_used(target: str, query: tuple[tuple[str, str], ...]) -> None:
    assert pages().next_query(response(link=f'<{target}>; rel="next"')) == query


@pytest.mark.parametrize(
    "target",
    [
        "https://other.example.com/v2/team/app/tags/list?last=b",
        "//other.example.com/v2/?last=b",
        "https://registry.example.com:8443/?last=b",
        "http://[::1/?last=b",
        "https://registry.example.com:port/?last=b",
        "/?" + "&".join(f"a{n}=1" for n in range(30)),
    ],
)
def test_links_to_elsewhere_end_the_listing_and_say_so(target: str) -> None:
    listing = pages()
    assert listing.next_query(response(link=f'<{target}>; rel="next"')) is None
    assert "another host" in listing.trouble


def test_a_repeated_link_ends_the_listing() -> None:
    listing = pages()
    again = response(link='</v2/x?last=a>; rel="next"')
    assert listing.next_query(again) == (("last", "a"),)
    assert listing.next_query(again) is None
    assert "circles" in listing.trouble


def test_a_link_without_a_query_leads_back_to_the_start() -> None:
    listing = pages()
    assert listing.next_query(response(link='</v2/x>; rel="next"')) is None
    assert "circles" in listing.trouble


def test_pages_are_capped() -> None:
    listing = pages(limit=2)
    assert listing.next_query(response(link="</?last=a>; rel=next")) is not None
    assert listing.next_query(response(link="</?last=b>; rel=next")) is None
    assert "more than 2 pages" in listing.trouble


def test_the_last_page_is_no_trouble() -> None:
    listing = pages()
    assert listing.next_query(response()) is None
    assert listing.trouble == ""


def test_warnings_are_unquoted_and_said_once() -> None:
    value = '299 - "mind the \\"gap\\"", 299 - "second"'
    found = notices(response(warning=(value, '299 - "second"')), response())
    assert found == (f'{QUOTED}mind the "gap"', f"{QUOTED}second")


@pytest.mark.parametrize(
    "value", ["", "299 - unquoted", '199 - "other code"', '299 "no agent"', '299 - ""', '299 - "open']
)
def test_malformed_warnings_are_left_out(value: str) -> None:
    assert notices(response(warning=value)) == ()


def test_warnings_together_are_bounded() -> None:
    many = tuple(f'299 - "{n:04} {"x" * 1000}"' for n in range(10))
    found = notices(response(warning=many))
    assert 0 < sum(len(notice.removeprefix(QUOTED)) for notice in found) <= MAX_NOTICES
    assert len(notices(response(warning=tuple(f'299 - "{n}"' for n in range(500))))) == MAX_COUNT


def test_many_answers_do_not_add_up_to_endless_warnings() -> None:
    said: tuple[str, ...] = ("ours",)
    for n in range(50):
        said = all_warnings(said, notices(response(warning=f'299 - "{n}"')))
    said = all_warnings(said, ("ours too",))
    assert said == ("ours", *(f"{QUOTED}{n}" for n in range(MAX_COUNT)), "ours too")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "ratelimit_limit": "100;w=21600",
                "ratelimit_remaining": "76;w=21600",
                "docker_ratelimit_source": "192.0.2.1",
            },
            Quota(100, 76, 21600, "192.0.2.1"),
        ),
        ({"ratelimit_limit": "10;w=3600"}, Quota(10, None, 3600)),
        ({"ratelimit_limit": "200"}, Quota(200, None, None)),
        ({"ratelimit_limit": "many"}, None),
        ({}, None),
    ],
)
def test_the_pull_quota_is_read_from_headers(headers: dict[str, str], expected: Quota | None) -> None:
    assert parse_quota(response(**headers)) == expected
