"""Making and renewing the local database.

A new file is built beside the old one and takes its name when it is whole: until then, and after any failure (a
killed process, a full disk, a damaged archive), the old one is what it was. Two updates at once exclude each other.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import anyio
import anyio.to_thread

from mcp_dockerhub.errors import DockerHubError, InvalidInput
from mcp_dockerhub.supply_chain.advisories.asking import refusal, service
from mcp_dockerhub.supply_chain.advisories.feeds import Source
from mcp_dockerhub.supply_chain.advisories.local.archive import load
from mcp_dockerhub.supply_chain.advisories.local.database import Archive, held
from mcp_dockerhub.supply_chain.advisories.local.schema import UPDATE, create, reading, written
from mcp_dockerhub.transport.client import HttpClient

MAX_ARCHIVE: Final = 8 * 1024**3
_SECONDS: Final = 3600.0
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Say = Callable[[str], None]
"""Told in words what is going on."""


class NotUpdated(Exception):
    """The database is what it was; the message says why."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did."""

    archives: Mapping[str, Archive]
    unchanged: tuple[str, ...]
    """Ecosystems whose archive was the one already held."""
    warnings: tuple[str, ...]
    """Lists beside the advisories that could not be fetched; the old ones stay."""


@dataclass(frozen=True, slots=True)
class Updater:
    """Renews the database at ``path`` from the archives at ``base_url``."""

    http: HttpClient
    base_url: str
    path: Path
    feeds: Mapping[str, Source]
    """Lists to keep with it, by name."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def update(self, ecosystems: Sequence[str], say: Say = lambda _: None) -> Updated:
        """Fetch what changed of ``ecosystems``; others that the database holds stay as they are.

        Raises:
            NotUpdated: another update is under way, or the file cannot be written.
            InvalidInput: no archive has such a name.
            Any error of ``HttpClient``, UpstreamInvalid and TooLarge: an archive cannot be had or is damaged.
        """
        with _failures(self.path), _only_one(self.path):
            try:
                return await self._renew(ecosystems, say)
            finally:
                for left in (self._next, self._part):
                    left.unlink(missing_ok=True)

    @property
    def _next(self) -> Path:
        return self.path.with_name(f"{self.path.name}.next")

    @property
    def _part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    async def _renew(self, ecosystems: Sequence[str], say: Say) -> Updated:
        connection = await anyio.to_thread.run_sync(self._begin)
        unchanged: list[str] = []
        try:
            for ecosystem in ecosystems:
                say(f"{ecosystem}: asking for the archive")
                etag = await self._fetch(ecosystem, _etag(connection, ecosystem))
                if etag is None:
                    unchanged.append(ecosystem)
                    say(f"{ecosystem}: unchanged")
                    connection.execute(
                        "UPDATE archives SET updated = ? WHERE ecosystem = ?", (written(self.now()), ecosystem)
                    )
                    connection.commit()
                    continue
                await anyio.to_thread.run_sync(self._load, connection, ecosystem, etag, say)
            warnings = [warning for name in self.feeds if (warning := await self._keep_feed(connection, name))]
            archives = held(connection)
        except BaseException:
            connection.close()
            raise
        await anyio.to_thread.run_sync(self._finish, connection)
        return Updated(archives, tuple(unchanged), tuple(warnings))

    def _begin(self) -> sqlite3.Connection:
        """A copy of the old database, or an empty one where there is none that can be used."""
        self._next.unlink(missing_ok=True)
        usable = False
        with suppress(DockerHubError), reading(self.path):
            usable = True
        if usable:
            shutil.copyfile(self.path, self._next)
        connection = sqlite3.connect(self._next, check_same_thread=False)
        # The file counts for nothing until it is renamed: it needs no journal of its own.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -32768")  # KiB
        if not usable:
            create(connection)
        return connection

    async def _fetch(self, ecosystem: str, etag: str) -> str | None:
        """Download an archive; its entity tag (empty where it has none), or None where it is the one held."""
        upstream, prefix = service(self.base_url)
        path = f"{prefix.rstrip('/')}/{quote(ecosystem)}/all.zip"
        headers = {"if-none-match": etag} if etag else {}
        what = f"for the archive of {ecosystem}"
        async with self.http.stream(upstream, path, headers=headers, limit=MAX_ARCHIVE, seconds=_SECONDS) as answer:
            if answer.status == 304 and etag:
                return None
            if answer.status == 404:
                raise InvalidInput(f"There is no archive of an ecosystem {ecosystem[:60]!r}.")
            if answer.status != 200:
                raise refusal(answer, what)
            async with await anyio.open_file(self._part, "wb") as file:
                async for chunk in answer.chunks:
                    await file.write(chunk)
        return next(iter(answer.headers.get("etag", ())), "")

    def _load(self, connection: sqlite3.Connection, ecosystem: str, etag: str, say: Say) -> None:
        def done(count: int) -> None:
            say(f"{ecosystem}: {count:,} advisories read")

        total, unreadable = load(connection, ecosystem, self._part, done)
        connection.execute(
            "INSERT OR REPLACE INTO archives (ecosystem, etag, updated, advisories, unreadable) VALUES (?, ?, ?, ?, ?)",
            (ecosystem, etag, written(self.now()), total, unreadable),
        )
        connection.commit()
        self._part.unlink()
        say(f"{ecosystem}: {total:,} advisories")

    async def _keep_feed(self, connection: sqlite3.Connection, name: str) -> str:
        try:
            body = (await self.feeds[name]()).body
        except DockerHubError as error:
            return f"{name}: {error.message}"
        connection.execute(
            "INSERT OR REPLACE INTO feeds (name, updated, body) VALUES (?, ?, ?)", (name, written(self.now()), body)
        )
        connection.commit()
        return ""

    def _finish(self, connection: sqlite3.Connection) -> None:
        """Check the new file, bring it to the disk, give it its name."""
        sound = connection.execute("PRAGMA quick_check").fetchone()[0]
        connection.close()
        if sound != "ok":
            raise NotUpdated("The new database is damaged; the disk may be.")
        with self._next.open("rb+") as file:
            os.fsync(file.fileno())
        self._next.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _etag(connection: sqlite3.Connection, ecosystem: str) -> str:
    row = connection.execute("SELECT etag FROM archives WHERE ecosystem = ?", (ecosystem,)).fetchone()
    return row[0] if row else ""


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the lock beside the database; it ends with the process, however that ends."""
    import fcntl  # not on Windows, where everything else of this package works

    path.parent.mkdir(parents=True, exist_ok=True)
    file: IO[bytes]
    with path.with_name(f"{path.name}.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotUpdated("Another update of this database is under way.") from None
        yield


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """What the disk says, in words."""
    try:
        yield
    except sqlite3.OperationalError as problem:
        full = "full" in str(problem)
        raise NotUpdated(_reason("no space is left on the disk" if full else "it cannot be written", path)) from None
    except sqlite3.DatabaseError:
        raise NotUpdated(f"The database {path} is damaged. Delete it and make it anew: {UPDATE} --ecosystem.") from None
    except OSError as problem:
        full = problem.errno in _FULL
        said = "no space is left on the disk" if full else problem.strerror or "it cannot be written"
        raise NotUpdated(_reason(said, path)) from None


def _reason(said: str, path: Path) -> str:
    return f"The database {path} was not updated: {said}. The old one, where there is one, is unchanged."
