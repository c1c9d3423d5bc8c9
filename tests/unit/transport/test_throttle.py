"""Concurrency per host, and holding back after a 429."""

import anyio
import httpx2
import pytest

from mcp_dockerhub.errors import RateLimited, UpstreamUnavailable
from mcp_dockerhub.transport.deadline import call_deadline
from mcp_dockerhub.transport.exchange import stream_of
from mcp_dockerhub.transport.faults import QueueTimeout
from mcp_dockerhub.transport.throttle import LONGEST_PAUSE, Throttle
from tests.upstreams.chain import Answer, FakeTime, Inner, get, in_turn, status

pytestmark = pytest.mark.anyio


class Gate:
    """An inner transport that answers when told, and counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.arrived = anyio.Semaphore(0)
        self.open = anyio.Event()

    async def __call__(self, request: httpx2.Request) -> Answer:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.arrived.release()
        await self.open.wait()
        self.inside -= 1
        return status(200)


async def test_a_host_gets_only_so_many_requests_at_once_and_others_do_not_wait_for_it() -> None:
    gate = Gate()
    throttle = Throttle(Inner(gate), 3, FakeTime().clock)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(throttle.handle_async_request, get())
            tasks.start_soon(throttle.handle_async_request, get("https://other.example/"))
            for _ in range(4):
                await gate.arrived.acquire()
            await anyio.wait_all_tasks_blocked()
            assert gate.most == 4
            gate.open.set()
    assert gate.most == 4


async def test_a_failed_and_a_cancelled_request_give_their_place_back() -> None:
    throttle = Throttle(Inner(lambda request: UpstreamUnavailable("refused")), 1, FakeTime().clock)
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            await throttle.handle_async_request(get())
    gate = Gate()
    throttle = Throttle(Inner(gate), 1, FakeTime().clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(throttle.handle_async_request, get())
        tasks.start_soon(throttle.handle_async_request, get())
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    gate.open.set()
    with anyio.fail_after(5):
        await throttle.handle_async_request(get())


async def test_a_streamed_body_keeps_its_place_until_it_is_closed() -> None:
    throttle = Throttle(Inner(lambda request: status(200, b"body")), 1, FakeTime().clock)
    response = await throttle.handle_async_request(get(streamed=True))
    with call_deadline(0.01), pytest.raises(QueueTimeout, match=r"registry\.example"):
        await throttle.handle_async_request(get())
    assert [chunk async for chunk in stream_of(response)] == [b"body"]
    await stream_of(response).aclose()
    await stream_of(response).aclose()
    with anyio.fail_after(5):
        await throttle.handle_async_request(get())
        await throttle.handle_async_request(get())


async def test_after_a_429_the_whole_host_is_held_back_ever_longer() -> None:
    time = FakeTime()
    throttle = Throttle(Inner(in_turn(*[status(429)] * 9, status(200))), 10, time.clock)
    for _ in range(9):
        await throttle.handle_async_request(get())
    assert time.slept == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]


async def test_what_the_host_asks_for_is_the_pause() -> None:
    time = FakeTime()
    throttle = Throttle(Inner(in_turn(status(429, retry_after="7"), status(200))), 10, time.clock)
    await throttle.handle_async_request(get())
    await throttle.handle_async_request(get("https://other.example/"))
    assert time.slept == []
    await throttle.handle_async_request(get())
    assert time.slept == [7.0]


async def test_trust_comes_back_with_each_success() -> None:
    time = FakeTime()
    refused = [status(429)] * 4
    throttle = Throttle(Inner(in_turn(*refused, status(200), status(200), *refused)), 10, time.clock)
    for _ in range(8):
        await throttle.handle_async_request(get())
    assert time.slept == [1, 2, 4, 8, 4]


async def test_a_pause_beyond_the_deadline_is_told_at_once() -> None:
    time = FakeTime()
    throttle = Throttle(Inner(lambda request: status(429, retry_after="30")), 1, time.clock)
    await throttle.handle_async_request(get())
    for _ in range(2):
        with call_deadline(5, clock=time.monotonic), pytest.raises(RateLimited) as refused:
            await throttle.handle_async_request(get())
        assert refused.value.retry_after_s == 30
    assert time.slept == []


async def test_a_spent_pull_quota_holds_nothing_back() -> None:
    time = FakeTime()
    throttle = Throttle(Inner(lambda request: status(429, b"You have reached your pull rate limit")), 1, time.clock)
    await throttle.handle_async_request(get())
    await throttle.handle_async_request(get())
    assert time.slept == []


async def test_hosts_in_use_are_never_forgotten() -> None:
    throttle = Throttle(Inner(lambda request: status(200)), 1, FakeTime().clock)
    open_streams = [
        await throttle.handle_async_request(get(f"https://h{number}.example/", streamed=True)) for number in range(1030)
    ]
    with call_deadline(0.01), pytest.raises(QueueTimeout):
        await throttle.handle_async_request(get("https://h0.example/"))
    for response in open_streams:
        await response.aclose()


async def test_the_number_of_hosts_remembered_is_bounded() -> None:
    time = FakeTime()
    throttle = Throttle(Inner(lambda request: status(429)), 1, time.clock)
    for number in range(1100):
        await throttle.handle_async_request(get(f"https://h{number}.example/"))
    assert time.slept == []
    await throttle.handle_async_request(get("https://h0.example/"))
    assert time.slept == []
    await throttle.handle_async_request(get("https://h1099.example/"))
    assert time.slept == [1.0]
