"""Tokens that were taken back before they expired."""

from collections import OrderedDict
from typing import Final, Protocol

MAX_REVOKED: Final = 100_000


class RevocationList(Protocol):
    """Asked with every request, also about tokens that were verified before."""

    async def revoked(self, token_id: str) -> bool:
        """Whether the token of this identifier (see ``VerifiedToken.token_id``) was taken back.

        Raises AuthorityUnavailable where that cannot be found out.
        """


class MemoryRevocationList:
    """One process's list, at most ``limit`` long; beyond that the oldest is forgotten.

    No token is accepted for longer than an hour, so an entry that old has done its work.
    """

    def __init__(self, *, limit: int = MAX_REVOKED) -> None:
        self._limit = limit
        self._revoked: OrderedDict[str, None] = OrderedDict()

    def revoke(self, token_id: str) -> None:
        """Take a token back; effective with the next request."""
        self._revoked[token_id] = None
        if len(self._revoked) > self._limit:
            self._revoked.popitem(last=False)

    async def revoked(self, token_id: str) -> bool:
        """Whether ``revoke`` was called for it."""
        return token_id in self._revoked
