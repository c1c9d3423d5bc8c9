"""The parts of an executable that tell what it is (System V ABI, "Object Files"), from its start on."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from mcp_dockerhub.supply_chain.catalogue.source import Source, Unreadable

MAGIC: Final = b"\x7fELF"
MAX_SEGMENTS: Final = 128
_LOAD, _INTERPRETER = 1, 3
_WRITABLE: Final = 2


class Segment(NamedTuple):
    """A part of the file that is mapped into memory."""

    kind: int
    offset: int
    size: int
    """Bytes in the file."""
    writable: bool


class Program(NamedTuple):
    """An ELF file's headers."""

    kind: int
    """2 is an executable, 3 a shared object, which position-independent executables are too."""
    segments: tuple[Segment, ...]
    header_end: int
    """Bytes read so far."""

    @property
    def interpreted(self) -> bool:
        """Whether it asks for a dynamic loader: static programs and libraries do not."""
        return any(segment.kind == _INTERPRETER for segment in self.segments)

    def data(self) -> Iterator[Segment]:
        """Writable parts, in the order they are in the file."""
        loaded = (part for part in self.segments if part.kind == _LOAD and part.writable and part.size)
        return iter(sorted(loaded, key=lambda part: part.offset))


def read_program(source: Source) -> Program:
    """The headers; raise Unreadable for what is no executable or shared object with headers at its start."""
    ident = source.read(16)
    wide, order = ident[4] == 2, {1: "<", 2: ">"}.get(ident[5])
    if ident[:4] != MAGIC or order is None or ident[4] not in (1, 2):
        raise Unreadable("it is not an ELF file")
    layout = struct.Struct(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"))
    head = layout.unpack(source.read(layout.size))
    kind, table, entry_size, count = head[0], head[4], head[8], head[9]
    entry = struct.Struct(order + ("IIQQQQQQ" if wide else "IIIIIIII"))
    at = 16 + layout.size
    if kind not in (2, 3) or entry_size != entry.size or count > MAX_SEGMENTS or not at <= table <= 4096:
        raise Unreadable("it is not a program")
    source.skip(table - at)
    raw = source.read(entry.size * count)
    segments = tuple(_segment(part, wide=wide) for part in entry.iter_unpack(raw))
    return Program(kind, segments, table + len(raw))


def _segment(part: tuple[int, ...], *, wide: bool) -> Segment:
    if wide:
        kind, flags, offset, _, _, size = part[:6]
    else:
        kind, offset, _, _, size, _, flags, _ = part
    return Segment(kind, offset, size, bool(flags & _WRITABLE))
