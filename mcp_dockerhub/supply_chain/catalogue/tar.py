"""Tar archives as they stream by (POSIX.1-2017 pax and ustar; GNU tar's long names and sparse files).

Not ``tarfile``: in stream mode it reads pax and long-name headers of any size into memory, follows chains of them by
recursion, and takes ten times as long for an entry. Ambiguities are settled as Go's ``archive/tar`` settles them,
because that is what unpacks images.
"""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from mcp_dockerhub.supply_chain.catalogue.source import Content, Source, Unreadable

BLOCK: Final = 512
MAX_META: Final = 1024 * 1024
"""Bytes of one pax header or long name, as for Go."""
MAX_CHAIN: Final = 16
"""Headers in a row that only describe the entry after them."""
MAX_PATH: Final = 4096
MAX_DEPTH: Final = 256
"""Folders above a file; the deepest real trees have some thirty."""
_MAX_SPARSE_BLOCKS: Final = 4096
_MAX_SIZE: Final = 1 << 50
_BLANKS: Final = b" " * 8

FILE, DIRECTORY, SYMLINK, HARDLINK, SPECIAL = "file", "directory", "symlink", "hardlink", "special"
OUTSIDE: Final = "outside"
"""An entry whose path leads out of the root, or is longer or deeper than any file system takes."""
_KINDS: Final = {
    b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE,
    b"1": HARDLINK, b"2": SYMLINK, b"3": SPECIAL, b"4": SPECIAL, b"5": DIRECTORY, b"6": SPECIAL,
}  # fmt: skip
_SPARSE_VERSIONS: Final = frozenset({(b"0", b"0"), (b"0", b"1"), (b"1", b"0")})
_NAMES: Final = frozenset({b"path", b"linkpath"})
_CAPABILITY: Final = b"SCHILY.xattr.security.capability"


class Entry(NamedTuple):
    """One member of an archive. Its content can be read until the next one is asked for."""

    path: str
    """From the root, without a slash at either end; empty for the root itself, and what was said for OUTSIDE."""
    kind: str
    mode: int
    uid: int
    link: str
    """What a symbolic link points at, as written; the path of the other name for a hard link."""
    capabilities: bool
    """Whether it carries file capabilities."""
    sparse: bool
    """Whether its content is written in a form that leaves out holes; such content is not read."""
    content: Content


class _Meta:
    """What the headers before an entry say about it."""

    __slots__ = ("link", "name", "pax")

    def __init__(self) -> None:
        self.name = b""
        self.link = b""
        self.pax: dict[bytes, bytes] = {}


def entries(source: Source) -> Iterator[Entry]:
    """The members in order; raises Unreadable where the archive is damaged or abuses its format."""
    meta, chain = _Meta(), 0
    while source.peek(1):
        block = source.read(BLOCK)
        if block[0] == 0 and not block.strip(b"\0"):
            if source.peek(BLOCK).strip(b"\0"):
                raise Unreadable("it goes on after its end")
            return
        _check(block)
        flag = block[156:157]
        size = _number(block[124:136])
        if flag in b"xgLK":
            chain += 1
            if chain > MAX_CHAIN:
                raise Unreadable("it has too many headers for one entry")
            _read_meta(meta, flag, source, size)
            continue
        entry = _entry(block, flag, size, meta, source)
        yield entry
        entry.content.finish()
        source.skip(-entry.content.size % BLOCK)
        meta, chain = _Meta(), 0


def _check(block: bytes) -> None:
    """Raise Unreadable unless the header's checksum is right, summed over unsigned or signed bytes."""
    said = _number(block[148:156])
    unsummed = b"".join((block[:148], _BLANKS, block[156:]))
    # The low half of Adler-32 is one more than the sum, modulo 65521: much faster than summing in Python.
    if zlib.adler32(unsummed) & 0xFFFF == (said + 1) % 65521:
        return
    if sum(byte - 256 if byte > 127 else byte for byte in unsummed) != said:
        raise Unreadable("it is not a tar archive, or damaged")


def _number(field: bytes) -> int:
    """Octal digits, or big-endian binary after a set high bit (GNU)."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or value > _MAX_SIZE:
            raise Unreadable("it has a number out of range")
        return value
    digits = field.strip(b" \0").split(b"\0", 1)[0].strip()
    if digits.strip(b"01234567"):
        raise Unreadable("it has a number that is none")
    return int(digits, 8) if digits else 0


def _read_meta(meta: _Meta, flag: bytes, source: Source, size: int) -> None:
    if size > MAX_META:
        raise Unreadable("it has a header beyond all bounds")
    data = source.read(size)
    source.skip(-size % BLOCK)
    if flag == b"L":
        meta.name = data.split(b"\0", 1)[0]
    elif flag == b"K":
        meta.link = data.split(b"\0", 1)[0]
    elif flag == b"x":
        meta.pax = dict(_pax_records(data))
    # What a global header says about names and sizes is ignored, as by all who unpack images.


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """``LENGTH KEY=VALUE\\n`` again and again; a later record of a key replaces an earlier one."""
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        length = int(digits) if digits.isdigit() else 0
        record = data[space + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if length <= 0 or at + length > len(data) or not equals or not record.endswith(b"\n"):
            raise Unreadable("it has a pax header that is damaged")
        if key in _NAMES and b"\0" in value:
            raise Unreadable("it has a name with a zero byte")
        yield key, value
        at += length


def _entry(block: bytes, flag: bytes, size: int, meta: _Meta, source: Source) -> Entry:
    pax = meta.pax
    name = _name(block, meta)
    kind = _KINDS.get(flag, FILE)
    if flag == b"\0" and name.endswith(b"/"):
        kind = DIRECTORY
    if pax.get(b"size"):
        size = _decimal(pax[b"size"])
    # Only what has content may be followed by some, whatever the size says.
    size = size if kind == FILE else 0
    sparse = flag == b"S" or any(key.startswith(b"GNU.sparse.") for key in pax)
    if flag == b"S":
        _skip_sparse_map(block, source)
    link = meta.link or pax.get(b"linkpath") or block[157:257].split(b"\0", 1)[0]
    path = normal_path(_text(name))
    target = _text(link)
    if kind == HARDLINK:
        target = normal_path(target) or ""
    if path is None or len(path) > MAX_PATH or len(target) > MAX_PATH or path.count("/") >= MAX_DEPTH:
        path, kind, target = _text(name)[:MAX_PATH], OUTSIDE, ""
    mode = _number(block[100:108])
    uid = _number(block[108:116])
    return Entry(path, kind, mode, uid, target, _CAPABILITY in pax, sparse, Content(source, size))


def _name(block: bytes, meta: _Meta) -> bytes:
    """An empty name in an extended header says nothing, and the one of a sparse file counts for sparse files only."""
    said = (_sparse_name(meta.pax), meta.name, meta.pax.get(b"path"))
    for name in filter(None, said):
        return name
    name = block[:100].split(b"\0", 1)[0]
    # The prefix exists in POSIX archives only; GNU's have other things there.
    if block[345] and block[257:263] == b"ustar\0":
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _sparse_name(pax: dict[bytes, bytes]) -> bytes | None:
    version = (pax.get(b"GNU.sparse.major", b""), pax.get(b"GNU.sparse.minor", b""))
    unversioned = version == (b"", b"") and (pax.get(b"GNU.sparse.map") or b"GNU.sparse.offset" in pax)
    return pax.get(b"GNU.sparse.name") if version in _SPARSE_VERSIONS or unversioned else None


def _decimal(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18 or int(value) > _MAX_SIZE:
        raise Unreadable("it has a number out of range")
    return int(value)


def _skip_sparse_map(block: bytes, source: Source) -> None:
    """Leave out what continues an old GNU sparse map: blocks between the header and the content."""
    more = block[482]
    for _ in range(_MAX_SPARSE_BLOCKS):
        if not more:
            return
        more = source.read(BLOCK)[504]
    raise Unreadable("it has a sparse file in too many parts")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def normal_path(name: str) -> str | None:
    """A path from the root without empty, ``.`` and ``..`` parts; None when it leads out of the root.

    A leading slash is the root itself, as when unpacking.
    """
    if "//" not in name and "./" not in name and not name.endswith("."):
        return name.strip("/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
