"""What a verified token must say."""

import math
from dataclasses import replace
from typing import Any

import pytest

from mcp_dockerhub_security.tokens.claims import LEEWAY, MAX_AGE, Claims, read_claims
from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused
from tests.upstreams.issuer_tokens import ABSENT, standard_claims
from tests.upstreams.token_parts import ISSUER, NOW, RESOURCE, RULES


def read(rules: Any = RULES, *, introspected: bool = False, **claims: Any) -> Claims:
    document = {**standard_claims(ISSUER, RESOURCE, NOW), **claims}
    present = {name: value for name, value in document.items() if value is not ABSENT}
    return read_claims(present, rules, NOW, introspected=introspected)


def flaw_of(rules: Any = RULES, *, introspected: bool = False, **claims: Any) -> Flaw:
    with pytest.raises(TokenRefused) as caught:
        read(rules, introspected=introspected, **claims)
    return caught.value.flaw


def test_a_good_token_makes_a_principal() -> None:
    found = read(auth_time=NOW - 60, acr="urn:mfa", roles=["reader", "auditor"], jti="abc")
    principal = found.principal
    assert principal.id == f"{ISSUER}#ada"
    assert (principal.kind, principal.tenant, principal.client, principal.issuer) == ("token", "", "probe", ISSUER)
    assert principal.scopes == {"dockerhub:read"}
    assert principal.roles == {"reader", "auditor"}
    assert principal.auth_time == NOW - 60
    assert (found.token_id, found.context_class, found.valid_until) == ("abc", "urn:mfa", NOW + 300)


@pytest.mark.parametrize(
    "issuer",
    [ABSENT, "", None, f"{ISSUER}/", ISSUER.upper(), ISSUER[:-1], f" {ISSUER}", [ISSUER], "https://evil.example"],
)
def test_a_token_of_another_issuer_is_refused(issuer: Any) -> None:
    assert flaw_of(iss=issuer) is Flaw.ISSUER


def test_an_expired_token_is_refused_after_the_leeway() -> None:
    assert read(exp=NOW - LEEWAY + 1).valid_until < NOW
    assert flaw_of(exp=NOW - LEEWAY) is Flaw.EXPIRED
    assert flaw_of(exp=0) is Flaw.EXPIRED


def test_a_token_that_is_not_yet_valid_is_refused_before_the_leeway() -> None:
    assert read(nbf=NOW + LEEWAY).valid_until == NOW + 300
    assert flaw_of(nbf=NOW + LEEWAY + 1) is Flaw.NOT_YET_VALID


def test_a_token_from_the_far_future_is_refused() -> None:
    assert read(iat=NOW + LEEWAY).valid_until == NOW + 300
    assert flaw_of(iat=NOW + LEEWAY + 1) is Flaw.ISSUED_IN_FUTURE
    assert flaw_of(iat=NOW + 10**6, exp=NOW + 10**7) is Flaw.ISSUED_IN_FUTURE


def test_a_token_older_than_one_hour_is_refused_whatever_its_expiry() -> None:
    assert read(iat=NOW - MAX_AGE, exp=NOW + 10**6).valid_until == NOW
    assert flaw_of(iat=NOW - MAX_AGE - 1, exp=NOW + 10**6) is Flaw.TOO_OLD


def test_a_long_lived_token_is_good_for_an_hour_from_its_issue_only() -> None:
    assert read(iat=NOW - 600, exp=NOW + 10**6).valid_until == NOW - 600 + MAX_AGE


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_expiry_and_issue_must_be_said(name: str) -> None:
    absent: dict[str, Any] = {name: ABSENT}
    assert flaw_of(**absent) is Flaw.DATES


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize("value", ["1900000000", None, True, [NOW], math.nan, math.inf, -math.inf, -1, 10**400, 2**41])
def test_dates_that_are_no_numbers_are_refused(name: str, value: Any) -> None:
    assert flaw_of(**{name: value}) is Flaw.DATES


@pytest.mark.parametrize(
    "subject", [ABSENT, "", None, 7, ["ada"], "x" * 256, "ada\n", " ada", "ada\u202e", "a\x00", "\u200b"]
)
def test_a_subject_is_required_and_bounded(subject: Any) -> None:
    assert flaw_of(sub=subject) is Flaw.SUBJECT


@pytest.mark.parametrize("client", [ABSENT, "", None, 7, ["probe"], "x" * 256, "a\tb"])
def test_a_client_is_required_and_bounded(client: Any) -> None:
    assert flaw_of(client_id=client) is Flaw.CLIENT


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scope": "a  b "}, {"a", "b"}),
        ({"scope": ""}, set()),
        ({"scope": ABSENT}, set()),
        ({"scope": ABSENT, "scp": "a b"}, {"a", "b"}),
        ({"scope": ABSENT, "scp": ["a", "b"]}, {"a", "b"}),
        ({"scope": "a", "scp": ["dockerhub:admin"]}, {"a"}),
    ],
)
def test_scopes_come_from_scope_or_scp(claims: dict[str, Any], scopes: set[str]) -> None:
    assert read(**claims).principal.scopes == scopes


@pytest.mark.parametrize(
    "scope",
    [7, None, {"a": 1}, ["a", 7], ["a b"], "a\tb", 'a"b', "a\\b", "ä", "x" * 129, " ".join(f"s{n}" for n in range(65))],
)
def test_scopes_out_of_form_are_refused(scope: Any) -> None:
    assert flaw_of(scope=scope) is Flaw.SCOPES


TENANTED = replace(RULES, tenant_claim="org.tenant")


def test_the_tenant_comes_from_the_configured_claim() -> None:
    by_name: dict[str, Any] = {"org.tenant": "acme"}
    assert read(TENANTED, **by_name).principal.tenant == "acme"
    assert read(TENANTED, org={"tenant": "globex-2"}).principal.tenant == "globex-2"
    assert read(TENANTED, **by_name, org={"tenant": "other"}).principal.tenant == "acme"
    assert read(org={"tenant": "acme"}).principal.tenant == ""


@pytest.mark.parametrize(
    "tenant",
    [ABSENT, None, "", 7, ["acme"], "../acme", "a/b", ".hidden", "a b", "x" * 65, "acme\n", "acme:x", "ácme", {"a": 1}],
)
def test_where_there_are_tenants_a_token_without_an_acceptable_one_is_refused(tenant: Any) -> None:
    assert flaw_of(TENANTED, org={} if tenant is ABSENT else {"tenant": tenant}) is Flaw.TENANT


def test_a_path_to_a_claim_ends_where_there_is_no_object() -> None:
    assert flaw_of(TENANTED, org="acme") is Flaw.TENANT


def test_roles_come_from_the_configured_claim() -> None:
    rules = replace(RULES, roles_claim="realm_access.roles")
    assert read(rules, realm_access={"roles": ["a", "b"]}).principal.roles == {"a", "b"}
    assert read(rules, realm_access={"roles": "a b"}).principal.roles == {"a", "b"}
    assert read(rules, roles=["admin"]).principal.roles == frozenset()


@pytest.mark.parametrize("roles", [7, {"a": 1}, ["a", 7], ["a", ""], ["x" * 256], [f"r{n}" for n in range(65)], [None]])
def test_roles_out_of_form_are_refused(roles: Any) -> None:
    assert flaw_of(roles=roles) is Flaw.ROLES


@pytest.mark.parametrize("name", ["jti", "acr"])
@pytest.mark.parametrize("value", ["", 7, None, ["x"], "x" * 256, "a\nb"])
def test_identifiers_out_of_form_are_refused(name: str, value: Any) -> None:
    assert flaw_of(**{name: value}) is Flaw.CLAIMS


def test_an_authentication_in_the_future_is_refused() -> None:
    assert read(auth_time=NOW + LEEWAY).principal.auth_time == NOW + LEEWAY
    assert flaw_of(auth_time=NOW + LEEWAY + 1) is Flaw.DATES


def test_an_introspected_token_need_not_repeat_what_its_issuer_knows() -> None:
    found = read(introspected=True, iss=ABSENT, exp=ABSENT, iat=ABSENT, jti=ABSENT)
    assert (found.valid_until, found.token_id, found.principal.issuer) == (math.inf, "", ISSUER)


@pytest.mark.parametrize(
    ("claims", "flaw"),
    [
        ({"iss": "https://evil.example"}, Flaw.ISSUER),
        ({"aud": ABSENT}, Flaw.AUDIENCE),
        ({"aud": "https://other.example"}, Flaw.AUDIENCE),
        ({"exp": NOW - 60}, Flaw.EXPIRED),
        ({"iat": NOW - 7200}, Flaw.TOO_OLD),
        ({"nbf": NOW + 60}, Flaw.NOT_YET_VALID),
        ({"sub": ABSENT}, Flaw.SUBJECT),
        ({"client_id": ABSENT}, Flaw.CLIENT),
    ],
)
def test_what_an_introspected_token_does_say_holds(claims: dict[str, Any], flaw: Flaw) -> None:
    assert flaw_of(introspected=True, **claims) is flaw
