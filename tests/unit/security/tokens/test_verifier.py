"""One token after another, and the same one again."""

import pytest

from mcp_dockerhub_security.tokens.claims import MAX_AGE
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, Flaw, TokenRefused
from mcp_dockerhub_security.tokens.key_store import FRESH_FOR
from mcp_dockerhub_security.tokens.verified import VerifiedToken
from tests.upstreams.issuer_tokens import ABSENT, SigningKey, new_key, segment
from tests.upstreams.token_parts import Parts, parsed

pytestmark = pytest.mark.anyio


async def flaw_of(parts: Parts, token: str) -> Flaw:
    with pytest.raises(TokenRefused) as caught:
        await parts.verifier.verify(token)
    return caught.value.flaw


async def test_a_token_is_verified_once_and_then_known() -> None:
    parts = Parts()
    token = parts.token()
    assert await parts.verifier.recall(token) is None
    verified = await parts.verifier.verify(token)
    assert await parts.verifier.recall(token) is verified


async def test_a_refused_token_is_not_known() -> None:
    parts = Parts()
    token = parts.token(sub=ABSENT)
    assert await flaw_of(parts, token) is Flaw.SUBJECT
    assert await parts.verifier.recall(token) is None


async def test_a_known_token_expires() -> None:
    parts = Parts()
    token = parts.token()
    await parts.verifier.verify(token)
    parts.wall.now += 300
    assert await parts.verifier.recall(token) is None
    parts.wall.now += 60
    assert await flaw_of(parts, token) is Flaw.EXPIRED


async def test_a_known_token_is_good_for_an_hour_at_most() -> None:
    parts = Parts()
    token = parts.token(exp=parts.wall.now + 10**6)
    await parts.verifier.verify(token)
    parts.wall.now += MAX_AGE
    assert await parts.verifier.recall(token) is None
    parts.wall.now += 1
    assert await flaw_of(parts, token) is Flaw.TOO_OLD


async def test_a_known_token_dies_with_its_key() -> None:
    parts = Parts()
    token = parts.token()
    await parts.verifier.verify(token)
    parts.source.keys = [new_key()]
    parts.monotonic.now += FRESH_FOR
    assert await parts.verifier.recall(token) is not None
    await parts.settled()
    assert await parts.verifier.recall(token) is None
    assert await flaw_of(parts, token) is Flaw.KEY_UNKNOWN


async def test_a_key_replaced_under_its_own_name_ends_what_the_old_one_signed() -> None:
    parts = Parts()
    old = parts.source.keys[0]
    token = parts.token()
    await parts.verifier.verify(token)
    parts.source.keys = [new_key("ES256", old.key_id)]
    parts.monotonic.now += FRESH_FOR
    await parts.verifier.recall(token)
    await parts.settled()
    assert await parts.verifier.recall(token) is None
    assert await flaw_of(parts, token) is Flaw.SIGNATURE


async def test_a_revoked_token_is_refused_with_the_next_request() -> None:
    parts = Parts()
    token = parts.token(jti="to-be-revoked")
    await parts.verifier.verify(token)
    parts.revocations.revoke("to-be-revoked")
    with pytest.raises(TokenRefused) as caught:
        await parts.verifier.recall(token)
    assert caught.value.flaw is Flaw.REVOKED
    assert await flaw_of(parts, token) is Flaw.REVOKED


async def test_a_token_without_jti_can_be_revoked_by_what_was_signed() -> None:
    parts = Parts()
    token = parts.token(jti=ABSENT)
    verified = await parts.verifier.verify(token)
    assert verified.token_id == parsed(token).fingerprint
    resigned = parts.token(jti=ABSENT)
    assert resigned != token
    assert parsed(resigned).fingerprint == verified.token_id
    parts.revocations.revoke(verified.token_id)
    assert await flaw_of(parts, resigned) is Flaw.REVOKED


async def test_only_so_many_tokens_are_known() -> None:
    parts = Parts(max_known=3)
    tokens = [parts.token() for _ in range(4)]
    for token in tokens:
        await parts.verifier.verify(token)
    assert await parts.verifier.recall(tokens[0]) is None
    assert all([await parts.verifier.recall(token) for token in tokens[1:]])


async def test_the_tokens_used_last_stay_known() -> None:
    parts = Parts(max_known=2)
    often, once, new = (parts.token() for _ in range(3))
    await parts.verifier.verify(often)
    await parts.verifier.verify(once)
    await parts.verifier.recall(often)
    await parts.verifier.verify(new)
    assert await parts.verifier.recall(often) is not None
    assert await parts.verifier.recall(once) is None


async def test_a_signature_of_another_key_is_refused() -> None:
    parts = Parts()
    forger = SigningKey(parts.source.keys[0].key_id, "ES256", new_key().private)
    assert await flaw_of(parts, forger.sign(parts.claims())) is Flaw.SIGNATURE


@pytest.mark.parametrize("signature", [b"x", b"\x00" * 64, b"\xff" * 64, b"x" * 63, b"x" * 65, b"x" * 256])
async def test_a_signature_of_any_length_is_only_ever_wrong(signature: bytes) -> None:
    parts = Parts()
    token = f"{parts.token().rpartition('.')[0]}.{segment(signature)}"
    assert await flaw_of(parts, token) is Flaw.SIGNATURE


async def test_a_changed_payload_is_refused() -> None:
    parts = Parts()
    head, payload, signature = parts.token().split(".")
    other = parts.token(scope="dockerhub:admin").split(".")[1]
    assert payload != other
    assert await flaw_of(parts, f"{head}.{other}.{signature}") is Flaw.SIGNATURE


@pytest.mark.parametrize(
    "payload",
    [b'{"sub":"ada","sub":"root"}', b"[]", b"", b"{", b'{"exp":NaN}', b"\xff", b'{"a":{"b":1,"b":2}}', b"[" * 5000],
)
async def test_a_signed_payload_that_two_parsers_could_read_differently_is_refused(payload: bytes) -> None:
    parts = Parts()
    key = parts.source.keys[0]
    header = f'{{"alg":"ES256","typ":"at+jwt","kid":"{key.key_id}"}}'.encode()
    assert await flaw_of(parts, key.sign_raw(header, payload)) is Flaw.MALFORMED


async def test_rs256_with_an_elliptic_curve_key_is_refused() -> None:
    parts = Parts()
    key = new_key("RS256", parts.source.keys[0].key_id)
    assert await flaw_of(parts, key.sign(parts.claims())) is Flaw.KEY_UNKNOWN


async def test_an_embedded_key_is_not_used_even_if_it_fits() -> None:
    parts = Parts()
    forger = new_key()
    token = forger.sign(parts.claims(), {"jwk": forger.public_jwk(), "kid": ABSENT})
    assert await flaw_of(parts, token) is Flaw.HEADER


async def test_without_keys_a_token_is_neither_good_nor_bad() -> None:
    parts = Parts()
    parts.source.down = True
    with pytest.raises(AuthorityUnavailable):
        await parts.verifier.verify(parts.token())


async def test_a_token_without_a_key_name_is_good_where_there_is_one_key() -> None:
    parts = Parts()
    assert (await parts.verifier.verify(parts.token({"kid": ABSENT}))).principal.kind == "token"
    parts = Parts()
    parts.source.keys.append(new_key())
    assert await flaw_of(parts, parts.token({"kid": ABSENT})) is Flaw.KEY_UNKNOWN


async def test_opaque_tokens_are_refused_where_nobody_can_be_asked() -> None:
    parts = Parts()
    assert await flaw_of(parts, "opaque-token") is Flaw.OPAQUE


async def test_nothing_of_a_token_is_kept() -> None:
    parts = Parts()
    token = parts.token(jti="some-jti")
    verified = await parts.verifier.verify(token)
    kept = [repr(verified), repr(parts.verifier._known), *VerifiedToken.__slots__]
    assert not any(part in text for part in (*token.split("."), token) for text in kept)
