"""Lists of tokens that were taken back."""

from collections.abc import Awaitable

import pytest

from mcp_dockerhub_security.redis_link import RedisUnavailableError
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable
from mcp_dockerhub_security.tokens.redis_revocation import KEY, RedisRevocationList
from mcp_dockerhub_security.tokens.revocation import MemoryRevocationList

pytestmark = pytest.mark.anyio


class FakeRedis:
    """Sets in memory; ``failure`` is raised instead of answering."""

    def __init__(self) -> None:
        self.members: set[tuple[str, str]] = set()
        self.failure: Exception | None = None

    def sismember(self, name: str, value: str) -> Awaitable[int]:
        async def answer() -> int:
            if self.failure is not None:
                raise self.failure
            return int((name, value) in self.members)

        return answer()


async def test_a_revoked_token_is_on_the_list() -> None:
    revoked = MemoryRevocationList()
    revoked.revoke("one")
    assert await revoked.revoked("one")
    assert not await revoked.revoked("two")


async def test_the_oldest_entries_make_room() -> None:
    revoked = MemoryRevocationList(limit=2)
    for name in ("one", "two", "three"):
        revoked.revoke(name)
    assert [await revoked.revoked(name) for name in ("one", "two", "three")] == [False, True, True]


async def test_members_of_the_set_in_redis_are_revoked() -> None:
    redis = FakeRedis()
    revoked = RedisRevocationList(redis)
    assert not await revoked.revoked("one")
    redis.members.add((KEY, "one"))
    assert await revoked.revoked("one")


@pytest.mark.parametrize("failure", [RedisUnavailableError("timeout"), OSError(), TimeoutError()])
async def test_a_strict_list_accepts_nothing_while_redis_is_down(failure: Exception) -> None:
    redis = FakeRedis()
    redis.failure = failure
    with pytest.raises(AuthorityUnavailable):
        await RedisRevocationList(redis).revoked("one")


async def test_a_lenient_list_remembers_what_it_saw_while_redis_is_down() -> None:
    redis = FakeRedis()
    revoked = RedisRevocationList(redis, strict=False)
    redis.members.add((KEY, "one"))
    await revoked.revoked("one")
    redis.failure = RedisUnavailableError("unreachable")
    assert await revoked.revoked("one")
    assert not await revoked.revoked("two")
