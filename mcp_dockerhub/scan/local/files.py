"""Named files of a folder or of a tar archive, read in place: nothing is unpacked, and no name leads out of it."""

import gzip
import os
import posixpath
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

from mcp_dockerhub.errors import InvalidInput, NotFound, TooLarge, UpstreamInvalid

CHUNK: Final = 1024 * 1024
MAX_ENTRIES: Final = 200_000
"""Entries of one archive."""
_MAX_LINKS: Final = 8
_GZIP: Final = b"\x1f\x8b"


class Damaged(UpstreamInvalid):
    """An image on this machine that is not what it should be."""

    default_hint = "Write it anew from the image; nothing is known about what it holds."


class File:
    """``size`` bytes of an open file, from where it stands."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, limit: int = CHUNK) -> bytes:
        """At most ``limit`` bytes; none at the end, and where the file is shorter than it was."""
        chunk = self._stream.read(min(limit, self._left))
        self._left -= len(chunk)
        return chunk

    def chunks(self) -> Iterator[bytes]:
        """All that is left."""
        while chunk := self.read():
            yield chunk


class Files(Protocol):
    """Where an image lies."""

    name: str
    """As the user wrote it; names it in errors."""

    def open(self, path: str) -> File | None:
        """The regular file at a relative ``path``; None where there is none.

        Raises Damaged for what is there and is no regular file inside.
        """

    def close(self) -> None:
        """Give back what it holds."""


def whole(files: Files, path: str, limit: int) -> bytes | None:
    """The bytes of one small file; None where there is none. Raises Damaged, TooLarge beyond ``limit``."""
    file = files.open(path)
    if file is None:
        return None
    with file:
        if file.size > limit:
            raise TooLarge(f"{path} in {files.name} has {file.size} bytes; at most {limit} are read here.")
        return b"".join(file.chunks())


class Folder:
    """The files of a directory. Links are followed as long as they stay inside."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises NotFound, or InvalidInput for what is no directory."""
        self.name = name
        try:
            if not path.exists():
                raise NotFound(f"{name} does not exist.", hint="Check the path.")
            if not path.is_dir():
                raise InvalidInput(f"{name} is not a directory.", hint="An archive of one file is docker-archive:FILE.")
            self._root = path.resolve()
        except OSError as error:
            raise InvalidInput(f"{name} cannot be read ({error.strerror or 'it failed'}).") from None

    def open(self, path: str) -> File | None:
        try:
            found = (self._root / path).resolve()
            if not found.is_relative_to(self._root):
                raise Damaged(f"{path} in {self.name} leads out of that directory: refused.")
            return self._regular(found, path)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
            raise _unreadable(path, self.name, error) from None

    def _regular(self, found: Path, path: str) -> File:
        # Not blocking: opening a named pipe would wait for whoever writes to it.
        handle = os.open(found, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            os.close(handle)
            raise Damaged(f"{path} in {self.name} is not a regular file.")
        return File(os.fdopen(handle, "rb"), facts.st_size)

    def close(self) -> None:
        """Nothing is held."""


class Archive:
    """The files of a tar archive, plain or gzip-compressed; the latter is unpacked to a temporary file first."""

    def __init__(self, path: Path, name: str, max_bytes: int) -> None:
        """Raises NotFound, InvalidInput for what is no archive, TooLarge beyond ``max_bytes`` unpacked."""
        self.name = name
        self._unpacked: Path | None = None
        try:
            self._path = self._plain(path, max_bytes)
            self._members = dict(self._read_members())
        except FileNotFoundError:
            raise NotFound(f"{name} does not exist.", hint="Check the path.") from None
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, IsADirectoryError):
            self.close()
            raise InvalidInput(f"{name} is not a whole tar archive.", hint="Write one with `docker save`.") from None
        except OSError as error:
            self.close()
            raise InvalidInput(f"{name} cannot be read ({error.strerror or 'it failed'}).") from None
        except BaseException:
            self.close()
            raise

    def open(self, path: str) -> File | None:
        member = self._follow(path)
        if member is None:
            return None
        if not member.isreg() or member.issparse():
            raise Damaged(f"{path} in {self.name} is not a regular file.")
        try:
            stream = self._path.open("rb")
            stream.seek(member.offset_data)
        except OSError as error:
            raise _unreadable(path, self.name, error) from None
        return File(stream, member.size)

    def close(self) -> None:
        if self._unpacked is not None:
            self._unpacked.unlink(missing_ok=True)

    def _follow(self, path: str) -> tarfile.TarInfo | None:
        """The entry at ``path``; old archives name a layer that is there twice by a link to the first."""
        wanted = posixpath.normpath(path)
        for _ in range(_MAX_LINKS):
            member = self._members.get(wanted)
            if member is None or not (member.issym() or member.islnk()):
                return member
            start = posixpath.dirname(wanted) if member.issym() else ""
            wanted = posixpath.normpath(posixpath.join(start, member.linkname))
        raise Damaged(f"{path} in {self.name} is a link that leads nowhere.")

    def _read_members(self) -> Iterator[tuple[str, tarfile.TarInfo]]:
        with tarfile.open(self._path, "r:") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_ENTRIES:
                    raise TooLarge(f"{self.name} has more than {MAX_ENTRIES} entries.")
                yield posixpath.normpath(member.name), member

    def _plain(self, path: Path, max_bytes: int) -> Path:
        with path.open("rb") as start:
            if start.read(2) != _GZIP:
                return path
        handle, name = tempfile.mkstemp(prefix="mcp-dockerhub-", suffix=".tar")
        self._unpacked = Path(name)
        written = 0
        with os.fdopen(handle, "wb") as target, gzip.open(path) as source:
            while chunk := source.read(CHUNK):
                written += len(chunk)
                if written > max_bytes:
                    raise TooLarge(
                        f"{self.name} is larger than {max_bytes} bytes unpacked.",
                        hint="MCP_DOCKERHUB_SCAN_MAX_BYTES allows more.",
                    )
                target.write(chunk)
        return self._unpacked


def _unreadable(path: str, name: str, error: Exception) -> Damaged:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "it failed"
    return Damaged(f"{path} in {name} cannot be read ({reason}).", hint="Check its permissions and links.")
