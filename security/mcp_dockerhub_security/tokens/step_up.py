"""What a token lacks for an operation, said before the operation is looked at further.

This only spares a client a round trip and tells it how to get further: whoever passes here still has to pass the
Guard, which decides on the same grounds and more.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.challenge import RECENT, Challenge, Challenges


@dataclass(frozen=True, slots=True)
class Needs:
    """What a token must have for one operation."""

    scopes: frozenset[str]
    recent: bool = False
    """Its human must have authenticated within ``RECENT`` seconds."""


class Requirements(Protocol):
    """Knows what operations need."""

    def of(self, principal: Principal, method: str, name: str) -> Needs | None:
        """None for what is unknown, needs nothing, or would be refused whatever the token says."""


class TokenStepUp:
    """Answers operations that a better token would get through. ``clock`` is in Unix seconds."""

    def __init__(
        self, requirements: Requirements, challenges: Challenges, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._requirements = requirements
        self._challenges = challenges
        self._clock = clock

    async def authorize(self, principal: Principal, method: str, params: Any) -> Challenge | None:
        """The challenge for what is lacking, scopes first, or None. ``params`` may hold anything."""
        name = _named(method, params)
        needs = self._requirements.of(principal, method, name) if name else None
        if needs is None:
            return None
        if not needs.scopes <= principal.scopes:
            return self._challenges.insufficient_scope(needs.scopes)
        if needs.recent and not recently_authenticated(principal, self._clock()):
            return self._challenges.insufficient_authentication()
        return None


def recently_authenticated(principal: Principal, now: float, max_age: float = RECENT) -> bool:
    """True if the issuer says that this human authenticated within ``max_age`` seconds before ``now``."""
    return principal.auth_time is not None and now - principal.auth_time <= max_age


_NAME_OF: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def _named(method: str, params: Any) -> str:
    """The operation a request names, or empty."""
    if not isinstance(params, Mapping):
        return ""
    if method == "completion/complete":
        reference = params.get("ref")
        found = reference.get("name", reference.get("uri")) if isinstance(reference, Mapping) else None
    else:
        found = params.get(_NAME_OF.get(method, ""))
    return found if isinstance(found, str) else ""
