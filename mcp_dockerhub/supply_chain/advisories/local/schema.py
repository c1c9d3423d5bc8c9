"""The local database's file: SQLite, written anew by each update and never changed in place.

``affected`` holds what is compared, ``advisories`` what is shown: most comparisons end without a look at the latter.
What concerns one package lies together in the file, because that is what is read together.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mcp_dockerhub.errors import Unsupported

APPLICATION: Final = 0x6D646873
"""``application_id`` of the file: it is one of ours."""
VERSION: Final = 2
"""``user_version``: of this layout. Files of another one are built anew."""
MAPPED: Final = 1024**3
"""Bytes of the file that are read by mapping it into memory."""
UPDATE: Final = "mcp-dockerhub db update"

LAYOUT: Final = """
CREATE TABLE archives (
  ecosystem TEXT PRIMARY KEY, etag TEXT NOT NULL, updated TEXT NOT NULL,
  advisories INTEGER NOT NULL, unreadable INTEGER NOT NULL
);
CREATE TABLE advisories (
  number INTEGER PRIMARY KEY, archive TEXT NOT NULL, file TEXT NOT NULL, crc INTEGER NOT NULL, size INTEGER NOT NULL,
  seen INTEGER NOT NULL, readable INTEGER NOT NULL, body BLOB, UNIQUE (archive, file)
);
CREATE TABLE affected (
  archive TEXT NOT NULL, name TEXT NOT NULL, advisory INTEGER NOT NULL, part INTEGER NOT NULL,
  ecosystem TEXT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (archive, name, advisory, part)
) WITHOUT ROWID;
CREATE INDEX by_release ON affected (archive, ecosystem);
CREATE INDEX by_advisory ON affected (advisory);
CREATE TABLE feeds (name TEXT PRIMARY KEY, updated TEXT NOT NULL, body BLOB NOT NULL);
"""


def connect(path: Path) -> sqlite3.Connection:
    """The database, as it is now: an update that comes meanwhile replaces the file, not what is read.

    Raises:
        Unsupported: there is none, it is damaged, or it has another layout.
    """
    if not path.is_file():
        raise Unsupported(
            "The local database of advisories does not exist.", hint=f"Make it: {UPDATE} --ecosystem NAME."
        )
    with damage_said():
        # Immutable: nobody writes to a file that has this name, so there is nothing to lock.
        place = f"{path.resolve().as_uri()}?immutable=1"
        connection = sqlite3.connect(place, uri=True, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA mmap_size = {MAPPED}")
            check(connection)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """``connect``, closed at the end."""
    connection = connect(path)
    try:
        with damage_said():
            yield connection
    finally:
        connection.close()


@contextmanager
def damage_said() -> Iterator[None]:
    """Raise Unsupported where SQLite finds the file damaged."""
    try:
        yield
    except sqlite3.DatabaseError:
        raise Unsupported(
            "The local database of advisories is damaged.",
            hint=f"Delete the file and make it anew: {UPDATE} --ecosystem NAME.",
        ) from None


def check(connection: sqlite3.Connection) -> None:
    """Raise Unsupported for a file that is not ours or has another layout."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) != (APPLICATION, VERSION):
        raise Unsupported(
            "The local database of advisories was made by another version of this program, or is something else.",
            hint=f"Delete the file and make it anew: {UPDATE} --ecosystem NAME.",
        )


def create(connection: sqlite3.Connection) -> None:
    """The empty layout."""
    connection.executescript(LAYOUT)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def written(moment: datetime) -> str:
    """A time as it is kept."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
