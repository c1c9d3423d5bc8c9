"""Try again what may succeed a moment later, within the call's deadline.

Repeated are 408, 429, 5xx and connections that failed, for requests that change nothing; an answer that did not
come in time is not waited for twice. A wait that the host asks for is honoured; one beyond the deadline ends the
call at once, and the error says how long to wait.
"""

from typing import TYPE_CHECKING, Final

import httpx2

from mcp_dockerhub.errors import DockerHubError, QuotaExhausted, RateLimited, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.transport.clock import Clock
from mcp_dockerhub.transport.deadline import remaining
from mcp_dockerhub.transport.exchange import host_of, plan_of
from mcp_dockerhub.transport.faults import CircuitOpen, ConnectTimedOut, NameUnknown, TlsFailed, is_server_failure
from mcp_dockerhub.transport.observer import RetryReason, UpstreamObserver
from mcp_dockerhub.transport.quota import quota_spent
from mcp_dockerhub.transport.retry_after import retry_after

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS: Final = 4
FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 8.0
_HOPELESS: Final = (CircuitOpen, NameUnknown, TlsFailed)


class _AttemptFailed(Exception):
    """One attempt ended in ``error``; ``wait`` is what the host asked for, in seconds."""

    def __init__(self, error: DockerHubError, reason: RetryReason, wait: float | None = None) -> None:
        super().__init__(reason)
        self.error = error
        self.reason = reason
        self.wait = wait


class Retry(httpx2.AsyncBaseTransport):
    """Raises RateLimited (QuotaExhausted for a pull quota), UpstreamUnavailable and UpstreamTimeout in the end."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, observer: UpstreamObserver, clock: Clock) -> None:
        self._inner = inner
        self._observer = observer
        self._clock = clock

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Imported here: a server that has not asked anything yet should not pay for it at start.
        from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

        plan = plan_of(request)
        # A log-in, and a question too long for a URL, change nothing.
        harmless = plan.token_request or (plan.host_class == "osv" and request.method == "POST")
        repeatable = request.method in ("GET", "HEAD") or harmless
        backoff = wait_random_exponential(multiplier=FIRST_BACKOFF, max=LONGEST_BACKOFF)

        def wait(state: "RetryCallState") -> float:
            return max(_failure(state).wait or 0.0, backoff(state))

        def stop(state: "RetryCallState") -> bool:
            return not repeatable or state.attempt_number >= ATTEMPTS or state.upcoming_sleep >= remaining()

        def tell(state: "RetryCallState") -> None:
            self._observer.retry(plan.host_class, _failure(state).reason)

        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_AttemptFailed),
            stop=stop,
            wait=wait,
            before_sleep=tell,
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return await attempts(self._attempt, request)
        except _AttemptFailed as failure:
            raise failure.error from failure.error.__cause__

    async def _attempt(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except _HOPELESS:
            raise
        except (UpstreamUnavailable, ConnectTimedOut) as error:
            raise _AttemptFailed(error, "connection") from error
        failure = self._failure_of(response, host_of(request.url))
        if failure is None:
            return response
        await response.aclose()
        raise failure

    def _failure_of(self, response: httpx2.Response, host: str) -> _AttemptFailed | None:
        status = response.status_code
        if status not in (408, 429) and not is_server_failure(status):
            return None
        wait = retry_after(response.headers, self._clock.wall())
        if status == 408:
            return _AttemptFailed(UpstreamTimeout(f"{host} gave up waiting for the request."), "408", wait)
        if status != 429:
            error = UpstreamUnavailable(f"{host} failed with status {status}.", retry_after_s=wait)
            return _AttemptFailed(error, "5xx", wait)
        if quota_spent(response.headers, response.content):
            # Without a word on when the quota renews, it does not within a call.
            spent = QuotaExhausted(f"The pull quota at {host} is spent.", retry_after_s=wait)
            return _AttemptFailed(spent, "429", float("inf") if wait is None else wait)
        return _AttemptFailed(RateLimited(f"{host} asked for fewer requests.", retry_after_s=wait), "429", wait)


def _failure(state: "RetryCallState") -> _AttemptFailed:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _AttemptFailed)  # noqa: S101  (nothing else is retried)
    return error
