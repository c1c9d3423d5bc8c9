"""The way to Redis for everything that replicas share: limits, consents, revocations, heads of audit logs.

Redis is never waited for long: a command has ``TIMEOUT`` seconds, and after ``FAILURES`` failures in a row commands
fail at once, except for one every ``RETRY`` seconds that tries again. So a dead Redis slows no call, and one that is
back is used again without a restart. ``redis`` itself is imported with the first command: it takes 0.1 s.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX: Final = "mcp-dockerhub"
TIMEOUT: Final = 2.0
"""Seconds; a process that is busy must not take itself for a Redis that is slow."""
FAILURES: Final = 2
RETRY: Final = 0.5
CONNECTIONS: Final = 16
"""At most so many at once; commands beyond wait for one, within their time."""

SCHEMES: Final = ("redis", "rediss", "unix")

Reason = Literal["timeout", "unreachable", "refused"]
"""``refused``: it answered, with an error: a wrong password, a replica that takes no writes, no memory left."""

_T = TypeVar("_T")

_EXPLANATIONS: Final[dict[Reason, str]] = {
    "timeout": "Redis does not answer in time",
    "unreachable": "Redis cannot be reached",
    "refused": "Redis refuses commands",
}


class RedisUnavailableError(ConnectionError):
    """Redis did not do what it was asked; ``reason`` says why. The message holds neither address nor password."""

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason
        super().__init__(_EXPLANATIONS[reason])


class RedisObserver(Protocol):
    """Who counts."""

    def redis_up(self, up: bool) -> None:
        """Whether Redis answers; told with each change and with the first command."""

    def redis_failed(self, reason: str) -> None:
        """A command failed, for one of ``Reason``."""


class RedisLink:
    """Commands on one pool of connections, behind a breaker. Nothing is connected before the first command."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = PREFIX,
        timeout: float = TIMEOUT,
        observer: RedisObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``url``: ``redis://``, ``rediss://`` or ``unix://``; ValueError for anything else, without repeating it."""
        check_redis_url(url)
        self.prefix = prefix
        self._url = url
        self._timeout = timeout
        self._observer = observer
        self._clock = clock
        self._client: Redis | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._reason: Reason | None = None
        self._told: bool | None = None

    @property
    def problem(self) -> str | None:
        """Why Redis is given up on for now, as a sentence's beginning; None while it works or was never asked."""
        return _EXPLANATIONS[self._reason] if self._reason and self._failures >= FAILURES else None

    async def run(self, command: Callable[["Redis"], Awaitable[_T]]) -> _T:
        """The result of ``command(client)``; raises RedisUnavailableError, at once while Redis is given up on."""
        if self._failures >= FAILURES:
            if self._clock() < self._retry_at:
                raise RedisUnavailableError(self._reason or "unreachable")
            # This one tries; those that come meanwhile are turned away.
            self._retry_at = self._clock() + RETRY + self._timeout
        return await self.probe(command)

    async def probe(self, command: Callable[["Redis"], Awaitable[_T]]) -> _T:
        """``run`` even while Redis is given up on, for those who look whether it is back."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(self._timeout):
                result = await command(self._connected())
        except (RedisError, OSError, TimeoutError) as error:
            reason = _reason_of(error)
            self._failed(reason)
            raise RedisUnavailableError(reason) from None
        self._failures, self._reason = 0, None
        self._tell(up=True)
        return result

    async def script(
        self, source: str, keys: Sequence[str], arguments: Sequence[str | int], *, probe: bool = False
    ) -> Any:
        """What a Lua script returns; raises RedisUnavailableError. ``probe``: even while Redis is given up on."""
        from redis.exceptions import NoScriptError

        digest = _digest(source)
        given = [*keys, *map(str, arguments)]

        async def command(client: "Redis") -> Any:
            try:
                return await client.evalsha(digest, len(keys), *given)
            except NoScriptError:
                return await client.eval(source, len(keys), *given)

        return await (self.probe(command) if probe else self.run(command))

    async def sismember(self, name: str, value: str) -> int:
        """1 if ``value`` is a member of the set ``name``; raises RedisUnavailableError."""
        # The client's stubs cover its blocking twin too, hence the casts.
        return await self.run(lambda client: cast("Awaitable[int]", client.sismember(name, value)))

    async def ping(self) -> None:
        """Look whether Redis answers; raises RedisUnavailableError."""
        await self.probe(lambda client: cast("Awaitable[Any]", client.ping()))

    async def aclose(self) -> None:
        """Close all connections."""
        from redis.exceptions import RedisError

        client, self._client = self._client, None
        if client is not None:
            with suppress(RedisError, OSError):
                await client.aclose()

    def _connected(self) -> "Redis":
        if self._client is None:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import ConnectionError as RedisConnectionError

            # A pooled connection may have been closed by the other side: once more, on a new one.
            retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=CONNECTIONS,
                timeout=self._timeout,
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                retry=retry,
                decode_responses=True,
            )
            self._client = Redis.from_pool(pool)
        return self._client

    def _failed(self, reason: Reason) -> None:
        self._failures += 1
        self._reason = reason
        self._retry_at = self._clock() + RETRY
        if self._observer is not None:
            self._observer.redis_failed(reason)
        if self._failures >= FAILURES:
            self._tell(up=False)

    def _tell(self, *, up: bool) -> None:
        if self._observer is not None and up is not self._told:
            self._told = up
            self._observer.redis_up(up)


@lru_cache(maxsize=16)
def _digest(source: str) -> str:
    """What Redis calls a script by."""
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def check_redis_url(url: str) -> None:
    """Raise ValueError unless ``url`` says where a Redis is."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in SCHEMES and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be redis://HOST[:PORT][/DB], rediss://… (TLS) or unix://PATH")


def _reason_of(error: BaseException) -> Reason:
    from redis.exceptions import AuthenticationError, ResponseError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    if isinstance(error, TimeoutError | RedisTimeoutError):
        return "timeout"
    return "refused" if isinstance(error, AuthenticationError | ResponseError) else "unreachable"
