"""Failures of one address."""

import pytest

from mcp_dockerhub_security.tokens.throttle import FailureThrottle
from tests.upstreams.token_parts import Clock


def throttle(**options: int) -> tuple[FailureThrottle, Clock]:
    clock = Clock(0.0)
    return FailureThrottle(clock=clock, **options), clock


def fail(throttle: FailureThrottle, address: str, times: int) -> None:
    for _ in range(times):
        throttle.charge(address)


def test_a_burst_is_forgiven_one_per_second() -> None:
    door, clock = throttle(burst=3)
    fail(door, "192.0.2.1", 2)
    assert door.wait("192.0.2.1") == 0
    fail(door, "192.0.2.1", 1)
    assert door.wait("192.0.2.1") == 1
    clock.now += 0.5
    assert door.wait("192.0.2.1") == 0.5
    clock.now += 0.5
    assert door.wait("192.0.2.1") == 0


def test_more_failures_than_the_burst_do_not_make_the_wait_longer() -> None:
    door, _ = throttle(burst=3)
    fail(door, "192.0.2.1", 1000)
    assert door.wait("192.0.2.1") == 1


def test_all_failures_are_forgotten_in_time() -> None:
    door, clock = throttle(burst=3)
    fail(door, "192.0.2.1", 3)
    clock.now += 3
    fail(door, "192.0.2.1", 2)
    assert door.wait("192.0.2.1") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "garbage", True),
        ("", "192.0.2.1", False),
    ],
)
def test_addresses_count_together_only_if_they_can_be_one_machine(one: str, other: str, same: bool) -> None:
    door, _ = throttle(burst=1)
    door.charge(one)
    assert (door.wait(other) > 0) is same


def test_only_so_many_addresses_are_remembered() -> None:
    door, _ = throttle(burst=1, max_addresses=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        door.charge(address)
    assert [door.wait(f"192.0.2.{n}") > 0 for n in (1, 2, 3)] == [True, False, True]


def test_a_charge_that_is_taken_back_leaves_the_others() -> None:
    door, clock = throttle(burst=3)
    fail(door, "192.0.2.1", 3)
    door.forgive("192.0.2.1")
    assert door.wait("192.0.2.1") == 0
    door.charge("192.0.2.1")
    assert door.wait("192.0.2.1") == 1
    clock.now += 3
    door.forgive("192.0.2.1")
    fail(door, "192.0.2.1", 2)
    assert door.wait("192.0.2.1") == 0, "nothing is saved up"
