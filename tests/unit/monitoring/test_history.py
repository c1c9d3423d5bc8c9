"""Windows, attribution and the memory bound of the history."""

import tracemalloc

import pytest

from mcp_dockerhub_monitoring.history import MAX_OPERATIONS, OTHER, WINDOWS, History


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_quantiles_and_counts_are_kept_per_operation() -> None:
    history = History(clock=Clock())
    for _ in range(90):
        history.record("docker_list_tags", "ok", 0.1)
    for _ in range(10):
        history.record("docker_list_tags", "UPSTREAM_TIMEOUT", 8.0)
    history.record("docker_get_sbom", "NOT_FOUND", 1.0)
    view = history.window("1m")
    tags = view.operations["docker_list_tags"]
    assert (tags.calls, tags.errors) == (100, 10)
    assert tags.error_ratio == pytest.approx(0.1)
    assert tags.p50 == pytest.approx(0.1, rel=0.05)
    assert tags.p95 == pytest.approx(8.0, rel=0.05)
    assert tags.p99 == pytest.approx(8.0, rel=0.05)
    assert tags.mean == pytest.approx(0.89)
    assert view.operations["docker_get_sbom"].errors == 0
    assert view.total.calls == 101


def test_an_empty_window_has_no_quantiles_and_no_ratios() -> None:
    history = History(clock=Clock())
    total = history.window("24h").total
    assert (total.p95, total.mean, total.cache_ratio) == (None, None, None)
    assert total.error_ratio == 0.0
    assert history.window("24h").rate == 0.0


def test_cache_lookups_and_refusals_belong_to_their_operation() -> None:
    history = History(clock=Clock())
    for hit in (True, True, True, False):
        history.cache("docker_list_tags", hit)
    history.refused("docker_list_tags")
    history.refused("")
    view = history.window("15m")
    assert view.operations["docker_list_tags"].cache_ratio == pytest.approx(0.75)
    assert view.operations["docker_list_tags"].refusals == 1
    assert view.total.refusals == 2
    assert "" not in view.operations


def test_calls_leave_each_window_when_it_has_passed() -> None:
    clock = Clock()
    history = History(clock=clock)
    history.record("a", "ok", 0.1)
    for name, shape in WINDOWS.items():
        assert history.window(name).total.calls == 1
        clock.now = 1_000_000.0 + shape.width * shape.slots
        assert history.window(name).total.calls == 0


def test_the_rate_counts_only_the_time_the_window_covers() -> None:
    clock = Clock()
    history = History(clock=clock)
    for _ in range(20):
        history.record("a", "ok", 0.1)
    clock.now += 10
    assert history.window("24h").seconds == pytest.approx(10)
    assert history.window("24h").rate == pytest.approx(2.0)


def test_stats_of_chosen_operations_leave_the_others_out() -> None:
    history = History(clock=Clock())
    history.record("light", "ok", 0.1)
    history.record("heavy", "ok", 100.0)
    stats = history.stats("1m", {"light"})
    assert stats.calls == 1
    assert stats.p95 == pytest.approx(0.1, rel=0.05)


def test_too_many_operations_share_one_place() -> None:
    history = History(clock=Clock())
    for number in range(200):
        history.record(f"tool_{number}", "ok", 0.1)
    operations = history.window("1m").operations
    assert len(operations) == MAX_OPERATIONS
    assert operations[OTHER].calls == 200 - (MAX_OPERATIONS - 1)


def test_a_day_of_hostile_traffic_stays_within_four_mebibytes() -> None:
    clock = Clock(0.0)
    tracemalloc.start()
    try:
        history = History(clock=clock)
        for step in range(0, 24 * 3600, 60):
            clock.now = float(step)
            for number in range(60):
                history.record(f"tool_{step}_{number}", "ok", 10.0 ** (number % 9 - 5))
        for step in range(0, 120, 5):
            clock.now = 24 * 3600.0 + step
            for number in range(MAX_OPERATIONS + 20):
                history.record(f"tool_0_{number}", "INTERNAL", 123.456)
                history.cache(f"tool_0_{number}", True)
        history.window("24h")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert history.window("24h").total.calls > 24 * 60 * 60 - 4000
    assert peak <= 4 * 1024 * 1024
