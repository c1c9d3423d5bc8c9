"""OSV records, read into the model (OSV schema 1.7).

What identifies a record and says whom it affects must have its shape, because a part skipped there is a vulnerability
not seen. Everything else is read where it is there, and cut where it is too long.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mcp_dockerhub.supply_chain.advisories.model import Advisory, Affected, Event, Range, Reference
from mcp_dockerhub.supply_chain.advisories.severity import ratings_of

MAX_ID: Final = 200
MAX_NAMES: Final = 1000
MAX_SUMMARY: Final = 500
MAX_DETAILS: Final = 4000
MAX_REFERENCES: Final = 50
MAX_VERSION: Final = 300
_EVENTS: Final = ("introduced", "fixed", "last_affected", "limit")
_TYPES: Final = ("SEMVER", "ECOSYSTEM", "GIT")


def read_advisory(document: Any) -> Advisory:
    """One record, without the lists of versions: they are long, and ``read_affected`` is for who matches by them.

    Raises:
        ValueError: it is not an OSV record; the text says which part is not.
    """
    record = _object(document, "a record")
    return Advisory(
        id=identifier(record.get("id")),
        aliases=_names(record, "aliases"),
        upstream=_names(record, "upstream"),
        related=_names(record, "related"),
        summary=_text(record.get("summary"), MAX_SUMMARY),
        details=_text(record.get("details"), MAX_DETAILS),
        published=read_time(record.get("published")),
        modified=read_time(record.get("modified")),
        withdrawn=read_time(record.get("withdrawn")),
        ratings=ratings_of(record),
        references=tuple(_references(record.get("references"))),
        affected=tuple(read_affected(entry, listed=False) for entry in _list(record, "affected")),
    )


def identifier(value: Any) -> str:
    """An advisory's name. Raises ValueError for what is none: it becomes part of a URL."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID or not value.isprintable() or not value.isascii():
        raise ValueError("id")
    return value


def read_time(value: Any) -> datetime | None:
    """RFC 3339 with any number of fractional digits, in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    date, _, fraction = value.partition(".")
    try:
        moment = datetime.fromisoformat(f"{date.rstrip('Zz')}+00:00" if fraction or value[-1:] in "Zz" else value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def read_affected(value: Any, *, listed: bool = True) -> Affected:
    """One entry of ``affected``, with or without its list of versions. Raises ValueError for anything else."""
    entry = _object(value, "affected[]")
    said = entry.get("package")
    package = _object({} if said is None else said, "affected[].package")
    versions = _list(entry, "versions")
    if not all(isinstance(version, str) for version in versions):
        raise ValueError("affected[].versions[]")
    return Affected(
        ecosystem=_text(package.get("ecosystem"), MAX_ID),
        name=_text(package.get("name"), MAX_SUMMARY),
        versions=tuple(versions) if listed else (),
        ranges=tuple(_range(_object(found, "affected[].ranges[]")) for found in _list(entry, "ranges")),
        ratings=ratings_of(entry),
    )


def _range(found: Mapping[str, Any]) -> Range:
    kind = found.get("type")
    if kind not in _TYPES:
        raise ValueError("affected[].ranges[].type")
    events = (_object(event, "affected[].ranges[].events[]") for event in _list(found, "events"))
    return Range(kind, tuple(_event(event) for event in events))


def _event(event: Mapping[str, Any]) -> Event:
    for kind in _EVENTS:
        version = event.get(kind)
        if isinstance(version, str) and len(version) <= MAX_VERSION:
            return Event(kind, version)
    raise ValueError("affected[].ranges[].events[]")


def _references(value: Any) -> Iterator[Reference]:
    for entry in (value if isinstance(value, list) else [])[:MAX_REFERENCES]:
        if isinstance(entry, dict) and isinstance(url := entry.get("url"), str) and len(url) <= MAX_SUMMARY:
            yield Reference(_text(entry.get("type"), 20) or "WEB", url)


def _names(record: Mapping[str, Any], field: str) -> tuple[str, ...]:
    values = _list(record, field)
    return tuple(dict.fromkeys(identifier(value) for value in values[:MAX_NAMES]))


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    return value if len(value) <= limit else f"{value[: limit - 1]}…"


def _list(record: Mapping[str, Any], field: str) -> list[Any]:
    value = record.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(field)  # noqa: TRY004  (one kind of failure for all that is not a record)
    return value


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(what)  # noqa: TRY004
    return value
