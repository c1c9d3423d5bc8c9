"""Finding records in an audit log, rotated files included, without holding more than one line."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.text import clean_identifier

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What a record must have; an empty string or None matches all."""

    principal: str = ""
    tenant: str = ""
    tool: str = ""
    target: str = ""
    """A part of one of its targets."""
    outcome: str = ""
    decision: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Before this moment."""

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a record has it all."""
        for name in ("principal", "tenant", "tool", "outcome", "decision", "event"):
            wanted = getattr(self, name)
            if wanted and record.get(name) != wanted:
                return False
        if self.target and not any(self.target in target for target in _targets(record)):
            return False
        return self._in_time(record)

    def _in_time(self, record: dict[str, Any]) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            time = parse_time(str(record.get("time")))
        except ValueError:
            return False
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def parse_time(text: str) -> datetime:
    """A moment in ISO 8601, UTC where it names no zone; raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def query(path: Path, wanted: Filter) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Matching records with their lines, oldest first; lines that are no records are passed over.

    Raises OSError when a file cannot be read. Nothing is verified.
    """
    for file in segments.files(path):
        for _, line in segments.numbered_lines(file):
            record = _record(line)
            if record is not None and wanted.matches(record):
                yield record, line


def tail(path: Path, count: int, wanted: Filter) -> list[tuple[dict[str, Any], bytes]]:
    """The last ``count`` matching records, oldest first, reading no more of the files than needed."""
    found: deque[tuple[dict[str, Any], bytes]] = deque()
    for file in reversed(segments.files(path)):
        for line in segments.lines_backwards(file):
            if len(found) == count:
                return list(found)
            record = _record(line)
            if record is not None and wanted.matches(record):
                found.appendleft((record, line))
    return list(found)


def render(record: dict[str, Any]) -> str:
    """One line for a person: when, who, what, on what, how it ended. Safe to show in a terminal."""
    subject = record.get("tool") or record.get("method") or record.get("reason") or ""
    targets = ", ".join(_targets(record))
    ended = record.get("outcome") or record.get("decision") or ""
    rule = f"({record['rule']})" if record.get("decision") == "deny" and record.get("rule") else ""
    parts = (record.get("time"), record.get("event"), record.get("principal"), subject, targets, ended, rule)
    return "  ".join(clean_identifier(str(part)[: 2 * _SHOWN], _SHOWN) for part in parts if part)


def _targets(record: dict[str, Any]) -> list[str]:
    targets = record.get("target")
    return [str(target) for target in targets] if isinstance(targets, list) else []


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
