"""Waiting for a token that somebody else asked for."""

import anyio
import pytest

from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from mcp_dockerhub.transport.deadline import call_deadline
from mcp_dockerhub.transport.faults import QueueTimeout
from mcp_dockerhub.transport.token_cache import Denied, Issued, Token, TokenCache, TokenKey
from tests.upstreams.chain import FakeTime

pytestmark = pytest.mark.anyio

KEY = TokenKey("https://auth.example/token", "s", "a:pull", ANONYMOUS_CREDENTIAL)


class Issuer:
    def __init__(self) -> None:
        self.asked = 0
        self.go = anyio.Event()

    async def __call__(self) -> Issued | Denied:
        self.asked += 1
        await self.go.wait()
        return Issued(f"t{self.asked}", 60)


async def test_when_the_one_who_asks_is_cancelled_another_asks() -> None:
    cache, issuer = TokenCache(FakeTime().monotonic), Issuer()
    tokens: list[Token | Denied] = []

    async def wait() -> None:
        tokens.append(await cache.get(KEY, issuer))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as first:
                first.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                for _ in range(3):
                    tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                assert issuer.asked == 1
                first.cancel_scope.cancel()
            await anyio.wait_all_tasks_blocked()
            issuer.go.set()
    assert issuer.asked == 2
    assert [token.value for token in tokens if isinstance(token, Token)] == ["t2"] * 3


async def test_one_who_waits_leaves_at_its_own_deadline() -> None:
    cache, issuer = TokenCache(FakeTime().monotonic), Issuer()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cache.get, KEY, issuer)
            await anyio.wait_all_tasks_blocked()
            with call_deadline(0.01), pytest.raises(QueueTimeout, match=r"auth\.example"):
                await cache.get(KEY, issuer)
            issuer.go.set()
    assert await cache.get(KEY, issuer) == Token("t1", fresh=False)


async def test_a_defect_in_asking_does_not_leave_the_others_waiting() -> None:
    cache = TokenCache(FakeTime().monotonic)

    async def broken() -> Issued | Denied:
        raise ZeroDivisionError

    for _ in range(2):
        with anyio.fail_after(5), pytest.raises(ZeroDivisionError):
            await cache.get(KEY, broken)


async def test_a_newer_token_is_not_forgotten_for_an_older_ones_sake() -> None:
    cache, issuer = TokenCache(FakeTime().monotonic), Issuer()
    issuer.go.set()
    await cache.get(KEY, issuer)
    cache.discard(KEY, "t0")
    assert await cache.get(KEY, issuer) == Token("t1", fresh=False)
    cache.discard(KEY, "t1")
    cache.discard(KEY, "t1")
    assert await cache.get(KEY, issuer) == Token("t2", fresh=True)


async def test_a_failure_is_not_remembered() -> None:
    cache, issuer = TokenCache(FakeTime().monotonic), Issuer()
    issuer.go.set()

    async def down() -> Issued | Denied:
        raise UpstreamUnavailable("down")

    with pytest.raises(UpstreamUnavailable):
        await cache.get(KEY, down)
    assert await cache.get(KEY, issuer) == Token("t1", fresh=True)


async def test_no_token_is_kept_longer_than_a_day() -> None:
    time, issuer = FakeTime(), Issuer()
    cache = TokenCache(time.monotonic)

    async def eternal() -> Issued | Denied:
        return Issued("t", 1e12)

    await cache.get(KEY, eternal)
    time.advance(24 * 3600)
    issuer.go.set()
    assert await cache.get(KEY, issuer) == Token("t1", fresh=True)
