"""Where the nonces of open questions wait for their answers: each can be taken once, within its time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from mcp_dockerhub_security.redis_link import RedisLink

MAX_OPEN: Final = 10_000


class ConsentStoreError(Exception):
    """The store cannot be asked, so no consent counts."""


class ConsentStore(Protocol):
    """Open questions; one store for all replicas that may get the answer."""

    async def put(self, nonce: str, digest: str, seconds: float) -> None:
        """Keep ``digest`` under ``nonce`` for that long. Raises ConsentStoreError."""

    async def take(self, nonce: str) -> str | None:
        """The digest, for whoever asks first and in time; None for everybody else. Raises ConsentStoreError."""


class MemoryConsentStore:
    """Of one process. Beyond ``max_open`` the oldest question is forgotten, and its answer refused."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, max_open: int = MAX_OPEN) -> None:
        self._clock = clock
        self._max_open = max_open
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def put(self, nonce: str, digest: str, seconds: float) -> None:
        """Keep ``digest`` under ``nonce`` for that long."""
        now = self._clock()
        # All live equally long in practice, so the oldest are the first to go.
        while self._open and (len(self._open) >= self._max_open or self._oldest_end() <= now):
            self._open.popitem(last=False)
        self._open[nonce] = (digest, now + seconds)

    async def take(self, nonce: str) -> str | None:
        """The digest, once and in time."""
        digest, end = self._open.pop(nonce, (None, 0.0))
        return digest if self._clock() < end else None

    def _oldest_end(self) -> float:
        return next(iter(self._open.values()))[1]


class RedisConsentStore:
    """Of all replicas. ``GETDEL`` is atomic, so of two replicas that get the same answer one finds the nonce.

    Needs Redis 6.2. A Redis that was down in between, or lost the nonce, means that the human is asked again.
    """

    def __init__(self, link: "RedisLink") -> None:
        self._link = link

    async def put(self, nonce: str, digest: str, seconds: float) -> None:
        """Keep ``digest`` under ``nonce`` for that long, by Redis's clock. Raises ConsentStoreError."""
        milliseconds = max(1, int(seconds * 1000))
        try:
            await self._link.run(lambda client: client.set(self._key(nonce), digest, px=milliseconds))
        except ConnectionError as error:
            raise ConsentStoreError from error

    async def take(self, nonce: str) -> str | None:
        """The digest, once and in time. Raises ConsentStoreError."""
        try:
            found = await self._link.run(lambda client: client.getdel(self._key(nonce)))
        except ConnectionError as error:
            raise ConsentStoreError from error
        return found if isinstance(found, str) else None

    def _key(self, nonce: str) -> str:
        return f"{self._link.prefix}:consent:{nonce}"
