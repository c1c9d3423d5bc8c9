"""How many refused tokens one address may send: guessing is slowed down, and the issuer is spared.

A bucket for each address, so that nobody is locked out by somebody else; the address is the one that trusted
proxies forwarded. IPv6 addresses count by /64, which one machine can have all of.

Neighbours behind one address (an office, a proxy that is not trusted) must not be shut out by one of them, so what
the throttle holds back are guesses: JSON Web Tokens are verified all the same, by keys that are fetched at a rate of
their own, and so are opaque tokens that the issuer called good before. Only an opaque token that nobody has seen yet
waits, since each costs the issuer a question.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST: Final = 100
"""Refused tokens in a row ..."""
EVERY: Final = 1.0
"""... and the seconds after which one more is forgiven."""
MAX_ADDRESSES: Final = 10_000


class FailureThrottle:
    """Counts failures of each address; of more than ``max_addresses`` the longest quiet ones are forgotten."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, burst: int = BURST, max_addresses: int = MAX_ADDRESSES
    ) -> None:
        self._clock = clock
        self._burst = burst
        self._max_addresses = max_addresses
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until ``address`` may try again; 0 where it may now. Charges nothing."""
        excess = self._count(_group(address)) - self._burst + 1
        return max(0.0, excess * EVERY)

    def charge(self, address: str) -> None:
        """Count one token as refused."""
        group = _group(address)
        self._failures[group] = (min(self._count(group) + 1, self._burst), self._clock())
        self._failures.move_to_end(group)
        if len(self._failures) > self._max_addresses:
            self._failures.popitem(last=False)

    def forgive(self, address: str) -> None:
        """Take one charge back: the token was good, or could not be looked at."""
        group = _group(address)
        count = self._count(group) - 1
        if count > 0:
            self._failures[group] = (count, self._clock())
        else:
            self._failures.pop(group, None)

    def _count(self, group: str) -> float:
        count, since = self._failures.get(group, (0.0, 0.0))
        return max(0.0, count - (self._clock() - since) / EVERY)


def _group(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64))
