"""Counters, gauges and histograms whose number of label sets is bounded by construction.

prometheus-client's own instruments never forget a label set and cost more per call and at import; here it
does what it is best at, the exposition formats: :class:`~.metrics.Metrics` hands these families to its
registry when somebody scrapes.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock
from typing import Final, Generic, TypeVar

from .definitions import Definition

Labels = tuple[str, ...]
CellT = TypeVar("CellT")

OVERFLOW: Final = "other"
"""The value of every label of the set that counts what came after a family was full."""
INVALID: Final = "invalid"
"""Stands for a label value that is too long or not plain text."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:;,+ -]{0,64}")


class Family(Generic[CellT]):
    """A metric and its cells by label values."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._cells: dict[Labels, CellT] = {}
        self._lock = Lock()

    def _admit(self, labels: Labels) -> Labels:
        """The label set to count under, for one not held yet; never lets the family outgrow its bound."""
        if len(labels) != len(self.definition.labels):
            raise ValueError(f"{self.definition.name} takes the labels {self.definition.labels}")
        clean = tuple(value if _PLAIN.fullmatch(value) else INVALID for value in labels)
        if clean in self._cells or len(self._cells) < self.definition.max_series - bool(labels):
            return clean
        return (OVERFLOW,) * len(labels)

    def __len__(self) -> int:
        return len(self._cells)


class Numbers(Family[float]):
    """A counter or a gauge."""

    def add(self, labels: Labels = (), amount: float = 1.0) -> None:
        with self._lock:
            try:
                self._cells[labels] += amount
            except KeyError:
                key = self._admit(labels)
                self._cells[key] = self._cells.get(key, 0.0) + amount

    def set(self, value: float, labels: Labels = ()) -> None:
        with self._lock:
            self._cells[labels if labels in self._cells else self._admit(labels)] = value

    def get(self, labels: Labels = ()) -> float:
        """The current value, 0 for a label set not held."""
        return self._cells.get(labels, 0.0)

    def items(self) -> list[tuple[Labels, float]]:
        """A copy that later changes leave alone."""
        with self._lock:
            return list(self._cells.items())


class Distribution:
    """One label set of a histogram: counts per bucket (infinity last) and the sum of all values."""

    __slots__ = ("counts", "total")

    def __init__(self, size: int) -> None:
        self.counts = [0] * size
        self.total = 0.0

    def cumulative(self) -> Iterator[int]:
        """Counts of values up to each bound, as the exposition wants them."""
        running = 0
        for count in self.counts:
            running += count
            yield running


class Histogram(Family[Distribution]):
    """Counts of values per bucket."""

    def observe(self, value: float, labels: Labels = ()) -> None:
        bounds = self.definition.buckets
        with self._lock:
            cell = self._cells.get(labels)
            if cell is None:
                cell = self._cells.setdefault(self._admit(labels), Distribution(len(bounds) + 1))
            cell.counts[bisect_left(bounds, value)] += 1
            cell.total += value

    def items(self) -> list[tuple[Labels, list[int], float]]:
        """Per label set the cumulative counts and the sum, consistent with each other."""
        with self._lock:
            return [(key, list(cell.cumulative()), cell.total) for key, cell in self._cells.items()]
