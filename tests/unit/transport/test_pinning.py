"""Names are looked up once, checked whole, and dialled by address."""

from collections.abc import Iterable
from typing import Any

import anyio
import httpcore2
import pytest

from mcp_dockerhub.errors import PolicyDenied
from mcp_dockerhub.transport.egress import address_check
from mcp_dockerhub.transport.pinning import PinnedBackend
from mcp_dockerhub_security.egress import EgressPolicy

pytestmark = pytest.mark.anyio


class Dialer(httpcore2.AsyncNetworkBackend):
    def __init__(self, dead: Iterable[str] = ()) -> None:
        self.dead = set(dead)
        self.dialled: list[tuple[str, float | None]] = []
        self.slept: list[float] = []

    async def connect_tcp(self, host: str, port: int, *more: Any, **options: Any) -> Any:
        self.dialled.append((host, options["timeout"]))
        if host in self.dead:
            raise httpcore2.ConnectError("refused")
        return httpcore2.AsyncMockStream([])

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Names:
    """A resolver that answers each look-up differently."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return self.answers.pop(0)


def backend(names: Names, dialer: Dialer) -> PinnedBackend:
    return PinnedBackend(names, address_check(EgressPolicy()), dialer)


async def test_the_checked_address_is_the_one_dialled() -> None:
    names, dialer = Names(("1.1.1.1", "1.0.0.1"), ("127.0.0.1",)), Dialer()
    await backend(names, dialer).connect_tcp("h.example", 443, 6.0)
    assert names.asked == ["h.example"]
    assert dialer.dialled == [("1.1.1.1", 3.0)]


async def test_a_name_that_turns_private_between_look_ups_is_refused_at_the_second() -> None:
    names, dialer = Names(("1.1.1.1",), ("127.0.0.1",)), Dialer()
    pinned = backend(names, dialer)
    await pinned.connect_tcp("h.example", 443)
    with pytest.raises(PolicyDenied, match=r"h\.example"):
        await pinned.connect_tcp("h.example", 443)
    assert [address for address, _ in dialer.dialled] == ["1.1.1.1"]


@pytest.mark.parametrize("answer", [("1.1.1.1", "10.0.0.1"), ("10.0.0.1", "1.1.1.1"), ("::ffff:127.0.0.1",)])
async def test_one_private_address_among_public_ones_refuses_the_name(answer: tuple[str, ...]) -> None:
    dialer = Dialer()
    with pytest.raises(PolicyDenied):
        await backend(Names(answer), dialer).connect_tcp("h.example", 443)
    assert dialer.dialled == []


async def test_a_dead_address_is_followed_by_the_next() -> None:
    dialer = Dialer(["1.1.1.1", "1.0.0.1"])
    await backend(Names(("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4")), dialer).connect_tcp("h.example", 443, 9.0)
    assert dialer.dialled == [("1.1.1.1", 3.0), ("1.0.0.1", 3.0), ("8.8.8.8", 3.0)]


@pytest.mark.parametrize("addresses", [("1.1.1.1",), ()])
async def test_without_a_live_address_there_is_no_connection(addresses: tuple[str, ...]) -> None:
    with pytest.raises(httpcore2.ConnectError):
        await backend(Names(addresses), Dialer(["1.1.1.1"])).connect_tcp("h.example", 443)


async def test_a_slow_look_up_is_a_connection_that_took_too_long() -> None:
    class Slow(Names):
        async def __call__(self, host: str, port: int) -> tuple[str, ...]:
            await anyio.sleep_forever()
            raise AssertionError

    with anyio.fail_after(5), pytest.raises(httpcore2.ConnectTimeout):
        await backend(Slow(), Dialer()).connect_tcp("h.example", 443, 0.01)


async def test_waiting_is_left_to_the_dialer() -> None:
    dialer = Dialer()
    await backend(Names(), dialer).sleep(1.5)
    assert dialer.slept == [1.5]
