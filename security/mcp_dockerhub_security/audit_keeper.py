"""What an audit log needs while nobody calls: syncs, checkpoints, anchors and retention."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.audit import AuditHead, AuditLog, AuditUnavailableError
from mcp_dockerhub_security.audit_notes import CheckpointNotes

if TYPE_CHECKING:
    from mcp_dockerhub_security.audit_verify import Anchor

INTERVAL: Final = 1.0
"""Seconds between two looks at the logs."""
ANCHOR_EVERY: Final = 5
"""Looks between two anchors."""
PRUNE_EVERY: Final = 3_600
"""Looks between two deletions by retention."""


class HeadAnchors(Protocol):
    """Keeps heads where the files' writers cannot reach; ``redis_anchors`` is one. Raises OSError when it cannot."""

    async def store(self, chain: str, head: AuditHead, *, time: str, instance: str, file: str) -> None:
        """Note where a chain has come to."""

    async def find(self, chain: str) -> "Anchor | None":
        """Where a chain had come to."""


class AuditKeeper:
    """Looks after the logs of a process."""

    def __init__(
        self, logs: Sequence[AuditLog], *, retention_days: int | None = None, anchors: HeadAnchors | None = None
    ) -> None:
        self._logs = logs
        self._retention_days = retention_days
        self._anchors = anchors
        self._compared: set[str] = set()
        self._anchored: dict[str, AuditHead] = {}
        self._looks = 0

    async def run(self) -> None:
        """Look after the logs until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Everything that is due; what fails shows in the logs' health and is tried again."""
        for log in self._logs:
            with suppress(AuditUnavailableError):
                await self._keep(log)
            if self._anchors is not None and self._looks % ANCHOR_EVERY == 0:
                with suppress(OSError, AuditUnavailableError):
                    await self._anchor(log, self._anchors)
            if self._retention_days is not None and self._looks % PRUNE_EVERY == 0:
                with suppress(OSError, ValueError, AuditUnavailableError):
                    await prune(log, datetime.now(UTC) - timedelta(days=self._retention_days))
        self._looks += 1

    async def finish(self) -> None:
        """Close the logs and anchor where they ended."""
        for log in self._logs:
            log.close()
            if self._anchors is not None:
                with suppress(OSError):
                    await self._store(log, self._anchors)

    async def _keep(self, log: AuditLog) -> None:
        log.flush()
        log.checkpoint_if_due()
        if log.options.fsync == "interval" or log.has_unnoted or log.failing:
            await log.sync()

    async def _anchor(self, log: AuditLog, anchors: HeadAnchors) -> None:
        if log.path is None:
            return
        if log.chain not in self._compared:
            known = await anchors.find(log.chain)
            self._compared.add(log.chain)
            if known is not None and known.sequence > log.opened_at.sequence:
                log.report_missing(log.chain, AuditHead(known.sequence, known.digest), "anchor")
        # What an anchor vouches for must survive a loss of power.
        await log.sync()
        await self._store(log, anchors)

    async def _store(self, log: AuditLog, anchors: HeadAnchors) -> None:
        head = log.head
        if log.path is None or head.sequence == 0 or self._anchored.get(log.chain) == head:
            return
        time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        await anchors.store(log.chain, head, time=time, instance=log.instance, file=log.path.name)
        self._anchored[log.chain] = head


async def prune(log: AuditLog, before: datetime) -> int:
    """Delete rotated files whose last record is from a day before ``before`` and whose last checkpoint is kept.

    The chain says first what is deleted, on the disk. Returns how many files were; raises OSError, ValueError for a
    file that cannot be read, and AuditUnavailableError when the log cannot be written.
    """
    if log.path is None:
        return 0
    kept = {(note["sequence"], digest) for note, digest in CheckpointNotes(log.path).read()}
    doomed = []
    last = None
    for segment in segments.rotated(log.path):
        found = segments.last_record(segment.path) if segment.day < before.strftime("%Y%m%d") else None
        if found is None or (found[0]["sequence"], found[1]) not in kept:
            break
        doomed.append(segment.path)
        last = found
    if last is None:
        return 0
    fields = {"files": [path.name for path in doomed[:20]], "last": last[0]["sequence"], "digest": last[1]}
    log.append("pruned", fields)
    await log.sync()
    for path in doomed:
        path.unlink()
    return len(doomed)
