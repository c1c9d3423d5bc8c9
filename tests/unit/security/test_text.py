"""What cleaning removes, keeps and cuts."""

from collections.abc import Callable, Iterator

import pytest

from mcp_dockerhub_security.text import (
    clean_code,
    clean_identifier,
    clean_prose,
    clean_text,
    observe_sanitizing,
)

CLEANERS: list[Callable[[str], str]] = [clean_identifier, clean_code, clean_prose, clean_text]


@pytest.fixture
def removed() -> Iterator[list[tuple[str, int]]]:
    counted: list[tuple[str, int]] = []
    observe_sanitizing(lambda kind, count: counted.append((kind, count)))
    yield counted
    observe_sanitizing(None)


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a\x00b", "ab"),
        ("a\x07b\x7f", "ab"),
        ("a\x85b\x9fc", "abc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://evil.example\x1b\\label\x1b]8;;\x1b\\", "label"),
        ("\x1bPq#0;2\x1b\\shown", "shown"),
        ("\x1b(Bplain\x1bc", "plain"),
        ("end\x1b", "end"),
        ("\x1b]unterminated title", "unterminated title"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("\u2066isolated\u2069\u200e\u200f\u061c", "isolated"),
        ("zero\u200bwidth\u200d\u2060\ufeff\u00ad", "zerowidth"),
        ("tag\U000e0041\U000e007f\U000e0101s", "tags"),
        ("selector\ufe0f\U000e01ef", "selector"),
        ("filler\u3164\u115f\uffa0", "filler"),
        ("lone\ud800\udfff", "lone"),
        ("line\u2028para\u2029", "linepara"),
        ("non\uffff\ufffe", "non"),
    ],
)
def test_every_class_removes_what_hides_or_controls(clean: Callable[[str], str], raw: str, expected: str) -> None:
    assert clean(raw) == expected


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize("kept", ["Größe", "日本語", "naïve café", "emoji 🐳", "a & b", "", "tilde ~ quote ' \" `"])
def test_every_class_keeps_ordinary_text(clean: Callable[[str], str], kept: str) -> None:
    assert clean(kept) == kept


def test_an_identifier_is_one_line() -> None:
    assert clean_identifier("a\n\tb\rc") == "abc"


@pytest.mark.parametrize("clean", [clean_code, clean_prose, clean_text])
def test_line_breaks_and_tabs_stay_but_carriage_returns_go(clean: Callable[[str], str]) -> None:
    assert clean("a\r\n\tb") == "a\n\tb"


def test_code_keeps_every_other_character() -> None:
    command = 'RUN a && b <<EOF\n<img src="x"> [x](http://y) ![z](w) &lt;\nEOF'
    assert clean_code(command) == command


def test_prose_keeps_comparisons_and_ampersands_readable() -> None:
    assert clean_prose("a & b < c, 1<2 and x > y; <3") == "a & b < c, 1<2 and x > y; <3"


@pytest.mark.parametrize(("clean", "limit"), [(clean_identifier, 512), (clean_prose, 4_000), (clean_code, 8_000)])
def test_long_text_is_cut_with_a_visible_marker(clean: Callable[[str], str], limit: int) -> None:
    cut = clean("x" * (limit + 1))
    kept = cut.count("x")
    assert len(cut) <= limit
    assert cut == "x" * kept + f" …[cut {limit + 1 - kept} characters]"


@pytest.mark.parametrize(("clean", "limit"), [(clean_identifier, 512), (clean_prose, 4_000), (clean_code, 8_000)])
def test_text_of_exactly_the_limit_is_whole(clean: Callable[[str], str], limit: int) -> None:
    assert clean("x" * limit) == "x" * limit


def test_text_far_beyond_the_limit_is_counted_but_not_processed() -> None:
    cut = clean_prose("<b>" * 1_000_000)
    assert len(cut) <= 4_000
    assert cut == "< b …[cut 2982976 characters]"


def test_a_rendered_answer_is_never_cut() -> None:
    assert clean_text("x\x00" * 50_000) == "x" * 50_000


def test_removals_are_counted_by_kind(removed: list[tuple[str, int]]) -> None:
    clean_identifier("\x1b[1ma\u200bb\u200bc")
    clean_code("y" * 9_000)
    assert removed[:2] == [("ansi", 1), ("hidden", 2)]
    assert [kind for kind, _ in removed[2:]] == ["cut"]


def test_nothing_is_reported_when_nothing_is_removed(removed: list[tuple[str, int]]) -> None:
    for clean in CLEANERS:
        clean("Größe 🐳")
    assert removed == []
