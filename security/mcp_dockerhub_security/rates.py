"""How limits are written, and what is left of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_WINDOWS: Final = 8

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_WINDOW: Final = re.compile(
    r"\s*([0-9]{1,9})\s*(?:/|per)\s*([0-9]{1,6})?\s*(second|minute|hour|day)s?\s*", re.IGNORECASE | re.ASCII
)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``amount`` calls in any ``seconds`` seconds."""

    amount: int
    seconds: int
    label: str
    """As the operator would write it: ``60/minute``, ``5/10 minute``."""


@dataclass(frozen=True, slots=True)
class WindowState:
    """What is left of one window for one principal."""

    window: str
    """Its label; ``heavy 100/hour`` for the one of expensive operations."""
    limit: int
    remaining: int
    reset_after_s: float
    """Seconds until one more call is free; 0 when none was made."""


def parse_limits(text: str) -> tuple[Window, ...]:
    """``10/second;60/minute`` as windows; ValueError that says which part is wrong and how it is written."""
    windows = []
    for number, part in enumerate(re.split("[;,]", text), 1):
        match = _WINDOW.fullmatch(part)
        if match is None:
            raise ValueError(f"part {number} is not AMOUNT/UNIT with second, minute, hour or day, such as 60/minute")
        amount, multiple, unit = int(match[1]), int(match[2] or 1), match[3].lower()
        if amount == 0 or multiple == 0:
            raise ValueError(f"part {number} has a zero, which would refuse everything")
        label = f"{amount}/{unit}" if multiple == 1 else f"{amount}/{multiple} {unit}"
        windows.append(Window(amount, multiple * _UNITS[unit], label))
    if len(windows) > MAX_WINDOWS:
        raise ValueError(f"at most {MAX_WINDOWS} windows can be given")
    return tuple(windows)
