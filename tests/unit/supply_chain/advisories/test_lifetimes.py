"""Releases past their end of life."""

from datetime import date

import pytest

from mcp_dockerhub.supply_chain.advisories.lifetimes import end_of_life, ended
from mcp_dockerhub.supply_chain.packages import Distro


@pytest.mark.parametrize(
    ("distro", "last_day"),
    [
        (Distro("debian", "11"), date(2026, 8, 31)),
        (Distro("debian", "", "buster"), date(2024, 6, 30)),
        (Distro("ubuntu", "20.04"), date(2025, 5, 29)),
        (Distro("ubuntu", "", "bionic"), date(2023, 5, 31)),
        (Distro("alpine", "3.17.10"), date(2024, 11, 22)),
    ],
)
def test_a_release_is_warned_about_from_the_day_after_its_last(distro: Distro, last_day: date) -> None:
    assert end_of_life(distro, last_day) == ""
    warning = end_of_life(distro, date.fromordinal(last_day.toordinal() + 1))
    assert "past its end of life" in warning
    assert last_day.isoformat() in warning


def test_a_release_older_than_all_that_are_listed_is_past_its_end() -> None:
    assert "Alpine 3.2 is past its end of life" in end_of_life(Distro("alpine", "3.2.0"), date(2026, 11, 21))


@pytest.mark.parametrize(
    "distro",
    [None, Distro("wolfi", "20230201"), Distro("debian", "99"), Distro("debian"), Distro("ubuntu", "x.y")],
)
def test_nothing_is_said_of_what_is_not_known(distro: Distro | None) -> None:
    assert end_of_life(distro, date(2026, 11, 21)) == ""


def test_every_release_that_packages_name_counts_besides_the_images_own() -> None:
    today = date(2026, 11, 21)
    asked = ["PyPI", "Debian:9", "Debian:13", "Ubuntu:18.04:LTS", "Alpine:v3.10", "Wolfi", "Debian:9"]
    said = ended(Distro("debian gnu/linux", "13"), asked, today)
    assert [warning.partition(" is past")[0] for warning in said] == ["Alpine 3.10", "Debian 9", "Ubuntu 18.04"]
    assert len(ended(Distro("debian", "9"), ["Debian:9"], today)) == 1
    assert ended(Distro("debian", "13"), ["Debian:13", "Alpine:v3.23"], today) == ()
