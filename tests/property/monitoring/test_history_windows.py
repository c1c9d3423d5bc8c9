"""Whatever happens when, a window holds exactly the calls of its slots."""

import statistics
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_dockerhub_monitoring.analysis import median
from mcp_dockerhub_monitoring.history import MAX_OPERATIONS, WINDOWS, History

steps = st.lists(
    st.tuples(st.floats(0, 5000), st.sampled_from(["a", "b", "c"]), st.sampled_from(["ok", "INTERNAL", "cancelled"])),
    max_size=60,
)


@settings(max_examples=60)
@given(st.floats(0, 1e6), steps)
def test_a_window_holds_the_calls_of_its_slots_and_no_others(start: float, calls: list[tuple[float, str, str]]) -> None:
    now = start
    history = History(clock=lambda: now)
    log: list[tuple[float, str, str]] = []
    for wait, operation, outcome in calls:
        now += wait
        history.record(operation, outcome, 0.1)
        log.append((now, operation, outcome))
    for name, shape in WINDOWS.items():
        oldest = int(now // shape.width) - shape.slots + 1
        inside = [(op, outcome) for at, op, outcome in log if int(at // shape.width) >= oldest]
        view = history.window(name)
        assert view.total.calls == len(inside)
        assert view.total.errors == sum(outcome == "INTERNAL" for _, outcome in inside)
        assert view.total.cancelled == sum(outcome == "cancelled" for _, outcome in inside)
        assert {op: stats.calls for op, stats in view.operations.items()} == {
            op: sum(found == op for found, _ in inside) for op in {op for op, _ in inside}
        }
        assert 0 <= view.seconds <= shape.width * shape.slots
        assert view.seconds <= now - start


@given(st.lists(st.text(max_size=30), max_size=200))
def test_operations_are_bounded_whatever_their_names(names: list[str]) -> None:
    history = History(clock=lambda: 100.0)
    for name in names:
        history.record(name, "ok", 0.1)
    view = history.window("24h")
    assert len(view.operations) <= MAX_OPERATIONS
    assert view.total.calls == len(names)


@given(st.floats(0, 1e5), st.floats(0, 90000))
def test_closed_slots_are_consecutive_and_never_from_before_the_start(start: float, runtime: float) -> None:
    now = start
    history = History(clock=lambda: now)
    now = start + runtime
    for name, shape in WINDOWS.items():
        slots = history.closed_slots(name)
        ages = [slot.age for slot in slots]
        assert len(ages) <= shape.slots - 1
        assert ages == sorted(ages, reverse=True)
        assert all(age >= 0 for age in ages)
        assert all(abs(a - b - shape.width) < 1e-3 for a, b in pairwise(ages))
        assert all(age <= runtime + 1e-3 for age in ages)
        assert all(slot.whole for slot in slots[1:])
        assert all(slot.age + shape.width <= runtime + 1e-3 for slot in slots if slot.whole)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_the_median_is_the_librarys(values: list[float]) -> None:
    assert median(values) == statistics.median(values)
