"""Concurrency and time."""

import asyncio

import pytest

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.limits import Concurrency, InFlight, Lifetime
from mcp_dockerhub.web.scope import Exchange, Receive, Scope, Send
from mcp_dockerhub_security.principal import Principal
from tests.upstreams.asgi import ADA, Recorded, Sent, ask, fine, raising, scope_of

pytestmark = pytest.mark.anyio

BOB = Principal("bob", "token", "", frozenset())
NAMESAKE = Principal("ada", "token", "other", frozenset())


class Held:
    """An application that answers when it is told to, and knows whether it was cancelled."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.entered = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        await fine(scope, receive, send)


async def _started(
    app: Concurrency, held: Held, principal: Principal, method: str = "POST"
) -> "asyncio.Task[Recorded]":
    held.entered.clear()
    task = asyncio.create_task(ask(app, scope_of(method, principal=principal)))
    await held.entered.wait()
    return task


async def test_one_caller_gets_at_most_half_of_the_places() -> None:
    held = Held()
    app = Concurrency(held, 4, InFlight())
    tasks = [await _started(app, held, ADA), await _started(app, held, ADA)]
    with pytest.raises(HttpError) as refused:
        await ask(app, scope_of(principal=ADA))
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1.0)
    tasks += [await _started(app, held, NAMESAKE), await _started(app, held, BOB)]
    with pytest.raises(HttpError):
        await ask(app, scope_of(principal=Principal("eve", "token", "", frozenset())))
    tasks.append(await _started(app, held, ADA, "GET"))
    held.release.set()
    assert [answer.status for answer in await asyncio.gather(*tasks)] == [200] * 5
    assert (await ask(app, scope_of(principal=ADA))).status == 200


async def test_places_are_given_back_however_a_request_ends() -> None:
    in_flight = InFlight()
    with pytest.raises(ValueError, match="x"):
        await ask(Concurrency(raising(ValueError("x")), 2, in_flight), scope_of(principal=ADA))
    assert (in_flight.count, dict(in_flight.by_caller)) == (0, {})
    await asyncio.wait_for(in_flight.idle(), 1)


async def test_idle_waits_for_the_last_request() -> None:
    in_flight = InFlight()
    in_flight.enter("a")
    in_flight.enter("b")
    waiting = asyncio.create_task(in_flight.idle())
    in_flight.leave("a")
    await asyncio.sleep(0)
    assert not waiting.done()
    in_flight.leave("b")
    await asyncio.wait_for(waiting, 1)


async def test_the_application_reads_the_body_that_was_checked_and_then_nothing() -> None:
    read: list[object] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        read.append(await receive())
        sent.leave()
        read.append(await receive())

    sent = Sent()
    scope = scope_of()
    exchange = Exchange.of(scope)
    exchange.body, exchange.complete = b"{}", True
    await ask(Lifetime(reading, 5), scope, sent)
    assert read == [{"type": "http.request", "body": b"{}", "more_body": False}, {"type": "http.disconnect"}]


async def test_a_client_that_leaves_cancels_the_request_and_its_calls() -> None:
    held, sent, calls = Held(), Sent(b"a body where none belongs"), []
    scope = scope_of()
    with Exchange.of(scope).cancelling(lambda: calls.append("cancelled")):
        task = asyncio.create_task(ask(Lifetime(held, 5), scope, sent))
        await held.entered.wait()
        sent.leave()
        answer = await task
    assert answer.status is None
    assert held.cancelled
    assert calls == ["cancelled"]


async def test_a_client_that_leaves_after_its_answer_cancels_nothing() -> None:
    held, sent = Held(), Sent()
    scope = scope_of()
    task = asyncio.create_task(ask(Lifetime(held, 5), scope, sent))
    await held.entered.wait()
    Exchange.of(scope).complete = True
    sent.leave()
    for _ in range(5):
        await asyncio.sleep(0)
    held.release.set()
    assert (await task).status == 200


async def test_a_request_whose_time_is_up_is_cancelled_with_its_calls_and_told_so() -> None:
    held, calls = Held(), []
    scope = scope_of()
    with (
        Exchange.of(scope).cancelling(lambda: calls.append("cancelled")),
        pytest.raises(HttpError) as refused,
    ):
        await ask(Lifetime(held, 0), scope, Sent())
    assert (refused.value.status, refused.value.rule) == (504, "request_timeout")
    assert held.cancelled
    assert calls == ["cancelled"]


async def test_a_sessions_own_stream_outlives_requests() -> None:
    held = Held()
    task = asyncio.create_task(ask(Lifetime(held, 0), scope_of("GET"), Sent()))
    await held.entered.wait()
    held.release.set()
    assert (await task).status == 200


async def test_a_request_that_is_cancelled_from_outside_cancels_its_calls() -> None:
    held, calls = Held(), []
    scope = scope_of()
    with Exchange.of(scope).cancelling(lambda: calls.append("cancelled")):
        task = asyncio.create_task(ask(Lifetime(held, 5), scope, Sent()))
        await held.entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert calls == ["cancelled"]
