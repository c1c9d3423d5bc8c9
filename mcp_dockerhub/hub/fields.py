"""Reading single fields of Hub answers: absent, null, empty and mistyped values alike mean "not said".

Shape is another matter: where a list or an object must be and is not, the whole answer is UpstreamInvalid.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput, UpstreamInvalid
from mcp_dockerhub.hub.models import Badge, Count
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.transport.documents import parse_json

Fields = Mapping[str, Any]

MAX_ITEMS: Final = 1000
MAX_WORD: Final = 255
_MAX_COUNT: Final = 2**63
_ABBREVIATED: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s?([KMBT]?)(\+?)", re.ASCII | re.IGNORECASE)
_SCALE: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
# The second spelling is the specification's own.
_BADGES: Final[Mapping[str, Badge]] = {
    "official": "official",
    "verified_publisher": "verified_publisher",
    "verfified_publisher": "verified_publisher",
    "open_source": "open_source",
}


def document(body: bytes) -> Any:
    """Parse a JSON body; raise UpstreamInvalid for anything else, HTML and endless nesting included, and TooLarge."""
    try:
        return parse_json(body, "Docker Hub's answer")
    except ValueError as error:
        raise UpstreamInvalid(
            "Docker Hub answered with something that is not JSON.",
            hint="Check the Hub URL that is configured, and any proxy in between.",
        ) from error


def fields(value: Any) -> Fields:
    """``value`` as an object; raise UpstreamInvalid when it is none."""
    if not isinstance(value, dict):
        raise _wrong_shape()
    return value


def items(value: Any) -> list[Fields]:
    """``value`` as a bounded list of objects; raise UpstreamInvalid when it is none."""
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise _wrong_shape()
    return [fields(item) for item in value]


def optional_items(value: Any) -> list[Fields]:
    """As ``items``; null is an empty list, one object a list of one (the specification's form of ``images``)."""
    if value is None:
        return []
    return items([value] if isinstance(value, dict) else value)


def total(value: Any) -> int:
    """A count that the answer makes no sense without; raise UpstreamInvalid when it is none."""
    counted = number(value)
    if counted is None:
        raise _wrong_shape()
    return counted


def text(value: Any) -> str:
    """Free text, as it came; bounded by the body limit only."""
    return value if isinstance(value, str) else ""


def word(value: Any) -> str:
    """A short identifier; anything longer is none."""
    return value if isinstance(value, str) and len(value) <= MAX_WORD else ""


def words(value: Any, key: str | None = None) -> tuple[str, ...]:
    """A list of identifiers, or of objects that hold one under ``key``; what is neither is left out."""
    if not isinstance(value, list):
        return ()
    found = (item.get(key) if isinstance(item, dict) and key else item for item in value[:MAX_ITEMS])
    return tuple(entry for entry in map(word, found) if entry)


def number(value: Any) -> int | None:
    """A count or size in bytes; negative, fractional and absurd numbers are none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_COUNT:
        return None
    return value


def abbreviated(value: Any) -> Count | None:
    """A count as number or text: ``12345``, ``"12345"``, ``"12,345"``, ``"1.2M"``, ``"1B+"``."""
    whole = number(value)
    if whole is not None:
        return Count(whole)
    found = _ABBREVIATED.fullmatch(value.replace(",", "").strip()) if isinstance(value, str) else None
    if not found:
        return None
    digits, unit, more = found.groups()
    scale = _SCALE[unit.upper()]
    integer, _, fraction = digits.partition(".")
    small = int(fraction) * scale // 10 ** len(fraction) if fraction else 0
    return Count(int(integer) * scale + small, exact=not unit and not more and not fraction)


def badge(value: Any) -> Badge | None:
    return _BADGES.get(value) if isinstance(value, str) else None


def digest(value: Any) -> Digest | None:
    if not isinstance(value, str):
        return None
    try:
        return Digest.parse(value)
    except InvalidInput:
        return None


def moment(value: Any) -> datetime | None:
    """An RFC 3339 time with any number of fractional digits, cut to microseconds; Go's zero time is none."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.year > 1 else None


def whole(header: str | None) -> int | None:
    """A header's whole number of at most eleven digits."""
    if header is None or len(header) > 11 or not header.isascii() or not header.isdigit():
        return None
    return int(header)


def unix_moment(header: str | None) -> datetime | None:
    """A header's unix time in seconds."""
    seconds = whole(header)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _wrong_shape() -> UpstreamInvalid:
    return UpstreamInvalid("Docker Hub's answer does not have the shape its API promises.")
