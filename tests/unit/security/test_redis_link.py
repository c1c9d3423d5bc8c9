"""A Redis that fails is given up on for a while, tried again, and never named."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, OutOfMemoryError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from mcp_dockerhub_security.redis_link import RETRY, RedisLink, RedisUnavailableError, check_redis_url
from tests.upstreams.guard_parts import Clock

pytestmark = pytest.mark.anyio

URL = "redis://:s3cret@redis.internal:6379/0"


@dataclass
class Observed:
    ups: list[bool] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def redis_up(self, up: bool) -> None:
        self.ups.append(up)

    def redis_failed(self, reason: str) -> None:
        self.failures.append(reason)


def failing(error: Exception) -> Callable[[Any], Awaitable[None]]:
    async def command(client: Any) -> None:
        raise error

    return command


async def answering(client: Any) -> int:
    return 7


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host:6379/3", "rediss://user:pw@host", "unix:///run/redis.sock", "redis://[::1]:1"]
)
def test_where_redis_is_can_be_said_in_several_ways(url: str) -> None:
    check_redis_url(url)


@pytest.mark.parametrize(
    "url",
    ["", "host:6379", "http://host", "redis://", "redis://host:0", "redis://host:port", "redis://[::1", "unix://"],
)
def test_anything_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be redis://HOST") as caught:
        check_redis_url(url)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RedisConnectionError("s3cret"), "unreachable"),
        (OSError(111, "refused"), "unreachable"),
        (BusyLoadingError(), "unreachable"),
        (RedisTimeoutError(), "timeout"),
        (TimeoutError(), "timeout"),
        (AuthenticationError("s3cret"), "refused"),
        (ReadOnlyError(), "refused"),
        (OutOfMemoryError(), "refused"),
    ],
)
async def test_every_failure_has_a_reason_and_tells_no_secret(error: Exception, reason: str) -> None:
    observed = Observed()
    link = RedisLink(URL, observer=observed, clock=Clock())
    with pytest.raises(RedisUnavailableError) as caught:
        await link.run(failing(error))
    assert caught.value.reason == reason
    assert observed.failures == [reason]
    assert "s3cret" not in str(caught.value)
    assert "redis.internal" not in str(caught.value)
    await link.aclose()


async def test_after_two_failures_nobody_waits_and_one_tries_now_and_then() -> None:
    clock, observed = Clock(), Observed()
    link = RedisLink(URL, observer=observed, clock=clock)
    tries = 0

    async def command(client: Any) -> None:
        nonlocal tries
        tries += 1
        raise TimeoutError

    for _ in range(10):
        with pytest.raises(RedisUnavailableError, match="in time"):
            await link.run(command)
    assert tries == 2
    assert link.problem == "Redis does not answer in time"
    assert observed.ups == [False]
    clock.now += RETRY
    for _ in range(10):
        with pytest.raises(RedisUnavailableError):
            await link.run(command)
    assert tries == 3
    clock.now += RETRY
    assert await link.run(answering) == 7
    assert link.problem is None
    assert observed.ups == [False, True]
    assert await link.run(answering) == 7
    assert observed.ups == [False, True]
    await link.aclose()


async def test_one_failure_is_not_yet_a_problem() -> None:
    link = RedisLink(URL, clock=Clock())
    with pytest.raises(RedisUnavailableError):
        await link.run(failing(TimeoutError()))
    assert link.problem is None
    assert await link.run(answering) == 7
    with pytest.raises(RedisUnavailableError):
        await link.run(failing(TimeoutError()))
    assert link.problem is None
    await link.aclose()


async def test_a_probe_is_made_even_while_nobody_else_may() -> None:
    link = RedisLink(URL, clock=Clock())
    for _ in range(3):
        with pytest.raises(RedisUnavailableError):
            await link.run(failing(TimeoutError()))
    assert await link.probe(answering) == 7
    assert await link.run(answering) == 7
    await link.aclose()


async def test_an_error_that_is_not_redis_is_not_hidden() -> None:
    link = RedisLink(URL, clock=Clock())
    with pytest.raises(KeyError):
        await link.run(failing(KeyError("x")))
    assert link.problem is None
    await link.aclose()


async def test_closing_what_was_never_opened_does_nothing() -> None:
    await RedisLink(URL).aclose()
