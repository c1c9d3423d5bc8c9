"""Statuses, reasons and since when; each injected fault is seen within one interval, and its end too."""

import asyncio
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mcp_dockerhub_monitoring.checks import (
    Level,
    Thresholds,
    error_check,
    event_loop_check,
    latency_check,
    memory_check,
    process_check,
    quota_check,
    state_check,
    upstream_check,
)
from mcp_dockerhub_monitoring.health import Check, Finding, Health, HealthMonitor, Status
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_monitoring.process import ProcessSample

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
GIB = 1 << 30


class World:
    """Everything the checks look at, to be broken by a test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.history = History(clock=self.clock)
        self.thresholds = Thresholds()
        self.resident, self.usage, self.limit = 100_000_000, GIB, 4 * GIB
        self.lag: float | None = 0.001
        self.circuits: dict[str, str] = {"registry-1.docker.io": "closed"}
        self.quota: tuple[int, int] | None = (100, 80)
        self.audit: str | None = None
        self.redis: str | None = None
        self.configuration: str | None = None
        self.monitor = HealthMonitor(
            self.checks(),
            readiness=("configuration", "audit", "redis"),
            interval=5.0,
            clock=self.clock,
            now=lambda: NOON + timedelta(seconds=self.now - 1000),
        )

    def clock(self) -> float:
        return self.now

    def sample(self) -> ProcessSample:
        return ProcessSample(self.resident, 1.0, 3, 10, 1024, 0.0, self.usage, self.limit, "cgroup")

    def checks(self) -> dict[str, Check]:
        limits = self.thresholds
        return {
            "latency": latency_check(self.history, {"light"}, limits),
            "errors": error_check(self.history, limits),
            "memory": memory_check(self.sample, limits),
            "process": process_check(self.sample, limits),
            "event_loop": event_loop_check(lambda: self.lag, limits),
            "upstreams": upstream_check(lambda: self.circuits, limits),
            "quota": quota_check(lambda: self.quota, limits),
            "configuration": state_check(lambda: self.configuration),
            "audit": state_check(lambda: self.audit),
            "redis": state_check(lambda: self.redis),
        }

    def after(self, seconds: float) -> Health:
        self.now += seconds
        return self.monitor.health()

    def calls(self, count: int, seconds: float, outcome: str = "ok", operation: str = "light") -> None:
        for _ in range(count):
            self.history.record(operation, outcome, seconds)


def slow(seconds: float) -> Callable[[World], None]:
    return lambda world: world.calls(20, seconds)


def failing(count: int) -> Callable[[World], None]:
    def fault(world: World) -> None:
        world.calls(count, 0.1, "UPSTREAM_UNAVAILABLE", "heavy")
        world.calls(20 - count, 0.1, operation="heavy")

    return fault


def setting(name: str, value: object) -> Callable[[World], None]:
    return lambda world: setattr(world, name, value)


OPEN = {f"host-{n}.example": "open" for n in range(5)}
FAULTS = [
    ("latency", Status.DEGRADED, slow(6.0), "p95 of 20 calls"),
    ("latency", Status.UNHEALTHY, slow(20.0), "unhealthy over 15 s"),
    ("errors", Status.DEGRADED, failing(4), "4 of 20 calls"),
    ("errors", Status.UNHEALTHY, failing(15), "15 of 20 calls"),
    ("memory", Status.DEGRADED, setting("usage", int(3.7 * GIB)), "of the cgroup's"),
    ("memory", Status.UNHEALTHY, setting("usage", int(3.95 * GIB)), "99%"),
    ("process", Status.DEGRADED, setting("resident", 600_000_000), "600 MB"),
    ("event_loop", Status.DEGRADED, setting("lag", 0.5), "0.500 s late"),
    ("event_loop", Status.UNHEALTHY, setting("lag", 4.0), "4.000 s late"),
    ("upstreams", Status.DEGRADED, setting("circuits", {"ghcr.io": "open", "x": "closed"}), "ghcr.io"),
    ("upstreams", Status.DEGRADED, setting("circuits", {"ghcr.io": "half_open"}), "1 of 1 hosts"),
    ("upstreams", Status.UNHEALTHY, setting("circuits", OPEN), "5 of 5 hosts"),
    ("quota", Status.DEGRADED, setting("quota", (100, 10)), "10 of 100 pulls"),
    ("audit", Status.UNHEALTHY, setting("audit", "the disk is full"), "the disk is full"),
    ("redis", Status.UNHEALTHY, setting("redis", "no connection"), "no connection"),
    ("configuration", Status.UNHEALTHY, setting("configuration", "no issuer"), "no issuer"),
]


def test_a_server_without_faults_is_healthy_and_ready() -> None:
    health = World().monitor.health()
    assert health.status is Status.HEALTHY
    assert health.ready
    assert health.reasons == ()
    assert {component.status for component in health.components} == {Status.HEALTHY}


@pytest.mark.parametrize(("name", "status", "fault", "reason"), FAULTS)
def test_a_fault_is_seen_within_one_interval(
    name: str, status: Status, fault: Callable[[World], None], reason: str
) -> None:
    world = World()
    assert world.monitor.health().status is Status.HEALTHY
    fault(world)
    health = world.after(5)
    assert health.status is status
    assert health.since == NOON + timedelta(seconds=5)
    broken = {component.name: component for component in health.components if component.status is not Status.HEALTHY}
    assert list(broken) == [name]
    assert broken[name].status is status
    assert broken[name].since == NOON + timedelta(seconds=5)
    assert reason in broken[name].reason
    assert health.reasons == (f"{name}: {broken[name].reason}",)


@pytest.mark.parametrize(("name", "status", "fault", "reason"), FAULTS[:4])
def test_faults_of_traffic_end_with_their_window(
    name: str, status: Status, fault: Callable[[World], None], reason: str
) -> None:
    world = World()
    fault(world)
    assert world.after(5).status is status
    assert world.after(60).status is Status.HEALTHY


def test_only_the_servers_own_parts_decide_about_readiness() -> None:
    world = World()
    world.circuits, world.lag = OPEN, 10.0
    assert world.monitor.health().status is Status.UNHEALTHY
    assert world.monitor.health().ready
    world.audit = "the disk is full"
    assert not world.after(5).ready


def test_readiness_of_a_part_nobody_checks_is_a_defect() -> None:
    with pytest.raises(ValueError, match="audit"):
        HealthMonitor({}, readiness=("audit",))


def test_since_stays_while_the_status_does_and_moves_when_it_changes() -> None:
    world = World()
    world.monitor.health()
    world.lag = 0.5
    assert world.after(5).since == NOON + timedelta(seconds=5)
    world.lag = 0.6
    health = world.after(5)
    assert health.since == NOON + timedelta(seconds=5)
    assert "0.600 s late" in health.reasons[0]
    world.lag = 5.0
    assert world.after(5).since == NOON + timedelta(seconds=15)
    world.lag = 0.001
    healthy = world.after(5)
    assert healthy.status is Status.HEALTHY
    assert healthy.since == NOON + timedelta(seconds=20)


def test_between_evaluations_the_last_result_holds() -> None:
    world = World()
    world.monitor.health()
    world.lag = 5.0
    assert world.after(4.9).status is Status.HEALTHY
    assert world.after(0.1).status is Status.UNHEALTHY


def test_a_check_that_breaks_degrades_its_part_only() -> None:
    def broken() -> Finding:
        raise OSError("secret path")

    health = HealthMonitor({"audit": broken, "redis": state_check(lambda: None)}).health()
    assert health.status is Status.DEGRADED
    assert health.reasons == ("audit: its state cannot be read (OSError)",)


def test_health_without_checks_is_healthy() -> None:
    assert HealthMonitor({}).health().status is Status.HEALTHY


def test_the_statuses_are_shown_at_each_scrape() -> None:
    world, metrics = World(), Metrics()
    world.monitor.expose(metrics)
    world.audit = "the disk is full"
    text = metrics.render().decode()
    assert 'mcp_dockerhub_health_status{component="overall"} 2.0' in text
    assert 'mcp_dockerhub_health_status{component="audit"} 2.0' in text
    assert 'mcp_dockerhub_health_status{component="latency"} 0.0' in text


async def test_the_monitor_evaluates_by_itself_once_per_interval() -> None:
    evaluated = asyncio.Queue[None]()

    def check() -> Finding:
        evaluated.put_nowait(None)
        return Finding(Status.HEALTHY, "works")

    task = asyncio.create_task(HealthMonitor({"x": check}, interval=0.001).run())
    async with asyncio.timeout(5):
        for _ in range(3):
            await evaluated.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_level_worsens_at_once_and_recovers_below_the_margin() -> None:
    level = Level(5.0, 15.0)
    assert level.judge(5.0) is Status.HEALTHY
    assert level.judge(5.1) is Status.DEGRADED
    assert level.judge(4.6) is Status.DEGRADED
    assert level.judge(4.4) is Status.HEALTHY
    assert level.judge(4.6) is Status.HEALTHY
    assert level.judge(16) is Status.UNHEALTHY
    assert level.judge(14) is Status.UNHEALTHY
    assert level.judge(13) is Status.DEGRADED
    assert level.judge(None) is Status.HEALTHY


def test_too_few_calls_are_not_judged() -> None:
    world = World()
    world.calls(4, 30.0, "INTERNAL")
    health = world.monitor.health()
    assert health.status is Status.HEALTHY
    latency = next(component for component in health.components if component.name == "latency")
    assert "too few to judge" in latency.reason


def test_heavy_tools_do_not_count_as_slow() -> None:
    world = World()
    world.calls(20, 50.0, operation="heavy")
    assert world.monitor.health().status is Status.HEALTHY


def test_mistakes_of_callers_are_no_errors_of_the_server() -> None:
    world = World()
    for outcome in ("NOT_FOUND", "INVALID_INPUT", "POLICY_DENIED", "RATE_LIMITED", "cancelled"):
        world.calls(20, 0.1, outcome)
    assert world.monitor.health().status is Status.HEALTHY


def test_a_small_limit_lowers_what_the_process_may_hold() -> None:
    world = World()
    world.limit, world.usage, world.resident = 200_000_000, 1, 180_000_000
    assert [
        component.name for component in world.monitor.health().components if component.status is Status.DEGRADED
    ] == ["process"]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("lag", None, "not measured yet"), ("quota", None, "told no quota"), ("circuits", {}, "no open circuit")],
)
def test_what_is_not_known_yet_is_healthy(name: str, value: object, reason: str) -> None:
    world = World()
    setattr(world, name, value)
    health = world.monitor.health()
    assert health.status is Status.HEALTHY
    assert any(reason in component.reason for component in health.components)


def test_many_failing_hosts_are_not_all_named() -> None:
    world = World()
    world.circuits = {f"host-{n}.example": "open" for n in range(40)}
    reason = world.monitor.health().reasons[0]
    assert reason.endswith("and others")
    assert len(reason) < 200


def test_open_circuits_below_the_operators_threshold_are_healthy() -> None:
    check = upstream_check(lambda: {"a": "open"}, Thresholds(open_circuits_degraded=2))
    assert check().status is Status.HEALTHY


def test_an_operator_changes_single_thresholds() -> None:
    changed = Thresholds.of({"latency_degraded": 3, "process_memory_bytes": 8e8})
    assert changed == Thresholds(latency_degraded=3, process_memory_bytes=800_000_000)
    assert isinstance(changed.process_memory_bytes, int)
    assert Thresholds.of({}) == Thresholds()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"latency": 3}, "no such threshold; known are latency_degraded,"),
        ({"latency_degraded": 0}, "above 0"),
        ({"latency_degraded": float("inf")}, "above 0"),
        ({"latency_degraded": float("nan")}, "above 0"),
        ({"latency_degraded": 20}, "latency_unhealthy is less than latency_degraded"),
    ],
)
def test_thresholds_that_mean_nothing_are_refused(changed: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Thresholds.of(changed)


def test_the_runbook_names_every_threshold_with_its_default() -> None:
    table = (Path(__file__).parents[3] / "docs" / "runbook.md").read_text(encoding="utf-8")
    for field in fields(Thresholds):
        assert f"| `{field.name}` | {field.default:,} |".replace(",", " ") in table.replace(",", " ")
