"""Families never outgrow their definition."""

import pytest

from mcp_dockerhub_monitoring.definitions import Definition
from mcp_dockerhub_monitoring.store import INVALID, OVERFLOW, Histogram, Numbers

COUNTER = Definition("x_total", "counter", ("rule",), "", "Help.", 4)
HISTOGRAM = Definition("x_seconds", "histogram", ("kind",), "seconds", "Help.", 2, (0.1, 1.0))


def test_what_comes_after_a_family_is_full_is_counted_together() -> None:
    numbers = Numbers(COUNTER)
    for number in range(10):
        numbers.add((f"rule-{number}",))
    assert len(numbers) == COUNTER.max_series
    assert numbers.get((OVERFLOW,)) == 7
    assert sum(value for _, value in numbers.items()) == 10


def test_a_known_label_set_is_counted_although_the_family_is_full() -> None:
    numbers = Numbers(COUNTER)
    for number in range(10):
        numbers.add((f"rule-{number}",))
    numbers.add(("rule-1",), 5)
    assert numbers.get(("rule-1",)) == 6


@pytest.mark.parametrize("value", ["a\nb", 'a"b', "x" * 65, "\N{SNOWMAN}", "a\\b", "{a}"])
def test_values_that_are_long_or_not_plain_share_one_label(value: str) -> None:
    numbers = Numbers(COUNTER)
    numbers.add((value,))
    numbers.add((value,))
    assert numbers.items() == [((INVALID,), 2.0)]


def test_a_wrong_number_of_labels_is_a_defect() -> None:
    with pytest.raises(ValueError, match="takes the labels"):
        Numbers(COUNTER).add(("a", "b"))


def test_a_gauge_is_set_to_the_last_value() -> None:
    gauge = Numbers(Definition("x", "gauge", (), "", "Help."))
    gauge.set(3)
    gauge.set(5)
    assert gauge.get() == 5
    gauge.add(amount=-1)
    assert gauge.items() == [((), 4.0)]


def test_buckets_are_cumulative_and_inclusive() -> None:
    histogram = Histogram(HISTOGRAM)
    for value in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(value, ("a",))
    ((labels, counts, total),) = histogram.items()
    assert (labels, counts) == (("a",), [2, 3, 4])
    assert total == pytest.approx(3.65)


def test_histograms_overflow_too() -> None:
    histogram = Histogram(HISTOGRAM)
    for kind in "abcd":
        histogram.observe(0.05, (kind,))
    assert {labels: counts[-1] for labels, counts, _ in histogram.items()} == {("a",): 1, (OVERFLOW,): 3}
