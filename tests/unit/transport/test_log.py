"""What is written down about a request, and what never is."""

import logging

import httpx2
import pytest

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    PolicyDenied,
    TooLarge,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.exchange import meter_of, stream_of
from mcp_dockerhub.transport.log import RedactedLog
from tests.upstreams.chain import Answer, FakeTime, Inner, Observed, get, status

pytestmark = pytest.mark.anyio


class Setup:
    def __init__(self, answer: Answer, seconds: float = 0.25) -> None:
        self.time = FakeTime()
        self.observed = Observed()

        def handler(request: httpx2.Request) -> Answer:
            self.time.advance(seconds)
            if isinstance(answer, httpx2.Response):
                meter_of(request).answer_begins()
                meter_of(request).received += 7
                self.time.advance(seconds)
            return answer

        self.log = RedactedLog(Inner(handler), self.observed, self.time.clock)


async def test_a_line_has_method_host_path_status_and_time_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = get("https://cdn.example:8443/blob%0a%1b[2J/x?X-Signature=secret#part")
    request.headers["authorization"] = "Bearer secret"
    with caplog.at_level(logging.DEBUG, "mcp_dockerhub.transport"):
        await Setup(status(200, b"secret", set_cookie="secret")).log.handle_async_request(request)
    assert [record.getMessage() for record in caplog.records] == [
        "GET cdn.example:8443/blob%0a%1b[2J/x -> 200 in 500 ms"
    ]
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


async def test_an_attempt_is_observed_with_its_times_and_bytes() -> None:
    setup = Setup(status(404))
    await setup.log.handle_async_request(get(method="HEAD"))
    assert setup.observed.requests == [("registry", "HEAD", "4xx")]
    assert setup.observed.timings == [(0.5, 0.25, 7)]


@pytest.mark.parametrize(
    ("code", "outcome"), [(200, "2xx"), (307, "3xx"), (404, "4xx"), (503, "5xx"), (999, "invalid"), (101, "invalid")]
)
async def test_statuses_are_counted_by_family(code: int, outcome: str) -> None:
    setup = Setup(status(code))
    await setup.log.handle_async_request(get())
    assert setup.observed.requests == [("registry", "GET", outcome)]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UpstreamTimeout("x"), "timeout"),
        (UpstreamUnavailable("x"), "unavailable"),
        (UpstreamInvalid("x"), "invalid"),
        (PolicyDenied("x"), "refused"),
        (TooLarge("x"), "too_large"),
        (AuthenticationFailed("x"), "unavailable"),
    ],
)
async def test_failures_are_counted_by_kind(
    error: DockerHubError, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    setup = Setup(error)
    with caplog.at_level(logging.DEBUG, "mcp_dockerhub.transport"), pytest.raises(type(error)):
        await setup.log.handle_async_request(get())
    assert setup.observed.requests == [("registry", "GET", outcome)]
    assert setup.observed.timings == [(0.25, None, 0)]
    assert str(error.code) in caplog.text


async def test_a_streamed_attempt_ends_when_its_body_is_closed() -> None:
    setup = Setup(status(200, b"body"))
    response = await setup.log.handle_async_request(get(streamed=True))
    assert setup.observed.requests == []
    assert [chunk async for chunk in stream_of(response)] == [b"body"]
    setup.time.advance(10)
    await stream_of(response).aclose()
    await stream_of(response).aclose()
    assert setup.observed.requests == [("registry", "GET", "2xx")]
    assert setup.observed.timings[0][0] == 10.5


async def test_a_streamed_body_that_fails_is_a_failed_attempt() -> None:
    class Failing(httpx2.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b"x"
            raise TooLarge("big")

    setup = Setup(httpx2.Response(200, stream=Failing()))
    response = await setup.log.handle_async_request(get(streamed=True))
    with pytest.raises(TooLarge):
        [chunk async for chunk in stream_of(response)]
    await stream_of(response).aclose()
    assert setup.observed.requests == [("registry", "GET", "too_large")]


async def test_the_pull_quota_is_passed_on() -> None:
    setup = Setup(status(200, ratelimit_limit="100;w=21600", ratelimit_remaining="76;w=21600"))
    await setup.log.handle_async_request(get())
    assert setup.observed.quotas == [(100, 76, 21600)]
