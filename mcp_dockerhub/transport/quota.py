"""Docker Hub's pull quota, as its registry's headers and refusals tell it."""

import re
from dataclasses import dataclass
from typing import Final

import httpx2

_VALUE: Final = re.compile(r"\s*([0-9]{1,15})\s*(?:;\s*w=([0-9]{1,10}))", re.ASCII)
_NAMED_IN_BODY: Final = b"pull rate limit"


@dataclass(frozen=True, slots=True)
class QuotaReading:
    """Pulls allowed and left per window of ``window_s`` seconds."""

    limit: int
    remaining: int
    window_s: int


def read_quota(headers: httpx2.Headers) -> QuotaReading | None:
    """``ratelimit-limit`` and ``ratelimit-remaining``, each ``N;w=SECONDS``; None unless both are there.

    Other services use the same names without a window, for the pace of requests.
    """
    limit = _VALUE.match(headers.get("ratelimit-limit", ""))
    left = _VALUE.match(headers.get("ratelimit-remaining", ""))
    if limit is None or left is None:
        return None
    return QuotaReading(int(limit[1]), int(left[1]), int(limit[2]))


def quota_spent(headers: httpx2.Headers, body: bytes) -> bool:
    """True when a 429 is about the pull quota and not about the pace of requests."""
    reading = read_quota(headers)
    return (reading is not None and reading.remaining == 0) or _NAMED_IN_BODY in body.lower()
