"""The evaluation of the OSV schema, and what fixes a package."""

import pytest

from mcp_dockerhub.supply_chain.advisories.model import Advisory, Affected, Event, Query, Range, Rating
from mcp_dockerhub.supply_chain.advisories.ranges import concerns, fixes, hit_of, judge


def events(*pairs: tuple[str, str]) -> tuple[Event, ...]:
    return tuple(Event(kind, version) for kind, version in pairs)  # type: ignore[arg-type]


def affected(*pairs: tuple[str, str], ecosystem: str = "npm", versions: tuple[str, ...] = ()) -> Affected:
    ranges = (Range("ECOSYSTEM", events(*pairs)),) if pairs else ()
    return Affected(ecosystem, "p", versions, ranges)


def npm(version: str) -> Query:
    return Query("npm", "p", version)


FROM_START = ("introduced", "0")
TWO = (("introduced", "1.0.0"), ("fixed", "1.0.2"), ("introduced", "3.0.0"), ("fixed", "3.2.5"))


@pytest.mark.parametrize(
    ("pairs", "version", "verdict"),
    [
        ((FROM_START,), "0.0.0-0", "affected"),
        ((FROM_START, ("fixed", "1.0.2")), "1.0.1", "affected"),
        ((FROM_START, ("fixed", "1.0.2")), "1.0.2", "unaffected"),
        ((FROM_START, ("fixed", "1.0.2")), "1.0.2-rc.1", "affected"),
        (TWO, "0.9.0", "unaffected"),
        (TWO, "1.0.0", "affected"),
        (TWO, "1.0.2", "unaffected"),
        (TWO, "3.2.4", "affected"),
        (TWO[::-1], "3.2.4", "affected"),
        (TWO[::-1], "2.0.0", "unaffected"),
        ((FROM_START, ("last_affected", "2.1.214")), "2.1.214", "affected"),
        ((FROM_START, ("last_affected", "2.1.214")), "2.1.215", "unaffected"),
        ((FROM_START, ("limit", "2.0.0")), "1.9.0", "affected"),
        ((FROM_START, ("limit", "2.0.0")), "2.0.0", "unaffected"),
        ((FROM_START, ("limit", "*")), "99.0.0", "affected"),
        ((FROM_START, ("fixed", "0")), "1.0.0", "unaffected"),
        ((FROM_START, ("last_affected", "0")), "1.0.0", "unaffected"),
        ((FROM_START, ("fixed", "what?")), "1.0.0", "unreadable"),
        ((FROM_START, ("limit", "what?")), "1.0.0", "unreadable"),
        ((FROM_START,), "what?", "unreadable"),
    ],
)
def test_a_version_is_judged_as_the_schema_says(pairs: tuple[tuple[str, str], ...], version: str, verdict: str) -> None:
    assert judge(npm(version), [affected(*pairs)]) == verdict


def test_a_version_that_is_named_is_affected_whatever_the_ranges_say() -> None:
    assert judge(npm("odd"), [affected(FROM_START, ("fixed", "1"), versions=("odd",))]) == "affected"


def test_without_ranges_only_what_is_named_is_affected_however_it_is_written() -> None:
    named = affected(ecosystem="PyPI", versions=("broken one", "1.0"))
    assert judge(Query("PyPI", "p", "1.0.0"), [named]) == "affected"
    assert judge(Query("PyPI", "p", "1.0.1"), [named]) == "unaffected"


def test_one_entry_that_affects_outweighs_one_that_cannot_be_compared() -> None:
    odd, sure = affected(FROM_START, ("fixed", "what?")), affected(FROM_START)
    assert judge(npm("1.0.0"), [odd, sure]) == "affected"
    assert judge(npm("1.0.0"), [affected(("introduced", "2.0.0")), odd]) == "unreadable"
    assert judge(npm("1.0.0"), []) == "unaffected"


def test_commits_are_not_compared_with_versions() -> None:
    entry = Affected("npm", "p", (), (Range("GIT", events(FROM_START)),))
    assert judge(npm("1.0.0"), [entry]) == "unaffected"


def test_an_unknown_ecosystem_is_compared_only_where_its_versions_are_semantic() -> None:
    semantic = Affected("Elsewhere", "p", (), (Range("SEMVER", events(FROM_START, ("fixed", "2.0.0"))),))
    own = Affected("Elsewhere", "p", (), (Range("ECOSYSTEM", events(FROM_START)),))
    asked = Query("Elsewhere", "p", "1.0.0")
    assert judge(asked, [semantic]) == "affected"
    assert judge(asked, [own]) == "unreadable"


def test_fixes_are_those_above_the_version_nearest_first() -> None:
    entry = affected(*TWO, ("introduced", "2.0.0"), ("fixed", "2.0.9"), ("fixed", "0.9.9"))
    assert fixes(npm("1.0.1"), [entry, entry]) == ("1.0.2", "2.0.9", "3.2.5")
    assert fixes(npm("3.0.0"), [entry]) == ("3.2.5",)
    assert fixes(npm("what?"), [entry]) == ("1.0.2", "3.2.5", "2.0.9", "0.9.9")
    assert fixes(npm("1.0.0"), [affected(FROM_START, ("fixed", "what?"))]) == ("what?",)


def test_a_hit_has_the_fixes_and_the_rating_of_its_own_package() -> None:
    general, own = Rating("low", 2.0, "v", "CVSS:3.1"), Rating("high", 8.0, "w", "CVSS:3.1")
    here = Affected("Debian:12", "p", (), (Range("ECOSYSTEM", events(FROM_START, ("fixed", "2-1"))),), (own,))
    there = Affected("Debian:11", "p", (), (Range("ECOSYSTEM", events(FROM_START, ("fixed", "1.9-1"))),))
    advisory = Advisory(id="CVE-2024-1", affected=(there, here), ratings=(general,))
    hit = hit_of(Query("Debian:12", "p", "1.0-1"), advisory)
    assert (hit.fixed, hit.rating) == (("2-1",), own)
    assert hit_of(Query("Debian:11", "p", "1.0-1"), advisory).rating == general
    assert hit_of(Query("Debian:10", "p", "1.0-1"), Advisory(id="X")).rating is None


def test_an_entry_concerns_packages_of_its_name_and_release() -> None:
    entry = Affected("Ubuntu:22.04:LTS", "p")
    assert concerns(entry, Query("Ubuntu:22.04:LTS", "p", "1"))
    assert concerns(entry, Query("Ubuntu:22.04", "p", "1"))
    assert not concerns(entry, Query("Ubuntu:20.04:LTS", "p", "1"))
    assert not concerns(entry, Query("Ubuntu:22.04:LTS", "q", "1"))
    assert concerns(Affected("PyPI", "A_b"), Query("PyPI", "a-b", "1"))
