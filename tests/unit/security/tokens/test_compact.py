"""The outer form of tokens: every trick that a header can try."""

import base64
import json
from typing import Any

import pytest

from mcp_dockerhub_security.tokens.compact import MAX_TOKEN, looks_signed, parse_compact
from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused
from tests.upstreams.issuer_tokens import (
    ABSENT,
    encoded,
    new_key,
    segment,
    signed_with_public_key,
    standard_claims,
    unsigned,
)
from tests.upstreams.token_parts import ISSUER, RESOURCE, parsed

KEY = new_key()
CLAIMS = standard_claims(ISSUER, RESOURCE)


def flaw_of(token: str, **options: Any) -> Flaw:
    with pytest.raises(TokenRefused) as caught:
        parse_compact(
            token,
            algorithms=options.get("algorithms", frozenset({"ES256"})),
            types=options.get("types", frozenset({"at+jwt"})),
        )
    return caught.value.flaw


def with_header(**headers: Any) -> str:
    return KEY.sign(CLAIMS, headers)


def test_a_good_token_is_taken_apart() -> None:
    parts = parsed(KEY.sign(CLAIMS))
    assert (parts.algorithm, parts.key_id) == ("ES256", KEY.key_id)
    assert json.loads(parts.payload) == CLAIMS


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_alg_none_is_refused_in_every_spelling(name: str) -> None:
    assert flaw_of(unsigned(CLAIMS, {"alg": name})) is Flaw.ALGORITHM
    assert flaw_of(with_header(alg=name)) is Flaw.ALGORITHM


def test_hs256_with_the_public_key_as_secret_is_refused() -> None:
    assert flaw_of(signed_with_public_key(KEY, CLAIMS)) is Flaw.ALGORITHM


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "ES256K", "RS256", "es256", "RSA1_5", "dir"])
def test_algorithms_that_are_not_on_the_list_are_refused(algorithm: str) -> None:
    assert flaw_of(with_header(alg=algorithm)) is Flaw.ALGORITHM


@pytest.mark.parametrize("algorithm", [ABSENT, None, 1, ["ES256"], {"ES256": 1}, True])
def test_an_algorithm_that_is_no_string_is_refused(algorithm: Any) -> None:
    assert flaw_of(with_header(alg=algorithm)) is Flaw.ALGORITHM


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("jwk", KEY.public_jwk()),
        ("jku", "https://evil.example/keys"),
        ("x5u", "https://evil.example/chain.pem"),
        ("x5c", ["MIIB"]),
        ("crit", ["exp"]),
        ("crit", []),
        ("b64", False),
        ("zip", "DEF"),
        ("enc", "A128GCM"),
        ("jwk", None),
    ],
)
def test_keys_addresses_and_extensions_in_the_header_are_refused(parameter: str, value: Any) -> None:
    assert flaw_of(with_header(**{parameter: value})) is Flaw.HEADER


@pytest.mark.parametrize(
    "key_id",
    [
        "../../etc/passwd",
        "/dev/null",
        "..",
        "https://evil.example/key",
        "key' OR '1'='1",
        "key; DROP TABLE keys",
        "key UNION SELECT 'secret'",
        "key\x00",
        "key\n",
        "",
        "k" * 129,
        "schlüssel",
        "%2e%2e%2f",
        "$(id)",
        "`id`",
        17,
        ["key"],
        {"kid": 1},
        True,
    ],
)
def test_a_kid_with_a_path_a_url_or_a_query_is_refused(key_id: Any) -> None:
    assert flaw_of(with_header(kid=key_id)) is Flaw.KEY_ID


@pytest.mark.parametrize(
    "key_id", ["a", "2024-01-01", "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg==", "A.b_c-d+e"]
)
def test_ordinary_key_identifiers_are_accepted(key_id: str) -> None:
    assert parsed(with_header(kid=key_id)).key_id == key_id


def test_a_token_may_leave_its_key_unnamed() -> None:
    assert parsed(with_header(kid=ABSENT)).key_id is None


@pytest.mark.parametrize("kind", ["JWT", "jwt", "id+jwt", "logout+jwt", "at+jwt2", "", ABSENT, None, 1, "text/at+jwt"])
def test_what_is_not_marked_as_an_access_token_is_refused(kind: Any) -> None:
    assert flaw_of(with_header(typ=kind)) is Flaw.TYPE


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"])
def test_every_spelling_of_the_media_type_is_accepted(kind: str) -> None:
    assert parsed(with_header(typ=kind)).algorithm == "ES256"


def test_plain_jwt_is_accepted_only_by_configuration() -> None:
    token = with_header(typ="JWT")
    assert flaw_of(token) is Flaw.TYPE
    assert parse_compact(token, algorithms=frozenset({"ES256"}), types=frozenset({"jwt"})).key_id == KEY.key_id


def test_tokens_of_more_than_eight_kibibytes_are_refused() -> None:
    token = KEY.sign({**CLAIMS, "padding": "x" * MAX_TOKEN})
    assert flaw_of(token) is Flaw.SIZE


def test_a_header_that_is_most_of_the_token_is_refused() -> None:
    assert flaw_of(with_header(padding="x" * 1024)) is Flaw.MALFORMED


def test_a_token_truncated_anywhere_is_refused() -> None:
    token = KEY.sign(CLAIMS)
    for length in range(token.index(".") + 1, token.rindex(".") + 1):
        assert flaw_of(token[:length]) in (Flaw.MALFORMED, Flaw.SIZE)


@pytest.mark.parametrize("token", ["", ".", "..", "...", "a.b.c", "a..b", ".a.b", "x" * 100, "é.é.é", "a.b.c.d.e"])
def test_what_is_no_token_at_all_is_refused(token: str) -> None:
    assert flaw_of(token) is Flaw.MALFORMED


@pytest.mark.parametrize("extra", ["=", "==", " ", "\n", "+", "/", "%3D", "\x00"])
def test_padding_and_other_alphabets_are_refused(extra: str) -> None:
    head, payload, signature = KEY.sign(CLAIMS).split(".")
    assert flaw_of(f"{head}{extra}.{payload}.{signature}") is Flaw.MALFORMED
    assert flaw_of(f"{head}.{payload}{extra}.{signature}") is Flaw.MALFORMED
    assert flaw_of(f"{head}.{payload}.{signature}{extra}") is Flaw.MALFORMED


def test_a_second_spelling_of_the_same_signature_is_refused() -> None:
    """64 bytes leave unused bits in the last character: another one would decode to the same bytes."""
    token = KEY.sign(CLAIMS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    signatures = [part.rpartition(".")[2] for part in (token, twin)]
    assert len({base64.urlsafe_b64decode(signature + "==") for signature in signatures}) == 1
    assert flaw_of(twin) is Flaw.MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"ES256","typ":"at+jwt"}',
        b'{"alg":"ES256","typ":"at+jwt","kid":"a","kid":"b"}',
        b'{"alg":"ES256","typ":"at+jwt","x":{"a":1,"a":2}}',
        b'{"alg":"ES256","typ":"at+jwt","x":NaN}',
        b'{"alg":"ES256","typ":"at+jwt","x":Infinity}',
        b'{"alg":"ES256","typ":"at+jwt"',
        b'\xff\xfe{"alg":"ES256"}',
        b"\xef\xbb\xbf{}",
        b'["ES256"]',
        b'"ES256"',
        b"null",
        b"",
        b"[" * 700,
    ],
)
def test_a_header_that_two_parsers_could_read_differently_is_refused(header: bytes) -> None:
    token = f"{segment(header)}.{segment(encoded(CLAIMS))}.{segment(b'x' * 64)}"
    assert flaw_of(token) is Flaw.MALFORMED


def test_only_three_segments_are_looked_at_here() -> None:
    assert looks_signed("a.b.c")
    assert not looks_signed("opaque")
    assert not looks_signed("a.b.c.d.e")


def test_no_part_of_a_token_is_in_its_representation() -> None:
    token = KEY.sign(CLAIMS)
    shown = repr(parsed(token))
    assert not any(part in shown for part in (*token.split("."), CLAIMS["jti"], CLAIMS["sub"]))
