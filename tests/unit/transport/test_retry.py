"""What is tried again, after how long, and what the end of it is called."""

import math

import httpx2
import pytest

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.deadline import call_deadline
from mcp_dockerhub.transport.faults import CircuitOpen, ConnectTimedOut, NameUnknown, QueueTimeout, TlsFailed
from mcp_dockerhub.transport.retry import ATTEMPTS, LONGEST_BACKOFF, Retry
from tests.upstreams.chain import Answer, FakeTime, Inner, Observed, get, in_turn, status

pytestmark = pytest.mark.anyio

PULL_LIMIT = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"Your unauthenticated pull rate limit is reached."}]}'


class Setup:
    def __init__(self, *answers: Answer) -> None:
        self.time = FakeTime()
        self.observed = Observed()
        self.inner = Inner(in_turn(*answers))
        self.retry = Retry(self.inner, self.observed, self.time.clock)

    async def send(self, request: httpx2.Request | None = None, seconds: float = 60.0) -> httpx2.Response:
        with call_deadline(seconds, clock=self.time.monotonic):
            return await self.retry.handle_async_request(request or get())

    async def fail(self, request: httpx2.Request | None = None, seconds: float = 60.0) -> DockerHubError:
        with pytest.raises(DockerHubError) as failed:
            await self.send(request, seconds)
        return failed.value


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (status(408), "408"),
        (status(429), "429"),
        (status(500), "5xx"),
        (status(502), "5xx"),
        (status(503), "5xx"),
        (status(504), "5xx"),
        (status(522), "5xx"),
        (UpstreamUnavailable("reset"), "connection"),
        (ConnectTimedOut("slow"), "connection"),
    ],
)
async def test_what_may_pass_is_tried_again(first: Answer, reason: str) -> None:
    setup = Setup(first, status(200, b"ok"))
    assert (await setup.send()).content == b"ok"
    assert len(setup.inner.requests) == 2
    assert setup.observed.retries == [("registry", reason)]
    assert 0 <= setup.time.slept[0] <= LONGEST_BACKOFF


@pytest.mark.parametrize("code", [200, 206, 301, 304, 400, 401, 403, 404, 405, 501, 505])
async def test_every_other_status_is_an_answer(code: int) -> None:
    setup = Setup(status(code))
    assert (await setup.send()).status_code == code
    assert len(setup.inner.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        UpstreamTimeout("no answer"),
        QueueTimeout("busy"),
        UpstreamInvalid("nonsense"),
        TooLarge("big"),
        AuthenticationFailed("no"),
        CircuitOpen("open"),
        NameUnknown("no such host"),
        TlsFailed("not trusted"),
        RateLimited("held back"),
    ],
)
async def test_failures_that_would_only_repeat_end_the_call(error: DockerHubError) -> None:
    setup = Setup(error, status(200))
    assert await setup.fail() is error
    assert len(setup.inner.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(503), UpstreamUnavailable),
        (status(408), UpstreamTimeout),
        (status(429), RateLimited),
        (UpstreamUnavailable("reset"), UpstreamUnavailable),
    ],
)
async def test_attempts_are_limited_and_the_last_failure_is_told(answer: Answer, kind: type[DockerHubError]) -> None:
    setup = Setup(answer)
    error = await setup.fail()
    assert type(error) is kind
    assert len(setup.inner.requests) == ATTEMPTS
    assert len(setup.observed.retries) == ATTEMPTS - 1
    if isinstance(answer, httpx2.Response):
        assert "registry.example" in error.message


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_request_that_may_change_something_is_sent_once(method: str) -> None:
    setup = Setup(status(503), status(200))
    assert isinstance(await setup.fail(get(method=method)), UpstreamUnavailable)
    assert len(setup.inner.requests) == 1


async def test_a_log_in_may_be_repeated_whatever_its_method() -> None:
    setup = Setup(status(503), status(200))
    assert (await setup.send(get(method="POST", token_request=True))).status_code == 200


async def test_a_question_to_an_advisory_database_may_be_repeated() -> None:
    setup = Setup(status(503), status(200))
    assert (await setup.send(get(method="POST", host_class="osv"))).status_code == 200


@pytest.mark.parametrize("code", [429, 503])
async def test_the_wait_that_a_host_asks_for_is_honoured(code: int) -> None:
    setup = Setup(status(code, retry_after="20"), status(200))
    await setup.send()
    assert setup.time.slept == [20.0]


async def test_a_wait_of_zero_still_backs_off() -> None:
    setup = Setup(status(429, retry_after="0"))
    error = await setup.fail()
    assert error.retry_after_s == 0.0
    assert sum(setup.time.slept) > 0


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimited), (503, UpstreamUnavailable)])
async def test_a_wait_beyond_the_deadline_ends_the_call_at_once(code: int, kind: type[DockerHubError]) -> None:
    setup = Setup(status(code, x_retry_after="1700000090"), status(200))
    error = await setup.fail(seconds=60)
    assert type(error) is kind
    assert error.retry_after_s == 90.0
    assert setup.time.slept == []
    assert setup.observed.retries == []


async def test_waits_add_up_against_the_same_deadline() -> None:
    setup = Setup(status(429, retry_after="25"))
    error = await setup.fail(seconds=60)
    assert isinstance(error, RateLimited)
    assert setup.time.slept == [25.0, 25.0]


@pytest.mark.parametrize(
    "answer",
    [
        status(429, PULL_LIMIT),
        status(429, ratelimit_limit="100;w=21600", ratelimit_remaining="0;w=21600"),
    ],
)
async def test_a_spent_pull_quota_has_its_own_name_and_is_not_waited_for(answer: httpx2.Response) -> None:
    setup = Setup(answer, status(200))
    error = await setup.fail(seconds=math.inf)
    assert type(error) is QuotaExhausted
    assert error.retry_after_s is None
    assert setup.time.slept == []


async def test_a_pull_quota_that_renews_within_the_call_is_waited_for() -> None:
    setup = Setup(status(429, PULL_LIMIT, retry_after="3"), status(200))
    assert (await setup.send()).status_code == 200
    assert setup.time.slept == [pytest.approx(3.0)]


async def test_messages_carry_no_upstream_body() -> None:
    assert "unauthenticated" not in (await Setup(status(429, PULL_LIMIT)).fail()).message
