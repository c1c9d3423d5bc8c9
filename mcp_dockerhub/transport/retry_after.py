"""When to come back, in every form that upstreams say it."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2

MAX_WAIT: Final = 24 * 3600.0
"""Seconds; a wait beyond a day is a misunderstanding."""

_NUMBER: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,9})?", re.ASCII)
_UNIX_SECONDS: Final = 1e9
_UNIX_MILLISECONDS: Final = 1e12


def retry_after(headers: httpx2.Headers, now: float) -> float | None:
    """Seconds to wait from ``now`` (Unix time), 0 to ``MAX_WAIT``; None where no header says so.

    ``X-Retry-After`` counts before ``Retry-After``. A number is a delay in seconds (RFC 9110, 10.2.3), or beyond
    10^9 a Unix time in seconds, or beyond 10^12 one in milliseconds; anything else is an HTTP date.
    """
    for name in ("x-retry-after", "retry-after"):
        wait = parse_retry_after(headers.get(name, ""), now)
        if wait is not None:
            return wait
    return None


def parse_retry_after(value: str, now: float) -> float | None:
    """One header value; None if it has none of the known forms."""
    value = value.strip()
    if _NUMBER.fullmatch(value):
        wait = _number_to_wait(float(value), now)
    else:
        moment = _http_date(value)
        if moment is None:
            return None
        wait = moment - now
    return min(max(wait, 0.0), MAX_WAIT)


def _number_to_wait(number: float, now: float) -> float:
    if number > _UNIX_MILLISECONDS:
        return number / 1000 - now
    return number - now if number > _UNIX_SECONDS else number


def _http_date(value: str) -> float | None:
    """Unix time of an HTTP date, which is in GMT even where it forgets to say so; None if it is none."""
    if len(value) > 64:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
