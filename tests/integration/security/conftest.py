"""A real Redis, where there is one."""

from collections.abc import Iterator

import pytest

from tests.upstreams.redis import BINARY, MISSING, RedisServer


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip(MISSING)
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis(_shared_redis: RedisServer) -> RedisServer:
    """A running server that remembers nothing; whoever stops it starts it again."""
    _shared_redis.command("FLUSHALL")
    return _shared_redis
