"""What happened lately, per operation, in a fixed amount of memory.

Four rings of slots, one per window. A call goes into the open slot of each; a slot that has left its window
is dropped whole. A window's numbers are the sum of its slots, the open one included, so a window of length
L covers between L minus one slot and L; :attr:`WindowView.seconds` says how much exactly.

At most ``MAX_OPERATIONS`` operations are told apart, the rest share ``other``: with 63 slots of at most 48
cells of about 1 KiB the history stays under 4 MiB whatever the traffic.
"""

import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from .metrics import FAULTS
from .sketch import Sketch, bucket

WindowName = Literal["1m", "15m", "1h", "24h"]
MAX_OPERATIONS: Final = 48
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class WindowShape:
    """A window as a number of slots of ``width`` seconds."""

    width: int
    slots: int


WINDOWS: Final[Mapping[WindowName, WindowShape]] = {
    "1m": WindowShape(5, 12),
    "15m": WindowShape(60, 15),
    "1h": WindowShape(300, 12),
    "24h": WindowShape(3600, 24),
}
"""Each width is a multiple of the first: all rings turn only when the finest does."""
_FINEST: Final = WINDOWS["1m"].width


class Cell:
    """What one operation did in one slot, or the sum of several such cells."""

    __slots__ = ("calls", "cancelled", "errors", "hits", "misses", "refusals", "seconds", "sketch")

    def __init__(self) -> None:
        self.calls = self.errors = self.cancelled = self.refusals = self.hits = self.misses = 0
        self.seconds = 0.0
        self.sketch = Sketch()

    def merge(self, other: "Cell") -> None:
        """Add what ``other`` holds."""
        self.calls += other.calls
        self.errors += other.errors
        self.cancelled += other.cancelled
        self.refusals += other.refusals
        self.hits += other.hits
        self.misses += other.misses
        self.seconds += other.seconds
        self.sketch.merge(other.sketch)


@dataclass(frozen=True, slots=True)
class OperationStats:
    """Totals and latencies (seconds) of one operation, or of several together, over some time."""

    calls: int
    errors: int
    """Calls that failed by the server's or an upstream's fault, not by the caller's."""
    cancelled: int
    refusals: int
    """Refused by the security manager: bad input, policy, rate."""
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    cache_hits: int
    cache_misses: int

    @property
    def error_ratio(self) -> float:
        """Errors per call, 0 where there were no calls."""
        return self.errors / self.calls if self.calls else 0.0

    @property
    def cache_ratio(self) -> float | None:
        """Hits per look-up, None where nothing was looked up."""
        lookups = self.cache_hits + self.cache_misses
        return self.cache_hits / lookups if lookups else None


def together(cells: Iterable[Cell]) -> Cell:
    """The sum of several cells, as a new one."""
    total = Cell()
    for cell in cells:
        total.merge(cell)
    return total


def stats_of(cell: Cell) -> OperationStats:
    """The numbers of a cell."""
    return OperationStats(
        calls=cell.calls,
        errors=cell.errors,
        cancelled=cell.cancelled,
        refusals=cell.refusals,
        p50=cell.sketch.quantile(0.50),
        p95=cell.sketch.quantile(0.95),
        p99=cell.sketch.quantile(0.99),
        mean=cell.seconds / cell.calls if cell.calls else None,
        cache_hits=cell.hits,
        cache_misses=cell.misses,
    )


@dataclass(frozen=True, slots=True)
class WindowView:
    """One window as it was when asked."""

    name: WindowName
    seconds: float
    """What it covers: at most its length, less while the server is young."""
    total: OperationStats
    operations: Mapping[str, OperationStats]
    """By tool name, or by method for resources, prompts and completion."""

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.total.calls / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class SlotView:
    """One closed slot of a window."""

    age: float
    """Seconds since its end."""
    cells: Mapping[str, Cell]
    whole: bool
    """Whether it was seen from its beginning: the one the server started in shows too little of everything."""


class _Ring:
    """The slots of one window, addressed by the number of slot widths since the clock's zero."""

    def __init__(self, shape: WindowShape) -> None:
        self.shape = shape
        self._slots: list[tuple[int, dict[str, Cell]]] = [(-1, {})] * shape.slots

    def open(self, now: float) -> dict[str, Cell]:
        """The cells of the slot ``now`` falls into."""
        epoch = int(now // self.shape.width)
        place = epoch % self.shape.slots
        if self._slots[place][0] != epoch:
            self._slots[place] = (epoch, {})
        return self._slots[place][1]

    def held(self, now: float) -> list[tuple[int, dict[str, Cell]]]:
        """The slots still in the window, oldest first, each with its number."""
        last = int(now // self.shape.width)
        return sorted(
            (slot for slot in self._slots if last - self.shape.slots < slot[0] <= last),
            key=lambda slot: slot[0],
        )


class History:
    """Records calls and tells what the windows hold. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` gives seconds and never goes back."""
        self._clock = clock
        self._started = clock()
        self._rings = {name: _Ring(shape) for name, shape in WINDOWS.items()}
        self._names: set[str] = set()
        self._epoch = -1
        self._open: dict[str, tuple[Cell, ...]] = {}
        self._lock = Lock()

    def record(self, operation: str, outcome: str, seconds: float) -> None:
        """Count one finished call of ``operation``; ``outcome`` as in :data:`.metrics.OUTCOMES`."""
        place = bucket(seconds)
        fault, cancelled = outcome in FAULTS, outcome == "cancelled"
        with self._lock:
            for cell in self._cells(operation):
                cell.calls += 1
                cell.errors += fault
                cell.cancelled += cancelled
                cell.seconds += seconds
                cell.sketch.counts[place] += 1

    def cache(self, operation: str, hit: bool) -> None:
        """Count a cache look-up done for ``operation`` (empty where it was done for none)."""
        with self._lock:
            for cell in self._cells(operation):
                cell.hits += hit
                cell.misses += not hit

    def refused(self, operation: str) -> None:
        """Count a refusal by the security manager."""
        with self._lock:
            for cell in self._cells(operation):
                cell.refusals += 1

    def window(self, name: WindowName) -> WindowView:
        """What one window holds, per operation and together."""
        with self._lock:
            now = self._clock()
            ring = self._rings[name]
            cells: dict[str, Cell] = {}
            for _, slot in ring.held(now):
                for operation, cell in slot.items():
                    cells.setdefault(operation, Cell()).merge(cell)
            return WindowView(
                name=name,
                seconds=self._covered(ring.shape, now),
                total=stats_of(together(cells.values())),
                operations={operation: stats_of(cell) for operation, cell in sorted(cells.items()) if operation},
            )

    def stats(self, name: WindowName, operations: Container[str]) -> OperationStats:
        """The numbers of some operations together over one window."""
        with self._lock:
            return stats_of(
                together(
                    cell
                    for _, slot in self._rings[name].held(self._clock())
                    for operation, cell in slot.items()
                    if operation in operations
                )
            )

    def closed_slots(self, name: WindowName) -> list[SlotView]:
        """The window's slots that are over, oldest first, those without traffic since the start included."""
        with self._lock:
            now = self._clock()
            ring = self._rings[name]
            width = ring.shape.width
            last = int(now // width)
            first = max(last - ring.shape.slots + 1, int(self._started // width))
            held = dict(ring.held(now))
            return [
                SlotView(
                    age=now - (epoch + 1) * width,
                    cells=dict(held.get(epoch, {})),
                    whole=epoch * width >= self._started,
                )
                for epoch in range(first, last)
            ]

    def _cells(self, operation: str) -> tuple[Cell, ...]:
        """The open cells of an operation, one per window."""
        now = self._clock()
        epoch = int(now // _FINEST)
        if epoch != self._epoch:
            self._epoch = epoch
            self._open.clear()
        cells = self._open.get(operation)
        if cells is None:
            cells = self._open_cells(operation, now)
        return cells

    def _open_cells(self, operation: str, now: float) -> tuple[Cell, ...]:
        if operation not in self._names:
            if len(self._names) < MAX_OPERATIONS - 1:
                self._names.add(operation)
            else:
                operation = OTHER
        cells = []
        for ring in self._rings.values():
            slot = ring.open(now)
            cell = slot.get(operation)
            if cell is None:
                cell = slot[operation] = Cell()
            cells.append(cell)
        self._open[operation] = tuple(cells)
        return self._open[operation]

    def _covered(self, shape: WindowShape, now: float) -> float:
        return min(now - self._started, (shape.slots - 1) * shape.width + now % shape.width)
