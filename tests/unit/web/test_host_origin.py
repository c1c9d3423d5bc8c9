"""Host and Origin allow-lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.host_origin import AllowList, HostAndOrigin, OriginList
from mcp_dockerhub.web.scope import Exchange
from tests.upstreams.asgi import ask, fine, scope_of

pytestmark = pytest.mark.anyio

HOSTS = AllowList.of_hosts(["mcp.example.com", "Other.example:8443", "localhost:*", "[::1]:*", "[2001:db8::1]"])
ORIGINS = OriginList.of(
    ["https://app.example", "http://localhost:*", "https://port.example:8443", "https://d.example:443"]
)
LAYER = HostAndOrigin(fine, HOSTS, ORIGINS)


@pytest.mark.parametrize(
    "host",
    [
        "mcp.example.com",
        "MCP.Example.COM",
        "mcp.example.com:443",
        "mcp.example.com:80",
        "other.example:8443",
        "localhost",
        "localhost:1",
        "[::1]:9",
        "[2001:db8::1]",
    ],
)
def test_hosts_on_the_list_are_answered(host: str) -> None:
    assert HOSTS.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "xmcp.example.com",
        "mcp.example.com.evil",
        "mcp.example.com:8000",
        "other.example",
        "other.example:443",
        "::1",
        "[::1",
        "mcp.example.com:",
        "mcp.example.com:443:443",
        "a@mcp.example.com",
        "mcp.example.com/",
        "mcp.example.com\n",
        "localhost:123456",
        "localhost:*",
        "",
        " ",
    ],
)
def test_no_other_host_is(host: str) -> None:
    assert not HOSTS.allows(host)


@given(st.text(alphabet="mcp.example:/@[]* \n\t0418%", max_size=40))
def test_only_what_is_written_on_a_list_passes(host: str) -> None:
    allowed = AllowList.of_hosts(["mcp.example"])
    assert allowed.allows(host) == (host.lower() in {"mcp.example", "mcp.example:80", "mcp.example:443"})


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example",
        "http://localhost",
        "http://localhost:6274",
        "https://port.example:8443",
        "https://d.example",
    ],
)
def test_origins_on_the_list_may_call(origin: str) -> None:
    assert ORIGINS.allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil",
        "https://evil.app.example",
        "https://localhost",
        "https://port.example",
        "https://app.example/",
        "https://app.example\n",
        "https://",
        "app.example",
        "https://app.example https://app.example",
    ],
)
def test_no_other_origin_may(origin: str) -> None:
    assert not ORIGINS.allows(origin)


@pytest.mark.parametrize("hosts", [[], ["evil.example"], ["localhost", "localhost"], ["localhost", "evil.example"]])
async def test_a_request_without_exactly_one_of_our_hosts_is_misdirected(hosts: list[str]) -> None:
    with pytest.raises(HttpError) as refused:
        await ask(LAYER, scope_of(headers=[("host", host) for host in hosts]))
    assert (refused.value.status, refused.value.rule) == (421, "host_not_allowed")


async def test_a_request_of_a_page_that_may_not_call_is_forbidden() -> None:
    with pytest.raises(HttpError) as refused:
        await ask(LAYER, scope_of(headers={"host": "localhost", "origin": "https://evil.example"}))
    assert (refused.value.status, refused.value.rule) == (403, "origin_not_allowed")


async def test_without_an_origin_no_page_is_asking() -> None:
    scope = scope_of(headers={"host": "localhost"})
    assert (await ask(LAYER, scope)).status == 200
    assert not Exchange.of(scope).extra_headers


async def test_an_allowed_page_is_told_what_it_may_read() -> None:
    scope = scope_of(headers={"host": "localhost", "origin": "https://app.example"})
    assert (await ask(LAYER, scope)).status == 200
    assert dict(Exchange.of(scope).extra_headers)[b"access-control-allow-origin"] == b"https://app.example"
    assert b"www-authenticate" in dict(Exchange.of(scope).extra_headers)[b"access-control-expose-headers"]


async def test_a_preflight_is_answered_here_and_lists_parameters_of_the_protocol_only() -> None:
    asked = {"access-control-request-headers": "Mcp-Param-Region, x-other, mcp-param-\xe4"}
    scope = scope_of("OPTIONS", headers={"host": "localhost", "origin": "https://app.example", **asked})
    answer = await ask(LAYER, scope)
    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"].endswith("mcp-name, mcp-param-region")


async def test_options_without_an_origin_is_a_method_like_any_other() -> None:
    assert (await ask(LAYER, scope_of("OPTIONS", headers={"host": "localhost"}))).body == b"fine"
