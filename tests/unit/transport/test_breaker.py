"""The breaker around other elements; its state machine is property-tested."""

import contextlib

import anyio
import pytest

from mcp_dockerhub.errors import (
    DockerHubError,
    PolicyDenied,
    RateLimited,
    TooLarge,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Breaker
from mcp_dockerhub.transport.faults import CircuitOpen, QueueTimeout
from tests.upstreams.chain import Answer, FakeTime, Inner, Observed, get, status

pytestmark = pytest.mark.anyio


class Setup:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.time = FakeTime()
        self.observed = Observed()
        self.inner = Inner(lambda request: self.answer)
        self.breaker = Breaker(self.inner, self.observed, self.time.monotonic)

    async def send(self, times: int = 1, url: str = "https://registry.example/") -> None:
        for _ in range(times):
            with contextlib.suppress(DockerHubError):
                await self.breaker.handle_async_request(get(url))

    @property
    def state(self) -> str:
        return self.breaker.circuits()["registry.example"]


@pytest.mark.parametrize(
    "failure", [UpstreamUnavailable("refused"), UpstreamTimeout("slow"), status(500), status(503), status(522)]
)
async def test_five_failures_in_a_row_open_the_circuit(failure: Answer) -> None:
    setup = Setup(failure)
    await setup.send(FAILURES_TO_OPEN - 1)
    assert setup.state == "closed"
    await setup.send()
    assert setup.state == "open"
    with pytest.raises(CircuitOpen, match=r"registry\.example") as refused:
        await setup.breaker.handle_async_request(get())
    assert refused.value.retry_after_s == OPEN_SECONDS
    assert len(setup.inner.requests) == FAILURES_TO_OPEN
    assert setup.observed.circuits == [("registry", "open", "registry.example")]


@pytest.mark.parametrize(
    "other",
    [
        status(200),
        status(404),
        status(429),
        status(501),
        QueueTimeout("busy"),
        RateLimited("held back"),
        PolicyDenied("no"),
        TooLarge("big"),
        UpstreamInvalid("nonsense"),
    ],
)
async def test_what_is_not_the_hosts_failure_does_not_open_it(other: Answer) -> None:
    setup = Setup(other)
    await setup.send(3 * FAILURES_TO_OPEN)
    assert setup.state == "closed"
    assert setup.observed.circuits == []


async def test_hosts_are_told_apart_by_name_and_port() -> None:
    setup = Setup(status(500))
    await setup.send(FAILURES_TO_OPEN)
    await setup.send(url="https://registry.example:8443/")
    assert setup.breaker.circuits() == {"registry.example": "open", "registry.example:8443": "closed"}


async def test_after_the_pause_one_probe_decides() -> None:
    setup = Setup(status(500))
    await setup.send(FAILURES_TO_OPEN)
    setup.time.advance(OPEN_SECONDS)
    assert setup.state == "half_open"
    await setup.send()
    assert setup.state == "open"
    setup.time.advance(OPEN_SECONDS)
    setup.answer = status(200)
    await setup.send()
    assert setup.state == "closed"
    assert [state for _, state, _ in setup.observed.circuits] == ["open", "half_open", "open", "half_open", "closed"]


async def test_while_a_probe_is_out_nothing_else_is_sent_and_a_cancelled_probe_makes_way() -> None:
    setup = Setup(status(500))
    await setup.send(FAILURES_TO_OPEN)
    setup.time.advance(OPEN_SECONDS)
    asked = anyio.Event()

    async def never(request: object) -> Answer:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    setup.inner.handler = never
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(setup.breaker.handle_async_request, get())
        with anyio.fail_after(5):
            await asked.wait()
        with pytest.raises(CircuitOpen) as refused:
            await setup.breaker.handle_async_request(get())
        assert refused.value.retry_after_s is None
        tasks.cancel_scope.cancel()
    setup.inner.handler = lambda request: status(200)
    await setup.breaker.handle_async_request(get())
    assert setup.state == "closed"


async def test_the_number_of_hosts_remembered_is_bounded() -> None:
    setup = Setup(status(200))
    for number in range(1100):
        await setup.send(url=f"https://h{number}.example/")
    assert len(setup.breaker.circuits()) == 1024
    assert "h1099.example" in setup.breaker.circuits()
