"""How often: windows said as ``10/second;60/minute;1000/hour``, per principal, per tenant and for all together.

Two checks. *Attempts* are cheap, own arithmetic, and count everything a principal sends, refusals included, so
that a flood of denied calls is bounded too. *Calls* are the operator's windows, exact moving windows on the
``limits`` library, which is imported with the first call because it takes longer than answering ``initialize``.
Replicas share them through Redis: ``redis_limits``.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from mcp_dockerhub_security.rates import Clock, LimitRules, Window, WindowState, parse_limits
from mcp_dockerhub_security.refusals import Refusal, RefusalCode

if TYPE_CHECKING:
    from mcp_dockerhub_security.windows import MovingWindows

__all__ = [
    "Attempts",
    "LimitRules",
    "Limiter",
    "MemoryLimiter",
    "Window",
    "WindowState",
    "limit_refusal",
    "parse_limits",
]

MAX_KEYS: Final = 30_000
"""Principals and tenants that are remembered, each kind of windows counted."""
ATTEMPTS: Final = "attempts"

_ATTEMPTS_PER_CALL: Final = 4
_MIN_ATTEMPTS_BURST: Final = 60.0
_MIN_ATTEMPTS_RATE: Final = 1.0


class Limiter(Protocol):
    """What the Guard asks; an implementation over a shared store may take its time over a charge."""

    def attempt(self, principal: str) -> None:
        """Charge one message of any kind; raise Refusal (RATE_LIMITED) for a flood."""

    async def charge(self, principal: str, tenant: str = "", *, heavy: bool) -> None:
        """Charge one call to every window, or to none and raise Refusal (RATE_LIMITED)."""

    async def status(self, principal: str, tenant: str = "") -> list[WindowState]:
        """What is left of each window, without charging."""


class MemoryLimiter:
    """Limits of one process. Remembers a bounded number of principals; the longest silent are forgotten."""

    def __init__(
        self, rules: LimitRules | None = None, *, clock: Clock = time.monotonic, max_keys: int = MAX_KEYS
    ) -> None:
        self._rules = rules or LimitRules()
        self._clock = clock
        self._max_keys = max_keys
        self._attempts = Attempts(self._rules.calls, clock, max_keys)
        self._windows: MovingWindows | None = None

    def attempt(self, principal: str) -> None:
        """Charge one message of any kind; raise Refusal (RATE_LIMITED) for a flood."""
        self._attempts.charge(principal)

    async def charge(self, principal: str, tenant: str = "", *, heavy: bool) -> None:
        """Charge one call to every window, or to none and raise Refusal (RATE_LIMITED)."""
        full = self._moving().charge(self._rules.meters(principal, tenant, heavy=heavy))
        if full is not None:
            raise limit_refusal(full.window, full.reset_after_s)

    async def status(self, principal: str, tenant: str = "") -> list[WindowState]:
        """What is left of each window, without charging."""
        return self._moving().status(self._rules.meters(principal, tenant, heavy=True))

    def _moving(self) -> "MovingWindows":
        if self._windows is None:
            from mcp_dockerhub_security.windows import MovingWindows

            self._windows = MovingWindows(self._clock, self._max_keys)
        return self._windows


class Attempts:
    """A token bucket per principal: four times the calls of a minute at once, refilled at four times their pace."""

    def __init__(self, windows: Sequence[Window], clock: Clock = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        short = [window for window in windows if window.seconds <= 60] or windows
        window = max(short, key=lambda window: window.seconds)
        self._burst = max(_MIN_ATTEMPTS_BURST, float(_ATTEMPTS_PER_CALL * window.amount))
        self._rate = max(_MIN_ATTEMPTS_RATE, _ATTEMPTS_PER_CALL * window.amount / window.seconds)
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def charge(self, principal: str) -> None:
        """Take one token, or raise Refusal (RATE_LIMITED)."""
        now = self._clock()
        tokens, since = self._buckets.get(principal, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[principal] = (tokens if wait else tokens - 1, now)
        self._buckets.move_to_end(principal)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        if wait > 0:
            raise limit_refusal(ATTEMPTS, wait)


def limit_refusal(window: str, wait: float) -> Refusal:
    """``window`` is used up for another ``wait`` seconds."""
    seconds = round(max(wait, 0.001), 3)
    return Refusal(
        RefusalCode.RATE_LIMITED,
        f"Too many calls: the limit {window} is used up.",
        rule=f"limit {window}",
        hint=f"Wait {seconds:g} s before calling again; docker_rate_limit_status shows what is left.",
        retryable=True,
        retry_after_s=seconds,
    )
