"""The checks of the parts, each a function of injected state and of thresholds an operator can change."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from .health import Check, Finding, Status
from .history import History
from .process import ProcessSample

RECOVERY: Final = 0.9
"""A value must fall below this share of a threshold before its part recovers: no flapping at the edge."""

StateSource = Callable[[], str | None]
"""What is wrong with a part, as a sentence without secrets; None while it works."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A part worsens as soon as a value exceeds its threshold. Times in seconds, ratios from 0 to 1."""

    latency_degraded: float = 5.0
    latency_unhealthy: float = 15.0
    """p95 of light tools over the last minute."""
    latency_min_calls: int = 5
    error_ratio_degraded: float = 0.10
    error_ratio_unhealthy: float = 0.50
    """Calls that failed by our or an upstream's fault, over the last minute."""
    error_min_calls: int = 10
    memory_ratio_degraded: float = 0.90
    memory_ratio_unhealthy: float = 0.97
    """Of the control group's limit, of the system's memory where there is none."""
    process_memory_bytes: int = 500_000_000
    process_memory_ratio: float = 0.85
    """Of the same limit; whichever of the two is smaller degrades."""
    loop_lag_degraded: float = 0.25
    loop_lag_unhealthy: float = 2.0
    """Longest lag of the event loop over the last minute."""
    open_circuits_degraded: int = 1
    open_circuits_unhealthy: int = 5
    """Hosts given up on for now."""
    quota_ratio_degraded: float = 0.10
    """Share of the pull quota that is left."""

    @classmethod
    def of(cls, changed: Mapping[str, float]) -> Self:
        """The defaults with some of them ``changed``.

        Raises ValueError for a name that is none, for what is not a number above 0, and where a part would be
        unhealthy before it is degraded.
        """
        known = [field.name for field in fields(cls)]
        if set(changed) - set(known):
            raise ValueError(f"no such threshold; known are {', '.join(known)}")
        if not all(0 < value < float("inf") for value in changed.values()):
            raise ValueError("a threshold is a number above 0")
        whole = {field.name for field in fields(cls) if isinstance(field.default, int)}
        values: dict[str, Any] = {name: int(value) if name in whole else value for name, value in changed.items()}
        made = cls(**values)
        for name in known:
            worse = name.replace("degraded", "unhealthy")
            if worse in known and getattr(made, worse) < getattr(made, name):
                raise ValueError(f"{worse} is less than {name}")
        return made


class Level:
    """Compares a value with two thresholds; worsens at once, recovers only below the margin."""

    def __init__(self, degraded: float, unhealthy: float | None = None) -> None:
        self._limits = ((Status.UNHEALTHY, unhealthy), (Status.DEGRADED, degraded))
        self._status = Status.HEALTHY

    def judge(self, value: float | None) -> Status:
        """The status for ``value``; None (nothing measured) is healthy."""
        self._status = Status.HEALTHY if value is None else self._at(value)
        return self._status

    def _at(self, value: float) -> Status:
        for status, limit in self._limits:
            if limit is None:
                continue
            sticks = self._status.severity >= status.severity
            if value > (limit * RECOVERY if sticks else limit):
                return status
        return Status.HEALTHY


def latency_check(history: History, light_tools: Container[str], thresholds: Thresholds) -> Check:
    """p95 of the tools that should answer quickly."""
    level = Level(thresholds.latency_degraded, thresholds.latency_unhealthy)

    def check() -> Finding:
        stats = history.stats("1m", light_tools)
        enough = stats.calls >= thresholds.latency_min_calls
        status = level.judge(stats.p95 if enough else None)
        if not enough or stats.p95 is None:
            return Finding(status, f"{stats.calls} calls of light tools in the last minute, too few to judge")
        return Finding(
            status,
            f"p95 of {stats.calls} calls of light tools in the last minute is {stats.p95:.2f} s "
            f"(degraded over {thresholds.latency_degraded:g} s, unhealthy over {thresholds.latency_unhealthy:g} s)",
        )

    return check


def error_check(history: History, thresholds: Thresholds) -> Check:
    """Share of calls that failed by our or an upstream's fault."""
    level = Level(thresholds.error_ratio_degraded, thresholds.error_ratio_unhealthy)

    def check() -> Finding:
        stats = history.window("1m").total
        enough = stats.calls >= thresholds.error_min_calls
        status = level.judge(stats.error_ratio if enough else None)
        return Finding(
            status,
            f"{stats.errors} of {stats.calls} calls in the last minute failed "
            f"(degraded over {thresholds.error_ratio_degraded:.0%}, unhealthy over "
            f"{thresholds.error_ratio_unhealthy:.0%}, from {thresholds.error_min_calls} calls)",
        )

    return check


def memory_check(sample: Callable[[], ProcessSample], thresholds: Thresholds) -> Check:
    """Memory of the control group, or of the system where there is no limit."""
    level = Level(thresholds.memory_ratio_degraded, thresholds.memory_ratio_unhealthy)

    def check() -> Finding:
        now = sample()
        return Finding(
            level.judge(now.memory_ratio),
            f"{now.memory_ratio:.0%} of the {now.memory_scope}'s {_mb(now.memory_limit_bytes)} are in use "
            f"(degraded over {thresholds.memory_ratio_degraded:.0%}, unhealthy over "
            f"{thresholds.memory_ratio_unhealthy:.0%})",
        )

    return check


def process_check(sample: Callable[[], ProcessSample], thresholds: Thresholds) -> Check:
    """Resident memory of this process."""
    level = Level(1.0)

    def check() -> Finding:
        now = sample()
        most = min(thresholds.process_memory_bytes, thresholds.process_memory_ratio * now.memory_limit_bytes)
        return Finding(
            level.judge(now.resident_bytes / most),
            f"the process holds {_mb(now.resident_bytes)} (degraded over {_mb(most)})",
        )

    return check


def event_loop_check(worst_lag: Callable[[], float | None], thresholds: Thresholds) -> Check:
    """Whether something blocks the event loop."""
    level = Level(thresholds.loop_lag_degraded, thresholds.loop_lag_unhealthy)

    def check() -> Finding:
        lag = worst_lag()
        status = level.judge(lag)
        if lag is None:
            return Finding(status, "not measured yet")
        return Finding(
            status,
            f"the event loop was at most {lag:.3f} s late in the last minute "
            f"(degraded over {thresholds.loop_lag_degraded:g} s, unhealthy over "
            f"{thresholds.loop_lag_unhealthy:g} s)",
        )

    return check


def upstream_check(circuits: Callable[[], Mapping[str, str]], thresholds: Thresholds) -> Check:
    """Hosts whose circuit is open, or half open and not proven yet. ``circuits`` maps host to state."""

    def check() -> Finding:
        states = circuits()
        failing = sorted(host for host, state in states.items() if state != "closed")
        if not failing:
            return Finding(Status.HEALTHY, f"no open circuit among {len(states)} hosts")
        status = Status.HEALTHY
        if len(failing) >= thresholds.open_circuits_unhealthy:
            status = Status.UNHEALTHY
        elif len(failing) >= thresholds.open_circuits_degraded:
            status = Status.DEGRADED
        shown = ", ".join(failing[:5]) + (" and others" if len(failing) > 5 else "")
        return Finding(status, f"{len(failing)} of {len(states)} hosts do not answer: {shown}")

    return check


def quota_check(quota: Callable[[], tuple[int, int] | None], thresholds: Thresholds) -> Check:
    """The pull quota; ``quota`` gives limit and remaining, None where the registry told none."""

    def check() -> Finding:
        known = quota()
        if known is None:
            return Finding(Status.HEALTHY, "the registry told no quota")
        limit, remaining = known
        scarce = limit > 0 and remaining <= thresholds.quota_ratio_degraded * limit
        return Finding(
            Status.DEGRADED if scarce else Status.HEALTHY,
            f"{remaining} of {limit} pulls are left (degraded at {thresholds.quota_ratio_degraded:.0%})",
        )

    return check


def state_check(source: StateSource, *, failing: Status = Status.UNHEALTHY) -> Check:
    """A part that works or does not: configuration, audit, Redis."""

    def check() -> Finding:
        problem = source()
        return Finding(Status.HEALTHY, "works") if problem is None else Finding(failing, problem)

    return check


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
