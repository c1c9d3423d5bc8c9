"""One debug line and one observation per attempt; by allow-list: never a query, a header or a body."""

import logging
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from mcp_dockerhub.errors import DockerHubError, ErrorCode
from mcp_dockerhub.transport.clock import Clock
from mcp_dockerhub.transport.exchange import Meter, body_is_open, host_of, plan_of, start_meter, stream_of
from mcp_dockerhub.transport.observer import Outcome, UpstreamObserver
from mcp_dockerhub.transport.quota import read_quota

_logger = logging.getLogger("mcp_dockerhub.transport")
_FAMILIES: Final[dict[int, Outcome]] = {2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
_FAILURES: Final[dict[ErrorCode, Outcome]] = {
    ErrorCode.UPSTREAM_TIMEOUT: "timeout",
    ErrorCode.UPSTREAM_INVALID: "invalid",
    ErrorCode.POLICY_DENIED: "refused",
    ErrorCode.TOO_LARGE: "too_large",
}


class RedactedLog(httpx2.AsyncBaseTransport):
    """Measures; a streamed body is part of its attempt until it is closed."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, observer: UpstreamObserver, clock: Clock) -> None:
        self._inner = inner
        self._observer = observer
        self._clock = clock

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        attempt = _Attempt(request, start_meter(request, self._clock.monotonic), self._observer, self._clock)
        try:
            response = await self._inner.handle_async_request(request)
        except DockerHubError as error:
            attempt.failed(error)
            raise
        quota = read_quota(response.headers)
        if quota is not None:
            self._observer.quota(quota.limit, quota.remaining, quota.window_s)
        if body_is_open(request, response):
            response.stream = _Watched(stream_of(response), attempt, response.status_code)
        else:
            attempt.answered(response.status_code)
        return response


class _Attempt:
    def __init__(self, request: httpx2.Request, meter: Meter, observer: UpstreamObserver, clock: Clock) -> None:
        self._meter = meter
        self._request = request
        self._observer = observer
        self._clock = clock
        self._started = clock.monotonic()
        self._ended = False

    def answered(self, status: int) -> None:
        self._end(_FAMILIES.get(status // 100, "invalid"), str(status))

    def failed(self, error: DockerHubError) -> None:
        self._end(_FAILURES.get(error.code, "unavailable"), str(error.code))

    def _end(self, outcome: Outcome, shown: str) -> None:
        if self._ended:
            return
        self._ended = True
        request, meter = self._request, self._meter
        seconds = self._clock.monotonic() - self._started
        first = None if meter.first_byte_at is None else meter.first_byte_at - self._started
        host_class = plan_of(request).host_class
        self._observer.request(host_class, request.method, outcome, seconds, first, meter.received)
        path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        _logger.debug("%s %s%s -> %s in %d ms", request.method, host_of(request.url), path, shown, seconds * 1000)


class _Watched(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, attempt: _Attempt, status: int) -> None:
        self._inner = inner
        self._attempt = attempt
        self._status = status

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                yield chunk
        except DockerHubError as error:
            self._attempt.failed(error)
            raise

    async def aclose(self) -> None:
        self._attempt.answered(self._status)
        await self._inner.aclose()
