"""Exact moving windows on the ``limits`` library, over a store of our own.

The library's memory store starts a thread for its housekeeping, reads the wall clock and grows with the number
of keys; this one forgets what expired when it looks, takes its clock, and keeps a bounded number of keys.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from mcp_dockerhub_security.rates import Clock, Window, WindowState

_HEAVY: Final = "heavy "


class WindowStore(Storage, MovingWindowSupport):
    """Times of the calls of each key, oldest first."""

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
        """Record ``amount`` calls unless more than ``limit`` would fall into the last ``expiry`` seconds."""
        calls = self._live(key, expiry)
        if len(calls) + amount > limit:
            return False
        calls.extend([self._clock()] * amount)
        self._calls[key] = calls
        self._calls.move_to_end(key)
        if len(self._calls) > self._max_keys:
            self._calls.popitem(last=False)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest call of the last ``expiry`` seconds was made (now if none was), and how many were."""
        calls = self._live(key, expiry)
        return (calls[0] if calls else self._clock()), len(calls)

    def _live(self, key: str, expiry: int) -> deque[float]:
        calls = self._calls.get(key)
        if calls is None:
            return deque()
        horizon = self._clock() - expiry
        while calls and calls[0] <= horizon:
            calls.popleft()
        return calls

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Fixed windows are not offered."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """How many calls are remembered."""
        return len(self._calls.get(key, ()))

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
        self._calls.pop(key, None)


class MovingWindows:
    """All windows of all principals. One call is charged to every window or to none."""

    def __init__(self, calls: Sequence[Window], heavy: Sequence[Window], clock: Clock, max_principals: int) -> None:
        self._calls = [(window.label, _item(window, "calls")) for window in calls]
        self._all = self._calls + [(_HEAVY + window.label, _item(window, "heavy")) for window in heavy]
        self._clock = clock
        self._store = WindowStore(clock, max_principals * len(self._all))
        self._strategy = MovingWindowRateLimiter(self._store)

    def charge(self, principal: str, *, heavy: bool) -> WindowState | None:
        """None when charged; else the full window that frees last, and nothing was charged.

        Nothing else runs between the test and the charge: there is no await, and one event loop.
        """
        windows = self._all if heavy else self._calls
        full = [state for state in self._states(principal, windows) if state.remaining <= 0]
        if full:
            return max(full, key=lambda state: state.reset_after_s)
        for _, item in windows:
            self._strategy.hit(item, principal)
        return None

    def status(self, principal: str) -> list[WindowState]:
        """What is left of each window."""
        return self._states(principal, self._all)

    def _states(self, principal: str, windows: Sequence[tuple[str, RateLimitItem]]) -> list[WindowState]:
        now = self._clock()
        states = []
        for label, item in windows:
            stats = self._strategy.get_window_stats(item, principal)
            used = stats.remaining < item.amount
            wait = max(0.0, stats.reset_time - now) if used else 0.0
            states.append(WindowState(label, item.amount, max(0, stats.remaining), wait))
        return states


def _item(window: Window, namespace: str) -> RateLimitItem:
    item = parse(window.label)
    item.namespace = namespace
    return item
