"""The revocation list that replicas share: a set in Redis, of token identifiers.

To revoke a token: ``mcp-dockerhub token revoke JTI``, which is ``SADD mcp-dockerhub:revoked JTI``. A JSON Web Token's
can be removed again after an hour, when the token would be refused for its age.
"""

from collections.abc import Awaitable
from typing import Final, Protocol

from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable
from mcp_dockerhub_security.tokens.revocation import MemoryRevocationList


def key_of(prefix: str) -> str:
    """The set's key, in an installation whose keys begin with ``prefix``."""
    return f"{prefix}:revoked"


def restored_key(key: str) -> str:
    """The key of the set of identifiers that were taken off the list ``key`` on purpose."""
    return f"{key}:restored"


KEY: Final = key_of("mcp-dockerhub")


class SetReader(Protocol):
    """What is needed of Redis; ``RedisLink`` offers it."""

    def sismember(self, name: str, value: str) -> Awaitable[int]:
        """1 if ``value`` is a member of the set ``name``; raises OSError where there is no answer, and soon."""


class RedisRevocationList:
    """Asks Redis each time, so that a revocation holds at once and on every replica.

    ``strict``: without an answer nothing is accepted. Otherwise tokens are accepted that this process has not seen
    on the list before: the price of staying up without Redis is that a later revocation is missed meanwhile.

    What this process has seen on the list stays revoked even if Redis forgets it, unless it says that the token was
    restored.
    """

    def __init__(self, client: SetReader, *, key: str = KEY, strict: bool = True) -> None:
        self._client = client
        self._key = key
        self._strict = strict
        self._seen = MemoryRevocationList()

    async def revoked(self, token_id: str) -> bool:
        """Raise AuthorityUnavailable where Redis does not answer and the list is strict."""
        seen = await self._seen.revoked(token_id)
        try:
            if await self._client.sismember(self._key, token_id):
                self._seen.revoke(token_id)
                return True
            return seen and not await self._client.sismember(restored_key(self._key), token_id)
        except OSError:
            if self._strict:
                raise AuthorityUnavailable from None
            return seen
