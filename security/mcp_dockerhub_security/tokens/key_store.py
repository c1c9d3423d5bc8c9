"""The issuer's keys at hand: cached, renewed in the background, kept for a while when the issuer is down.

A key that is known never waits for the issuer. A name that is not known may be a new key, so the set is fetched
again, once for all who ask meanwhile and at a bounded rate, since anybody can make names up.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, Flaw, TokenRefused
from mcp_dockerhub_security.tokens.flights import Flights
from mcp_dockerhub_security.tokens.keys import Key, KeySet, parse_key_set

_logger = logging.getLogger("mcp_dockerhub_security.tokens")

FRESH_FOR: Final = 300.0
"""Seconds after which a key set is fetched again: so long may a withdrawn key still be believed."""
KEPT_FOR: Final = 6 * 3_600.0
"""Seconds that keys are believed while none can be fetched."""
FETCHES: Final = 5
"""Fetches that may be made at once ..."""
FETCH_EVERY: Final = 5.0
"""... and the seconds after which one more may be."""


class KeySource(Protocol):
    """Where keys come from."""

    async def fetch(self) -> bytes:
        """The issuer's JWK Set as it is now, a bounded document, within a bounded time.

        Raises AuthorityUnavailable where there is none to be had.
        """


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: KeySet
    since: float


class KeyStore:
    """Keys of one issuer. ``clock`` is in monotonic seconds."""

    def __init__(
        self, source: KeySource, algorithms: frozenset[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._algorithms = algorithms
        self._clock = clock
        self._kept: _Kept | None = None
        self._failing = False
        self._flights: Flights[None] = Flights()
        self._allowance, self._counted_at = float(FETCHES), clock()

    async def find(self, key_id: str | None, algorithm: str) -> Key:
        """The key a token names.

        Raises:
            TokenRefused: the issuer has no such key, as of a moment ago.
            AuthorityUnavailable: that cannot be found out now.
        """
        key = self._at_hand(key_id, algorithm)
        if key is None:
            await self._fetch()
            key = self._at_hand(key_id, algorithm)
        if key is None:
            if self._failing or self._usable() is None:
                raise AuthorityUnavailable(FETCH_EVERY)
            raise TokenRefused(Flaw.KEY_UNKNOWN)
        return key

    def trusts(self, key: Key) -> bool:
        """True while ``key`` is one of the issuer's; asked about tokens that were verified with it before."""
        self._renew()
        keys = self._usable()
        return keys is not None and key in keys

    def problem(self) -> str | None:
        """What is wrong, for health; None when all is well or nothing was asked for yet."""
        if not self._failing:
            return None
        return "the issuer's keys cannot be fetched" + ("" if self._usable() is None else "; the last ones are used")

    async def aclose(self) -> None:
        """Stop fetching."""
        await self._flights.aclose()

    def _at_hand(self, key_id: str | None, algorithm: str) -> Key | None:
        self._renew()
        keys = self._usable()
        return keys.find(key_id, algorithm) if keys is not None else None

    def _usable(self) -> KeySet | None:
        kept = self._kept
        return kept.keys if kept is not None and self._clock() - kept.since < KEPT_FOR else None

    def _renew(self) -> None:
        """Fetch in the background what is no longer fresh."""
        kept = self._kept
        if kept is None or self._clock() - kept.since < FRESH_FOR or self._flights.under_way(None):
            return
        if self._may_fetch():
            self._flights.start(None, self._refresh)

    async def _fetch(self) -> None:
        """Join the fetch under way, or make one if the rate allows it."""
        if self._flights.under_way(None) or self._may_fetch():
            await self._flights.share(None, self._refresh)

    def _may_fetch(self) -> bool:
        now = self._clock()
        self._allowance = min(FETCHES, self._allowance + (now - self._counted_at) / FETCH_EVERY)
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    async def _refresh(self) -> None:
        """Replace the keys; on any failure keep those there are."""
        try:
            keys = parse_key_set(await self._source.fetch(), self._algorithms)
        except (AuthorityUnavailable, ValueError) as error:
            what = "is not usable" if isinstance(error, ValueError) else "cannot be fetched"
            if not self._failing:
                _logger.warning("The issuer's key set %s; keys fetched before are kept for now.", what)
            self._failing = True
            return
        if self._failing:
            _logger.warning("The issuer's key set was fetched again.")
        self._kept, self._failing = _Kept(keys, self._clock()), False
