"""One deadline for the whole call."""

import math

from mcp_dockerhub.transport.deadline import call_deadline, own_deadline, remaining
from tests.upstreams.chain import FakeTime


def test_without_a_deadline_there_is_no_end() -> None:
    assert remaining() == math.inf


def test_what_remains_shrinks_to_nothing_and_no_further() -> None:
    time = FakeTime()
    with call_deadline(10, clock=time.monotonic):
        assert remaining() == 10
        time.advance(9)
        assert remaining() == 1
        time.advance(9)
        assert remaining() == 0
    assert remaining() == math.inf


def test_an_inner_deadline_can_only_be_earlier() -> None:
    time = FakeTime()
    with call_deadline(10, clock=time.monotonic):
        with call_deadline(60, clock=time.monotonic):
            assert remaining() == 10
        with call_deadline(5, clock=time.monotonic):
            assert remaining() == 5
        assert remaining() == 10


def test_the_system_clock_is_the_default() -> None:
    with call_deadline(1000):
        assert 999 < remaining() <= 1000


def test_a_deadline_of_its_own_ignores_the_one_around_it() -> None:
    time = FakeTime()
    with call_deadline(10, clock=time.monotonic):
        with own_deadline(60, clock=time.monotonic):
            assert remaining() == 60
        assert remaining() == 10
