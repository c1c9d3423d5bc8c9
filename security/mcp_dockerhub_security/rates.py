"""How limits are written, what they count, and what is left of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mcp_dockerhub_security.tenants import TenantLimits, Tenants

MAX_WINDOWS: Final = 8
MAX_KNOWN: Final = 1_024
"""Callers whose meters are kept: what they are follows from the rules, so forgetting costs nothing."""

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
    """What is left of one window."""

    window: str
    """Its label after what it counts: ``60/minute``, ``heavy 100/hour``, ``tenant 5000/hour``, ``global 50/second``."""
    limit: int
    remaining: int
    reset_after_s: float
    """Seconds until one more call is free; 0 when none was made."""


@dataclass(frozen=True, slots=True)
class Meter:
    """One thing that is counted, and the windows that bound it."""

    kind: str
    """``calls`` and ``heavy`` of a principal, ``tenant`` and ``tenant-heavy`` of a tenant, ``global``."""
    owner: str
    """The principal or tenant; empty for ``global``."""
    windows: tuple[Window, ...]

    @property
    def key(self) -> str:
        """Names what is counted, whatever its windows."""
        return f"{self.kind}:{self.owner}"

    def label(self, window: Window) -> str:
        """What people read: principals' own calls need no name."""
        return window.label if self.kind == "calls" else f"{self.kind.replace('-', ' ')} {window.label}"

    def divided(self, by: int) -> "Meter":
        """The share of one of ``by`` replicas, rounded down so that the shares never add up to more than the whole."""
        windows = tuple(Window(window.amount // by, window.seconds, window.label) for window in self.windows)
        return Meter(self.kind, self.owner, windows)


class LimitRules:
    """The operator's limits: for each principal, for each tenant, and for everybody together.

    ``heavy`` holds on top of ``calls``, for expensive operations. ``tenant`` is for every tenant to which ``tenants``
    gives no windows of its own. Empty text is no limit. Raises ValueError for text that says no windows.
    """

    def __init__(
        self,
        calls: str = "10/second;60/minute;1000/hour",
        heavy: str = "100/hour",
        *,
        tenant: str = "",
        everybody: str = "",
        tenants: TenantLimits | None = None,
    ) -> None:
        self.calls = _windows(calls)
        self._heavy = _windows(heavy)
        self._tenant = _windows(tenant)
        self._everybody = _windows(everybody)
        self._tenants = tenants or Tenants()
        self._known = lru_cache(maxsize=MAX_KNOWN)(self._meters)

    def meters(self, principal: str, tenant: str, *, heavy: bool) -> tuple[Meter, ...]:
        """All that one call counts for."""
        return self._known(principal, tenant, heavy)

    def _meters(self, principal: str, tenant: str, heavy: bool) -> tuple[Meter, ...]:
        own, own_heavy = self._tenants.windows(tenant)
        meters = [Meter("calls", principal, self.calls)]
        if heavy:
            meters.append(Meter("heavy", principal, self._heavy))
        meters.append(Meter("tenant", tenant, _windows(own) or self._tenant))
        if heavy:
            meters.append(Meter("tenant-heavy", tenant, _windows(own_heavy)))
        meters.append(Meter("global", "", self._everybody))
        return tuple(meter for meter in meters if meter.windows)

    def meter(self, key: str) -> Meter:
        """What a meter's ``key`` stands for, with its windows now."""
        kind, _, owner = key.partition(":")
        principal, tenant = ("", owner) if kind.startswith("tenant") else (owner, "")
        known = {meter.kind: meter for meter in self.meters(principal, tenant, heavy=True)}
        return known.get(kind, Meter(kind, owner, ()))

    @property
    def labels(self) -> tuple[str, ...]:
        """The limits that hold for everyone, as a person reads them."""
        meters = self.meters("", "", heavy=True)
        return tuple(meter.label(window) for meter in meters for window in meter.windows)


@lru_cache(maxsize=256)
def _windows(text: str) -> tuple[Window, ...]:
    return parse_limits(text) if text else ()


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
