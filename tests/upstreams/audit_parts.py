"""Logs to look at: written by the real thing, on a clock of their own, with keys made for the tests."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcp_dockerhub_security.audit import AuditLog, AuditOptions
from mcp_dockerhub_security.audit_file import FileSink
from mcp_dockerhub_security.audit_keys import PublicKeys, Signer

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class WallClock:
    """A time of day that passes when a test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **length: float) -> None:
        """Let ``timedelta(**length)`` pass."""
        self.now += timedelta(**length)


@lru_cache
def key(number: int = 0) -> Ed25519PrivateKey:
    """The same key for the same number."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def signer(number: int = 0) -> Signer:
    """Of that key."""
    return Signer(key(number))


def public_keys(*numbers: int) -> PublicKeys:
    """Of those keys; of the first where none is named."""
    return PublicKeys(key(number).public_key() for number in numbers or (0,))


def write(path: Path, count: int, *, options: AuditOptions | None = None, **fields: Any) -> AuditLog:
    """A log with some records more, still open."""
    log = AuditLog.open(path, instance="one", options=options)
    for number in range(count):
        log.append("outcome", {"number": number, **fields})
    return log


def written(path: Path, count: int, *, options: AuditOptions | None = None, **fields: Any) -> Path:
    """A log with some records more, properly closed."""
    write(path, count, options=options, **fields).close()
    return path


def lines(path: Path) -> list[bytes]:
    """The lines of one file."""
    return path.read_bytes().splitlines(keepends=True)


def records(path: Path) -> list[dict[str, Any]]:
    """The records of one file."""
    return [json.loads(line) for line in lines(path)]


def events(path: Path) -> list[str]:
    """What the records of one file are about."""
    return [record["event"] for record in records(path)]


class FragileSink(FileSink):
    """A real file on a disk that is full, or does not sync, when a test says so."""

    full = False
    room: int | None = None
    """Bytes that still fit, once it is full."""
    sync_fails = False
    syncs = 0
    writes = 0

    def write(self, lines: bytes) -> None:
        self.writes += 1
        if self.full and (self.room is None or len(lines) > self.room):
            raise OSError(28, "No space left on device")
        if self.full and self.room is not None:
            self.room -= len(lines)
        super().write(lines)

    def syncer(self) -> Callable[[], None]:
        sync = super().syncer()

        def counted() -> None:
            self.syncs += 1
            sync()
            if self.sync_fails:
                raise OSError(5, "Input/output error")

        return counted


def fragile(path: Path, **options: Any) -> tuple[AuditLog, FragileSink]:
    """A log on such a disk."""
    sink = FragileSink.open(path)
    return AuditLog(sink, instance="one", options=AuditOptions(**options)), sink
