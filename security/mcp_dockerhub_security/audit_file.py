"""Where audit lines go: an append-only file that is rotated, and continued after a crash; or stderr."""

import errno
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, Self

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.audit_chain import GENESIS, MAX_LINE, unseal

if sys.platform != "win32":
    import fcntl

_MODE: Final = 0o600
_READ_WRITE: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_APPEND: Final = _READ_WRITE | os.O_APPEND | os.O_CREAT


class Sink(Protocol):
    """Takes whole lines."""

    @property
    def size(self) -> int:
        """Bytes that the current file holds; 0 where nothing is rotated."""

    def write(self, lines: bytes) -> None:
        """Append lines or raise OSError and leave nothing of them."""

    def syncer(self) -> Callable[[], None]:
        """A function for another thread: returns when everything written before is on the disk, or raises OSError."""

    def rotate(self, day: str) -> None:
        """Go on in a new file; the current one is renamed after ``day``. Raises OSError and goes on with the old."""

    def close(self) -> None:
        """Give up the file and its lock."""


class StderrSink:
    """Lines among the log, for a collector that keeps stderr."""

    size = 0

    def write(self, lines: bytes) -> None:
        """Append lines; a pipe takes them in pieces or waits."""
        view = memoryview(lines)
        while view:
            view = view[os.write(2, view) :]

    def syncer(self) -> Callable[[], None]:
        """Pipes and terminals have nothing to sync."""
        return lambda: None

    def rotate(self, day: str) -> None:
        """stderr is one stream."""

    def close(self) -> None:
        """stderr stays open."""


class FileSink:
    """One file, written by one process at a time.

    ``PATH.lock`` is locked (``flock``) while it does. A second process at the same path writes ``PATH.2``, a third
    ``PATH.3`` and so on: each of these is a log of its own, a freed one is continued by whoever comes next, and
    their number is bounded by how many processes run at once. On Windows, where there is no such lock, give each
    process its own path.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.chain = ""
        """Of the record that is continued; empty where there is none."""
        self.sequence = 0
        self.head = GENESIS
        self.day = ""
        """Of the record that is continued, as ``20261121``."""
        self.recovered: dict[str, Any] | None = None
        """What was found broken and set aside when the file was opened, for a ``recovered`` record."""
        self._lock = lock
        self._descriptor = _open(path, _APPEND)
        self._size = os.fstat(self._descriptor).st_size
        self._first = 1
        self._dirty = False

    @classmethod
    def open(cls, path: Path, *, now: Callable[[], float] = time.time) -> Self:
        """Open and lock the first free file, and find where its chain ends.

        Raises OSError when the directory or file cannot be used, or when too many processes hold it.
        """
        for slot in range(1, segments.MAX_WRITERS + 1):
            candidate = segments.writer_path(path, slot)
            lock = _locked(candidate)
            if lock is not None:
                try:
                    sink = cls(candidate, lock)
                    sink._recover(now)
                    _sync_directory(path.parent)
                except OSError:
                    os.close(lock)
                    raise
                return sink
        raise OSError(errno.EAGAIN, f"{segments.MAX_WRITERS} processes already write audit logs at this path")

    @property
    def size(self) -> int:
        """Bytes that the current file holds."""
        return self._size

    def write(self, lines: bytes) -> None:
        """Append lines; a write that fails or stops half-way (a full disk) is undone and raises OSError."""
        if self._dirty:
            os.ftruncate(self._descriptor, self._size)
            self._dirty = False
        self._dirty = True
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._descriptor, lines[written:])
            self._dirty = False
            self._size += written
            self.sequence += lines.count(b"\n")
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                self._dirty = False
            raise

    def syncer(self) -> Callable[[], None]:
        """A function for another thread; the file may be rotated or closed meanwhile."""
        descriptor = os.dup(self._descriptor)

        def sync() -> None:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        return sync

    def rotate(self, day: str) -> None:
        """Go on in a new file; the lock is not on the file, so nobody can come between."""
        if self._dirty:
            raise OSError(errno.EIO, "the end of the file could not be undone")
        fresh = self.path.with_name(f"{self.path.name}.new")
        aside = segments.rotated_path(self.path, day, self._first)
        descriptor = _open(fresh, _APPEND | os.O_TRUNC)
        try:
            self.path.rename(aside)
            try:
                fresh.rename(self.path)
            except OSError:
                aside.rename(self.path)
                raise
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size, self._first = descriptor, 0, self.sequence + 1
        _sync_directory(self.path.parent)

    def close(self) -> None:
        """Close the file and free its lock; a write that comes later fails."""
        os.close(self._descriptor)
        os.close(self._lock)
        # These numbers may soon be of other files.
        self._descriptor = self._lock = -1

    def _recover(self, now: Callable[[], float]) -> None:
        """Continue after the last whole record; what follows it, or a file that cannot be continued, is set aside."""
        self._set_torn_tail_aside()
        try:
            if self._size:
                self._continue(*unseal(self._last_line()))
                self._first = self._first_sequence()
            elif older := segments.rotated(self.path):
                # It ended between two files.
                found = segments.last_record(older[-1].path)
                if found is not None:
                    self._continue(*found)
                    self._first = self.sequence + 1
        except ValueError:
            self._start_anew(now)

    def _continue(self, record: dict[str, Any], digest: str) -> None:
        self.sequence, self.head = record["sequence"], digest
        self.chain = str(record.get("chain", ""))
        self.day = str(record.get("time", ""))[:10].replace("-", "")

    def _set_torn_tail_aside(self) -> None:
        tail = self._read(max(0, self._size - 2 * MAX_LINE), 2 * MAX_LINE)
        torn = tail[tail.rfind(b"\n") + 1 :]
        if not torn:
            return
        aside = self.path.with_name(f"{self.path.name}.torn")
        descriptor = _open(aside, _APPEND)
        try:
            os.write(descriptor, torn + b"\n")
        finally:
            os.close(descriptor)
        self._size -= len(torn)
        os.ftruncate(self._descriptor, self._size)
        digest = hashlib.sha256(torn).hexdigest()
        self.recovered = {"kind": "torn", "bytes": len(torn), "sha256": digest, "aside": aside.name}

    def _start_anew(self, now: Callable[[], float]) -> None:
        """An end that is no valid record: keep all files as evidence under other names, and begin a new chain."""
        mark = f"damaged-{int(now())}"
        for path in (*segments.files(self.path), segments.checkpoints_path(self.path)):
            with suppress(FileNotFoundError):
                path.rename(path.with_name(f"{path.name}.{mark}"))
        os.close(self._descriptor)
        self.recovered = {"kind": "damaged", "bytes": self._size, "aside": f"{self.path.name}.{mark}"}
        self._descriptor, self._size, self._first = _open(self.path, _APPEND), 0, 1
        self.chain, self.sequence, self.head, self.day = "", 0, GENESIS, ""

    def _first_sequence(self) -> int:
        """Of the file's first record; only its name depends on it, so a bad one stops nothing."""
        try:
            first: int = unseal(self._read(0, MAX_LINE).partition(b"\n")[0] + b"\n")[0]["sequence"]
        except ValueError:
            return self.sequence
        return first

    def _last_line(self) -> bytes:
        tail = self._read(max(0, self._size - 2 * MAX_LINE), 2 * MAX_LINE)
        return tail[tail.rstrip(b"\n").rfind(b"\n") + 1 :]

    def _read(self, position: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, position)


def _open(path: Path, flags: int) -> int:
    """A descriptor of a regular file; raises OSError for anything else."""
    descriptor = os.open(path, flags, _MODE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "the audit log must be a regular file, or - for stderr")
    return descriptor


def _locked(path: Path) -> int | None:
    """A descriptor that holds the exclusive right to write at ``path``, or None when another process has it."""
    descriptor = _open(path.with_name(f"{path.name}.lock"), _READ_WRITE | os.O_CREAT)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _sync_directory(path: Path) -> None:
    """Make names as durable as what they name; some file systems and systems cannot."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
