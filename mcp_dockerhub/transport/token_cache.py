"""Bearer tokens until shortly before they expire, one request for all who wait for the same one.

A credential that an issuer refused is not tried again for a while: log-ins are limited more strictly than
anything else, and a wrong password in a loop locks the account.
"""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import anyio
from cachetools import TLRUCache, TTLCache

from mcp_dockerhub.errors import AuthenticationFailed, DockerHubError
from mcp_dockerhub.transport.client import Credential
from mcp_dockerhub.transport.deadline import remaining
from mcp_dockerhub.transport.faults import QueueTimeout

REFUSED_SECONDS: Final = 600.0
RENEW_BEFORE: Final = 10.0
_MOST_TOKENS: Final = 4096
_MOST_REFUSALS: Final = 256
_LONGEST_LIFE: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a token is good for. The credential, not only its identity: a changed secret is a new attempt."""

    issuer: str
    """URL that tokens are asked from."""
    service: str
    scope: str
    credential: Credential


@dataclass(frozen=True, slots=True)
class Issued:
    """A token just issued, good for ``seconds``."""

    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Denied:
    """The issuer's refusal to give a token for this scope: it stands for the registry's own answer."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """``fresh`` when it was issued for this very request: asking again would give no better one."""

    value: str = field(repr=False)
    fresh: bool


Fetch = Callable[[], Awaitable[Issued | Denied]]


@dataclass(slots=True)
class _Flight:
    done: anyio.Event = field(default_factory=anyio.Event)
    outcome: Issued | Denied | DockerHubError | None = None
    """None when its leader was cancelled: then one of those who wait leads the next flight."""


class TokenCache:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._tokens: TLRUCache[TokenKey, Issued] = TLRUCache(_MOST_TOKENS, ttu=_expiry, timer=clock)
        self._refused: TTLCache[tuple[str, Credential], str] = TTLCache(_MOST_REFUSALS, REFUSED_SECONDS, timer=clock)
        self._flights: dict[TokenKey, _Flight] = {}

    async def get(self, key: TokenKey, fetch: Fetch) -> Token | Denied:
        """Raises what ``fetch`` raises; an AuthenticationFailed again, without asking, for ten minutes."""
        self.check_refused(key.issuer, key.credential)
        known = self._tokens.get(key)
        if known is not None:
            return Token(known.token, fresh=False)
        outcome = await self._shared(key, fetch)
        return outcome if isinstance(outcome, Denied) else Token(outcome.token, fresh=True)

    def discard(self, key: TokenKey, value: str) -> None:
        """Forget a token that was not accepted, unless a newer one took its place."""
        known = self._tokens.get(key)
        if known is not None and known.token == value:
            del self._tokens[key]

    def check_refused(self, issuer: str, credential: Credential) -> None:
        """Raise AuthenticationFailed if ``issuer`` refused this credential of late."""
        message = self._refused.get((issuer, credential))
        if message is not None:
            raise AuthenticationFailed(message)

    def remember_refused(self, issuer: str, credential: Credential, message: str) -> None:
        self._refused[issuer, credential] = message

    async def _shared(self, key: TokenKey, fetch: Fetch) -> Issued | Denied:
        while (flight := self._flights.get(key)) is not None:
            try:
                with anyio.fail_after(remaining()):
                    await flight.done.wait()
            except TimeoutError as error:
                raise QueueTimeout(
                    f"The token service {urlsplit(key.issuer).hostname} did not answer in time."
                ) from error
            if isinstance(flight.outcome, DockerHubError):
                # A copy: one exception raised in several tasks would collect all their tracebacks.
                raise copy.copy(flight.outcome)
            if flight.outcome is not None:
                return flight.outcome
        return await self._lead(key, fetch)

    async def _lead(self, key: TokenKey, fetch: Fetch) -> Issued | Denied:
        flight = self._flights[key] = _Flight()
        try:
            flight.outcome = outcome = await fetch()
        except DockerHubError as error:
            flight.outcome = error
            if isinstance(error, AuthenticationFailed):
                self.remember_refused(key.issuer, key.credential, error.message)
            raise
        finally:
            del self._flights[key]
            flight.done.set()
        if isinstance(outcome, Issued):
            self._tokens[key] = outcome
        return outcome


def _expiry(_key: TokenKey, issued: Issued, now: float) -> float:
    life = min(issued.seconds, _LONGEST_LIFE)
    return now + life - min(RENEW_BEFORE, life / 4)
