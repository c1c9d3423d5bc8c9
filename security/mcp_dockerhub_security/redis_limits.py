"""Limits that replicas share through Redis: exact moving windows, charged together, on Redis's clock.

All replicas together never admit more than a window says; a call that is refused may have been charged. Two things
bend that, both by choice or by accident of the store, and both end by themselves:

* Redis does not answer. ``closed`` refuses calls. ``local`` lets each process go on with its share, an N-th of each
  window for N replicas, what it had admitted through Redis before included; what was admitted meanwhile is told to
  Redis when it is back.
* Redis lost its memory. Every process knows what it admitted itself and puts that back; until all had the time to,
  nothing is admitted (``SETTLE`` seconds).
"""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, Literal

from mcp_dockerhub_security.limits import MAX_KEYS, Attempts, limit_refusal
from mcp_dockerhub_security.rates import Clock, LimitRules, Meter, WindowState
from mcp_dockerhub_security.redis_link import RedisLink, RedisUnavailableError
from mcp_dockerhub_security.redis_scripts import CHARGE, RESTORE, STATUS
from mcp_dockerhub_security.refusals import Refusal, RefusalCode
from mcp_dockerhub_security.windows import MovingWindows

Down = Literal["closed", "local"]

INTERVAL: Final = 1.0
"""Seconds between two looks at Redis."""
SETTLE: Final = 3.0
"""Long enough for every replica that lives to have looked."""

_MICRO: Final = 1_000_000
_MILLI: Final = 1_000
_MARGIN: Final = 60
"""Seconds that the epoch outlives what it stands for."""
_BATCH: Final = 5_000
_TRIES: Final = 5
_CHARGED, _FULL, _FORGOT, _SETTLING = range(4)


class RedisLimiter:
    """Limits of all replicas together; ``attempts`` stay each process's own."""

    def __init__(
        self,
        link: RedisLink,
        rules: LimitRules | None = None,
        *,
        down: Down = "closed",
        replicas: int = 1,
        clock: Clock = time.monotonic,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._link = link
        self._rules = rules or LimitRules()
        self._down: Down = down
        self._replicas = replicas
        self._clock = clock
        self._attempts = Attempts(self._rules.calls, clock, max_keys)
        self._own = MovingWindows(clock, max_keys)
        """Everything this process admitted: its share without Redis, and what Redis is told if it forgot."""
        self._untold: dict[str, deque[float]] = {}
        """When calls were admitted that Redis does not know of, by the key of their meter."""
        self._epoch = ""
        self._known_until = float("-inf")
        self._telling = asyncio.Lock()

    @property
    def problem(self) -> str | None:
        """What is wrong with the shared limits and what that means; None while they hold."""
        if self._link.problem is None:
            return None
        means = (
            "calls are refused" if self._down == "closed" else f"each process allows 1/{self._replicas} of the limits"
        )
        return f"{self._link.problem}: {means}"

    def attempt(self, principal: str) -> None:
        """Charge one message of any kind; raise Refusal (RATE_LIMITED) for a flood."""
        self._attempts.charge(principal)

    async def charge(self, principal: str, tenant: str = "", *, heavy: bool) -> None:
        """Charge one call to every window of every replica, or to none and raise Refusal (RATE_LIMITED)."""
        meters = self._rules.meters(principal, tenant, heavy=heavy)
        try:
            full = await self._shared(meters)
        except (RedisUnavailableError, _Settling) as error:
            if self._down == "closed":
                raise _unavailable(error) from None
            full = self._alone(meters)
        if full is not None:
            raise limit_refusal(full.window, full.reset_after_s)

    async def status(self, principal: str, tenant: str = "") -> list[WindowState]:
        """What is left of each window, without charging; of this process's share while Redis does not answer."""
        meters = self._rules.meters(principal, tenant, heavy=True)
        arguments = [
            number
            for meter in meters
            for number in (len(meter.windows), *(window.seconds * _MICRO for window in meter.windows))
        ]
        try:
            found = await self._link.script(STATUS, [self._key(meter.key) for meter in meters], arguments)
        except RedisUnavailableError:
            return self._own.status([meter.divided(self._replicas) for meter in meters])
        windows = [(meter.label(window), window.amount) for meter in meters for window in meter.windows]
        return [
            WindowState(label, amount, max(0, amount - used), max(0, wait) / _MICRO)
            for (label, amount), used, wait in zip(windows, found[::2], found[1::2], strict=True)
        ]

    async def refresh(self) -> None:
        """Look whether Redis answers and still remembers, and tell it what it does not know.

        Raises RedisUnavailableError.
        """
        with suppress(_Settling):
            await self._shared((), probe=True)

    async def watch(self) -> None:
        """Refresh until cancelled, so that calls find out neither that Redis is gone nor that it is back."""
        while True:
            with suppress(RedisUnavailableError):
                await self.refresh()
            await asyncio.sleep(INTERVAL)

    async def _shared(self, meters: Sequence[Meter], *, probe: bool = False) -> WindowState | None:
        """None when charged, else the full window that frees last; raises RedisUnavailableError or _Settling."""
        keys = [self._key("epoch"), *(self._key(meter.key) for meter in meters)]
        for _ in range(_TRIES):
            if self._untold:
                await self._tell_untold(probe=probe)
            found = await self._link.script(CHARGE, keys, self._arguments(meters), probe=probe)
            match found[0]:
                case code if code == _CHARGED:
                    self._admitted(meters)
                    return None
                case code if code == _FULL:
                    return _full(meters, found[1] - 1, found[2] / _MICRO)
                case code if code == _SETTLING:
                    raise _Settling(found[1] / _MICRO)
            await self._tell_everything(found[1], probe=probe)
        # Somebody deletes the epoch as fast as it is made: that is no store of limits.
        raise RedisUnavailableError("refused")

    def _alone(self, meters: Sequence[Meter]) -> WindowState | None:
        full = self._own.charge([meter.divided(self._replicas) for meter in meters])
        if full is None:
            now = self._clock()
            for meter in meters:
                times = self._untold.setdefault(meter.key, deque())
                while times and times[0] <= now - _longest([meter]):
                    times.popleft()
                times.append(now)
            self._know(meters)
        return full

    def _admitted(self, meters: Sequence[Meter]) -> None:
        if meters:
            self._own.add(meters)
            self._know(meters)

    def _know(self, meters: Sequence[Meter]) -> None:
        self._known_until = max(self._known_until, self._clock() + _longest(meters))

    def _arguments(self, meters: Sequence[Meter]) -> list[str | int]:
        lives = (_longest(meters) + _MARGIN) * _MILLI
        knows = int(self._clock() < self._known_until)
        arguments: list[str | int] = [self._epoch, knows, secrets.token_hex(8), int(SETTLE * _MICRO), lives]
        for meter in meters:
            arguments += [_kept(meter), _longest([meter]) * _MILLI, len(meter.windows)]
            for window in meter.windows:
                arguments += [window.amount, window.seconds * _MICRO]
        return arguments

    async def _tell_untold(self, *, probe: bool) -> None:
        """Redis is back and remembers: it only lacks what was admitted without it."""
        async with self._telling:
            while self._untold:
                key, times = next(iter(self._untold.items()))
                now = self._clock()
                await self._restore(key, [now - at for at in times], probe=probe)
                # What is admitted while this waits begins a new list or is told twice: never once too few.
                self._untold.pop(key, None)

    async def _tell_everything(self, epoch: str, *, probe: bool) -> None:
        """Redis remembers nothing from before ``epoch``: put back all that this process admitted."""
        async with self._telling:
            if self._epoch == epoch:
                return
            self._untold.clear()
            for key, ages in list(self._own.ages()):
                await self._restore(key, ages, probe=probe)
            self._epoch = epoch

    async def _restore(self, key: str, ages: Iterable[float], *, probe: bool) -> None:
        meter = self._rules.meter(key)
        if not meter.windows:
            return
        longest = _longest([meter])
        recent = [round(age * _MICRO) for age in ages if age < longest]
        for start in range(0, len(recent), _BATCH):
            arguments = [_kept(meter), longest * _MILLI, *recent[start : start + _BATCH]]
            await self._link.script(RESTORE, [self._key(key)], arguments, probe=probe)

    def _key(self, counted: str) -> str:
        """Names of people stay out of Redis; the braces keep all logs in one slot of a cluster."""
        kind, _, owner = counted.partition(":")
        digest = hashlib.blake2b(owner.encode(), digest_size=16).hexdigest() if owner else ""
        return f"{{{self._link.prefix}:limits}}:{kind}:{digest}".rstrip(":")


def _longest(meters: Sequence[Meter]) -> int:
    return max((window.seconds for meter in meters for window in meter.windows), default=0)


def _kept(meter: Meter) -> int:
    return max(window.amount for window in meter.windows)


def _full(meters: Sequence[Meter], index: int, wait: float) -> WindowState:
    windows = [(meter, window) for meter in meters for window in meter.windows]
    meter, window = windows[index]
    return WindowState(meter.label(window), window.amount, 0, wait)


class _Settling(Exception):
    """Redis lost its memory, and the replicas have ``wait`` more seconds to put back what they know."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        super().__init__()


def _unavailable(error: RedisUnavailableError | _Settling) -> Refusal:
    rule, wait = ("settling", error.wait) if isinstance(error, _Settling) else ("store_down", 1.0)
    return Refusal(
        RefusalCode.RATE_LIMITED,
        "The limits that all replicas share cannot be counted right now, so no call is admitted.",
        rule=f"limit {rule}",
        hint="Call again in a moment; if it lasts, the operator must look after Redis.",
        retryable=True,
        retry_after_s=round(max(wait, 0.001), 3),
    )
