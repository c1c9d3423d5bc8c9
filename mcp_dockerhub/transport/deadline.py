"""One deadline for everything that a call does: requests, retries, waits and token requests together."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class _Deadline:
    at: float
    clock: Callable[[], float]


_current: Final[ContextVar[_Deadline | None]] = ContextVar("call_deadline", default=None)


@contextmanager
def call_deadline(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Give what runs inside at most ``seconds``; an earlier deadline around it stays in force."""
    deadline = _Deadline(clock() + min(seconds, remaining()), clock)
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def remaining() -> float:
    """Seconds left of the current call, never negative; infinite outside of any ``call_deadline``."""
    deadline = _current.get()
    return math.inf if deadline is None else max(0.0, deadline.at - deadline.clock())


@contextmanager
def own_deadline(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """As ``call_deadline``, but whatever is in force around it is not: for work that several calls share."""
    token = _current.set(_Deadline(clock() + seconds, clock))
    try:
        yield
    finally:
        _current.reset(token)
