"""Copies of a log's checkpoints beside it: what a cut-off end is missed by, and what is left of deleted files."""

import errno
import os
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.audit_chain import unseal

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class CheckpointNotes:
    """``PATH.checkpoints``: a line each, exactly as it is in the chain."""

    def __init__(self, log: Path) -> None:
        self.path = segments.checkpoints_path(log)

    def add(self, lines: bytes) -> None:
        """Append lines and bring them to the disk; raises OSError, and may then have written a part."""
        descriptor = os.open(self.path, _FLAGS, 0o600)
        try:
            # After a part of a line, a new one is begun: what is no record is passed over when it is read.
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            if os.write(descriptor, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def compact(self) -> None:
        """Keep the last checkpoint of each rotated file, which stands for those before it; raises OSError."""
        kept = [line for line in self._lines() if b'"reason":"rotation"' in line]
        fresh = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(fresh, _FLAGS | os.O_TRUNC, 0o600)
        try:
            if os.write(descriptor, b"".join(kept)) < sum(map(len, kept)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.rename(self.path)

    def read(self) -> list[tuple[dict[str, Any], str]]:
        """The checkpoints with their hashes, in order; lines that are none are passed over."""
        found = []
        for line in self._lines():
            try:
                found.append(unseal(line))
            except ValueError:
                continue
        return found

    def _lines(self) -> list[bytes]:
        try:
            return self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
