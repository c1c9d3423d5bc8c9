"""RFC 8707: a token must name this server, exactly."""

from typing import Any

import pytest

from mcp_dockerhub_security.tokens.audience import Audience
from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused
from tests.upstreams.token_parts import RESOURCE

OTHER = "https://other.example.com/mcp"


def flaw_of(claims: dict[str, Any], *, shared: bool = False, resource: str = RESOURCE) -> Flaw | None:
    try:
        Audience(resource, shared).check(claims)
    except TokenRefused as refusal:
        return refusal.flaw
    return None


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": RESOURCE},
        {"aud": [RESOURCE]},
        {"aud": [RESOURCE, RESOURCE]},
        {"resource": RESOURCE},
        {"resource": [RESOURCE]},
        {"aud": [RESOURCE], "resource": RESOURCE},
    ],
)
def test_a_token_that_names_this_server_is_accepted(claims: dict[str, Any]) -> None:
    assert flaw_of(claims) is None


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": None},
        {"aud": ""},
        {"aud": []},
        {"aud": 7},
        {"aud": True},
        {"aud": {"uri": RESOURCE}},
        {"aud": [[RESOURCE]]},
        {"aud": [RESOURCE, None]},
        {"aud": [RESOURCE] * 33},
        {"audience": RESOURCE},
        {"AUD": RESOURCE},
    ],
)
def test_a_missing_audience_or_one_out_of_form_is_refused(claims: dict[str, Any]) -> None:
    assert flaw_of(claims, shared=True) is Flaw.AUDIENCE


@pytest.mark.parametrize(
    "value",
    [
        OTHER,
        "https://hub.example.com",
        "https://hub.example.com/",
        "https://hub.example.com/mc",
        "https://hub.example.com/mcp/",
        "https://hub.example.com/mcp2",
        "https://hub.example.com/mcp/admin",
        "https://hub.example.com/mcp?x=1",
        "https://hub.example.com/mcp#x",
        "https://hub.example.com/MCP",
        "https://HUB.example.com/mcp",
        "HTTPS://hub.example.com/mcp",
        "http://hub.example.com/mcp",
        "https://hub.example.com:443/mcp",
        "https://hub.example.com./mcp",
        "https://hub.example.com/%6dcp",
        "https://hub.example.com/x/../mcp",
        "https://hub.example.com.evil.example/mcp",
        "https://evil.example/?https://hub.example.com/mcp",
        "https://ada@hub.example.com/mcp",
        "hub.example.com/mcp",
        " https://hub.example.com/mcp",
        "https://hub.example.com/mcp ",
        "https://hub.example.com/mcp\n",
        "https://hub.example.com/mcp\x00",
        "https://hub.example.com/mc\u0440",
        "*",
        "https://hub.example.com/*",
    ],
)
def test_a_prefix_a_suffix_another_case_and_everything_similar_is_refused(value: str) -> None:
    for shared in (False, True):
        assert flaw_of({"aud": value}, shared=shared) is Flaw.AUDIENCE
        assert flaw_of({"aud": [value]}, shared=shared) is Flaw.AUDIENCE
        assert flaw_of({"resource": value}, shared=shared) is Flaw.AUDIENCE


def test_a_list_with_ours_and_others_is_accepted_only_if_configured() -> None:
    claims = {"aud": [OTHER, RESOURCE]}
    assert flaw_of(claims) is Flaw.AUDIENCE_SHARED
    assert flaw_of(claims, shared=True) is None
    assert flaw_of({"aud": [OTHER, "account"]}, shared=True) is Flaw.AUDIENCE


@pytest.mark.parametrize("claims", [{"aud": OTHER, "resource": RESOURCE}, {"aud": RESOURCE, "resource": OTHER}])
def test_each_of_aud_and_resource_must_name_us_where_it_is_there(claims: dict[str, Any]) -> None:
    """RFC 7519, section 4.1.3: an ``aud`` that does not name us is the end of it."""
    assert flaw_of(claims, shared=True) is Flaw.AUDIENCE


def test_a_resource_without_a_path_has_two_spellings_of_the_same_uri() -> None:
    origin = "https://hub.example.com"
    assert flaw_of({"aud": origin}, resource=origin) is None
    assert flaw_of({"aud": f"{origin}/"}, resource=origin) is None
    assert flaw_of({"aud": f"{origin}//"}, resource=origin) is Flaw.AUDIENCE
    assert flaw_of({"aud": origin}, resource=f"{origin}/") is Flaw.AUDIENCE
