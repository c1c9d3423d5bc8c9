"""A layer's bytes as they were before compression: gzip (RFC 1952), zstd (RFC 8878), or none.

The first bytes tell which, not the media type: registries hold layers whose manifests say something else.
"""

import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from mcp_dockerhub.supply_chain.catalogue.source import PIECE, Source, Truncated, Unreadable

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""Of a frame without content, after a first byte of 0x50 to 0x5f."""
_GZIP_WINDOW: Final = 31
ZSTD_WINDOW_LOG: Final = 25
"""32 MiB: what the encoders that write layers use at most. The format allows terabytes."""


class Form(NamedTuple):
    """How a layer is compressed, and its content."""

    name: str
    pieces: Iterator[bytes]


def decompressed(chunks: Iterable[bytes]) -> Form:
    """The content of a layer in pieces of at most ``PIECE`` bytes; reading raises Unreadable where it is damaged."""
    source = Source(chunks)
    start = source.peek(4)
    if start.startswith(GZIP_MAGIC):
        return Form("gzip", _gunzip(source.rest()))
    if _is_zstd(start):
        return Form("zstd", _unzstd(source.rest()))
    return Form("none", _plain(source.rest()))


def _plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), PIECE):
            yield chunk[at : at + PIECE]


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Every member one after another; what follows the last and is none is padding, as for gzip itself."""
    source = Source(chunks)
    while source.peek(len(GZIP_MAGIC)) == GZIP_MAGIC:
        member = zlib.decompressobj(_GZIP_WINDOW)
        for chunk in source.rest():
            yield from _inflate(member, chunk)
            if member.eof:
                source.push_back(member.unused_data)
                break
        if not member.eof:
            raise Truncated


def _inflate(member: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    try:
        while chunk and not member.eof:
            piece = member.decompress(chunk, PIECE)
            chunk = member.unconsumed_tail
            if piece:
                yield piece
    except zlib.error as error:
        raise Unreadable("its compression is damaged") from error


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Every frame one after another, as for gzip."""
    if sys.version_info >= (3, 14):
        from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
    else:
        from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

    options = {int(DecompressionParameter.window_log_max): ZSTD_WINDOW_LOG}
    source = Source(chunks)
    while _is_zstd(source.peek(4)):
        frame = ZstdDecompressor(options=options)
        for chunk in source.rest():
            given = chunk
            try:
                while not frame.eof and (given or not frame.needs_input):
                    piece = frame.decompress(given, PIECE)
                    given = b""
                    if piece:
                        yield piece
            except ZstdError as error:
                raise Unreadable("its compression is damaged, or needs more than 32 MiB of memory") from error
            if frame.eof:
                source.push_back(frame.unused_data)
                break
        if not frame.eof:
            raise Truncated


def _is_zstd(start: bytes) -> bool:
    return start == ZSTD_MAGIC or (start[1:] == _ZSTD_SKIPPABLE and 0x50 <= start[0] <= 0x5F)
