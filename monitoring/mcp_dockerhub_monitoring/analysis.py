"""Trends and anomalies of the history, by medians, each with the sentence that explains it.

An anomaly is a slot whose value lies further from the median of the window's slots than 3.5 times the usual
deviation (1.4826 times the median absolute deviation: Iglewicz and Hoaglin, "How to Detect and Handle
Outliers", 1993). A floor under the usual deviation keeps quiet series from shouting over small changes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from .history import WINDOWS, Cell, History, SlotView, WindowName, together

Direction = Literal["rising", "falling", "steady", "unknown"]

SCORE_LIMIT: Final = 3.5
_NORMAL: Final = 1.4826
"""Makes the median absolute deviation of normally distributed values their standard deviation."""
_MIN_SLOTS: Final = 6
"""Fewer values have no usual deviation worth the name."""
_MIN_CALLS: Final = 3
"""A slot with fewer calls says nothing about latency or error ratio."""
_STEADY: Final = 0.2
"""Relative change between the halves of a window that counts as no change."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something every slot has a value of."""

    name: str
    unit: str
    floor: float
    """Smallest usual deviation assumed, in the measure's unit."""
    value: Callable[[Cell], float | None]
    """None where the cell says nothing about it."""


def _latency(cell: Cell) -> float | None:
    return cell.sketch.quantile(0.95) if cell.calls >= _MIN_CALLS else None


def _error_ratio(cell: Cell) -> float | None:
    return cell.errors / cell.calls if cell.calls >= _MIN_CALLS else None


CALLS: Final = Measure("calls", "", 2.0, lambda cell: float(cell.calls))
LATENCY: Final = Measure("p95", " s", 0.05, _latency)
ERRORS: Final = Measure("error ratio", "", 0.05, _error_ratio)
MEASURES: Final = (CALLS, LATENCY, ERRORS)


@dataclass(frozen=True, slots=True)
class Trend:
    """How a measure of all traffic moved from the older to the newer half of a window."""

    measure: str
    direction: Direction
    before: float | None
    now: float | None
    explanation: str


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One slot that stands out."""

    operation: str
    """Empty for all traffic together."""
    measure: str
    value: float
    median: float
    deviation: float
    """The usual deviation it was compared with."""
    score: float
    seconds_ago: float
    explanation: str


def median(values: Iterable[float]) -> float:
    """The middle of at least one value; ``statistics`` costs 5 ms at start for this."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def trends(history: History, window: WindowName) -> tuple[Trend, ...]:
    """The trend of calls, p95 and error ratio over one window."""
    slots = [(slot, together(slot.cells.values())) for slot in _slots(history, window)]
    return tuple(_trend(measure, _values(measure, slots), window) for measure in MEASURES)


def anomalies(history: History, window: WindowName) -> tuple[Anomaly, ...]:
    """What stands out in one window, worst first: in all traffic, then by operation.

    Calls are judged for all traffic only; how often one tool is asked for is nobody's fault.
    """
    slots = _slots(history, window)
    width = WINDOWS[window].width
    found = list(_unusual("", MEASURES, [(slot, together(slot.cells.values())) for slot in slots], width))
    for operation in sorted({name for slot in slots for name in slot.cells if name}):
        cells = [(slot, slot.cells[operation]) for slot in slots if operation in slot.cells]
        found.extend(_unusual(operation, (LATENCY, ERRORS), cells, width))
    return tuple(sorted(found, key=lambda anomaly: -anomaly.score))


def _slots(history: History, window: WindowName) -> list[SlotView]:
    """Those that can be compared with each other."""
    return [slot for slot in history.closed_slots(window) if slot.whole]


def _values(measure: Measure, cells: list[tuple[SlotView, Cell]]) -> list[tuple[SlotView, float]]:
    return [(slot, value) for slot, cell in cells if (value := measure.value(cell)) is not None]


def _trend(measure: Measure, values: list[tuple[SlotView, float]], window: WindowName) -> Trend:
    if len(values) < 4:
        return Trend(measure.name, "unknown", None, None, f"{measure.name}: too few data in {window}")
    middle = len(values) // 2
    before = median(value for _, value in values[:middle])
    now = median(value for _, value in values[middle:])
    change = now - before
    direction: Direction = "steady"
    if abs(change) > max(_STEADY * before, measure.floor):
        direction = "rising" if change > 0 else "falling"
    explanation = (
        f"{measure.name} is {direction}: median {before:.3g}{measure.unit} in the older half of the last "
        f"{window}, {now:.3g}{measure.unit} in the newer"
    )
    return Trend(measure.name, direction, before, now, explanation)


def _unusual(
    operation: str, measures: tuple[Measure, ...], cells: list[tuple[SlotView, Cell]], width: int
) -> Iterator[Anomaly]:
    for measure in measures:
        values = _values(measure, cells)
        if len(values) < _MIN_SLOTS:
            continue
        usual = median(value for _, value in values)
        spread = median(abs(value - usual) for _, value in values)
        deviation = max(_NORMAL * spread, measure.floor, 0.1 * usual)
        for slot, value in values:
            # Fewer errors and faster answers are no anomaly; less traffic is.
            distance = abs(value - usual) if measure is CALLS else value - usual
            if distance > SCORE_LIMIT * deviation:
                yield _anomaly(operation, measure, value, (usual, deviation), slot.age, (len(values), width))


def _anomaly(
    operation: str,
    measure: Measure,
    value: float,
    usual: tuple[float, float],
    age: float,
    shape: tuple[int, int],
) -> Anomaly:
    centre, deviation = usual
    score = abs(value - centre) / deviation
    explanation = (
        f"{operation or 'all traffic'}: {measure.name} was {value:.3g}{measure.unit} in the {shape[1]} s that "
        f"ended {age:.0f} s ago; the median of {shape[0]} such slots is {centre:.3g}{measure.unit} and the usual "
        f"deviation {deviation:.3g}{measure.unit}, so it is {score:.1f} deviations off (limit {SCORE_LIMIT})"
    )
    return Anomaly(operation, measure.name, value, centre, deviation, score, age, explanation)
