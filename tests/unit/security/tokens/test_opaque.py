"""Tokens only their issuer understands (RFC 7662)."""

import asyncio
from typing import Any

import pytest

from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, Flaw, TokenRefused
from mcp_dockerhub_security.tokens.opaque_tokens import KEPT_FOR
from tests.upstreams.issuer_tokens import ABSENT, unsigned
from tests.upstreams.token_parts import Parts

pytestmark = pytest.mark.anyio


async def flaw_of(parts: Parts, token: str) -> Flaw:
    with pytest.raises(TokenRefused) as caught:
        await parts.verifier.verify(token)
    return caught.value.flaw


async def test_an_active_token_makes_a_principal_and_is_known_briefly() -> None:
    parts = Parts(opaque=True)
    token = parts.known_opaque(scope="dockerhub:read dockerhub:write")
    verified = await parts.verifier.verify(token)
    assert verified.principal.scopes == {"dockerhub:read", "dockerhub:write"}
    parts.wall.now += KEPT_FOR - 1
    assert await parts.verifier.recall(token) is verified
    parts.wall.now += 1
    assert await parts.verifier.recall(token) is None
    assert parts.introspection.asked == [token]


async def test_an_answer_is_not_believed_past_the_tokens_expiry() -> None:
    parts = Parts(opaque=True)
    token = parts.known_opaque(exp=parts.wall.now + 10)
    await parts.verifier.verify(token)
    parts.wall.now += 10
    assert await parts.verifier.recall(token) is None


async def test_an_inactive_token_is_refused() -> None:
    parts = Parts(opaque=True)
    assert await flaw_of(parts, "unknown-token") is Flaw.INACTIVE


async def test_a_token_that_was_deactivated_is_refused_within_the_half_minute() -> None:
    parts = Parts(opaque=True)
    token = parts.known_opaque()
    await parts.verifier.verify(token)
    parts.introspection.answers[token] = {"active": False}
    parts.wall.now += KEPT_FOR
    assert await parts.verifier.recall(token) is None
    assert await flaw_of(parts, token) is Flaw.INACTIVE


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"active": "true"}',
        b'{"active": 1}',
        b'{"active": true, "active": false}',
        b"null",
    ],
)
async def test_an_answer_that_is_none_says_nothing_about_the_token(answer: bytes) -> None:
    parts = Parts(opaque=True)
    parts.introspection.answers["opaque"] = answer
    with pytest.raises(AuthorityUnavailable):
        await parts.verifier.verify("opaque")


async def test_an_issuer_that_does_not_answer_says_nothing_about_the_token() -> None:
    parts = Parts(opaque=True)
    parts.introspection.down = True
    with pytest.raises(AuthorityUnavailable) as caught:
        await parts.verifier.verify(parts.known_opaque())
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("claims", "flaw"),
    [
        ({"aud": "https://other.example.com"}, Flaw.AUDIENCE),
        ({"aud": None}, Flaw.AUDIENCE),
        ({"sub": ""}, Flaw.SUBJECT),
        ({"client_id": 5}, Flaw.CLIENT),
        ({"iss": "https://evil.example"}, Flaw.ISSUER),
        ({"scope": ["a", 1]}, Flaw.SCOPES),
    ],
)
async def test_an_active_token_must_still_be_for_us_and_say_who_it_is(claims: dict[str, Any], flaw: Flaw) -> None:
    parts = Parts(opaque=True)
    assert await flaw_of(parts, parts.known_opaque(**claims)) is flaw


async def test_the_same_token_at_the_same_time_is_asked_about_once() -> None:
    parts = Parts(opaque=True)
    token = parts.known_opaque()
    parts.introspection.gate = asyncio.Event()
    asking = [asyncio.create_task(parts.verifier.verify(token)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    parts.introspection.gate.set()
    assert len({verified.principal for verified in await asyncio.gather(*asking)}) == 1
    assert parts.introspection.asked == [token]


async def test_failures_are_raised_to_each_who_waits_as_an_error_of_its_own() -> None:
    parts = Parts(opaque=True)
    parts.introspection.down, parts.introspection.gate = True, asyncio.Event()
    asking = [asyncio.create_task(parts.verifier.verify("opaque")) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    parts.introspection.gate.set()
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(error, AuthorityUnavailable) for error in errors)
    assert len({id(error) for error in errors}) == 3


async def test_signed_tokens_are_never_sent_to_the_issuer() -> None:
    parts = Parts(opaque=True)
    await parts.verifier.verify(parts.token())
    assert await flaw_of(parts, unsigned(parts.claims())) is Flaw.ALGORITHM
    assert await flaw_of(parts, parts.token(aud="https://other.example.com")) is Flaw.AUDIENCE
    assert parts.introspection.asked == []


async def test_an_oversized_token_is_not_asked_about() -> None:
    parts = Parts(opaque=True)
    assert await flaw_of(parts, "x" * 8193) is Flaw.SIZE
    assert parts.opaque is not None
    with pytest.raises(TokenRefused):
        await parts.opaque.verify("x" * 8193)
    assert parts.introspection.asked == []


async def test_a_token_is_revoked_by_its_jti_or_its_digest() -> None:
    parts = Parts(opaque=True)
    with_id, without = parts.known_opaque("one", jti="named"), parts.known_opaque("two", jti=ABSENT)
    parts.introspection.answers["two"].pop("jti")
    parts.revocations.revoke("named")
    assert await flaw_of(parts, with_id) is Flaw.REVOKED
    verified = await parts.verifier.verify(without)
    assert verified.token_id.startswith("sha256:")
    parts.revocations.revoke(verified.token_id)
    with pytest.raises(TokenRefused):
        await parts.verifier.recall(without)


async def test_closing_stops_asking() -> None:
    parts = Parts(opaque=True)
    parts.introspection.gate = asyncio.Event()
    asking = asyncio.create_task(parts.verifier.verify("opaque"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert parts.opaque is not None
    await parts.opaque.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking
