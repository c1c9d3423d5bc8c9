"""The time one attempt may take."""

from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest

from mcp_dockerhub.errors import UpstreamTimeout
from mcp_dockerhub.transport.deadline import call_deadline
from mcp_dockerhub.transport.exchange import stream_of
from mcp_dockerhub.transport.timeout import Timeout
from tests.upstreams.chain import Answer, Inner, get, status

pytestmark = pytest.mark.anyio


async def forever(request: httpx2.Request) -> Answer:
    await anyio.sleep_forever()
    raise AssertionError


class Stuck(httpx2.AsyncByteStream):
    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"first"
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("seconds", "call"), [(0.01, 60.0), (60.0, 0.01)])
async def test_an_attempt_ends_at_its_own_or_the_calls_deadline(seconds: float, call: float) -> None:
    with anyio.fail_after(5), call_deadline(call), pytest.raises(UpstreamTimeout, match=r"registry\.example"):
        await Timeout(Inner(forever), seconds).handle_async_request(get())


@pytest.mark.parametrize(("seconds", "call"), [(0.01, 60.0), (60.0, 0.01)])
async def test_a_streamed_body_that_stops_coming_ends_too(seconds: float, call: float) -> None:
    body = Stuck()
    inner = Inner(lambda request: httpx2.Response(200, stream=body))
    with anyio.fail_after(5), call_deadline(call):
        response = await Timeout(inner, seconds).handle_async_request(get(streamed=True))
        pieces = aiter(stream_of(response))
        assert await anext(pieces) == b"first"
        with pytest.raises(UpstreamTimeout, match=r"registry\.example"):
            await anext(pieces)
        await response.aclose()
    assert body.closed


async def test_an_answer_in_time_is_passed_on() -> None:
    inner = Inner(lambda request: status(200, b"ok"))
    assert (await Timeout(inner, 5).handle_async_request(get())).content == b"ok"
    response = await Timeout(inner, 5).handle_async_request(get(streamed=True))
    assert b"".join([chunk async for chunk in stream_of(response)]) == b"ok"
