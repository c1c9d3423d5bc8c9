"""Where lists about vulnerabilities (KEV, EPSS) are read from: a URL, a file, or the local database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio.to_thread

from mcp_dockerhub.cache import Cache, Fetched, Key, Kind
from mcp_dockerhub.errors import TooLarge, Unsupported
from mcp_dockerhub.supply_chain.advisories.asking import service, whole
from mcp_dockerhub.transport.client import HttpClient

FEED_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of a list as it is published; the largest real one has three million."""


@dataclass(frozen=True, slots=True)
class Published:
    """A list as it was published."""

    body: bytes
    kept_since: datetime | None = None
    """When it was read, where it cannot be read now or comes from the local database."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A kind of list."""

    what: str
    """What it is called in errors."""
    check: Callable[[bytes], object]
    """Raises UpstreamInvalid or TooLarge for anything else than a whole one, which is neither kept nor used."""


Source = Callable[[], Awaitable[Published]]
"""Reads a list. Raises the errors of ``HttpClient``, UpstreamInvalid, and Unsupported for a file that is not there."""


def from_url(http: HttpClient, cache: Cache, url: str, listing: Listing) -> Source:
    """The list at a URL, remembered as long as vulnerabilities are."""
    upstream, path = service(url)

    async def read() -> Published:
        async def fetch() -> Fetched[bytes]:
            body = whole(await http.request(upstream, "GET", path, limit=FEED_LIMIT), listing.what)
            await anyio.to_thread.run_sync(listing.check, body)
            return Fetched(body, len(body))

        key = Key(Kind.VULNERABILITIES, "", "anonymous", upstream.base_url, path)
        cached = await cache.get(key, fetch)
        return Published(cached.value, cached.fetched_at if cached.source == "stale" else None)

    return read


def from_file(path: Path, listing: Listing) -> Source:
    """The list in a file of the operator's, read anew each time."""

    def load() -> bytes:
        try:
            with path.open("rb") as file:
                body = file.read(FEED_LIMIT + 1)
        except OSError as problem:
            reason = problem.strerror or "cannot be read"
            raise Unsupported(f"The file for {listing.what} cannot be read: {reason}.") from None
        if len(body) > FEED_LIMIT:
            raise TooLarge(f"The file for {listing.what} has more than {FEED_LIMIT:,} bytes.")
        listing.check(body)
        return body

    async def read() -> Published:
        return Published(await anyio.to_thread.run_sync(load))

    return read
