"""What holds for any pattern: the Hub filters by a part of it, and must not lose a match."""

import fnmatch

from hypothesis import example, given
from hypothesis import strategies as st

from mcp_dockerhub.images.tags import Wanted

PATTERNS = st.lists(
    st.sampled_from(["*", "?", "[", "]", "!", "-", ".", "a", "1", "alpine", "1.2", "[0-9]", "[!a]", "[]a]"]), max_size=8
).map("".join)
NAMES = st.lists(st.sampled_from(["a", "1", ".", "-", "alpine", "1.2", "0", "b", "]"]), max_size=8).map("".join)


@given(PATTERNS, NAMES)
@example("[]alpine]", "a")
@example("[!]alpine]", "b")
@example("[alpine", "[alpine")
def test_every_match_contains_the_literal_part(pattern: str, name: str) -> None:
    wanted = Wanted(pattern, "name", None, 25, 1)
    assert wanted.matches(name) is fnmatch.fnmatchcase(name, pattern)
    if wanted.matches(name) and wanted.literal:
        assert wanted.literal in name


@given(PATTERNS)
def test_a_literal_is_what_a_tag_may_be(pattern: str) -> None:
    literal = Wanted(pattern, "name", None, 25, 1).literal
    assert literal is None or (len(literal) > 1 and literal[0] not in ".-")
