"""Bounded, forgiving readers of JSON that strangers wrote.

What a document must have is demanded with UpstreamInvalid; anything optional of the wrong type counts as absent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.transport.documents import parse_json

MAX_ITEMS: Final = 8192
"""Elements of one list or object; the longest real ones (histories, annotations) have a few hundred."""

PARSED_FACTOR: Final = 3
"""Memory of a parsed document in multiples of its bytes: 1.9 to 2.9 for an index, a manifest and a config."""

Json = Mapping[str, Any]


def load_object(raw: bytes, what: str) -> Json:
    """Raise UpstreamInvalid unless ``raw`` is a JSON object of sane depth and numbers, TooLarge beyond its bound."""
    try:
        document = parse_json(raw, what)
    except ValueError:
        raise UpstreamInvalid(f"{what} is not valid JSON.") from None
    if not isinstance(document, dict):
        raise UpstreamInvalid(f"{what} is not a JSON object.")
    return document


def text(source: Json, key: str) -> str:
    """A string, empty when absent."""
    value = source.get(key)
    return _encodable(value) if isinstance(value, str) else ""


def _encodable(value: str) -> str:
    """Half surrogate pairs, which JSON can escape and UTF-8 cannot write, become question marks."""
    return value if value.isascii() else value.encode(errors="replace").decode()


def child(source: Json, key: str) -> Json:
    """An object, empty when absent."""
    value = source.get(key)
    return value if isinstance(value, dict) else {}


def items(source: Json, key: str, what: str) -> list[Any]:
    """A list, empty when absent or null (Go writes empty lists so); raise TooLarge beyond ``MAX_ITEMS``."""
    value = source.get(key)
    if not isinstance(value, list):
        return []
    if len(value) > MAX_ITEMS:
        raise TooLarge(f"{what} has more than {MAX_ITEMS} entries in '{key}'.")
    return value


def texts(source: Json, key: str, what: str) -> tuple[str, ...]:
    """The strings of a list; one string stands for a list of one, as in early image configs."""
    value = source.get(key)
    if isinstance(value, str):
        return (_encodable(value),)
    return tuple(_encodable(item) for item in items(source, key, what) if isinstance(item, str))


def optional_texts(source: Json, key: str, what: str) -> tuple[str, ...] | None:
    """As ``texts``; None when absent or null, which for a command differs from empty."""
    return texts(source, key, what) if source.get(key) is not None else None


def mapping(source: Json, key: str, what: str) -> dict[str, str]:
    """The string values of an object."""
    found = _bounded(source, key, what).items()
    return {_encodable(name): _encodable(value) for name, value in found if isinstance(value, str)}


def names(source: Json, key: str, what: str) -> tuple[str, ...]:
    """The keys of an object used as a set (``ExposedPorts``, ``Volumes``)."""
    return tuple(map(_encodable, _bounded(source, key, what)))


def _bounded(source: Json, key: str, what: str) -> Json:
    value = child(source, key)
    if len(value) > MAX_ITEMS:
        raise TooLarge(f"{what} has more than {MAX_ITEMS} entries in '{key}'.")
    return value


def moment(source: Json, key: str) -> datetime | None:
    """An RFC 3339 time in UTC; None when absent, unreadable, or Go's zero time (year 1)."""
    try:
        parsed = datetime.fromisoformat(text(source, key))
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        parsed = parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.year > 1 else None
