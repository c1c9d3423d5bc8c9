"""Exact moving windows on the ``limits`` library, over a store of our own.

The library's memory store starts a thread for its housekeeping, reads the wall clock, keeps a list per window and
grows with the number of keys; this one takes its clock, keeps one list of times for all windows of what is counted,
forgets what expired when it adds to it, and keeps a bounded number of keys.
"""

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from mcp_dockerhub_security.rates import Clock, Meter, Window, WindowState

_NAMESPACE: Final = "limit"


class WindowStore(Storage, MovingWindowSupport):
    """Times of the calls that are counted together, oldest first.

    The library names what is counted by ``NAMESPACE/IDENTIFIER/AMOUNT/MULTIPLE/UNIT``; the windows of one
    identifier share its times.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock, max_keys: int) -> None:
        super().__init__()
        self._clock = clock
        self._max_keys = max_keys
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        """What ``limits`` would wrap; nothing here fails."""
        return ValueError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Record ``amount`` calls unless more than ``limit`` would fall into the last ``expiry`` seconds.

        Forgets what is older than that: ask with the longest window.
        """
        if self.get_moving_window(key, limit, expiry)[1] + amount > limit:
            return False
        self.add(_counted(key), expiry, amount)
        return True

    def add(self, name: str, expiry: int, amount: int = 1) -> None:
        """Record calls whoever admitted them, and forget those older than ``expiry`` seconds."""
        now = self._clock()
        calls = self._calls.setdefault(name, deque())
        while calls and calls[0] <= now - expiry:
            calls.popleft()
        calls.extend([now] * amount)
        self._calls.move_to_end(name)
        if len(self._calls) > self._max_keys:
            self._calls.popitem(last=False)

    def is_full(self, name: str, amount: int, seconds: int) -> bool:
        """Whether ``amount`` calls fall into the last ``seconds``: one look at the AMOUNT-th newest tells."""
        calls = self._calls.get(name, ())
        return amount == 0 or (len(calls) >= amount and calls[-amount] > self._clock() - seconds)

    def ages(self) -> Iterator[tuple[str, list[float]]]:
        """Everything that is remembered: what was counted, and how many seconds ago each call was made."""
        now = self._clock()
        for key, calls in self._calls.items():
            yield key.removeprefix(f"{_NAMESPACE}/"), [now - call for call in calls]

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest call of the last ``expiry`` seconds was made (now if none was), and how many were."""
        now = self._clock()
        calls = self._calls.get(_counted(key), ())
        first = bisect_right(calls, now - expiry)
        return (calls[first] if first < len(calls) else now), len(calls) - first

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Fixed windows are not offered."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """How many calls are remembered."""
        return len(self._calls.get(_counted(key), ()))

    def get_expiry(self, key: str) -> float:
        """Fixed windows are not offered."""
        raise NotImplementedError

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything; returns how many keys there were."""
        keys = len(self._calls)
        self._calls.clear()
        return keys

    def clear(self, key: str) -> None:
        """Forget one key."""
        self._calls.pop(_counted(key), None)


class MovingWindows:
    """All windows of everything that is counted. One call is charged to every window or to none."""

    def __init__(self, clock: Clock, max_keys: int) -> None:
        self._clock = clock
        self._store = WindowStore(clock, max_keys)
        self._strategy = MovingWindowRateLimiter(self._store)

    def charge(self, meters: Sequence[Meter]) -> WindowState | None:
        """None when charged; else the full window that frees last, and nothing was charged.

        Nothing else runs between the test and the charge: there is no await, and one event loop.
        """
        if any(self._is_full(meter) for meter in meters):
            full = [state for state in self.status(meters) if state.remaining <= 0]
            if full:
                return max(full, key=lambda state: state.reset_after_s)
        self.add(meters)
        return None

    def add(self, meters: Sequence[Meter]) -> None:
        """Count a call that was admitted: here, or by the shared limits even where this would be full."""
        for meter in meters:
            self._store.add(_name(meter), max(window.seconds for window in meter.windows))

    def ages(self) -> Iterator[tuple[str, list[float]]]:
        """The calls counted here, by the key of their meter: how many seconds ago each was made, oldest first."""
        return self._store.ages()

    def _is_full(self, meter: Meter) -> bool:
        name = _name(meter)
        return any(self._store.is_full(name, window.amount, window.seconds) for window in meter.windows)

    def status(self, meters: Sequence[Meter]) -> list[WindowState]:
        """What is left of each window."""
        now = self._clock()
        states = []
        for meter in meters:
            for window in meter.windows:
                stats = self._strategy.get_window_stats(_item(window), meter.key)
                # A share of a window too small to divide is empty from the start.
                used = stats.remaining < window.amount or window.amount == 0
                wait = max(0.0, stats.reset_time - now) if used else 0.0
                states.append(WindowState(meter.label(window), window.amount, max(0, stats.remaining), wait))
        return states


@lru_cache(maxsize=1024)
def _item(window: Window) -> RateLimitItem:
    parsed = parse(window.label)
    return type(parsed)(window.amount, parsed.multiples, _NAMESPACE)


def _name(meter: Meter) -> str:
    """What the library would call what ``meter`` counts."""
    return f"{_NAMESPACE}/{meter.key}"


def _counted(key: str) -> str:
    return key.rsplit("/", 3)[0]
