"""Trends and anomalies: found where they are, silent where they are not, explained."""

import pytest

from mcp_dockerhub_monitoring.analysis import anomalies, trends
from mcp_dockerhub_monitoring.history import WINDOWS, History


class Traffic:
    """A history whose minutes are written one after the other."""

    def __init__(self) -> None:
        self.now = 6_000.0
        self.history = History(clock=lambda: self.now)

    def minute(self, calls: int, seconds: float, errors: int = 0, operation: str = "docker_list_tags") -> None:
        for number in range(calls):
            self.history.record(operation, "INTERNAL" if number < errors else "ok", seconds)
        self.now += 60


def test_steady_traffic_has_no_anomalies_and_a_steady_trend() -> None:
    traffic = Traffic()
    for number in range(14):
        traffic.minute(20 + number % 3, 0.2)
    assert anomalies(traffic.history, "15m") == ()
    assert {trend.direction for trend in trends(traffic.history, "15m")} == {"steady"}


@pytest.mark.parametrize("start", [6_001.0, 6_030.0, 6_059.0, 7_199.0])
def test_the_slot_a_server_started_in_is_no_lull(start: float) -> None:
    now = start
    history = History(clock=lambda: now)
    for _ in range(14 * 60 * 4):
        now += 0.25
        history.record("docker_list_tags", "ok", 0.1)
    for window in WINDOWS:
        assert anomalies(history, window) == ()


def test_a_slow_minute_is_found_and_explained() -> None:
    traffic = Traffic()
    for number in range(12):
        traffic.minute(20, 4.0 if number == 9 else 0.2)
    found = anomalies(traffic.history, "15m")
    assert {(anomaly.operation, anomaly.measure) for anomaly in found} == {
        ("", "p95"),
        ("docker_list_tags", "p95"),
    }
    slow = next(anomaly for anomaly in found if anomaly.operation)
    assert slow.seconds_ago == 120
    assert slow.score > 3.5
    for part in ("docker_list_tags", "p95 was 3.86 s", "120 s ago", "median of 12", "limit 3.5"):
        assert part in slow.explanation


def test_failures_and_bursts_and_silence_are_found() -> None:
    traffic = Traffic()
    for number in range(13):
        calls = {5: 400, 9: 0}.get(number, 40)
        traffic.minute(calls, 0.2, errors=30 if number == 11 else 0)
    found = {(anomaly.operation, anomaly.measure, anomaly.seconds_ago) for anomaly in anomalies(traffic.history, "15m")}
    assert ("", "calls", 420) in found
    assert ("", "calls", 180) in found
    assert ("docker_list_tags", "error ratio", 60) in found


def test_getting_faster_is_no_anomaly() -> None:
    traffic = Traffic()
    for number in range(12):
        traffic.minute(20, 0.001 if number == 9 else 3.0)
    assert anomalies(traffic.history, "15m") == ()


def test_few_calls_say_nothing_about_latency() -> None:
    traffic = Traffic()
    for number in range(12):
        traffic.minute(2, 9.0 if number == 9 else 0.2)
    assert anomalies(traffic.history, "15m") == ()


def test_the_worst_comes_first() -> None:
    traffic = Traffic()
    for number in range(12):
        traffic.minute(20, {8: 4.0, 9: 20.0}.get(number, 0.2))
    scores = [anomaly.score for anomaly in anomalies(traffic.history, "15m")]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 4


def test_trends_tell_rising_from_falling() -> None:
    traffic = Traffic()
    for number in range(12):
        traffic.minute(10 if number < 6 else 60, 2.0 if number < 6 else 0.2)
    found = {trend.measure: trend for trend in trends(traffic.history, "15m")}
    assert found["calls"].direction == "rising"
    assert found["p95"].direction == "falling"
    assert found["error ratio"].direction == "steady"
    assert "median 1.91 s in the older half" in found["p95"].explanation


def test_a_young_server_has_no_trend_yet() -> None:
    traffic = Traffic()
    traffic.minute(20, 0.1)
    assert {trend.direction for trend in trends(traffic.history, "1h")} == {"unknown"}
