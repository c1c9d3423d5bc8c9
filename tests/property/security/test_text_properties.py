"""Whatever comes in, what comes out is clean, bounded and stable."""

import re
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from mcp_dockerhub_security.markup import defuse
from mcp_dockerhub_security.text import clean_code, clean_identifier, clean_prose, clean_text

HOSTILE = [
    "<", ">", "</", "<b", "<img src=x>", "<!--", "-->", "<textarea>", "</textarea>", "<script>", "&", "&lt;",
    ";", "[", "]", "(", ")", "![", "](", "][", "]:", "`", "http://e.example", "#x", '"', "\\", "\x1b[",
    "\x1b]", "\x07", "\u200b", "\u202e", "\ud800", "\U000e0041", "\n", "\r", "\t", " ", "a", "é", "<title>",
    "</title>", "<svg>",
]  # fmt: skip
SURROGATES = st.integers(0xD800, 0xDFFF).map(chr)
TEXT = st.one_of(
    st.text(),
    st.lists(st.sampled_from(HOSTILE), max_size=25).map("".join),
    st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=3), SURROGATES), max_size=25).map("".join),
)
OPENS_TAG = re.compile(r"<[A-Za-z/!?]")
LIVE_LINK = re.compile(r"\][(\[]|\]:(?=\s*\S)")
FORBIDDEN = frozenset({"Cc", "Cs"})
BIDI_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
VISIBLE = st.characters(min_codepoint=32, max_codepoint=0x24F, categories=("L", "N", "P", "S", "Zs"))


def assert_nothing_hides(text: str, kept: str) -> None:
    for character in text:
        assert character in kept or unicodedata.category(character) not in FORBIDDEN
        assert not 0xE0000 <= ord(character) <= 0xE0FFF
        assert unicodedata.bidirectional(character) not in BIDI_CONTROLS
        assert character not in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u2028\u2029"
    text.encode("utf-8")


@given(TEXT)
def test_nothing_hidden_survives_any_class(text: str) -> None:
    assert_nothing_hides(clean_identifier(text), "")
    assert_nothing_hides(clean_code(text), "\n\t")
    assert_nothing_hides(clean_prose(text), "\n\t")
    assert_nothing_hides(clean_text(text), "\n\t")


@given(TEXT, st.integers(64, 300))
def test_every_result_fits_and_cleaning_twice_changes_nothing(text: str, limit: int) -> None:
    for clean in (clean_identifier, clean_code, clean_prose):
        once = clean(text, limit)
        assert len(once) <= limit
        assert clean(once, limit) == once
    assert clean_text(clean_text(text)) == clean_text(text)


@given(TEXT)
@example("<[img src=http://e.example/?q= a=](y)>")
@example("!<b></b>[x](y)")
@example("<textarea><textarea><img></textarea>")
def test_prose_never_holds_a_tag_or_a_live_link(text: str) -> None:
    prose = clean_prose(text)
    assert not OPENS_TAG.search(prose)
    assert not LIVE_LINK.search(prose)
    assert defuse(prose) == prose


@given(st.text(alphabet=st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs"), exclude_characters="<[]")))
def test_ordinary_prose_is_unchanged(text: str) -> None:
    assert clean_prose(text) == text


@given(st.text(alphabet=VISIBLE, max_size=500))
def test_code_and_identifiers_keep_every_visible_character(text: str) -> None:
    assert clean_code(text) == text
    assert clean_identifier(text) == text


@given(st.sampled_from(HOSTILE), st.integers(1_000, 6_000))
def test_repetition_does_not_make_cleaning_slow(piece: str, times: int) -> None:
    # Quadratic patterns would exceed hypothesis's deadline by far.
    clean_prose(piece * times)
    clean_code(piece * times)
