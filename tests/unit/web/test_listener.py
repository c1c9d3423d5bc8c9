"""Connections on their way in, on loopback sockets that nobody reads from."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mcp_dockerhub.web import serve
from mcp_dockerhub.web.listener import ARRIVING, FEWEST_ARRIVING, Listener


class Door:
    """A listener, clients that connected to it, and what it accepted of them."""

    def __init__(self, stack: ExitStack, arriving: int) -> None:
        self._stack = stack
        self.listener = stack.enter_context(Listener(socket.AF_INET, arriving=arriving))
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.accepted: list[socket.socket] = []

    def come(self) -> socket.socket:
        """One more; the client's side, closed with the test."""
        client = self._stack.enter_context(socket.create_connection(self.listener.getsockname(), 5))
        self.accepted.append(self._stack.enter_context(self.listener.accept()[0]))
        return client


@pytest.fixture
def door() -> Iterator[Door]:
    with ExitStack() as stack:
        yield Door(stack, 3)


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True


def test_one_too_many_on_its_way_costs_the_oldest(door: Door) -> None:
    clients = [door.come() for _ in range(5)]
    assert [is_open(client) for client in clients] == [False, False, True, True, True]


def test_what_arrived_is_not_counted_and_not_dropped(door: Door) -> None:
    clients = []
    for _ in range(5):
        clients.append(door.come())
        door.listener.arrived(door.accepted[-1].fileno())
    door.listener.arrived(-1)
    door.listener.sweep(0.0, 1.0)
    door.listener.sweep(100.0, 1.0)
    assert all(map(is_open, clients))


def test_who_does_not_arrive_in_time_is_dropped(door: Door) -> None:
    client = door.come()
    door.listener.sweep(50.0, 10.0)
    door.listener.sweep(60.0, 10.0)
    assert is_open(client)
    late = door.come()
    door.listener.sweep(60.5, 10.0)
    assert (is_open(client), is_open(late)) == (False, True)


def test_what_ended_meanwhile_makes_room(door: Door) -> None:
    door.come()
    door.accepted[0].close()
    again = door.come()
    assert door.accepted[1].fileno() >= 0
    door.listener.sweep(0.0, 1.0)
    others = [door.come() for _ in range(2)]
    assert all(map(is_open, [again, *others]))
    door.accepted[1].close()
    door.listener.sweep(1.0, 1.0)
    assert all(map(is_open, [*others, door.come()]))


def test_dropping_what_the_client_has_left_already_is_nothing_special(door: Door) -> None:
    client = door.come()
    client.close()
    door.accepted[0].shutdown(socket.SHUT_RDWR)
    door.listener.sweep(0.0, 1.0)
    door.listener.sweep(2.0, 1.0)
    assert is_open(door.come())


def test_at_the_end_nobody_is_waited_for_who_has_not_arrived(door: Door) -> None:
    arrived, coming = door.come(), door.come()
    door.listener.arrived(door.accepted[0].fileno())
    door.listener.abandon()
    assert [is_open(arrived), is_open(coming)] == [True, False]


@pytest.mark.parametrize(
    ("soft", "hard", "connected", "arriving"),
    [(640, 640, 128, FEWEST_ARRIVING), (1024, 4096, 3072, 768), (1024, 20_000, 4096, ARRIVING)],
)
def test_the_more_descriptors_there_are_the_more_may_come_at_once(
    soft: int, hard: int, connected: int, arriving: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert serve._capacity() == (connected, arriving)
    assert connected + arriving <= hard - serve.SPARE_FILES
