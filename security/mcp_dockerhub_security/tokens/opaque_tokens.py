"""Tokens that only their issuer understands: it is asked about each (RFC 7662), and its answer kept briefly."""

import hashlib
import time
from collections.abc import Callable
from typing import Final, Protocol

from mcp_dockerhub_security.tokens.claims import ClaimRules, read_claims
from mcp_dockerhub_security.tokens.compact import MAX_TOKEN
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, Flaw, TokenRefused
from mcp_dockerhub_security.tokens.flights import Flights
from mcp_dockerhub_security.tokens.strict_json import strict_object
from mcp_dockerhub_security.tokens.verified import VerifiedToken

KEPT_FOR: Final = 30.0
"""Seconds that an answer is believed: so long may a token that was revoked at the issuer still be good."""


class IntrospectionSource(Protocol):
    """The issuer's introspection endpoint."""

    async def introspect(self, token: str) -> bytes:
        """Its answer, a bounded document, within a bounded time; AuthorityUnavailable where there is none."""


class OpaqueVerifier:
    """Verifies by asking. ``clock`` is in Unix seconds."""

    def __init__(
        self, rules: ClaimRules, source: IntrospectionSource, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._rules = rules
        self._source = source
        self._clock = clock
        self._flights: Flights[bytes] = Flights()

    async def verify(self, token: str) -> VerifiedToken:
        """Raise TokenRefused, or AuthorityUnavailable where the issuer gives no answer that can be used."""
        if len(token) > MAX_TOKEN:
            raise TokenRefused(Flaw.SIZE)
        digest = hashlib.sha256(token.encode()).hexdigest()
        answer = await self._flights.share(digest, lambda: self._source.introspect(token))
        try:
            claims = strict_object(answer)
        except ValueError:
            raise AuthorityUnavailable from None
        active = claims.get("active")
        if not isinstance(active, bool):
            raise AuthorityUnavailable
        if not active:
            raise TokenRefused(Flaw.INACTIVE)
        now = self._clock()
        read = read_claims(claims, self._rules, now, introspected=True)
        return VerifiedToken(
            read.principal,
            min(read.valid_until, now + KEPT_FOR),
            read.token_id or f"sha256:{digest}",
            read.context_class,
        )

    async def aclose(self) -> None:
        """Stop asking."""
        await self._flights.aclose()
