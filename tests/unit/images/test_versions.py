"""Which tags are versions, which are alike, which is newer: the rules of known update tools, by their cases."""

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.images.versions import newest, newest_first, parse

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures" / "tag_semantics.json").read_text())


@pytest.mark.parametrize("case", FACTS["cases"], ids=lambda case: f"{case['rule']}:{case['current']}")
def test_the_newest_tag_of_the_same_shape_is_what_update_tools_offer(case: dict[str, Any]) -> None:
    tags = case["tags"] if "tags" in case else FACTS["lists"][case["list"]]
    assert newest(case["current"], tags) == case["expected"]
    assert newest(case["current"], reversed(tags)) == case["expected"], "the order of the list does not matter"


def is_prerelease(tag: str) -> bool:
    version = parse(tag)
    return version is not None and not version.is_stable


@pytest.mark.parametrize(("tag", "expected"), FACTS["is_version"].items())
def test_names_and_hashes_are_no_versions(tag: str, expected: bool) -> None:
    assert (parse(tag) is not None) is expected


@pytest.mark.parametrize("tag", ["latest", "bookworm", "main-0a1b2c3", "deadbeef", "", "-", "v", "stable-alpine"])
def test_a_tag_without_a_version_is_never_updated(tag: str) -> None:
    assert parse(tag) is None
    assert newest(tag, ["1.0", "2.0", "9.9.9"]) == tag


@pytest.mark.parametrize(("one", "other", "greater"), FACTS["is_greater"])
def test_a_shorter_version_is_newer_than_what_it_includes(one: str, other: str, greater: bool) -> None:
    first, second = parse(one), parse(other)
    assert first is not None
    assert second is not None
    assert (first.order > second.order) is greater


@pytest.mark.parametrize(("tag", "stable"), FACTS["is_stable"].items())
def test_prereleases_are_told_from_suffixes(tag: str, stable: bool) -> None:
    assert is_prerelease(tag) is not stable


@pytest.mark.parametrize(
    "tag",
    ["1.0-rc1", "1.0.0-rc.1", "1.0-RC", "3.7.0a2", "21-ea-32", "22-ea-jdk", "1.2.3-SNAPSHOT", "2.0.0.Beta1", "1.0-M3"],
)
def test_every_spelling_of_a_prerelease_is_known(tag: str) -> None:
    assert is_prerelease(tag)


@pytest.mark.parametrize("tag", ["3.12-dev", "1.0-alpine", "1.0-bookworm", "latest", "1.0-a", "8-apache", "1.2.3-rcx"])
def test_a_variant_is_no_prerelease(tag: str) -> None:
    assert not is_prerelease(tag)


@pytest.mark.parametrize(("one", "other", "same"), FACTS["same_shape"])
def test_only_tags_of_one_shape_are_offered_for_each_other(one: str, other: str, same: bool) -> None:
    first, second = parse(one), parse(other)
    assert first is not None
    assert second is not None
    assert (first.shape == second.shape) is same


def test_versions_sort_by_number_then_release_then_plain_over_suffixed() -> None:
    assert newest_first(tuple(FACTS["ascending"])) == tuple(reversed(FACTS["ascending"]))


@pytest.mark.parametrize(
    ("tag", "prefix", "numbers", "suffix"),
    [
        ("1.25.5-alpine3.19", "", (1, 25, 5), "-alpine3.19"),
        ("v2.0", "v", (2, 0), ""),
        ("jdk-11.0.2.7-alpine-slim", "jdk-", (11, 0, 2, 7), "-alpine-slim"),
        ("alpine3.18", "alpine", (3, 18), ""),
        ("arm64v8-3.19", "arm64v8-", (3, 19), ""),
        ("bookworm-20240101-slim", "bookworm-", (20240101,), "-slim"),
        ("2024-01-15", "", (2024, 1, 15), ""),
        ("RELEASE.2024-01-16T16-07-38Z", "RELEASE.", (2024, 1, 16, 16, 7, 38), ""),
        ("v3.9.0-177-ged5bcde", "v", (3, 9, 0), "-#-@"),
        ("20240101-120000-abcdef1", "", (20240101,), "-#-@"),
        ("17.0.1_12-jre", "", (17, 0, 1), "_#-jre"),
    ],
)
def test_prefix_numbers_and_suffix_are_told_apart(tag: str, prefix: str, numbers: tuple[int, ...], suffix: str) -> None:
    version = parse(tag)
    assert version is not None
    assert (version.prefix, version.numbers, version.suffix) == (prefix, numbers, suffix)


def test_a_prerelease_is_offered_its_release_and_a_newer_one_of_its_kind_only() -> None:
    assert newest("3.8.0rc1", ["3.8.0", "3.9.0b1"]) == "3.8.0"
    assert newest("3.8.0rc1", ["3.8.0rc2", "3.8.0b9"]) == "3.8.0rc2"
    assert newest("3.8.0rc1", ["3.9.0"]) == "3.8.0rc1"


def test_the_order_of_a_list_is_kept_for_its_next_page_unless_it_is_very_long() -> None:
    tags = tuple(f"1.{minor}" for minor in range(20_001))
    assert newest_first(tags) is not newest_first(tags)
    assert newest_first(tags[1:]) is newest_first(tags[1:])
    assert newest_first(tags)[1:-1] == newest_first(tags[1:])[1:]


def test_dates_and_prefixed_tags_come_after_plain_versions_and_hashes_last() -> None:
    tags = ("latest", "20240329", "3.19", "jre-17", "0a1b2c3d", "v3.20", "edge")
    assert newest_first(tags) == ("v3.20", "3.19", "jre-17", "20240329", "edge", "latest", "0a1b2c3d")
