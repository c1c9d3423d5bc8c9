"""The audit log: who called what, on which targets, what was decided, how it ended. One JSON line per event.

Every record continues a chain of hashes (``audit_chain``) and has: ``time`` (RFC 3339 UTC), ``chain`` (one per log),
``instance`` (one per process), ``sequence`` (from 1, continued by a restart and a rotation), ``event``, ``previous``
and ``hash``. What the event is about comes from the recorder. The log's own events: ``checkpoint`` (signed where
there is a key), ``recovered`` and ``missing`` (what a start found), ``pruned`` (files that retention deleted),
``sync_failed``. The last records are kept in memory whether or not there is a file.

Records of one turn of the event loop are written together, and those that wait for the disk share one sync. What
cannot be written waits in memory and is tried again with every record that follows.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, Self

import anyio.to_thread

from mcp_dockerhub_security.audit_chain import seal
from mcp_dockerhub_security.audit_file import FileSink, Sink, StderrSink
from mcp_dockerhub_security.audit_notes import CheckpointNotes
from mcp_dockerhub_security.audit_options import BEGINNING, AuditHead, AuditOptions, AuditUnavailableError, FsyncPolicy

__all__ = ["AuditHead", "AuditLog", "AuditOptions", "AuditUnavailableError", "FsyncPolicy"]

KEPT_IN_MEMORY: Final = 1_000
MAX_WAITING: Final = 5_000
"""Records that wait for a disk that takes none; beyond, the oldest are lost and counted."""
STDERR: Final = "-"
CHECKPOINT: Final = "checkpoint"

_BATCH: Final = 64

Reason = Literal["records", "time", "rotation", "close"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record to be written."""

    record: dict[str, Any]
    since: float | None
    """When it was appended; None where nobody is to be told that it was written."""


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Appends records to a chain; used by one event loop."""

    def __init__(
        self,
        sink: Sink | None = None,
        head: AuditHead = BEGINNING,
        *,
        chain: str = "",
        instance: str | None = None,
        options: AuditOptions | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.chain = chain or secrets.token_hex(8)
        self.instance = instance or secrets.token_hex(4)
        self.options = options or AuditOptions()
        self.lost = 0
        """Records that were dropped since the last one that was written."""
        self.opened_at = head
        """Where the chain ended when it was opened."""
        self._sink = sink
        self._notes = CheckpointNotes(sink.path) if isinstance(sink, FileSink) else None
        self._head = head
        self._now = now
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=KEPT_IN_MEMORY)
        self._waiting: deque[_Waiting] = deque()
        self._watch: Callable[[str, float], None] = lambda event, seconds: None
        self._appended = 0
        self._flush_due: asyncio.Future[None] | None = None
        self._error: str | None = None
        self._synced = head.sequence
        self._syncing: asyncio.Task[None] | None = None
        self._suspect = False
        """A sync failed: what it was for may be gone although a later one succeeds, so the file is left."""
        self._checkpointed = head.sequence
        self._checkpointed_at = now()
        self._unnoted: deque[tuple[int, bytes]] = deque()
        """Checkpoints that are not noted beside the log yet, by their sequence number."""
        self._day = ""
        self._rotate_above = self.options.max_bytes

    @classmethod
    def open(
        cls,
        target: str | Path | None,
        *,
        instance: str | None = None,
        options: AuditOptions | None = None,
        now: Callable[[], datetime] = _now,
    ) -> Self:
        """Continue the log at a path; ``-`` is stderr, None or empty keeps records in memory only.

        Raises OSError when the file cannot be opened: an operator who asked for a log must get one.
        """
        if not target:
            return cls(instance=instance, options=options, now=now)
        if str(target) == STDERR:
            return cls(StderrSink(), instance=instance, options=options, now=now)
        sink = FileSink.open(Path(target))
        head = AuditHead(sink.sequence, sink.head)
        log = cls(sink, head, chain=sink.chain, instance=instance, options=options, now=now)
        log._day = sink.day
        if sink.recovered is not None:
            log.append("recovered", sink.recovered)
        log._look_for_missing()
        return log

    @property
    def head(self) -> AuditHead:
        """The last written record."""
        return self._head

    @property
    def synced(self) -> int:
        """Sequence number up to which records are known to be on the disk."""
        return self._synced

    @property
    def path(self) -> Path | None:
        """The file, where there is one."""
        return self._sink.path if isinstance(self._sink, FileSink) else None

    @property
    def failing(self) -> bool:
        """True while records cannot be written, or the last sync failed."""
        return self._error is not None or self._suspect

    @property
    def problem(self) -> str | None:
        """What is wrong, for health; None while nothing is."""
        if self._error is not None:
            return f"records cannot be written ({self._error}): {len(self._waiting)} wait, {self.lost} are lost"
        return "records may not be on the disk: a sync failed" if self._suspect else None

    def watch(self, watch: Callable[[str, float], None]) -> None:
        """Call ``watch`` with the event of each record that is written and the seconds that took.

        ``failed`` is a write that did not succeed; what it was about is tried again.
        """
        self._watch = watch

    # Records

    def append(self, event: str, fields: Mapping[str, Any], *, watched: bool = True) -> None:
        """Take a record, to be written with the others of this turn of the event loop, at once where there is none.

        ``settle`` and ``sync`` tell whether it was, and unless ``watched`` is false so is whoever watches.
        """
        record = self._record(event, fields)
        self._recent.append(record)
        self._waiting.append(_Waiting(record, time.perf_counter() if watched else None))
        self._appended += 1
        if self._sink is None:
            self._write_waiting()
        else:
            self._schedule_flush()

    async def settle(self) -> None:
        """Return when what was appended is as safe as the policy wants it before a call is answered.

        Raises AuditUnavailableError when it is not.
        """
        if self._waiting or self.options.fsync == "always":
            await (self.sync() if self.options.fsync == "always" else self.written())

    async def written(self) -> None:
        """Return when what was appended is with the operating system; raises AuditUnavailableError when it is not."""
        target = self._appended
        if self._flush_due is not None:
            await asyncio.shield(self._flush_due)
        if target > self._appended - len(self._waiting):
            raise AuditUnavailableError(self._error or "the audit log cannot be written")

    async def sync(self) -> None:
        """Return when what was appended is on the disk; raises AuditUnavailableError when that cannot be told."""
        await self.written()
        target = self._head.sequence
        while self._synced < target and self._sink is not None:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
                # Whoever waits for it may be gone by then.
                self._syncing.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._syncing)

    def flush(self) -> None:
        """Write what waits; raises AuditUnavailableError when something still does."""
        self._flush()
        if self._waiting:
            raise AuditUnavailableError(self._error or "the audit log cannot be written")

    def tail(self, count: int = 50) -> list[Mapping[str, Any]]:
        """The newest records of this process, oldest first."""
        return list(self._recent)[-count:]

    def close(self) -> None:
        """Write what waits and a last checkpoint, and close the file."""
        self._flush()
        if self._sink is None:
            return
        with suppress(OSError):
            if self._head.sequence > self.opened_at.sequence:
                self._checkpoint("close")
            self._sync_now()
        self._sink.close()

    # Upkeep, called by the keeper

    def checkpoint_if_due(self) -> None:
        """Write a checkpoint if there are records since the last one and it is old enough."""
        age = (self._now() - self._checkpointed_at).total_seconds()
        news = self._head.sequence > self._checkpointed and not self._waiting
        if news and age >= self.options.checkpoint_seconds:
            self._attempt(lambda: self._checkpoint("time"))

    @property
    def has_unnoted(self) -> bool:
        """Whether checkpoints wait for a sync before they are noted beside the log."""
        return bool(self._unnoted)

    def report_missing(self, chain: str, known: AuditHead, source: str) -> None:
        """Record that a chain went up to ``known``, as ``source`` proves, and did not when the log was opened."""
        fields = {"last": known.sequence, "digest": known.digest, "found": self.opened_at.sequence, "source": source}
        self.append("missing", {**fields, "of": chain})

    # Writing

    def _schedule_flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._flush()
            return
        if self._flush_due is None or self._flush_due.get_loop() is not loop:
            self._flush_due = loop.create_future()
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        due, self._flush_due = self._flush_due, None
        self._attempt(self._write_and_rotate)
        if due is not None and not due.done():
            due.set_result(None)

    def _attempt(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._error = error.strerror or "it failed"
            self._watch("failed", 0.0)
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                self.lost += 1
        else:
            self._error = None

    def _write_and_rotate(self) -> None:
        if not self._waiting:
            return
        today = self._now().strftime("%Y%m%d")
        if self._day not in ("", today):
            self._try_to_rotate()
        self._day = today
        self._write_waiting()
        if self._head.sequence - self._checkpointed >= self.options.checkpoint_records:
            self._checkpoint("records")
        if self._sink is not None and self._sink.size >= self._rotate_above:
            self._try_to_rotate()

    def _write_waiting(self) -> None:
        # After a failure one at a time, so that what little room there is gets used.
        size = _BATCH if self._error is None else 1
        while self._waiting:
            batch = list(islice(self._waiting, size))
            self._write([waiting.record for waiting in batch])
            now = time.perf_counter()
            for written in batch:
                self._waiting.popleft()
                if written.since is not None:
                    self._watch(written.record["event"], now - written.since)

    def _write(self, records: list[dict[str, Any]]) -> bytes:
        """Seal and write records, all or none; raises OSError."""
        head, lines = self._head, []
        for record in records:
            record["sequence"], record["previous"] = head.sequence + 1, head.digest
            record.pop("lost", None)
            if self.lost and record is records[0]:
                record["lost"] = self.lost
            if record["event"] == CHECKPOINT and self.options.signer is not None:
                self.options.signer.sign(record)
            line, digest = seal(record)
            lines.append(line)
            head = AuditHead(head.sequence + 1, digest)
        written = b"".join(lines)
        if self._sink is not None:
            self._sink.write(written)
        self._head, self.lost = head, 0
        return written

    def _record(self, event: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {**fields, "event": event, "time": time, "chain": self.chain, "instance": self.instance}

    def _checkpoint(self, reason: Reason) -> None:
        """Write a record that vouches for all before it; raises OSError."""
        line = self._write([self._record(CHECKPOINT, {"reason": reason})])
        self._checkpointed, self._checkpointed_at = self._head.sequence, self._now()
        if self._notes is not None:
            self._unnoted.append((self._head.sequence, line))

    def _try_to_rotate(self) -> None:
        """Close the file with a checkpoint and go on in a new one, or go on in this one for some time."""
        if self._sink is None or self._sink.size == 0:
            return
        try:
            if self._suspect:
                self._leave_suspect_file()
            else:
                self._checkpoint("rotation")
                self._sync_now()
                self._sink.rotate(self._day)
        except OSError:
            self._rotate_above = self._sink.size + self.options.max_bytes // 8
            return
        self._rotate_above = self.options.max_bytes
        if self._notes is not None:
            with suppress(OSError):
                self._notes.compact()

    # Syncing

    async def _sync(self) -> None:
        try:
            if self._suspect:
                self._leave_suspect_file()
            reached, sync = self._head.sequence, self._sink.syncer() if self._sink else None
            if sync is not None:
                await anyio.to_thread.run_sync(sync)
            self._reached(reached)
        except OSError as error:
            self._suspect = True
            raise AuditUnavailableError(error.strerror or "the audit log cannot be synced") from error
        finally:
            self._syncing = None

    def _sync_now(self) -> None:
        if self._sink is None:
            return
        try:
            self._sink.syncer()()
        except OSError:
            self._suspect = True
            raise
        self._reached(self._head.sequence)

    def _reached(self, sequence: int) -> None:
        self._synced, self._suspect = max(self._synced, sequence), False
        noted = [line for at, line in self._unnoted if at <= sequence]
        if self._notes is not None and noted:
            with suppress(OSError):
                self._notes.add(b"".join(noted))
                for _ in noted:
                    self._unnoted.popleft()

    def _leave_suspect_file(self) -> None:
        """Go on in a new file, whose first record says what may be missing from the old one; raises OSError."""
        self._checkpoint("rotation")
        doubtful = {"first": self._synced + 1, "last": self._head.sequence}
        if self._sink is not None:
            self._sink.rotate(self._now().strftime("%Y%m%d"))
        self._suspect = False
        self._write([self._record("sync_failed", doubtful)])

    def _look_for_missing(self) -> None:
        """The last checkpoint beside the log must be in it."""
        noted = self._notes.read() if self._notes is not None else []
        if noted:
            record, digest = noted[-1]
            chain = str(record.get("chain", ""))
            if chain != self.chain or record["sequence"] > self.opened_at.sequence:
                self.report_missing(chain, AuditHead(record["sequence"], digest), "checkpoints")
