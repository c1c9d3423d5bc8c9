"""Sizes, times and tables as people read them."""

from datetime import datetime, timedelta, timezone

import pytest

from mcp_dockerhub import render


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (29_543_210, "29.5 MB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (123_456_789_000, "123 GB"),
        (5 * 10**18, "5,000.0 PB"),
    ],
)
def test_sizes_have_three_significant_digits(count: int | None, text: str) -> None:
    assert render.size(count) == text


def test_times_are_in_utc_whatever_their_zone() -> None:
    moment = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert render.time(moment) == "2026-02-28 22:30 UTC"
    assert render.day(moment) == "2026-02-28"
    assert render.time(None) == render.day(None) == "?"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=12, hours=5), "12 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=-5), "5 hours"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(seconds=1), "1 second"),
    ],
)
def test_a_span_is_told_in_its_largest_unit(duration: timedelta, text: str) -> None:
    assert render.span(duration) == text


def test_digests_are_shortened_but_names_of_algorithms_stay() -> None:
    assert render.short("sha256:" + "ab" * 32) == "sha256:abababababab"
    assert render.short("0123456789abcdef") == "0123456789ab"


def test_long_text_is_clipped_to_one_line() -> None:
    assert render.clip("a\n b\t c") == "a b c"
    assert render.clip("word " * 10, 12) == "word word w…"
    assert len(render.clip("x" * 500)) == render.DEFAULT_WIDTH


def test_a_table_is_aligned_and_has_no_trailing_space() -> None:
    lines = render.table(("name", "size"), [("a", "5 B"), ("longer", "12 kB")], "<>")
    assert lines == ["  name     size", "  a         5 B", "  longer  12 kB"]
    assert render.table(("name", "note"), [("a", "")]) == ["  name  note", "  a"]
    assert render.table(("name",), []) == []


def test_fields_without_a_value_are_left_out() -> None:
    assert render.fields([("a", "1"), ("long", ""), ("bc", "2")]) == ["a   1", "bc  2"]
    assert render.fields([]) == []


def test_what_is_cut_is_counted() -> None:
    assert render.head(["a", "b"], 2) == ["a", "b"]
    assert render.head(["a", "b", "c"], 2, "row") == ["a", "b", "  … 1 more row"]
    assert render.head(list("abcd"), 1, "row")[-1] == "  … 3 more rows"


def test_counts_have_thousands_separated() -> None:
    assert render.number(1_234_567) == "1,234,567"
    assert render.number(None) == "?"
    assert render.counted(1, "layer") == "1 layer"
    assert render.counted(1200, "layer") == "1,200 layers"
