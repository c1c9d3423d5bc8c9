"""The process that reads one layer. It gets bytes, gives one JSON document, and can do nothing else.

Input: frames of a four-byte length and as many bytes, until a frame of no bytes. Output: one such frame. A process
reads one layer only, so that nothing a layer does to its reader can touch what is said about another.
"""

import importlib
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

from mcp_dockerhub.supply_chain.catalogue.compression import decompressed
from mcp_dockerhub.supply_chain.catalogue.source import Source, TooMuch, Unreadable
from mcp_dockerhub.supply_chain.catalogue.survey import MAX_ENTRIES, Survey, gap_kind
from mcp_dockerhub.supply_chain.catalogue.tar import entries

MAX_FRAME: Final = 1024 * 1024
MAX_UNPACKED: Final = 32 * 1024**3
"""Bytes of one layer after decompression."""


def main(memory: int, seconds: int) -> None:
    """Read a layer from standard input within ``memory`` bytes and ``seconds`` of processor time."""
    _confine(memory, seconds)
    result = read_layer(_frames(sys.stdin.buffer))
    sys.stdout.buffer.write(len(result).to_bytes(4, "big"))
    sys.stdout.buffer.write(result)
    sys.stdout.buffer.flush()


def read_layer(chunks: Iterator[bytes]) -> bytes:
    """The result of a layer whose stored bytes come in ``chunks``; every chunk is taken, whatever is wrong."""
    survey = Survey()
    form = "unknown"
    try:
        form, pieces = decompressed(chunks)
        for entry in entries(Source(_bounded(pieces))):
            if survey.count >= MAX_ENTRIES:
                raise TooMuch(f"it has more than {MAX_ENTRIES} entries")
            survey.add(entry)
    except Unreadable as problem:
        survey.gap(gap_kind(problem), f"layer that is not read to its end: {problem}")
    for _ in chunks:
        pass
    return survey.to_json(form)


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MAX_UNPACKED:
            raise TooMuch(f"it unpacks to more than {MAX_UNPACKED} bytes")
        yield piece


def _frames(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        head = stream.read(4)
        size = int.from_bytes(head, "big")
        if len(head) < 4 or size > MAX_FRAME:
            # Whoever sends has gone, or is not who we think.
            raise SystemExit(3)
        if not size:
            return
        yield stream.read(size)


def _confine(memory: int, seconds: int) -> None:
    """Give up what reading a layer does not need: more memory, more time, files to open or to write."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; there the parent's clock is the only one
        return
    _load_on_demand()
    limits = [(resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)]
    limits += [(resource.RLIMIT_NOFILE, 3), (resource.RLIMIT_AS, memory)]
    for kind, wanted in limits:
        _, hard = resource.getrlimit(kind)
        granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (granted, granted))


def _load_on_demand() -> None:
    """Import what is loaded where first used: once confined, no file can be opened."""
    importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
