"""The time one attempt may take, its body included, within what is left of the call."""

from collections.abc import AsyncIterator

import anyio
import httpx2

from mcp_dockerhub.errors import UpstreamTimeout
from mcp_dockerhub.transport.deadline import remaining
from mcp_dockerhub.transport.exchange import body_is_open, host_of, stream_of


class Timeout(httpx2.AsyncBaseTransport):
    """Raises UpstreamTimeout. A streamed body has ``seconds`` for each piece, and for all what is left of the call."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = host_of(request.url)
        try:
            with anyio.fail_after(min(self._seconds, remaining())):
                response = await self._inner.handle_async_request(request)
        except TimeoutError as error:
            raise _late(host) from error
        if body_is_open(request, response):
            response.stream = _Timed(stream_of(response), self._seconds, host)
        return response


class _Timed(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, seconds: float, host: str) -> None:
        self._inner = inner
        self._seconds = seconds
        self._host = host

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._inner)
        while True:
            try:
                with anyio.fail_after(min(self._seconds, remaining())):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                raise _late(self._host) from error
            if piece is None:
                return
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


def _late(host: str) -> UpstreamTimeout:
    return UpstreamTimeout(f"{host} did not answer in time.")
