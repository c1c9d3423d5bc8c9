"""From the Authorization header of a request to a principal (RFC 6750, section 2.1)."""

import re
from collections.abc import Sequence
from typing import Final

from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.challenge import Challenge, Challenges
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, Flaw, TokenRefused
from mcp_dockerhub_security.tokens.throttle import FailureThrottle
from mcp_dockerhub_security.tokens.verified import VerifiedToken
from mcp_dockerhub_security.tokens.verifier import TokenVerifier

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""RFC 6750's b64token."""


class BearerAuthenticator:
    """Tells who sends a request, or how to become somebody. Never raises for what a client sent."""

    def __init__(self, verifier: TokenVerifier, throttle: FailureThrottle, challenges: Challenges) -> None:
        self._verifier = verifier
        self._throttle = throttle
        self._challenges = challenges

    async def authenticate(self, authorization: Sequence[str], address: str) -> Principal | Challenge:
        """``authorization`` holds the values of all Authorization headers; ``address`` is the client's, or empty."""
        if not authorization:
            return self._challenges.missing()
        if len(authorization) > 1:
            return self._challenges.ambiguous()
        scheme, _, token = authorization[0].partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenges.missing()
        try:
            verified = await self._verified(token, address)
        except TokenRefused as refusal:
            return self._challenges.refused(refusal.flaw)
        except AuthorityUnavailable as error:
            return self._challenges.unavailable(error.retry_after_s)
        return verified.principal if isinstance(verified, VerifiedToken) else verified

    async def _verified(self, token: str, address: str) -> VerifiedToken | Challenge:
        known = await self._verifier.recall(token)
        if known is not None:
            return known
        wait = self._throttle.wait(address)
        if wait > 0:
            return await self._verified_despite(token, wait)
        # Charged before it is looked at, so that those sent at once count too.
        self._throttle.charge(address)
        try:
            verified = await self._checked(token)
        except AuthorityUnavailable:
            self._throttle.forgive(address)
            raise
        self._throttle.forgive(address)
        return verified

    async def _verified_despite(self, token: str, wait: float) -> VerifiedToken | Challenge:
        """At a throttled address good tokens are let in, and nobody learns anything about others."""
        try:
            if not self._verifier.is_guess(token):
                return await self._checked(token)
        except TokenRefused:
            pass
        return self._challenges.throttled(wait)

    async def _checked(self, token: str) -> VerifiedToken:
        if not _TOKEN.fullmatch(token):
            raise TokenRefused(Flaw.MALFORMED)
        return await self._verifier.verify(token)
