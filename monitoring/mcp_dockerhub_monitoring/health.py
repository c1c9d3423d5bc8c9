"""Whether the server does its job, part by part, and since when."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from . import definitions as d
from .metrics import Metrics

OVERALL: Final = "overall"


class Status(StrEnum):
    """From best to worst."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"

    @property
    def severity(self) -> int:
        """0 healthy, 1 degraded, 2 unhealthy."""
        return _SEVERITY[self]


_SEVERITY: Final = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2}


def worst(statuses: Collection[Status]) -> Status:
    """The worst of some statuses, healthy where there are none."""
    return max(statuses, key=lambda status: status.severity, default=Status.HEALTHY)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw just now."""

    status: Status
    reason: str
    """A sentence with the number and the threshold; for a healthy part what was looked at."""


Check = Callable[[], Finding]


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """One part and since when it has been in its status."""

    name: str
    status: Status
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """All parts at one moment."""

    status: Status
    """The worst of the parts."""
    since: datetime
    components: tuple[ComponentHealth, ...]
    ready: bool
    """No part that readiness depends on is unhealthy."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not healthy, by part."""
        return tuple(f"{c.name}: {c.reason}" for c in self.components if c.status is not Status.HEALTHY)


class HealthMonitor:
    """Runs the checks and keeps since when each part has been as it is.

    ``readiness`` names the parts whose failure means that this replica must get no traffic: its own
    (configuration, audit, Redis where required), never an upstream, whose outage would take all replicas out.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        readiness: Collection[str] = (),
        interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``interval``: seconds between evaluations; in between, the last result is given."""
        unknown = set(readiness) - set(checks)
        if unknown:
            raise ValueError(f"readiness depends on parts without a check: {sorted(unknown)}")
        self._checks = dict(checks)
        self._readiness = frozenset(readiness)
        self._interval = interval
        self._clock = clock
        self._now = now
        self._known: dict[str, ComponentHealth] = {}
        self._overall: Health | None = None
        self._evaluated = 0.0

    def add(self, name: str, check: Check) -> None:
        """Watch one more part, which only some transports have; readiness does not depend on it."""
        self._checks[name] = check

    def health(self) -> Health:
        """How the server is, at most one interval old."""
        if self._overall is None or self._clock() - self._evaluated >= self._interval:
            return self.evaluate()
        return self._overall

    def evaluate(self) -> Health:
        """Run every check now."""
        moment = self._now()
        self._evaluated = self._clock()
        for name, check in self._checks.items():
            self._known[name] = self._judged(name, check, moment)
        components = tuple(self._known.values())
        status = worst([component.status for component in components])
        before = self._overall
        self._overall = Health(
            status=status,
            since=before.since if before is not None and before.status is status else moment,
            components=components,
            ready=all(c.status is not Status.UNHEALTHY for c in components if c.name in self._readiness),
        )
        return self._overall

    async def run(self) -> None:
        """Evaluate once per interval until cancelled, so that ``since`` is right to one interval."""
        while True:
            self.evaluate()
            await asyncio.sleep(self._interval)

    def expose(self, metrics: Metrics) -> None:
        """Show the statuses at each scrape."""

        def refresh() -> None:
            health = self.health()
            metrics.gauge(d.HEALTH, health.status.severity, OVERALL)
            for component in health.components:
                metrics.gauge(d.HEALTH, component.status.severity, component.name)

        metrics.before_scrape("health", refresh)

    def _judged(self, name: str, check: Check, moment: datetime) -> ComponentHealth:
        try:
            finding = check()
        except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
            finding = Finding(Status.DEGRADED, f"its state cannot be read ({type(error).__name__})")
        before = self._known.get(name)
        since = before.since if before is not None and before.status is finding.status else moment
        return ComponentHealth(name, finding.status, finding.reason, since)
