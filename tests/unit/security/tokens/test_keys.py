"""Which of an issuer's keys are used, and for what."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mcp_dockerhub_security.tokens.compact import parse_compact
from mcp_dockerhub_security.tokens.keys import ALGORITHMS, DEFAULT_ALGORITHMS, MAX_KEYS, parse_key_set
from tests.upstreams.issuer_tokens import SigningKey, encoded, new_key, rsa_key, segment, standard_claims
from tests.upstreams.token_parts import ISSUER, RESOURCE, key_set, parsed

CLAIMS = standard_claims(ISSUER, RESOURCE)
GOOD = new_key("ES256", "good")


def found(jwk: dict[str, Any], algorithm: str = "ES256") -> bool:
    """Whether a key is taken; a good one beside it keeps the set usable."""
    keys = parse_key_set(key_set(jwk, GOOD.public_jwk()), DEFAULT_ALGORITHMS)
    return keys.find(jwk.get("kid"), algorithm) is not None


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_key_of_each_algorithm_verifies_what_it_signed_and_nothing_else(algorithm: str) -> None:
    key = new_key(algorithm)
    loaded = parse_key_set(key_set(key.public_jwk()), ALGORITHMS).find(key.key_id, algorithm)
    assert loaded is not None
    token = key.sign(CLAIMS)
    parts = parse_compact(token, algorithms=ALGORITHMS, types=frozenset({"at+jwt"}))
    assert loaded.verifies(parts)
    other = key.sign({**CLAIMS, "sub": "mallory"})
    spliced = f"{other.rpartition('.')[0]}.{token.rpartition('.')[2]}"
    assert not loaded.verifies(parse_compact(spliced, algorithms=ALGORITHMS, types=frozenset({"at+jwt"})))


def test_a_key_without_alg_may_be_used_with_every_accepted_algorithm_of_its_kind() -> None:
    jwk = {name: value for name, value in new_key("RS256", "rsa").public_jwk().items() if name != "alg"}
    keys = parse_key_set(key_set(jwk), DEFAULT_ALGORITHMS)
    assert keys.find("rsa", "RS256") is not None
    assert keys.find("rsa", "PS256") is not None
    assert keys.find("rsa", "RS512") is None
    assert keys.find("rsa", "ES256") is None


def test_a_key_is_not_used_with_another_algorithm_than_its_own() -> None:
    key = new_key("RS256", "rsa")
    keys = parse_key_set(key_set(key.public_jwk()), DEFAULT_ALGORITHMS)
    assert keys.find("rsa", "PS256") is None
    loaded = keys.find("rsa", "RS256")
    assert loaded is not None
    assert not loaded.verifies(parsed(SigningKey("rsa", "PS256", key.private).sign(CLAIMS)))
    renamed = key.sign_raw(encoded({"alg": "PS256", "typ": "at+jwt", "kid": "rsa"}), encoded(CLAIMS))
    assert not loaded.verifies(parsed(renamed)), "the right signature under another algorithm's name"


@pytest.mark.parametrize("bits", [1024, 2047])
def test_rsa_keys_below_2048_bits_are_not_used(bits: int) -> None:
    assert not found(SigningKey("small", "RS256", rsa_key(bits)).public_jwk(), "RS256")


def test_a_huge_rsa_key_is_not_used() -> None:
    jwk = new_key("RS256", "huge").public_jwk()
    jwk["n"] = segment((1 << 16_384 | 1).to_bytes(2049, "big"))
    assert not found(jwk, "RS256")


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"key_ops": []},
        {"d": "AQAB"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA"},
        {"kty": ["EC"]},
        {"kty": None},
        {"crv": "secp256k1"},
        {"crv": "P-384"},
        {"crv": ["P-256"]},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": ["ES256"]},
        {"kid": "../key"},
        {"kid": 5},
        {"x": "AAAA"},
        {"x": 5},
        {"y": "!"},
        {"y": None},
    ],
)
def test_a_key_that_is_not_a_public_signature_key_is_left_out(change: dict[str, Any]) -> None:
    jwk = new_key("ES256", "odd").public_jwk()
    assert found(jwk)
    assert not found({**jwk, **change})


def test_symmetric_keys_in_a_key_set_are_never_used() -> None:
    with pytest.raises(ValueError, match="no usable key"):
        parse_key_set(key_set({"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}), DEFAULT_ALGORITHMS)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": null}',
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": ["x", 1, null]}',
        b'{"keys": [], "keys": []}',
        key_set(*[{} for _ in range(MAX_KEYS + 1)]),
        b"\xff",
    ],
)
def test_a_document_without_usable_keys_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_key_set(document, DEFAULT_ALGORITHMS)


def test_a_token_that_names_no_key_gets_the_only_one_there_is() -> None:
    one, two = new_key(), new_key()
    assert parse_key_set(key_set(one.public_jwk()), DEFAULT_ALGORITHMS).find(None, "ES256") is not None
    assert parse_key_set(key_set(one.public_jwk(), two.public_jwk()), DEFAULT_ALGORITHMS).find(None, "ES256") is None


def test_two_keys_of_one_name_and_kind_are_ambiguous_and_neither_is_used() -> None:
    keys = parse_key_set(
        key_set(new_key("ES256", "same").public_jwk(), new_key("ES256", "same").public_jwk()), DEFAULT_ALGORITHMS
    )
    assert keys.find("same", "ES256") is None


def test_one_name_may_stand_for_keys_of_two_kinds() -> None:
    """RFC 7517, section 4.5."""
    keys = parse_key_set(
        key_set(new_key("ES256", "same").public_jwk(), new_key("EdDSA", "same").public_jwk()), DEFAULT_ALGORITHMS
    )
    assert keys.find("same", "ES256") is not None
    assert keys.find("same", "EdDSA") is not None
    assert len(keys) == 2


def test_the_same_name_with_other_material_is_another_key() -> None:
    first, second = (
        parse_key_set(key_set(new_key("ES256", "same").public_jwk()), DEFAULT_ALGORITHMS) for _ in range(2)
    )
    key = first.find("same", "ES256")
    assert key is not None
    assert key in first
    assert key not in second


def test_a_point_that_is_not_on_the_curve_is_no_key() -> None:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    jwk = json.loads(json.dumps(new_key("ES256", "off").public_jwk()))
    jwk["x"], jwk["y"] = segment(numbers.x.to_bytes(32, "big")), segment((numbers.y ^ 1).to_bytes(32, "big"))
    assert not found(jwk)
