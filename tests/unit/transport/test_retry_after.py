"""Every form of Retry-After and X-Retry-After."""

import httpx2
import pytest

from mcp_dockerhub.transport.retry_after import MAX_WAIT, parse_retry_after, retry_after

NOW = 1_746_136_900.0


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("1000000000", MAX_WAIT),
        ("1746136938", 38.0),
        ("1746136938.5", 38.5),
        ("1746136800", 0.0),
        ("1746136938000", 38.0),
        ("1746136800000", 0.0),
        ("99999999999999999999", MAX_WAIT),
        ("Thu, 01 May 2025 22:02:10 GMT", 30.0),
        ("Thursday, 01-May-25 22:02:10 GMT", 30.0),
        ("Thu May  1 22:02:10 2025", 30.0),
        ("Fri, 02 May 2025 00:02:10 +0200", 30.0),
        ("Thu, 01 May 2025 21:00:00 GMT", 0.0),
        ("Thu, 01 May 9999 21:00:00 GMT", MAX_WAIT),
    ],
)
def test_each_known_form_is_understood(value: str, wait: float) -> None:
    assert parse_retry_after(value, NOW) == wait


@pytest.mark.parametrize(
    "value", ["", "-5", "soon", "1e9", "0x10", "1,5", "\u0664", "9" * 21, "Thu, 99 May", "x" * 999]
)
def test_what_has_no_known_form_says_nothing(value: str) -> None:
    assert parse_retry_after(value, NOW) is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "5"}, 5.0),
        ({"X-Retry-After": "1746136938"}, 38.0),
        ({"Retry-After": "5", "X-Retry-After": "7"}, 7.0),
        ({"Retry-After": "5", "X-Retry-After": "whenever"}, 5.0),
        ({}, None),
    ],
)
def test_the_more_precise_header_counts_first(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after(httpx2.Headers(headers), NOW) == wait
