"""The sketch keeps its promises for any durations: error bound, mergeability, constant size."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_monitoring.sketch import LONGEST, RELATIVE_ERROR, SHORTEST, SIZE, Sketch, bucket, representative

durations = st.floats(SHORTEST, LONGEST)
many = st.lists(durations, min_size=1, max_size=80)
quantiles = st.floats(0, 1)


@given(many, quantiles)
def test_every_quantile_is_within_the_stated_relative_error(values: list[float], q: float) -> None:
    exact = sorted(values)[int(q * (len(values) - 1))]
    found = Sketch(values).quantile(q)
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR * (1 + 1e-9)


@given(many, many)
def test_merging_equals_having_seen_both(left: list[float], right: list[float]) -> None:
    merged = Sketch(left)
    merged.merge(Sketch(right))
    assert merged.counts == Sketch(left + right).counts


@given(many, many, many)
def test_merging_is_associative_and_commutative(a: list[float], b: list[float], c: list[float]) -> None:
    left = Sketch(a)
    left.merge(Sketch(b))
    left.merge(Sketch(c))
    inner = Sketch(c)
    inner.merge(Sketch(b))
    inner.merge(Sketch(a))
    assert left.counts == inner.counts


@given(st.floats(min_value=-1e9, max_value=1e12, allow_nan=False))
def test_any_duration_has_a_bucket(seconds: float) -> None:
    assert 0 <= bucket(seconds) < SIZE


@given(durations, durations)
def test_buckets_keep_the_order_of_durations(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert bucket(low) <= bucket(high)


@given(many)
def test_size_does_not_depend_on_what_was_seen(values: list[float]) -> None:
    assert sys.getsizeof(Sketch(values * 5).counts) == sys.getsizeof(Sketch([1.0]).counts)


@pytest.mark.parametrize("seconds", [0.0, -1.0, SHORTEST, SHORTEST / 2])
def test_what_is_faster_than_measurable_counts_as_the_shortest(seconds: float) -> None:
    found = Sketch([seconds]).quantile(0.5)
    assert found == representative(0)
    assert found == pytest.approx(SHORTEST, rel=2 * RELATIVE_ERROR)


def test_what_is_slower_than_measurable_counts_as_the_longest() -> None:
    found = Sketch([LONGEST * 100]).quantile(0.5)
    assert found == pytest.approx(LONGEST, rel=2 * RELATIVE_ERROR)


def test_an_empty_sketch_has_no_quantiles() -> None:
    assert Sketch().quantile(0.5) is None
    assert len(Sketch()) == 0
