"""From a header to a principal, and every way to fail, as a client sees it."""

import asyncio
import logging
import re
from typing import Any

import pytest

from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.bearer import BearerAuthenticator
from mcp_dockerhub_security.tokens.challenge import Challenge, Challenges
from mcp_dockerhub_security.tokens.flaws import Flaw
from mcp_dockerhub_security.tokens.opaque_tokens import KEPT_FOR
from mcp_dockerhub_security.tokens.throttle import BURST, FailureThrottle
from tests.upstreams.token_parts import Parts

pytestmark = pytest.mark.anyio

METADATA = "https://hub.example.com/.well-known/oauth-protected-resource/mcp"
ADDRESS = "203.0.113.7"


class Door:
    """An authenticator over fakes."""

    def __init__(self, *, opaque: bool = False) -> None:
        self.parts = Parts(opaque=opaque)
        throttle = FailureThrottle(clock=self.parts.monotonic)
        challenges = Challenges(METADATA, "dockerhub:read")
        self.authenticator = BearerAuthenticator(self.parts.verifier, throttle, challenges)

    async def answer(self, *authorization: str, address: str = ADDRESS) -> Principal | Challenge:
        return await self.authenticator.authenticate(authorization, address)

    async def challenge(self, *authorization: str, address: str = ADDRESS) -> Challenge:
        found = await self.answer(*authorization, address=address)
        assert isinstance(found, Challenge)
        return found


def parameters(challenge: Challenge) -> dict[str, str]:
    """Of the ``WWW-Authenticate`` header."""
    ((name, value),) = challenge.headers
    assert name == "WWW-Authenticate"
    assert value.startswith("Bearer ")
    return dict(re.findall(r'([a-z_]+)="([^"\\]*)"', value))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_is_a_principal(scheme: str) -> None:
    door = Door()
    token = door.parts.token()
    first = await door.answer(f"{scheme} {token}")
    assert isinstance(first, Principal)
    assert await door.answer(f"{scheme}  {token} ") is first


@pytest.mark.parametrize("authorization", [(), ("Basic YTpi",), ("Token abc",), ("Bearer",), ("Bearer ",), ("",)])
async def test_without_a_token_the_challenge_names_no_error(authorization: tuple[str, ...]) -> None:
    """RFC 6750, section 3.1: no error code where no authentication was tried."""
    challenge = await Door().challenge(*authorization)
    assert (challenge.status, challenge.code, challenge.rule) == (401, "AUTHENTICATION_FAILED", "token_missing")
    assert parameters(challenge) == {"resource_metadata": METADATA, "scope": "dockerhub:read"}


async def test_a_refused_token_is_invalid_and_the_challenge_says_why() -> None:
    door = Door()
    challenge = await door.challenge(f"Bearer {door.parts.token(aud='https://other.example.com')}")
    assert (challenge.status, challenge.rule) == (401, Flaw.AUDIENCE)
    assert parameters(challenge) == {
        "resource_metadata": METADATA,
        "error": "invalid_token",
        "error_description": "The token is not meant for this server.",
        "scope": "dockerhub:read",
    }


async def test_two_tokens_are_one_too_many() -> None:
    door = Door()
    good = f"Bearer {door.parts.token()}"
    challenge = await door.challenge(good, good)
    assert challenge.status == 400
    assert parameters(challenge)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("token", "flaw"),
    [
        ("a b", Flaw.MALFORMED),
        ("tök€n", Flaw.MALFORMED),
        ("a,b", Flaw.MALFORMED),
        ('a"b', Flaw.MALFORMED),
        ("a\x00b", Flaw.MALFORMED),
        ("x" * 8193, Flaw.SIZE),
        ("x" * 8192, Flaw.OPAQUE),
    ],
)
async def test_what_cannot_be_a_token_is_refused(token: str, flaw: Flaw) -> None:
    challenge = await Door().challenge(f"Bearer {token}")
    assert (challenge.status, challenge.rule) == (401, flaw)


async def test_an_issuer_that_cannot_be_asked_is_503_and_not_401() -> None:
    door = Door(opaque=True)
    door.parts.introspection.down = door.parts.source.down = True
    for token, seconds in (("opaque", 7.0), (door.parts.token(), 5.0)):
        challenge = await door.challenge(f"Bearer {token}")
        assert (challenge.status, challenge.code) == (503, "UPSTREAM_UNAVAILABLE")
        assert challenge.retry_after_s == seconds
        assert challenge.headers == ()


async def test_an_address_with_too_many_refused_tokens_has_to_wait() -> None:
    door = Door()
    for _ in range(BURST):
        assert (await door.challenge("Bearer wrong")).status == 401
    challenge = await door.challenge("Bearer wrong")
    assert (challenge.status, challenge.code, challenge.rule) == (429, "RATE_LIMITED", "token_failures")
    assert challenge.retry_after_s == 1.0
    door.parts.monotonic.now += 1.0
    assert (await door.challenge("Bearer wrong")).status == 401
    assert (await door.challenge("Bearer wrong")).status == 429


async def test_one_address_does_not_lock_out_another() -> None:
    door = Door()
    for _ in range(BURST * 2):
        await door.answer("Bearer wrong")
    assert (await door.challenge("Bearer wrong")).status == 429
    assert (await door.challenge("Bearer wrong", address="203.0.113.8")).status == 401
    assert isinstance(await door.answer(f"Bearer {door.parts.token()}", address="203.0.113.9"), Principal)


async def flooded(door: Door) -> None:
    """An address that sent too many bad tokens."""
    for _ in range(BURST * 2):
        await door.answer("Bearer wrong")
    assert (await door.challenge("Bearer wrong")).status == 429


async def test_a_neighbour_at_the_same_address_shuts_out_no_good_token() -> None:
    door = Door()
    known = f"Bearer {door.parts.token()}"
    assert isinstance(await door.answer(known), Principal)
    await flooded(door)
    assert isinstance(await door.answer(known), Principal)
    assert isinstance(await door.answer(f"Bearer {door.parts.token()}"), Principal), "a fresh one is as good"
    door.parts.wall.now += 290
    assert isinstance(await door.answer(f"Bearer {door.parts.token()}"), Principal)


@pytest.mark.parametrize("claims", [{"aud": "https://other.example.com"}, {"exp": 1}, {"scope": 7}])
async def test_a_throttled_address_is_not_told_what_is_wrong_with_a_token(claims: dict[str, Any]) -> None:
    door = Door()
    await flooded(door)
    assert (await door.challenge(f"Bearer {door.parts.token(**claims)}")).rule == "token_failures"


async def test_at_a_throttled_address_the_issuer_is_asked_about_no_guess() -> None:
    door = Door(opaque=True)
    known = f"Bearer {door.parts.known_opaque()}"
    assert isinstance(await door.answer(known), Principal)
    await flooded(door)
    asked = len(door.parts.introspection.asked)
    assert (await door.challenge("Bearer guess")).status == 429
    assert len(door.parts.introspection.asked) == asked
    door.parts.wall.now += KEPT_FOR
    assert isinstance(await door.answer(known), Principal), "it was good before, so it is asked about again"
    del door.parts.introspection.answers["opaque-token"]
    door.parts.wall.now += KEPT_FOR
    for _ in range(3):
        assert (await door.challenge(known)).status == 429
    assert len(door.parts.introspection.asked) == asked + 2, "and once it is not good any more, it is a guess"


async def test_guesses_at_once_are_no_more_than_guesses_in_a_row() -> None:
    door = Door(opaque=True)
    door.parts.introspection.gate = asyncio.Event()
    guesses = [asyncio.create_task(door.challenge(f"Bearer guess-{number}")) for number in range(BURST * 3)]
    while len(door.parts.introspection.asked) < BURST:
        await asyncio.sleep(0)
    door.parts.introspection.gate.set()
    statuses = [(await guess).status for guess in guesses]
    assert (statuses.count(401), statuses.count(429)) == (BURST, BURST * 2)
    assert len(door.parts.introspection.asked) == BURST


async def test_an_outage_is_not_charged_to_the_client() -> None:
    door = Door()
    door.parts.source.down = True
    token = door.parts.token()
    for _ in range(BURST + 1):
        assert (await door.challenge(f"Bearer {token}")).status == 503


async def test_a_known_token_that_is_revoked_is_refused() -> None:
    door = Door()
    token = f"Bearer {door.parts.token(jti='taken-back')}"
    assert isinstance(await door.answer(token), Principal)
    door.parts.revocations.revoke("taken-back")
    assert (await door.challenge(token)).rule == Flaw.REVOKED


async def test_no_token_is_in_any_challenge_or_log(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(opaque=True)
    tokens = [
        door.parts.token(aud="https://other.example.com"),
        door.parts.token({"alg": "none"}),
        door.parts.token({"kid": "unknown-key-name"}),
        door.parts.token(sub="") + "x",
        "opaque-and-unknown-token",
        "not a token",
    ]
    with caplog.at_level(logging.DEBUG):
        shown = [repr(await door.challenge(f"Bearer {token}")) for token in tokens]
    shown += [record.getMessage() for record in caplog.records]
    for token in tokens:
        for part in token.split("."):
            assert not any(part in text for text in shown), part


@pytest.mark.parametrize("flaw", list(Flaw))
def test_every_flaw_has_a_sentence_that_fits_a_header(flaw: Flaw) -> None:
    (header,) = Challenges(METADATA).refused(flaw).headers
    assert f'error_description="{flaw.description}"' in header[1]
    assert header[1].isascii()
    assert header[1].isprintable()


def test_step_up_asks_for_exactly_all_scopes_of_the_operation() -> None:
    challenge = Challenges(METADATA, "dockerhub:read").insufficient_scope({"dockerhub:write", "dockerhub:read"})
    assert (challenge.status, challenge.code) == (403, "FORBIDDEN")
    assert parameters(challenge) == {
        "resource_metadata": METADATA,
        "error": "insufficient_scope",
        "error_description": "The operation needs more than this token allows.",
        "scope": "dockerhub:read dockerhub:write",
    }


def test_a_stale_login_is_challenged_with_a_maximum_age() -> None:
    """RFC 9470, section 3."""
    challenge = Challenges(METADATA, "dockerhub:read").insufficient_authentication()
    assert challenge.status == 401
    assert parameters(challenge) == {
        "resource_metadata": METADATA,
        "error": "insufficient_user_authentication",
        "error_description": "The operation needs a more recent authentication.",
        "max_age": "300",
    }


def test_nothing_ends_a_quoted_string_early() -> None:
    challenge = Challenges('https://x/"evil="1', 'a"\\\r\nSet-Cookie: b').missing()
    assert challenge.headers == (
        ("WWW-Authenticate", 'Bearer resource_metadata="https://x/evil=1", scope="aSet-Cookie: b"'),
    )
