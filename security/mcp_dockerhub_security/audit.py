"""The audit log: who called what, on which targets, what was decided, how it ended. One JSON line per event.

Every record continues a chain of hashes (``audit_chain``) and has: ``time`` (RFC 3339 UTC), ``instance`` (one
per process), ``sequence`` (from 1, continued by a restart), ``event``, ``previous`` and ``hash``. What the event
is about comes from the recorder. The last records are kept in memory whether or not there is a file.
"""

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import anyio.to_thread

from mcp_dockerhub_security.audit_chain import GENESIS, seal
from mcp_dockerhub_security.audit_file import FileSink, Sink, StderrSink
from mcp_dockerhub_security.audit_verify import VerifyReport, verify

__all__ = ["AuditHead", "AuditLog", "AuditUnavailableError", "VerifyReport", "verify"]

KEPT_IN_MEMORY: Final = 1_000
STDERR: Final = "-"


class AuditUnavailableError(Exception):
    """A record could not be written, or not be brought to the disk."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where a chain ends: note it elsewhere, and a cut-off tail can be proven."""

    sequence: int
    digest: str


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Appends records to a chain; used by one event loop."""

    def __init__(
        self,
        sink: Sink | None = None,
        head: AuditHead = AuditHead(0, GENESIS),
        *,
        instance: str | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.instance = instance or secrets.token_hex(4)
        self.lost = 0
        """Records that could not be written since the last one that was."""
        self._sink = sink
        self._head = head
        self._now = now
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=KEPT_IN_MEMORY)
        self._sync_failed = False

    @classmethod
    def open(cls, target: str | Path | None, *, instance: str | None = None) -> Self:
        """Continue the log at a path; ``-`` is stderr, None or empty keeps records in memory only.

        Raises OSError when the file cannot be opened: an operator who asked for a log must get one.
        """
        if not target:
            return cls(instance=instance)
        if str(target) == STDERR:
            return cls(StderrSink(), instance=instance)
        sink = FileSink.open(Path(target))
        log = cls(sink, AuditHead(sink.sequence, sink.head), instance=instance)
        if sink.recovered is not None:
            log.append("recovered", sink.recovered)
        return log

    @property
    def head(self) -> AuditHead:
        """The last written record."""
        return self._head

    @property
    def failing(self) -> bool:
        """True while records are being lost, or the last sync failed."""
        return self.lost > 0 or self._sync_failed

    def append(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write one record; it is with the operating system when this returns.

        Raises AuditUnavailableError when it is not; then nothing of it is in the file, and the next record that can be
        written says in ``lost`` how many are missing.
        """
        record: dict[str, Any] = {
            **fields,
            "event": event,
            "time": self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "instance": self.instance,
            "sequence": self._head.sequence + 1,
            "previous": self._head.digest,
        }
        if self.lost:
            record["lost"] = self.lost
        line, digest = seal(record)
        self._recent.append(record)
        try:
            if self._sink is not None:
                self._sink.write(line)
        except OSError as error:
            self.lost += 1
            raise AuditUnavailableError(error.strerror or "the audit log cannot be written") from error
        self.lost = 0
        self._head = AuditHead(self._head.sequence + 1, digest)

    async def sync(self) -> None:
        """Return when every record so far is on the disk; raises AuditUnavailableError when that cannot be told."""
        if self._sink is None:
            return
        try:
            await anyio.to_thread.run_sync(self._sink.sync)
        except OSError as error:
            self._sync_failed = True
            raise AuditUnavailableError(error.strerror or "the audit log cannot be synced") from error
        self._sync_failed = False

    def tail(self, count: int = 50) -> list[Mapping[str, Any]]:
        """The newest records of this process, oldest first."""
        return list(self._recent)[-count:]

    def close(self) -> None:
        """Close the file."""
        if self._sink is not None:
            self._sink.close()
