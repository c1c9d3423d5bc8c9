"""Layers made by hand: honest ones through ``tarfile``, others byte by byte; small programs and jars."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mcp_dockerhub.supply_chain.catalogue.layer import LayerFacts, read_facts
from mcp_dockerhub.supply_chain.catalogue.source import Content, Source
from mcp_dockerhub.supply_chain.catalogue.worker import read_layer

BLOCK = 512


@dataclass(frozen=True)
class Member:
    """One entry; ``link`` makes it a symbolic link, or a hard link with ``hard``."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    link: str = ""
    hard: bool = False
    kind: bytes = tarfile.REGTYPE
    uid: int = 0
    pax: Mapping[str, str] = field(default_factory=dict)


def folder(path: str) -> Member:
    return Member(path, kind=tarfile.DIRTYPE, mode=0o755)


def symlink(path: str, target: str) -> Member:
    return Member(path, link=target)


def hardlink(path: str, target: str) -> Member:
    return Member(path, link=target, hard=True)


def tar_of(members: Iterable[Member], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive as image builders write it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member in members:
            info = tarfile.TarInfo(member.path)
            info.type, info.mode, info.uid = member.kind, member.mode, member.uid
            info.pax_headers = dict(member.pax)
            if member.link:
                info.type = tarfile.LNKTYPE if member.hard else tarfile.SYMTYPE
                info.linkname = member.link
            info.size = len(member.content)
            archive.addfile(info, io.BytesIO(member.content))
    return buffer.getvalue()


def layer_of(*members: Member) -> bytes:
    """A gzip-compressed layer, the same bytes each time."""
    return gzip.compress(tar_of(members), mtime=0)


def header(
    name: bytes,
    size: int = 0,
    flag: bytes = b"0",
    *,
    magic: bytes = b"ustar\x0000",
    fill: Mapping[int, bytes] | None = None,
) -> bytes:
    """A header block with anything in it, its checksum right; ``fill`` puts bytes at offsets."""
    block = bytearray(BLOCK)
    parts = {0: name, 100: b"0000644\0", 108: b"0000000\0", 116: b"0000000\0", 124: b"%011o\0" % size}
    for at, value in {**parts, 156: flag, 257: magic, **(fill or {})}.items():
        block[at : at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def pax_header(records: Mapping[str, str] | bytes, flag: bytes = b"x") -> bytes:
    raw = records if isinstance(records, bytes) else b"".join(_pax_records(records))
    return header(b"pax", len(raw), flag) + padded(raw)


def _pax_records(records: Mapping[str, str]) -> Iterator[bytes]:
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        yield str(length).encode() + rest


def chunks_of(raw: bytes, size: int = 1000) -> Iterator[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def content_of(raw: bytes, size: int = 1000) -> Content:
    """A file's content as readers get it, in small pieces."""
    return Content(Source(chunks_of(raw, size)), len(raw))


def facts_of(raw: bytes) -> LayerFacts:
    """What is found in a stored layer, read in this process."""
    return read_facts(read_layer(chunks_of(raw)))


def elf_of(
    data: bytes, *, kind: int = 2, interpreter: bool = False, text: bytes = b"", order: str = "<", wide: bool = True
) -> bytes:
    """A program with ``text`` in a read-only part and ``data`` in a writable one."""
    count = 3 if interpreter else 2
    head = struct.Struct(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"))
    entry = struct.Struct(order + ("IIQQQQQQ" if wide else "IIIIIIII"))
    table = 16 + head.size
    text_at = table + entry.size * count
    data_at = text_at + len(text)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    parts = [(1, 5, text_at, len(text)), (1, 6, data_at, len(data))] + ([(3, 4, text_at, 1)] if interpreter else [])

    def segment(tag: int, flags: int, at: int, size: int) -> bytes:
        return (
            entry.pack(tag, flags, at, at, at, size, size, 16)
            if wide
            else entry.pack(tag, at, at, at, size, size, flags, 16)
        )

    fixed = head.pack(kind, 62, 1, 0, table, 0, 0, table, entry.size, count, 0, 0, 0)
    return ident + fixed + b"".join(segment(*part) for part in parts) + text + data


def go_info(modules: str, version: str = "go1.24.4", *, flags: int = 2) -> bytes:
    """What Go's linker puts into writable data, and a little around it."""
    info = (
        b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6"
        + modules.encode()
        + b"\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2"
    )
    blob = b"\xff Go buildinf:" + bytes([8, flags]) + bytes(16)
    return bytes(64) + blob + _counted(version.encode()) + _counted(info) + bytes(64)


def _counted(raw: bytes) -> bytes:
    length, found = len(raw), bytearray()
    while length > 0x7F:
        found.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*found, length]) + raw


class _Unseekable(io.RawIOBase):
    """Makes ``zipfile`` write as the jar tool does: sizes after the content."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.parts.append(bytes(data))
        return len(data)


def jar_of(
    entries: Mapping[str, bytes],
    *,
    deferred: bool = False,
    stored: Sequence[str] = (),
    compress: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """An archive; ``deferred`` writes sizes behind the content, entries in ``stored`` are not compressed."""
    buffer = io.BytesIO()
    stream = _Unseekable()
    with zipfile.ZipFile(stream if deferred else buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED if name in stored else compress)
    return b"".join(stream.parts) if deferred else buffer.getvalue()


def pom(group: str, artifact: str, version: str) -> dict[str, bytes]:
    path = f"META-INF/maven/{group}/{artifact}/pom.properties"
    return {path: f"#Generated\ngroupId={group}\nartifactId={artifact}\nversion={version}\n".encode()}


def manifest(**fields: str) -> dict[str, bytes]:
    lines = ["Manifest-Version: 1.0", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return {"META-INF/MANIFEST.MF": ("\r\n".join(lines) + "\r\n\r\n").encode()}


STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u9
Description: C library
 with a second line

Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.15-1~deb12u1

Package: libgone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.15-1)
Version: 3.0.15-1~deb12u1

"""
OS_RELEASE = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
INSTALLED = b"""C:Q1xxx=
P:musl
V:1.2.5-r1
A:x86_64
L:MIT
o:musl
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755

P:libssl3
V:3.3.2-r0
A:x86_64
L:Apache-2.0
o:openssl
F:usr/bin
R:tool
F:usr/lib/python3.12/site-packages/six-1.17.0.dist-info
R:METADATA

"""
ALPINE = b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n'


def metadata(name: str, version: str, *more: str) -> bytes:
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more, "", "Long text"]).encode()
