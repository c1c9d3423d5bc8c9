"""Pull quotas in headers."""

import httpx2
import pytest

from mcp_dockerhub.transport.quota import QuotaReading, quota_spent, read_quota


def headers(limit: str, remaining: str) -> httpx2.Headers:
    return httpx2.Headers({"RateLimit-Limit": limit, "RateLimit-Remaining": remaining})


@pytest.mark.parametrize(
    ("limit", "remaining", "reading"),
    [
        ("100;w=21600", "76;w=21600", QuotaReading(100, 76, 21600)),
        ("10 ; w=3600", "0;w=3600", QuotaReading(10, 0, 3600)),
    ],
)
def test_a_quota_is_a_number_per_window(limit: str, remaining: str, reading: QuotaReading) -> None:
    assert read_quota(headers(limit, remaining)) == reading


@pytest.mark.parametrize(("limit", "remaining"), [("100", "0"), ("", ""), ("100;w=21600", ""), ("x;w=1", "1;w=1")])
def test_other_headers_of_that_name_are_no_quota(limit: str, remaining: str) -> None:
    assert read_quota(headers(limit, remaining)) is None
    assert not quota_spent(headers(limit, remaining), b"")


def test_a_quota_is_spent_by_its_header_or_by_the_bodys_word() -> None:
    assert quota_spent(headers("100;w=21600", "0;w=21600"), b"")
    assert quota_spent(httpx2.Headers(), b"toomanyrequests: You have reached your Pull Rate Limit.")
    assert not quota_spent(headers("100;w=21600", "1;w=21600"), b"Too Many Requests")
