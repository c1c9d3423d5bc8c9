"""What holds for any tag."""

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.images.versions import newest, newest_first, parse

TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", fullmatch=True)
NUMBERS = st.lists(st.integers(0, 3000), min_size=1, max_size=4)
SUFFIXES = st.sampled_from(["", "-alpine", "-alpine3.19", "-slim-bookworm", "-rc1", "_8", "-12.1669829893"])
VERSIONS = st.builds(
    lambda prefix, numbers, suffix: prefix + ".".join(map(str, numbers)) + suffix,
    st.sampled_from(["", "v", "jdk-", "alpine"]),
    NUMBERS,
    SUFFIXES,
)
ANY = st.one_of(TAGS, VERSIONS)


@given(ANY)
def test_any_tag_is_read_the_same_way_twice(tag: str) -> None:
    version = parse(tag)
    assert version == parse(tag)
    if version:
        assert tag.startswith(version.prefix)
        assert version.numbers


@given(ANY, st.lists(ANY, max_size=20))
def test_an_update_is_of_the_same_shape_and_never_older(current: str, tags: list[str]) -> None:
    offered = newest(current, tags)
    assert offered == current or offered in tags
    here, there = parse(current), parse(offered)
    if offered != current:
        assert here is not None
        assert there is not None
        assert there.shape == here.shape
        assert there.order > here.order
        assert there.is_stable or not here.is_stable


@given(ANY, st.lists(ANY, max_size=20))
def test_what_was_offered_is_not_updated_again(current: str, tags: list[str]) -> None:
    offered = newest(current, tags)
    version = parse(current)
    if version is None or version.is_stable:
        assert newest(offered, tags) == offered


@given(st.lists(ANY, max_size=30, unique=True))
def test_sorting_loses_and_invents_nothing_and_does_not_depend_on_the_list(tags: list[str]) -> None:
    ordered = newest_first(tuple(tags))
    assert sorted(ordered) == sorted(tags)
    assert newest_first(tuple(reversed(tags))) == ordered


@given(NUMBERS, NUMBERS)
def test_plain_versions_of_equal_precision_sort_by_their_numbers(one: list[int], other: list[int]) -> None:
    length = min(len(one), len(other))
    first, second = one[:length], other[:length]
    tags = (".".join(map(str, first)), ".".join(map(str, second)))
    expected = tags if first >= second else tuple(reversed(tags))
    if first[0] < 10**7 and second[0] < 10**7:
        assert newest_first(tags) == expected
