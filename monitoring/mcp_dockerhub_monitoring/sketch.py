"""Latency distributions of fixed size that can be added up.

A histogram with logarithmic buckets in the manner of DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and
Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019): every quantile it reports is
within ``RELATIVE_ERROR`` of the true one, for values between ``SHORTEST`` and ``LONGEST`` seconds. Unlike
the original its buckets are dense and never collapse, so that its size is constant and merging is addition.
"""

from array import array
from collections.abc import Iterable
from itertools import accumulate
from math import ceil, log
from operator import add
from typing import Final

RELATIVE_ERROR: Final = 0.05
SHORTEST: Final = 1e-4
"""Seconds; anything faster counts as this."""
LONGEST: Final = 300.0
"""Seconds; anything slower counts as this. Far beyond a call's deadline of 60 s."""

_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG: Final = 1 / log(_GAMMA)
_OFFSET: Final = ceil(log(SHORTEST) * _PER_LOG)
SIZE: Final = ceil(log(LONGEST) * _PER_LOG) - _OFFSET + 1
"""Number of buckets."""


def bucket(seconds: float) -> int:
    """The bucket of a duration; bucket ``i`` ends at ``_GAMMA ** (i + _OFFSET)``, inclusively."""
    if seconds <= SHORTEST:
        return 0
    if seconds >= LONGEST:
        return SIZE - 1
    return ceil(log(seconds) * _PER_LOG) - _OFFSET


def representative(index: int) -> float:
    """The value within ``RELATIVE_ERROR`` of everything in a bucket, in seconds."""
    return float(2 * _GAMMA ** (index + _OFFSET) / (_GAMMA + 1))


class Sketch:
    """Counts of durations per bucket."""

    __slots__ = ("counts",)

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.counts = array("I", bytes(4 * SIZE))
        for value in values:
            self.add(value)

    def add(self, seconds: float) -> None:
        self.counts[bucket(seconds)] += 1

    def merge(self, other: "Sketch") -> None:
        """Add everything ``other`` has seen."""
        self.counts = array("I", map(add, self.counts, other.counts))

    def __len__(self) -> int:
        return sum(self.counts)

    def quantile(self, q: float) -> float | None:
        """The value of rank ``floor(q * (n - 1))`` of all values in order; None where there are none."""
        size = len(self)
        if size == 0:
            return None
        rank = int(q * (size - 1))
        index = next(index for index, seen in enumerate(accumulate(self.counts)) if seen > rank)
        return representative(index)
