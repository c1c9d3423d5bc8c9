"""Time, as the HTTP stack sees it: one value to replace in tests."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio


@dataclass(frozen=True, slots=True)
class Clock:
    """``monotonic`` in seconds for durations, ``wall`` in Unix seconds for what headers say, ``sleep`` to wait."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep


SYSTEM_CLOCK: Final = Clock()
