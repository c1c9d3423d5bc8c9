"""Single fields of Hub answers: what counts as said."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.hub import fields as read
from mcp_dockerhub.hub.models import Count

DIGEST = "sha256:" + "ab" * 32
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-30T04:44:13.965904Z", datetime(2026, 7, 30, 4, 44, 13, 965904, tzinfo=UTC)),
        ("2026-08-07T11:31:46.163535986Z", datetime(2026, 8, 7, 11, 31, 46, 163535, tzinfo=UTC)),
        ("2026-08-07T11:31:46Z", datetime(2026, 8, 7, 11, 31, 46, tzinfo=UTC)),
        ("2026-08-07T11:31:46", datetime(2026, 8, 7, 11, 31, 46, tzinfo=UTC)),
        ("2026-08-07T11:31:46+02:00", datetime(2026, 8, 7, 9, 31, 46, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("yesterday at noon", None),
        ("", None),
        ("2" * 100, None),
        (None, None),
        (1746136938, None),
    ],
)
def test_times_are_read_in_every_form_the_hub_writes_them(text: Any, moment: datetime | None) -> None:
    assert read.moment(text) == moment


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (12345, Count(12345)),
        (0, Count(0)),
        ("12345", Count(12345)),
        ("12,345", Count(12345)),
        ("1B+", Count(10**9, exact=False)),
        ("500M+", Count(5 * 10**8, exact=False)),
        ("10k+", Count(10**4, exact=False)),
        ("1.25M", Count(1_250_000, exact=False)),
        ("1.2 B", Count(1_200_000_000, exact=False)),
        ("2T", Count(2 * 10**12, exact=False)),
        ("100+", Count(100, exact=False)),
        ("", None),
        ("many", None),
        ("-5", None),
        ("1e9", None),
        ("1" * 30, None),
        ("٣", None),
        (-5, None),
        (1.5, None),
        (True, None),
        (None, None),
        (2**63, None),
    ],
)
def test_counts_are_read_as_numbers_texts_and_abbreviations(value: Any, count: Count | None) -> None:
    assert read.abbreviated(value) == count


@pytest.mark.parametrize(
    ("value", "badge"),
    [
        ("official", "official"),
        ("verified_publisher", "verified_publisher"),
        ("verfified_publisher", "verified_publisher"),
        ("open_source", "open_source"),
        ("none", None),
        ("", None),
        (None, None),
        (["official"], None),
    ],
)
def test_badges_are_read_in_both_spellings(value: Any, badge: str | None) -> None:
    assert read.badge(value) == badge


@pytest.mark.parametrize(
    ("value", "digest"),
    [(DIGEST, DIGEST), ("", None), (None, None), ("sha256:ab", None), ("latest", None), (5, None)],
)
def test_only_a_whole_digest_is_a_digest(value: Any, digest: str | None) -> None:
    assert read.digest(value) == digest


@pytest.mark.parametrize(
    ("value", "key", "words"),
    [
        (["a", "b"], None, ("a", "b")),
        ([None, "", 5, "a", "x" * 256], None, ("a",)),
        ([{"name": "a"}, {"label": "b"}, "c"], "name", ("a", "c")),
        (None, None, ()),
        ("abc", None, ()),
        ({"name": "a"}, "name", ()),
    ],
)
def test_word_lists_leave_out_what_is_not_a_word(value: Any, key: str | None, words: tuple[str, ...]) -> None:
    assert read.words(value, key) == words


def test_word_lists_are_bounded() -> None:
    assert len(read.words(["a"] * 5000)) == read.MAX_ITEMS


@pytest.mark.parametrize(
    ("header", "number"),
    [("180", 180), ("", None), (None, None), ("-1", None), ("1.5", None), ("9" * 12, None), ("²", None)],
)
def test_headers_are_read_as_whole_numbers(header: str | None, number: int | None) -> None:
    assert read.whole(header) == number


def test_a_reset_header_is_a_unix_time() -> None:
    assert read.unix_moment("1746136938") == datetime(2025, 5, 1, 22, 2, 18, tzinfo=UTC)
    assert read.unix_moment("soon") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"a": ',
        b'{"a": NaN}',
        b"[" * 20_000,
        b"\xff\xfe",
        b'{"a": ' + b"9" * 5000 + b"}",
        b"Too Many Requests",
    ],
)
def test_a_body_that_is_not_json_is_invalid(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid, match="not JSON"):
        read.document(body)


@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_where_an_object_must_be_anything_else_is_invalid(value: Any) -> None:
    with pytest.raises(UpstreamInvalid, match="shape"):
        read.fields(value)


@pytest.mark.parametrize("value", [None, {}, "x", [1], [[]], [None], [{}] * (read.MAX_ITEMS + 1)])
def test_where_a_list_of_objects_must_be_anything_else_is_invalid(value: Any) -> None:
    with pytest.raises(UpstreamInvalid, match="shape"):
        read.items(value)


@pytest.mark.parametrize("value", [None, "5", -1, 1.5, True])
def test_a_total_must_be_a_number(value: Any) -> None:
    with pytest.raises(UpstreamInvalid, match="shape"):
        read.total(value)


@given(_json)
def test_no_value_whatever_breaks_a_reader(value: Any) -> None:
    found = [
        read.text(value),
        read.word(value),
        read.words(value, "name"),
        read.number(value),
        read.abbreviated(value),
        read.badge(value),
        read.digest(value),
        read.moment(value),
    ]
    assert len(found) == 8
