"""Where audit lines go: a locked, append-only file that is continued after a crash, or stderr."""

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

from mcp_dockerhub_security.audit_chain import GENESIS, MAX_LINE, unseal

if sys.platform != "win32":
    import fcntl

MAX_WRITERS: Final = 64
_MODE: Final = 0o600
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, line: bytes) -> None:
        """Append a line or raise OSError and leave nothing of it."""

    def sync(self) -> None:
        """Return when everything written is on the disk; raise OSError when it cannot be told."""

    def close(self) -> None:
        """Give up the file and its lock."""


class StderrSink:
    """Lines among the log, for a collector that keeps stderr."""

    def write(self, line: bytes) -> None:
        """Append a line; a pipe takes one of this size whole or waits."""
        view = memoryview(line)
        while view:
            view = view[os.write(2, view) :]

    def sync(self) -> None:
        """Pipes and terminals have nothing to sync."""

    def close(self) -> None:
        """stderr stays open."""


class FileSink:
    """One file, written by one process.

    The file is locked (``flock``). A second process on the same path writes ``PATH.2``, a third ``PATH.3`` and so
    on: every file holds one chain, a freed one is continued by whoever comes next, and their number is bounded by
    how many processes run at once. On Windows, where there is no such lock, give each process its own path.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.sequence = 0
        self.head = GENESIS
        self.recovered: dict[str, Any] | None = None
        """What was found broken and set aside when the file was opened, for a ``recovered`` record."""
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._dirty = False

    @classmethod
    def open(cls, path: Path, *, now: Callable[[], float] = time.time) -> Self:
        """Open and lock the first free file, and find where its chain ends.

        Raises OSError when the directory or file cannot be used, or when too many processes hold it.
        """
        for slot in range(1, MAX_WRITERS + 1):
            candidate = path if slot == 1 else path.with_name(f"{path.name}.{slot}")
            descriptor = _open_locked(candidate)
            if descriptor is not None:
                sink = cls(candidate, descriptor)
                sink._recover(now)
                return sink
        raise OSError(errno.EAGAIN, f"{MAX_WRITERS} processes already write audit logs at this path")

    def write(self, line: bytes) -> None:
        """Append a line; a write that fails or stops half-way (a full disk) is undone and raises OSError."""
        if self._dirty:
            os.ftruncate(self._descriptor, self._size)
            self._dirty = False
        self._dirty = True
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            self._dirty = False
            self._size += written
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                self._dirty = False
            raise

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file, which frees its lock."""
        os.close(self._descriptor)

    def _recover(self, now: Callable[[], float]) -> None:
        """Continue after the last whole record; what follows it, or a file that cannot be continued, is set aside."""
        self._set_torn_tail_aside()
        if self._size == 0:
            return
        tail = self._read_tail()
        line = tail[tail.rstrip(b"\n").rfind(b"\n") + 1 :]
        try:
            record, self.head = unseal(line)
            self.sequence = record["sequence"]
        except ValueError:
            self._start_anew(now)

    def _set_torn_tail_aside(self) -> None:
        tail = self._read_tail()
        torn = tail[tail.rfind(b"\n") + 1 :]
        if not torn:
            return
        aside = self.path.with_name(f"{self.path.name}.torn")
        descriptor = os.open(aside, _FLAGS, _MODE)
        try:
            os.write(descriptor, torn + b"\n")
        finally:
            os.close(descriptor)
        self._size -= len(torn)
        os.ftruncate(self._descriptor, self._size)
        digest = hashlib.sha256(torn).hexdigest()
        self.recovered = {"kind": "torn", "bytes": len(torn), "sha256": digest, "aside": aside.name}

    def _start_anew(self, now: Callable[[], float]) -> None:
        """The last line is no valid record: keep the file as evidence under another name."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(now())}")
        self.path.rename(aside)
        size = self._size
        os.close(self._descriptor)
        descriptor = _open_locked(self.path)
        if descriptor is None:
            raise OSError(errno.EAGAIN, "another process took the audit log while it was being recovered")
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size
        self.recovered = {"kind": "damaged", "bytes": size, "aside": aside.name}

    def _read_tail(self) -> bytes:
        length = min(self._size, 2 * MAX_LINE)
        return os.pread(self._descriptor, length, self._size - length)


def _check_regular(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "the audit log must be a regular file, or - for stderr")


def _open_locked(path: Path) -> int | None:
    """A descriptor with an exclusive lock, or None when another process has it."""
    descriptor = os.open(path, _FLAGS, _MODE)
    try:
        _check_regular(descriptor)
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
