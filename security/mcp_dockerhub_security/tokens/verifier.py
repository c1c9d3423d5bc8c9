"""Every token, verified once and then known by its digest until it expires, is withdrawn or revoked."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from mcp_dockerhub_security.tokens.compact import MAX_TOKEN, looks_signed
from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused
from mcp_dockerhub_security.tokens.jwt_tokens import JwtVerifier
from mcp_dockerhub_security.tokens.opaque_tokens import OpaqueVerifier
from mcp_dockerhub_security.tokens.revocation import RevocationList
from mcp_dockerhub_security.tokens.verified import VerifiedToken

MAX_KNOWN: Final = 4_096


class TokenVerifier:
    """The one place that says yes to a token. ``clock`` is in Unix seconds."""

    def __init__(
        self,
        jwt: JwtVerifier,
        revocations: RevocationList,
        *,
        opaque: OpaqueVerifier | None = None,
        clock: Callable[[], float] = time.time,
        max_known: int = MAX_KNOWN,
    ) -> None:
        self._jwt = jwt
        self._opaque = opaque
        self._revocations = revocations
        self._clock = clock
        self._max_known = max_known
        self._known: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    async def recall(self, token: str) -> VerifiedToken | None:
        """A token verified before and still good, or None.

        Raises:
            TokenRefused: it was revoked meanwhile.
            AuthorityUnavailable: whether it was cannot be found out.
        """
        digest = _digest(token)
        known = self._known.get(digest)
        if known is None:
            return None
        if self._clock() >= known.valid_until or (known.key is not None and not self._jwt.still_trusts(known)):
            return None
        self._known.move_to_end(digest)
        try:
            return await self._unless_revoked(known)
        except TokenRefused:
            self._known.pop(digest, None)
            raise

    async def verify(self, token: str) -> VerifiedToken:
        """Look at a token that is not known.

        Raises:
            TokenRefused: it will not do.
            AuthorityUnavailable: that cannot be found out now.
        """
        digest = _digest(token)
        try:
            verified = await self._unless_revoked(await self._checked(token))
        except TokenRefused:
            self._known.pop(digest, None)
            raise
        self._known[digest] = verified
        self._known.move_to_end(digest)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)
        return verified

    def is_guess(self, token: str) -> bool:
        """Whether only its issuer can tell if the token is good, and never said so before."""
        return not looks_signed(token) and _digest(token) not in self._known

    async def _checked(self, token: str) -> VerifiedToken:
        if len(token) > MAX_TOKEN:
            raise TokenRefused(Flaw.SIZE)
        if looks_signed(token):
            return await self._jwt.verify(token)
        if self._opaque is None:
            raise TokenRefused(Flaw.OPAQUE)
        return await self._opaque.verify(token)

    async def _unless_revoked(self, verified: VerifiedToken) -> VerifiedToken:
        if await self._revocations.revoked(verified.token_id):
            raise TokenRefused(Flaw.REVOKED)
        return verified


def _digest(token: str) -> bytes:
    """What a token is known by: the token itself is not kept."""
    return hashlib.sha256(token.encode()).digest()
