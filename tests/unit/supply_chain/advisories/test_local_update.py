"""What an update of the local database does not break, whatever happens to it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.errors import InvalidInput, RateLimited, TooLarge, UpstreamInvalid, UpstreamUnavailable
from mcp_dockerhub.supply_chain.advisories.local import archive, updating
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.local.updating import NotUpdated, Updated, Updater
from mcp_dockerhub.supply_chain.advisories.model import Query
from tests.upstreams.osv import DirectHttp, OsvState
from tests.upstreams.osv_cases import python, vulnerable

pytestmark = pytest.mark.anyio

Update = Callable[..., Awaitable[Updated]]


def left(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


BROKEN: list[tuple[tuple[int, bytes], type[Exception]]] = [
    ((404, b""), InvalidInput),
    ((503, b""), UpstreamUnavailable),
    ((429, b""), RateLimited),
    ((403, b""), UpstreamInvalid),
    ((200, b""), UpstreamInvalid),
    ((200, b"not a zip"), UpstreamInvalid),
    ((200, OsvState.of_records([vulnerable("X")]).archive("PyPI")[:-30]), UpstreamInvalid),
    ((200, OsvState.of_records([]).archive("PyPI")), UpstreamInvalid),
    ((304, b""), UpstreamInvalid),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "error"), BROKEN)
async def test_an_archive_that_cannot_be_used_leaves_the_old_database(
    update: Update, database: LocalDatabase, path: Path, answer: tuple[int, bytes], error: type[Exception]
) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1"), vulnerable("GHSA-1", "p", "npm")])
    await update(state, "npm")
    before = path.read_bytes()
    state.broken["/PyPI/all.zip"] = answer
    with pytest.raises(error):
        await update(state, "npm", "PyPI")
    assert path.read_bytes() == before
    assert left(path) == ["advisories.db", "advisories.db.lock"]
    assert len((await database.match([Query("npm", "p", "1.0.0")])).hits) == 1


def packed(*names: str) -> bytearray:
    """An archive of one advisory for each of these names."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for name in names:
            made.writestr(f"{name}.json", json.dumps(vulnerable(name)))
    return bytearray(archive.getvalue())


def listing_less(archive: bytearray) -> bytearray:
    """The directory's first entry swallows the second, as its comment."""
    first = archive.find(b"PK\x01\x02")
    second = archive.find(b"PK\x01\x02", first + 1)
    length = archive.find(b"PK\x05\x06") - second
    archive[first + 32 : first + 34] = length.to_bytes(2, "little")
    return archive


def with_a_name_that_is_no_text(archive: bytearray) -> bytearray:
    place = archive.find(b"PK\x01\x02")
    archive[place + 9] |= 0x08  # the name is UTF-8
    archive[place + 46] = 0xFF
    return archive


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(listing_less(packed("PYSEC-1", "PYSEC-2")), id="less than it says"),
        pytest.param(packed("PYSEC-1", "PYSEC-2").replace(b"PYSEC-2", b"PYSEC-1"), id="one name twice"),
        pytest.param(with_a_name_that_is_no_text(packed("PYSEC-1", "PYSEC-2")), id="a name that is no text"),
    ],
)
async def test_an_archive_that_lost_part_of_its_list_is_refused(update: Update, path: Path, archive: bytearray) -> None:
    state = OsvState.of_records()
    state.broken["/PyPI/all.zip"] = (200, bytes(archive))
    with pytest.raises(UpstreamInvalid):
        await update(state, "PyPI")
    assert not path.exists()


@pytest.mark.parametrize("total", [0xFFFF, 0x10000])
async def test_an_archive_of_more_files_than_two_bytes_count_is_read(
    update: Update, database: LocalDatabase, total: int
) -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("PYSEC-1.json", json.dumps(vulnerable("PYSEC-1")))
        for number in range(total - 1):
            made.writestr(zipfile.ZipInfo(f"{number}.txt"), b"")
        made.comment = b"of many files"
    state = OsvState.of_records()
    state.broken["/PyPI/all.zip"] = (200, archive.getvalue())
    await update(state, "PyPI")
    assert len((await database.match([python()])).hits) == 1


async def test_a_damaged_database_is_not_renewed_and_says_what_to_do(update: Update, path: Path) -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{number}") for number in range(300)])
    await update(state, "PyPI")
    whole = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'advisories'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    path.write_bytes(whole[: (page - 1) * size] + b"\xff" * size + whole[page * size :])
    state.publish(vulnerable("PYSEC-300"))
    with pytest.raises(NotUpdated, match="Delete it and make it anew"):
        await update(state, "PyPI")
    assert left(path) == ["advisories.db", "advisories.db.lock"]


async def test_a_damaged_file_inside_an_archive_is_found_by_its_checksum(update: Update, path: Path) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as stored:
        stored.writestr("PYSEC-1.json", json.dumps(vulnerable("PYSEC-1")))
    state.broken["/PyPI/all.zip"] = (200, packed.getvalue().replace(b"2024-01-01", b"2025-01-01", 1))
    with pytest.raises(UpstreamInvalid, match="damaged"):
        await update(state, "PyPI")
    assert not path.exists()


async def test_an_archive_packed_in_another_way_is_refused(update: Update, path: Path) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as other:
        other.writestr("PYSEC-1.json", json.dumps(vulnerable("PYSEC-1")))
    state.broken["/PyPI/all.zip"] = (200, packed.getvalue())
    with pytest.raises(UpstreamInvalid, match="packed in a way"):
        await update(state, "PyPI")
    assert not path.exists()


@pytest.mark.parametrize(("bound", "value"), [("MAX_FILES", 1), ("MAX_RECORD", 10)])
async def test_an_archive_beyond_all_bounds_is_refused(
    update: Update, path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(archive, bound, value)
    with pytest.raises(TooLarge):
        await update(OsvState.of_records([vulnerable("PYSEC-1"), vulnerable("PYSEC-2")]), "PyPI")
    assert not path.exists()


async def test_two_updates_at_once_exclude_each_other(update: Update, path: Path) -> None:
    import fcntl

    state = OsvState.of_records([vulnerable("PYSEC-1")])
    path.parent.mkdir()
    with (path.parent / "advisories.db.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(NotUpdated, match="under way"):
            await update(state, "PyPI")
    await update(state, "PyPI")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (sqlite3.OperationalError("database or disk is full"), "no space is left on the disk"),
        (sqlite3.OperationalError("disk I/O error"), "it cannot be written"),
        (OSError(28, "No space left on device"), "no space is left on the disk"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
async def test_a_full_disk_is_said_and_leaves_the_old_database(
    update: Update, path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, said: str
) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    await update(state, "PyPI")
    before = path.read_bytes()
    state.publish(vulnerable("PYSEC-2"))

    def full(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(updating, "load", full)
    with pytest.raises(NotUpdated, match=said):
        await update(state, "PyPI")
    assert path.read_bytes() == before
    assert left(path) == ["advisories.db", "advisories.db.lock"]


async def test_a_new_file_that_is_damaged_does_not_take_the_name(
    path: Path, update: Update, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish_broken(self: Updater, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 1 WHERE name = 'by_release'")
        connection.commit()
        connection.close()
        plain(self, sqlite3.connect(self._next))

    plain = Updater._finish
    monkeypatch.setattr(Updater, "_finish", finish_broken)
    with pytest.raises(NotUpdated):
        await update(OsvState.of_records([vulnerable("PYSEC-1")]), "PyPI")
    assert left(path) == ["advisories.db.lock"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from mcp_dockerhub.supply_chain.advisories.local.updating import Updater
from tests.upstreams.osv import DirectHttp, OsvState

path = Path(sys.argv[1])
state = OsvState.of_records()
for n in range(20000):
    entry = {"package": {"ecosystem": "PyPI", "name": f"p{n}"}, "versions": ["1.0"]}
    state.publish({"id": f"PYSEC-{n}", "modified": "2024-01-01T00:00:00Z", "affected": [entry]})
# In the middle of the archive: what was said first stands in the new file, the rest does not.
say = lambda text: os.kill(os.getpid(), signal.SIGKILL) if " 5,000 " in text else None
asyncio.run(Updater(DirectHttp(state), "https://archives.invalid", path, {}).update(["PyPI"], say))
"""


async def test_a_killed_update_leaves_the_old_database_and_the_next_one_succeeds(
    update: Update, database: LocalDatabase, path: Path
) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    await update(state, "PyPI")
    before = path.read_bytes()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert path.read_bytes() == before
    assert "advisories.db.next" in left(path)
    assert len((await database.match([python()])).hits) == 1
    state.publish(vulnerable("PYSEC-2"))
    await update(state, "PyPI")
    assert left(path) == ["advisories.db", "advisories.db.lock"]
    assert len((await database.match([python()])).hits) == 2


async def test_who_reads_while_it_is_replaced_reads_the_old_one_to_its_end(
    update: Update, database: LocalDatabase, path: Path
) -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{n}", f"p{n}") for n in range(300)])
    await update(state, "PyPI")

    async def replace(_: int) -> None:
        for name in list(state.records):
            if name != "PYSEC-299":
                state.records.pop(name)
        await update(state, "PyPI")

    found = await database.match([python(f"p{n}") for n in range(300)], replace)
    assert len(found.hits) == 300
    assert Path(path).exists()


async def test_an_http_error_in_the_middle_of_an_archive_is_that_error(path: Path) -> None:
    failing = DirectHttp(OsvState.of_records(), failing=UpstreamUnavailable("No connection."))
    with pytest.raises(UpstreamUnavailable):
        await Updater(failing, "https://archives.invalid/with/path", path, {}).update(["PyPI"])
    assert left(path) == ["advisories.db.lock"]
