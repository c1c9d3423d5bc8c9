"""Whatever is sent as a token: a principal only for what the issuer signed, otherwise one of the known refusals."""

import asyncio
import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mcp_dockerhub_security.tokens.claims import LEEWAY, MAX_AGE, read_claims
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, TokenRefused
from mcp_dockerhub_security.tokens.keys import DEFAULT_ALGORITHMS, parse_key_set
from mcp_dockerhub_security.tokens.strict_json import strict_object
from mcp_dockerhub_security.tokens.throttle import FailureThrottle
from tests.upstreams.issuer_tokens import encoded, segment, standard_claims
from tests.upstreams.token_parts import ISSUER, NOW, RESOURCE, RULES, Clock, Parts, parsed

PARTS = Parts(opaque=True)
GOOD = PARTS.token()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "jwk", "jku", "crit", "x5c", "zip", "b64", "cty"])
KEY_MEMBERS = st.sampled_from(["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "key_ops"])
CLAIM_NAMES = st.sampled_from(
    ["iss", "sub", "aud", "exp", "iat", "nbf", "client_id", "scope", "scp", "roles", "jti", "acr", "auth_time"]
)


def verify(token: str) -> bool:
    """True for yes; anything but a refusal is an error of the test."""
    try:
        asyncio.run(PARTS.verifier.verify(token))
    except (TokenRefused, AuthorityUnavailable):
        return False
    return True


@given(st.text(max_size=200) | st.from_regex(r"[\w-]{1,40}\.[\w-]{1,80}\.[\w-]{0,90}", fullmatch=True))
def test_no_text_is_a_token(text: str) -> None:
    assert not verify(text)


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_no_token_with_one_character_changed_is_good(place: int, character: str) -> None:
    assume(GOOD[place] != character)
    assert not verify(GOOD[:place] + character + GOOD[place + 1 :])


@given(st.integers(0, len(GOOD) - 1), st.integers(0, len(GOOD)))
def test_no_part_of_a_token_is_good(start: int, end: int) -> None:
    assume(end - start < len(GOOD))
    assert not verify(GOOD[start:end])


@given(st.dictionaries(HEADER_NAMES, JSON, min_size=1, max_size=4))
def test_whatever_a_header_holds_the_signature_decides(header: dict[str, Any]) -> None:
    forged = segment(encoded({"alg": "ES256", "typ": "at+jwt", **header}))
    assert not verify(f"{forged}.{GOOD.partition('.')[2]}")


@given(st.dictionaries(CLAIM_NAMES, JSON, max_size=4))
@settings(max_examples=200)
def test_whatever_claims_are_signed_the_answer_is_a_principal_of_ours_or_a_refusal(claims: dict[str, Any]) -> None:
    document = {**standard_claims(ISSUER, RESOURCE, NOW), **claims}
    for introspected in (False, True):
        try:
            read = read_claims(document, RULES, NOW, introspected=introspected)
        except TokenRefused:
            continue
        assert read.principal.id == f"{ISSUER}#{document['sub']}"
        assert document["aud"] in (RESOURCE, [RESOURCE])
        assert len(read.principal.id) < 400


@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
def test_dates_hold_for_any_combination(exp: int, iat: int, nbf: int) -> None:
    document = {**standard_claims(ISSUER, RESOURCE, NOW), "exp": NOW + exp, "iat": NOW + iat, "nbf": NOW + nbf}
    good = exp > -LEEWAY and -MAX_AGE <= iat <= LEEWAY and nbf <= LEEWAY
    try:
        read = read_claims(document, RULES, NOW)
    except TokenRefused:
        assert not good
    else:
        assert good
        assert read.valid_until == min(NOW + exp, NOW + iat + MAX_AGE)


@given(st.binary(max_size=300))
def test_json_is_an_object_or_a_value_error(data: bytes) -> None:
    try:
        found = strict_object(data)
    except ValueError:
        return
    assert isinstance(found, dict)


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=5))
def test_plain_objects_survive(document: dict[str, Any]) -> None:
    assert strict_object(json.dumps(document).encode()) == document


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"]), JSON), max_size=4
    )
)
def test_any_key_set_is_usable_or_a_value_error(keys: list[dict[str, Any]]) -> None:
    try:
        found = parse_key_set(json.dumps({"keys": keys}).encode(), DEFAULT_ALGORITHMS)
    except ValueError:
        return
    assert len(found) > 0


@given(st.binary(min_size=1, max_size=200))
def test_any_signature_of_any_length_is_only_ever_wrong(signature: bytes) -> None:
    token = f"{GOOD.rpartition('.')[0]}.{segment(signature)}"
    assume(token != GOOD)
    assert not verify(token)


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.floats(0, 5)), max_size=60))
def test_a_wait_depends_on_the_address_alone(failures: list[tuple[str, float]]) -> None:
    clock = Clock(0.0)
    together, alone = FailureThrottle(clock=clock, burst=3), FailureThrottle(clock=clock, burst=3)
    for address, seconds in failures:
        clock.now += seconds
        together.charge(address)
        if address == "192.0.2.1":
            alone.charge(address)
    assert together.wait("192.0.2.1") == alone.wait("192.0.2.1") <= 1.0


def test_the_good_token_is_good() -> None:
    assert parsed(GOOD).algorithm == "ES256"
    assert verify(GOOD)
