"""An ecosystem's archive, ``all.zip``: one JSON file for each advisory, read into the database one at a time.

What is there already and has the checksum the archive names is not read again; what the archive no longer has goes.
"""

import json
import os
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.supply_chain.advisories.asking import defect
from mcp_dockerhub.supply_chain.advisories.ecosystems import base_of, canonical
from mcp_dockerhub.supply_chain.advisories.records import read_advisory, read_affected

MAX_FILES: Final = 1_000_000
MAX_RECORD: Final = 16 * 1024 * 1024
_SHOWN: Final = (
    "id", "aliases", "upstream", "related", "summary", "details", "published", "modified", "withdrawn", "severity",
    "references", "database_specific",
)  # fmt: skip
_DETAILS: Final = 4000
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_IN_ZIP64: Final = 0xFFFF
_EVERY: Final = 5000

Done = Callable[[int], None]
"""Told how many files of an archive have been looked at."""


def load(connection: sqlite3.Connection, ecosystem: str, path: Path, done: Done) -> tuple[int, int]:
    """Make the database hold what the archive at ``path`` holds; the number of advisories, and of unreadable ones.

    Raises:
        UpstreamInvalid: it is not an archive, is damaged, or holds no advisories.
        TooLarge: it is beyond all bounds.
    """
    what = f"the archive of {ecosystem}"
    try:
        with zipfile.ZipFile(path) as archive:
            if len(frozenset(archive.namelist())) != _announced(path, len(archive.comment)):
                raise defect(what, "does not list as many files as it says")
            for count, member in enumerate(_members(archive, what)):
                _take(connection, ecosystem, archive, member)
                if count % _EVERY == 0:
                    done(count)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError):
        raise defect(what, "is damaged or not a zip file") from None
    _forget_unseen(connection, ecosystem)
    total, readable = connection.execute(
        "SELECT count(*), coalesce(sum(readable), 0) FROM advisories WHERE archive = ?", (ecosystem,)
    ).fetchone()
    if not readable:
        raise defect(what, "holds no advisories")
    return total, total - readable


def _announced(path: Path, comment: int) -> int:
    """How many files the end of an archive says it has, which ``zipfile`` does not hold against what it finds.

    (APPNOTE.TXT 4.3.14 to 4.3.16. ``comment`` is the length of the archive's comment, which comes last.)
    """
    with path.open("rb") as file:
        file.seek(-(_END.size + comment), os.SEEK_END)
        count: int = _END.unpack(file.read(_END.size))[4]
        if count != _IN_ZIP64:
            return count
        file.seek(-(_LOCATOR.size + _END.size + comment), os.SEEK_END)
        signature, _, offset, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
        if signature != b"PK\x06\x07":
            return count
        file.seek(offset)
        entries: int = _END64.unpack(file.read(_END64.size).ljust(_END64.size, b"\0"))[7]
        return entries


def _members(archive: zipfile.ZipFile, what: str) -> Iterator[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise TooLarge(f"{what.capitalize()} has more than {MAX_FILES:,} files.")
    for member in members:
        if not member.filename.endswith(".json"):
            continue
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise defect(what, "is packed in a way that is not read")
        if member.file_size > MAX_RECORD:
            raise TooLarge(f"{what.capitalize()} has a file of more than {MAX_RECORD:,} bytes.")
        yield member


def _take(connection: sqlite3.Connection, ecosystem: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    known = connection.execute(
        "SELECT number, crc, size FROM advisories WHERE archive = ? AND file = ?", (ecosystem, member.filename)
    ).fetchone()
    if known is not None:
        if known[1:] == (member.CRC, member.file_size):
            connection.execute("UPDATE advisories SET seen = 1 WHERE number = ?", known[:1])
            return
        _delete(connection, known[:1])
    with archive.open(member) as file:
        raw = file.read(MAX_RECORD + 1)
    body, rows = _read(ecosystem, raw)
    number = connection.execute(
        "INSERT INTO advisories (archive, file, crc, size, seen, readable, body) VALUES (?, ?, ?, ?, 1, ?, ?)",
        (ecosystem, member.filename, member.CRC, member.file_size, int(body is not None), body),
    ).lastrowid
    connection.executemany(
        "INSERT INTO affected (archive, name, advisory, part, ecosystem, entry) VALUES (?, ?, ?, ?, ?, ?)",
        ((ecosystem, name, number, part, release, entry) for part, (name, release, entry) in enumerate(rows)),
    )


def _read(ecosystem: str, raw: bytes) -> tuple[bytes | None, list[tuple[str, str, str]]]:
    """What is kept of a record, and the rows of what it affects here; None for one that cannot be read."""
    try:
        document = json.loads(raw)
        record = read_advisory(document)
        entries = [] if record.withdrawn else document.get("affected") or []
        rows = [row for entry in entries for row in _rows(ecosystem, entry)]
    except (ValueError, RecursionError):
        return None, []
    return zlib.compress(json.dumps(_shown(document), separators=(",", ":")).encode()), rows


def _rows(ecosystem: str, entry: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    affected = read_affected(entry)
    if base_of(affected.ecosystem) == ecosystem:
        ranges = [
            (found.type, [(event.kind, event.version) for event in found.events])
            for found in affected.ranges
            if found.type != "GIT"
        ]
        name = canonical(affected.ecosystem, affected.name)
        # Half a character, which JSON can hold and the database cannot: raises a ValueError too.
        f"{name}{affected.ecosystem}".encode()
        yield name, affected.ecosystem, json.dumps((affected.versions, ranges), separators=(",", ":"))


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: document[key] for key in _SHOWN if key in document}
    if isinstance(details := kept.get("details"), str):
        kept["details"] = details[: _DETAILS + 1]
    kept["affected"] = [
        {key: value for key, value in entry.items() if key != "versions"} for entry in document.get("affected") or []
    ]
    return kept


def _forget_unseen(connection: sqlite3.Connection, ecosystem: str) -> None:
    gone = connection.execute("SELECT number FROM advisories WHERE archive = ? AND seen = 0", (ecosystem,)).fetchall()
    for number in gone:
        _delete(connection, number)
    connection.execute("UPDATE advisories SET seen = 0 WHERE archive = ?", (ecosystem,))


def _delete(connection: sqlite3.Connection, number: tuple[int]) -> None:
    connection.execute("DELETE FROM affected WHERE advisory = ?", number)
    connection.execute("DELETE FROM advisories WHERE number = ?", number)
