"""Zip archives as they stream by, read from their local headers (PKWARE APPNOTE.TXT 4.3).

The directory at an archive's end is out of reach without keeping the archive, and archives within archives are
read the same way at any depth.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.source import PIECE, Source, TooMuch, Truncated, Unreadable

MAX_PREFIX: Final = 64 * 1024
"""Bytes before the first entry: self-executing archives begin with a script."""
_LOCAL: Final = b"PK\x03\x04"
_END: Final = b"PK\x05\x06"
_DESCRIPTOR: Final = b"PK\x07\x08"
_HEADER: Final = struct.Struct("<4sHHHHHIIIHH")
_ENCRYPTED, _DEFERRED = 1, 8
_STORED, _DEFLATED = 0, 8
_ZIP64_MARK: Final = 0xFFFFFFFF
_ZIP64_EXTRA: Final = 1


class Budget:
    """What all archives in one file may cost together."""

    def __init__(self, size: int, count: int) -> None:
        self._size = size
        self._count = count

    def spend(self, size: int) -> None:
        """Count bytes that came out of decompression."""
        self._size -= size
        if self._size < 0:
            raise TooMuch("it unpacks to more than is read")

    def enter(self) -> None:
        """Count an entry."""
        self._count -= 1
        if self._count < 0:
            raise TooMuch("it has more entries than are read")


class Member:
    """One entry; ``pieces`` is its content, once."""

    def __init__(self, name: str, pieces: Iterator[bytes], leave_out: Callable[[], None] | None = None) -> None:
        """``leave_out`` goes past all the content, where that takes no decompression."""
        self.name = name
        self._pieces = pieces
        self._leave_out = leave_out

    @property
    def pieces(self) -> Iterator[bytes]:
        self._leave_out = None
        return self._pieces

    def read(self, limit: int) -> bytes:
        """All of it; raise Unreadable when it has more than ``limit`` bytes."""
        found = bytearray()
        for piece in self.pieces:
            found += piece
            if len(found) > limit:
                raise TooMuch(f"an entry of it is larger than {limit} bytes")
        return bytes(found)

    def finish(self) -> None:
        """Leave out what nobody read."""
        if self._leave_out is not None:
            self._leave_out()
            return
        for _ in self._pieces:
            pass


def members(source: Source, budget: Budget) -> Iterator[Member]:
    """The entries in order; raises Unreadable where the archive is damaged, encrypted or beyond ``budget``."""
    _find_start(source)
    while source.peek(4) == _LOCAL:
        budget.enter()
        member = _member(source, budget)
        yield member
        member.finish()


def _find_start(source: Source) -> None:
    if source.peek(4) in (_LOCAL, _END):
        return
    at = source.peek(MAX_PREFIX).find(_LOCAL)
    if at < 0:
        raise Unreadable("it is not a zip archive")
    source.skip(at)


def _member(source: Source, budget: Budget) -> Member:
    head = _HEADER.unpack(source.read(_HEADER.size))
    flags, method, packed, size = head[2], head[3], head[7], head[8]
    name = source.read(head[9]).decode("utf-8", "replace")
    extra = source.read(head[10])
    if _ZIP64_MARK in (packed, size):
        packed = _zip64(extra, packed, size)
    if method not in (_STORED, _DEFLATED) or flags & _ENCRYPTED:
        if flags & _DEFERRED:
            raise Unreadable("it uses encryption or an unusual compression")
        return Member(name, _dropped(source, packed))
    if method == _DEFLATED:
        if flags & _DEFERRED:
            return Member(name, _inflated(source, budget, None))
        return Member(name, _inflated(source, budget, packed), lambda: source.skip(packed))
    if flags & _DEFERRED and not packed:
        if size or not _empty(source):
            raise Unreadable("it does not say how large an entry is")
        return Member(name, _described(source, 0))
    return Member(name, _stored(source, packed), lambda: source.skip(packed))


def _zip64(extra: bytes, packed: int, size: int) -> int:
    """The packed size from the field for sizes beyond 4 GiB, which has the unpacked one before it."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == _ZIP64_EXTRA:
            values = extra[at + 4 : at + 4 + length]
            place = 8 if size == _ZIP64_MARK else 0
            if packed != _ZIP64_MARK:
                return packed
            if len(values) >= place + 8:
                return int(struct.unpack_from("<Q", values, place)[0])
        at += 4 + length
    raise Unreadable("it does not say how large an entry is")


def _dropped(source: Source, size: int) -> Iterator[bytes]:
    source.skip(size)
    yield from ()


def _stored(source: Source, size: int) -> Iterator[bytes]:
    while size:
        piece = next(source.take(min(size, PIECE)), b"")
        if not piece:
            raise Truncated
        size -= len(piece)
        yield piece


def _inflated(source: Source, budget: Budget, packed: int | None) -> Iterator[bytes]:
    """Deflated content, which tells by itself where it ends; ``packed`` None means that a descriptor follows."""
    stream = zlib.decompressobj(-15)
    given = 0
    try:
        while not stream.eof:
            chunk = next(source.take(PIECE), b"")
            if not chunk:
                raise Truncated
            given += len(chunk)
            while chunk and not stream.eof:
                piece = stream.decompress(chunk, PIECE)
                chunk = stream.unconsumed_tail
                budget.spend(len(piece))
                yield piece
    except zlib.error as error:
        raise Unreadable("it is damaged") from error
    source.push_back(stream.unused_data)
    used = given - len(stream.unused_data)
    if packed is None:
        yield from _described(source, used)
    elif used < packed:
        source.skip(packed - used)


def _empty(source: Source) -> bool:
    """Whether a descriptor for nothing follows: directories are written so by some tools."""
    following = source.peek(16)
    return following[:4] == _DESCRIPTOR and not following[4:].strip(b"\0")


def _described(source: Source, used: int) -> Iterator[bytes]:
    """Leave out the descriptor after content of ``used`` bytes: its sizes have four or eight bytes each."""
    signed = 4 if source.peek(4) == _DESCRIPTOR else 0
    following = source.peek(signed + 20)[signed:]
    narrow = int.from_bytes(following[4:8], "little") == used & _ZIP64_MARK
    wide = int.from_bytes(following[4:12], "little") == used and following[12:16] != b""
    # Both fit only where the unpacked size's low half is nothing: then a header must follow the right one.
    if narrow and wide:
        wide = source.peek(signed + 22)[signed + 20 :] == b"PK"
    if not narrow and not wide:
        raise Unreadable("it is damaged")
    source.skip(signed + (20 if wide else 12))
    yield from ()
