"""What outlives the process: bytes that never change, by kind and address, in files below one directory.

Safe under any number of processes and under ``kill -9``: a file appears whole or not at all, and is what was put
there or is thrown away when read. Nothing is locked for reading or writing; only clearing up takes a lock, and
whoever does not get it leaves it to the other. Losing an entry costs a fetch and nothing else, so every failure to
write is counted and otherwise ignored.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

DEFAULT_MAX_BYTES: Final = 1024**3
_FORMAT: Final = "v1"
_MAGIC: Final = b"mdh\x01"
_HEAD: Final = struct.Struct(">4sdQ32s")
"""Magic, time kept (seconds), length, and the SHA-256 of address, time and content."""
_BLOCK: Final = 4096
_LOW_WATER: Final = 0.9
"""Share of the limit that is left after clearing up."""
_LOOK_AGAIN: Final = 16
"""Other processes write too: sizes are counted anew after writing one part in this many of the limit."""
_ABANDONED: Final = 3600.0
"""Seconds after which a temporary file has no writer any more."""
_TOUCH_AFTER: Final = 3600.0
"""Seconds between two notes that an entry is in use."""


class StoreUnusable(Exception):
    """The directory cannot hold a store; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it was put there."""

    content: bytes
    kept_at: datetime
    """When it was put there (UTC)."""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Counts of this process; ``bytes`` and ``entries`` of the directory when it was last looked at."""

    max_bytes: int
    bytes: int
    entries: int
    hits: int
    misses: int
    evictions: int
    damaged: int
    """Entries that were not what was put there, and are gone."""
    failures: int
    """Writes that the file system refused."""


class Store:
    """See the module's text. Blocking; ``read`` and ``keep`` do the same without blocking the event loop."""

    def __init__(self, directory: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Raise StoreUnusable when nothing can be written below ``directory``, or others can write there."""
        self._root = directory / _FORMAT
        self._max_bytes = max_bytes
        self._bytes = self._entries = 0
        self._written: int | None = None
        self._counts = dict.fromkeys(("hits", "misses", "evictions", "damaged", "failures"), 0)
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._root / "tmp").mkdir(exist_ok=True, mode=0o700)
            _check_private(self._root)
            probe = self._temporary()
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise StoreUnusable(f"nothing can be kept in {directory}: {error.strerror}") from error

    async def read(self, kind: str, address: str) -> Stored | None:
        """``get`` off the event loop."""
        return await asyncio.to_thread(self.get, kind, address)

    async def keep(self, kind: str, address: str, content: bytes) -> None:
        """``put`` off the event loop."""
        await asyncio.to_thread(self.put, kind, address, content)

    def get(self, kind: str, address: str) -> Stored | None:
        """The entry, None where there is none. One that is damaged is removed."""
        path = self._path(kind, address)
        try:
            found = _parse(_read_file(path), kind, address)
        except FileNotFoundError:
            self._counts["misses"] += 1
            return None
        except (OSError, ValueError):
            self._counts["misses"] += 1
            self._counts["damaged"] += 1
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        self._counts["hits"] += 1
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _TOUCH_AFTER:
                os.utime(path)
        return found

    def put(self, kind: str, address: str, content: bytes) -> None:
        """Keep an entry; larger ones than an eighth of the limit are not worth the others."""
        if len(content) > self._max_bytes // 8:
            return
        path = self._path(kind, address)
        temporary = self._temporary()
        try:
            path.parent.mkdir(exist_ok=True, mode=0o700)
            with temporary.open("xb") as file:
                file.write(_pack(kind, address, content))
            temporary.replace(path)
        except OSError:
            self._counts["failures"] += 1
            with contextlib.suppress(OSError):
                temporary.unlink()
            return
        self._account(_on_disk(len(content) + _HEAD.size))

    def stats(self) -> StoreStats:
        """Counts and sizes, without looking at the directory."""
        return StoreStats(self._max_bytes, self._bytes, self._entries, **self._counts)

    def clear_up(self) -> None:
        """Remove what was used longest ago until the limit is kept, and what crashed writers left behind."""
        with _lock(self._root / "lock") as mine:
            if not mine:
                return
            found = sorted(self._files())
            total = sum(size for _, size, _ in found)
            kept = len(found)
            target = self._max_bytes * _LOW_WATER if total > self._max_bytes else self._max_bytes
            for _, size, path in found:
                if total <= target:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                self._counts["evictions"] += 1
                total -= size
                kept -= 1
            self._bytes, self._entries, self._written = total, kept, 0
            self._remove_abandoned()

    def _account(self, size: int) -> None:
        self._bytes += size
        self._entries += 1
        first, self._written = self._written is None, (self._written or 0) + size
        if first or self._bytes > self._max_bytes or self._written > self._max_bytes // _LOOK_AGAIN:
            self.clear_up()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Last use, bytes on disk and path of every entry."""
        for shard in self._root.glob("[0-9a-f][0-9a-f]"):
            try:
                with os.scandir(shard) as entries:
                    for entry in entries:
                        with contextlib.suppress(FileNotFoundError):
                            found = entry.stat(follow_symlinks=False)
                            yield found.st_mtime, _on_disk(found.st_size), Path(entry.path)
            except FileNotFoundError:
                continue

    def _remove_abandoned(self) -> None:
        for path in (self._root / "tmp").iterdir():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def _path(self, kind: str, address: str) -> Path:
        name = hashlib.sha256(_identity(kind, address)).hexdigest()
        return self._root / name[:2] / name[2:]

    def _temporary(self) -> Path:
        return self._root / "tmp" / f"{os.getpid()}-{secrets.token_hex(8)}"


def _identity(kind: str, address: str) -> bytes:
    return f"{kind}\0{address}\0".encode("utf-8", "surrogatepass")


def _pack(kind: str, address: str, content: bytes) -> bytes:
    now = time.time()
    return _HEAD.pack(_MAGIC, now, len(content), _seal(kind, address, now, content)) + content


def _parse(raw: bytes, kind: str, address: str) -> Stored:
    """Raise ValueError for anything but what was put there under this kind and address."""
    if len(raw) < _HEAD.size:
        raise ValueError("cut short")
    magic, kept_at, length, seal = _HEAD.unpack_from(raw)
    content = raw[_HEAD.size :]
    if magic != _MAGIC or length != len(content) or seal != _seal(kind, address, kept_at, content):
        raise ValueError("damaged")
    return Stored(content, datetime.fromtimestamp(kept_at, UTC))


def _seal(kind: str, address: str, kept_at: float, content: bytes) -> bytes:
    return hashlib.sha256(_identity(kind, address) + struct.pack(">d", kept_at) + content).digest()


def _read_file(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _check_private(root: Path) -> None:
    """Raise StoreUnusable where others could put words into our mouth."""
    found = root.lstat()
    ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not ours or (hasattr(os, "getuid") and found.st_mode & 0o022):
        raise StoreUnusable(f"{root} belongs to another user, or others can write there")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold a lock on ``path`` where nobody else does; yields whether it is held. It ends with its process."""
    try:
        import fcntl
    except ImportError:  # Windows: clearing up twice at the same time removes a little too much
        yield True
        return
    try:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
    except OSError:
        yield False
