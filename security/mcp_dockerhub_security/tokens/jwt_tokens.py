"""JSON Web Tokens: form, signature, claims, in this order."""

import time
from collections.abc import Callable

from mcp_dockerhub_security.tokens.claims import ClaimRules, read_claims
from mcp_dockerhub_security.tokens.compact import parse_compact
from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused
from mcp_dockerhub_security.tokens.key_store import KeyStore
from mcp_dockerhub_security.tokens.strict_json import strict_object
from mcp_dockerhub_security.tokens.verified import VerifiedToken


class JwtVerifier:
    """Verifies by the issuer's keys. ``clock`` is in Unix seconds."""

    def __init__(
        self,
        rules: ClaimRules,
        keys: KeyStore,
        *,
        algorithms: frozenset[str],
        types: frozenset[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._algorithms = algorithms
        self._types = types
        self._clock = clock

    async def verify(self, token: str) -> VerifiedToken:
        """Raise TokenRefused, or AuthorityUnavailable where the issuer's keys are needed and cannot be had."""
        parts = parse_compact(token, algorithms=self._algorithms, types=self._types)
        key = await self._keys.find(parts.key_id, parts.algorithm)
        if not key.verifies(parts):
            raise TokenRefused(Flaw.SIGNATURE)
        try:
            claims = strict_object(parts.payload)
        except ValueError:
            raise TokenRefused(Flaw.MALFORMED) from None
        read = read_claims(claims, self._rules, self._clock())
        return VerifiedToken(
            read.principal, read.valid_until, read.token_id or parts.fingerprint, read.context_class, key
        )

    def still_trusts(self, verified: VerifiedToken) -> bool:
        """False once the key that verified it is no longer the issuer's."""
        return verified.key is not None and self._keys.trusts(verified.key)
