"""Bytes that come once and in order, read by whoever needs them next."""

from collections.abc import Iterable, Iterator
from typing import Final

PIECE: Final = 256 * 1024
"""The most bytes handed on at a time."""


class Unreadable(Exception):
    """What was expected here cannot be read; the text says why, for a person."""


class Truncated(Unreadable):
    """The content ended early."""

    def __init__(self) -> None:
        super().__init__("it ends in the middle")


class Source:
    """Pieces of bytes of any size, read as one sequence. Holds no more than one piece and what is asked for."""

    __slots__ = ("_at", "_piece", "_pieces")

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes; raise Truncated when there are fewer. The caller bounds ``size``."""
        end = self._at + size
        if end <= len(self._piece):
            found = self._piece[self._at : end]
            self._at = end
            return found
        return b"".join(self._exactly(size))

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end, without reading them."""
        while len(self._piece) - self._at < size:
            more = next(self._pieces, None)
            if more is None:
                break
            self._piece = self._piece[self._at :] + more
            self._at = 0
        return self._piece[self._at : self._at + size]

    def skip(self, size: int) -> None:
        """Leave out exactly ``size`` bytes; raise Truncated when there are fewer."""
        left = size - (len(self._piece) - self._at)
        if left <= 0:
            self._at += size
            return
        for piece in self._pieces:
            if len(piece) >= left:
                self._piece, self._at = piece, left
                return
            left -= len(piece)
        self._piece, self._at = b"", 0
        raise Truncated

    def take(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes in pieces; fewer when the content ends. What is not taken is still to be read."""
        while size > 0 and self._more():
            found = self._piece[self._at : self._at + size]
            self._at += len(found)
            size -= len(found)
            yield found

    def rest(self) -> Iterator[bytes]:
        """Everything that is left, in pieces."""
        while self._more():
            found = self._piece[self._at :]
            self._at = len(self._piece)
            yield found

    def push_back(self, unread: bytes) -> None:
        """Put bytes in front of what is to be read next."""
        self._piece = unread + self._piece[self._at :]
        self._at = 0

    def _more(self) -> bool:
        while self._at >= len(self._piece):
            more = next(self._pieces, None)
            if more is None:
                return False
            self._piece, self._at = more, 0
        return True

    def _exactly(self, size: int) -> Iterator[bytes]:
        got = 0
        for piece in self.take(size):
            got += len(piece)
            yield piece
        if got < size:
            raise Truncated


class TooMuch(Unreadable):
    """Reading it would cost more than is spent on one layer; it may be perfectly sound."""


class Content:
    """The content of one file: a part of a source that knows where it ends."""

    __slots__ = ("_source", "left", "size")

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self.size = size
        self.left = size

    def peek(self, size: int) -> bytes:
        """The first bytes that are left, at most ``size``."""
        return self._source.peek(min(size, self.left))

    def read(self, limit: int) -> bytes:
        """All of it; raise Unreadable when it has more than ``limit`` bytes."""
        if self.size > limit:
            raise TooMuch(f"it is larger than {limit} bytes")
        size, self.left = self.left, 0
        return self._source.read(size)

    def pieces(self) -> Iterator[bytes]:
        """All that is left, in pieces."""
        while self.left:
            for piece in self._source.take(min(self.left, PIECE)):
                self.left -= len(piece)
                yield piece
                break
            else:
                raise Truncated

    def finish(self) -> None:
        """Leave out what nobody read."""
        size, self.left = self.left, 0
        self._source.skip(size)
