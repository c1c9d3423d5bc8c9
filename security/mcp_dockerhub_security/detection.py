"""Noticing text that reads like instructions to an assistant. Nothing is removed: a warning names the field.

This lowers a risk and is no boundary. It knows common attacks in common languages and the usual disguises; who
writes for it specifically gets past it, and honest text can look like an attack.

Nearly all text is honest and must cost next to nothing: signs are only looked for in text that has their rare words,
and disguises only taken off where something hints at one.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from mcp_dockerhub_security.detection_forms import (
    MIN_ENCODED,
    decoded,
    flatten,
    fold,
    joined,
    latinised,
    turned,
    unescaped,
    unleeted,
)

MAX_TEXT: Final = 64_000
"""Characters of one text that are looked at; fields are shorter."""
STEM: Final = 5
"""Letters by which words are told apart before anything is looked at closely."""

_KEPT: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_TABLE: Final = {
    **dict.fromkeys(range(128), " "),
    **{ord(character): character for character in _KEPT},
    **{ord(character.upper()): character for character in _KEPT},
    **dict.fromkeys(map(ord, "*`~"), None),
}
_OTHER_SCRIPT: Final = re.compile("[\u00aa-\u1fff\u2c00-\ufaff\uff01-\uffdc\U0001d400-\U0001d7ff]").search
_SINGLES: Final = frozenset(_KEPT)
_SPACED: Final = 5
"""Letters standing alone one after another, from which spaced-out words are suspected."""
_ESCAPES: Final = 6


def _stems(words: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in words.split())


_CORE: Final = _stems(
    "ignore disregard forget override previous instructions system prompt assistant reveal secret credentials"
)
_TURNED: Final = _stems("erongi drageresid snoitcurtsni suoiverp vtaber qvfertneq vafgehpgvbaf cerivbhf")


def instruction_kind(text: str) -> str:
    """What ``text`` tries to make an assistant do: ``override``, ``role``, ``secrecy``…; empty for most text."""
    text = text[:MAX_TEXT]
    words = _words(text)
    stems = {word[:STEM] for word in words}
    return _kind(text, words, stems) or next(filter(None, map(_kind_of_form, _forms(text, words, stems))), "")


def _words(text: str) -> list[str]:
    if not text.isascii():
        if _OTHER_SCRIPT(text):
            return flatten(fold(text)).split()
        # Dashes, typographic quotes and pictures part words.
        text = text.encode("ascii", "replace").decode()
    return text.translate(_TABLE).split()


def _kind(text: str, words: list[str], stems: set[str]) -> str:
    # Imported with the first text: hundreds of words and patterns that most processes start without.
    from mcp_dockerhub_security.detection_patterns import kind_of, kind_of_unspaced

    found = kind_of(text, words, stems)
    if not found and not text.isascii() and _OTHER_SCRIPT(text):
        return kind_of_unspaced(unicodedata.normalize("NFKC", text))
    return found


def _kind_of_form(text: str) -> str:
    words = _words(text)
    return _kind(text, words, {word[:STEM] for word in words})


def _forms(text: str, words: list[str], stems: set[str]) -> Iterator[str]:
    """What ``text`` says behind each disguise that something hints at."""
    if not text.isascii() and _OTHER_SCRIPT(text):
        yield latinised(text)
    if len(stems & _SINGLES) >= _SPACED and _has_spaced_word(words):
        yield joined(text)
    if any(not stem.isalpha() and unleeted(stem) in _CORE for stem in stems):
        yield unleeted(text)
    if words and len(max(words, key=len)) >= MIN_ENCODED:
        yield from decoded(text)
    if not _TURNED.isdisjoint(stems):
        yield from turned(text)
    if "&#" in text or "\\u" in text or "\\x" in text or text.count("%") >= _ESCAPES:
        yield unescaped(text)


def _has_spaced_word(words: list[str]) -> bool:
    alone = 0
    for word in words:
        alone = alone + 1 if len(word) == 1 else 0
        if alone >= _SPACED:
            return True
    return False
