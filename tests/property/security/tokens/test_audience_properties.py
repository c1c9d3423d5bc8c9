"""Only one string is this server's name."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_dockerhub_security.tokens.audience import MAX_VALUES, Audience
from mcp_dockerhub_security.tokens.flaws import TokenRefused

RESOURCE = "https://hub.example.com/mcp"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.just(RESOURCE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def accepts(claims: dict[str, Any], *, shared: bool = False) -> bool:
    try:
        Audience(RESOURCE, shared).check(claims)
    except TokenRefused:
        return False
    return True


@st.composite
def similar(draw: st.DrawFn) -> str:
    """The name with something cut off, put in, or changed."""
    start, length = draw(st.integers(0, len(RESOURCE))), draw(st.integers(0, 5))
    return RESOURCE[:start] + draw(st.text(max_size=4)) + RESOURCE[start + length :]


@given(similar(), st.booleans())
def test_no_similar_name_is_ours(value: str, shared: bool) -> None:
    assume(value != RESOURCE)
    assert not accepts({"aud": value}, shared=shared)
    assert not accepts({"aud": [value]}, shared=shared)
    assert not accepts({"resource": value}, shared=shared)


@given(st.data())
def test_no_other_case_of_the_name_is_ours(data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.booleans(), min_size=len(RESOURCE), max_size=len(RESOURCE)))
    value = "".join(c.swapcase() if flip else c for c, flip in zip(RESOURCE, flips, strict=True))
    assert accepts({"aud": value}) is (value == RESOURCE)


@given(st.lists(st.text(max_size=40) | similar(), max_size=MAX_VALUES - 1), st.integers(0, MAX_VALUES))
def test_a_list_is_ours_if_we_are_in_it_and_alone_or_lists_are_allowed(others: list[str], place: int) -> None:
    assume(RESOURCE not in others)
    assert not accepts({"aud": others}, shared=True)
    named = [*others[:place], RESOURCE, *others[place:]]
    assert accepts({"aud": named}, shared=True)
    assert accepts({"aud": named}) is (not others)


@given(JSON, JSON, st.booleans())
def test_whatever_the_claims_hold_the_answer_follows_one_rule(aud: Any, resource: Any, shared: bool) -> None:
    def names_us(value: Any) -> bool:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(item, str) for item in values) or RESOURCE not in values:
            return False
        return shared or set(values) == {RESOURCE}

    assert accepts({"aud": aud}, shared=shared) is names_us(aud)
    assert accepts({"resource": resource}, shared=shared) is names_us(resource)
    both = accepts({"aud": aud, "resource": resource}, shared=shared)
    assert both is (names_us(aud) and names_us(resource))
