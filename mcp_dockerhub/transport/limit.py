"""Bounds on bodies: what was promised is checked before reading, what comes is counted as it comes.

Unless the plan says ``streamed``, a body is read here, so that a cut or endless body is a failed attempt to every
element above. A body cut short is a fault of the connection (UpstreamUnavailable, worth a retry), not a statement
of the host; a broken content coding is one (UpstreamInvalid). Outside of 2xx the status is what counts: such a
body is read up to 64 KiB, and beyond that dropped whole rather than cut to something it never said.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.transport.decode import Decoder, IdentityDecoder, decoder_for
from mcp_dockerhub.transport.exchange import Meter, host_of, meter_of, plan_of, stream_of

ERROR_BODY_LIMIT: Final = 64 * 1024
_LENGTH: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_BODILESS: Final = frozenset({204, 304})


class BodyLimit(httpx2.AsyncBaseTransport):
    """Raises TooLarge past the plan's limit, counted after decoding (before it, for streamed bodies)."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        meter_of(request).answer_begins()
        plan = plan_of(request)
        try:
            if request.method == "HEAD" or response.status_code in _BODILESS:
                return await _with_body(response, b"", request)
            if not response.is_success:
                return await _with_body(response, await _error_body(response, request), request)
            _check_promised(response, plan.limit, host_of(request.url))
            if plan.streamed:
                return _counted(response, plan.limit, request)
            return await _with_body(response, await _whole_body(response, plan.limit, request), request)
        except BaseException:
            await response.aclose()
            raise


async def _with_body(response: httpx2.Response, body: bytes, request: httpx2.Request) -> httpx2.Response:
    """The same answer, its body read and decoded, its connection given back."""
    await response.aclose()
    headers = response.headers.copy()
    if headers.pop("content-encoding", None) is not None:
        headers.pop("content-length", None)
    return httpx2.Response(response.status_code, headers=headers, content=body, request=request)


async def _error_body(response: httpx2.Response, request: httpx2.Request) -> bytes:
    try:
        return await _whole_body(response, ERROR_BODY_LIMIT, request)
    except (TooLarge, UpstreamInvalid):
        return b""


async def _whole_body(response: httpx2.Response, limit: int, request: httpx2.Request) -> bytes:
    host = host_of(request.url)
    decoder = decoder_for(response.headers.get("content-encoding"), host)
    body = _Counted(stream_of(response), decoder, limit, host, meter_of(request))
    return b"".join([piece async for piece in body])


def _counted(response: httpx2.Response, limit: int, request: httpx2.Request) -> httpx2.Response:
    host = host_of(request.url)
    response.stream = _Counted(stream_of(response), IdentityDecoder(), limit, host, meter_of(request))
    return response


def _check_promised(response: httpx2.Response, limit: int, host: str) -> None:
    promised = response.headers.get("content-length", "")
    if _LENGTH.fullmatch(promised) and int(promised) > limit:
        raise _too_large(host, limit)


def _too_large(host: str, limit: int) -> TooLarge:
    return TooLarge(f"{host} sent a document of more than {limit} bytes, the most this server reads of its kind.")


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, decoder: Decoder, limit: int, host: str, meter: Meter) -> None:
        self._inner = inner
        self._decoder = decoder
        self._limit = limit
        self._host = host
        self._meter = meter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = decoded = 0
        async for chunk in self._inner:
            self._meter.received += len(chunk)
            received += len(chunk)
            # What came counts as well: a coding can turn any amount of bytes into none.
            self._check(received)
            for piece in self._decoder.feed(chunk):
                decoded += len(piece)
                self._check(decoded)
                yield piece
        self._decoder.finish()

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise _too_large(self._host, self._limit)

    async def aclose(self) -> None:
        await self._inner.aclose()
