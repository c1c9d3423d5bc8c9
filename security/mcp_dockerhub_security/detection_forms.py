"""Taking off the usual disguises of text: lookalike letters, digits for letters, spacing, encodings."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote

from mcp_dockerhub_security.text import clean_text

MAX_DECODED: Final = 8
"""Encoded parts of one text that are looked into."""
MIN_ENCODED: Final = 24
"""Letters of the shortest encoded part worth decoding."""

# Letters that look like Latin ones (the usual part of Unicode's confusables), small and folded.
_LOOKALIKES: Final = str.maketrans("абеорсухікјѕԁһԛԝьвмнтгпαεοριυκντγχηɑɡı", "abeopcyxikjsdhqwbbmhtrnaeopiukvtyxnagi")
_UNDECOMPOSED: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
_LEET: Final = str.maketrans("013457@$!|", "oieastasil")

_NOT_WORD: Final = re.compile(r"[\W_]+")
_DECORATION: Final = re.compile(r"(?<=\w)[*`~\u00ad]+(?=\w)")
_SPACED: Final = re.compile(r"(?<!\w)(?:\w[ ._*\-]){2,}\w(?!\w)")
_SPACING: Final = re.compile(r"[ ._*\-]")
_LEET_WORD: Final = re.compile(r"[a-z0-9@$!|]+")
_BASE64: Final = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{MIN_ENCODED},8000}}={{0,2}}(?![A-Za-z0-9+/_=-])")
_HEX: Final = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){12,4000}(?![0-9A-Fa-f])")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
_ORDINARY: Final = re.compile(r"[A-Za-z ,.'\n]")


def fold(text: str) -> str:
    """Compatibility characters made plain, marks removed, lower case; punctuation and line breaks stay."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", clean_text(text)).casefold()
    return "".join(character for character in text if not unicodedata.combining(character)).translate(_UNDECOMPOSED)


def flatten(folded: str) -> str:
    """Words of letters and digits only, one space apart."""
    return _NOT_WORD.sub(" ", _DECORATION.sub("", folded)).strip()


def latinised(text: str) -> str:
    """Cyrillic and Greek letters that look Latin, as Latin ones."""
    return fold(text).translate(_LOOKALIKES)


def joined(text: str) -> str:
    """``i g n o r e   t h i s`` as words; wider gaps part them."""
    gaps = re.sub(r" {2,}|[\t\n]+", " \n ", fold(text))
    return _SPACED.sub(lambda found: _SPACING.sub("", found[0]), gaps)


def unleeted(text: str) -> str:
    """``1gn0r3`` as ``ignore``; numbers stay numbers."""

    def word(found: re.Match[str]) -> str:
        return found[0].translate(_LEET) if any(character.isalpha() for character in found[0]) else found[0]

    return _LEET_WORD.sub(word, fold(text))


def unescaped(text: str) -> str:
    """HTML entities, percent and backslash escapes as what they stand for."""
    return _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), html.unescape(unquote(text)))


def turned(text: str) -> Iterator[str]:
    """Backwards, and through rot13."""
    yield text[::-1]
    yield codecs.encode(text, "rot13")


def decoded(text: str) -> Iterator[str]:
    """What parts in base64 or hexadecimal hold, where that is prose."""
    decoders: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = ((_BASE64, _base64), (_HEX, _hexadecimal))
    for pattern, decode in decoders:
        for number, found in enumerate(pattern.finditer(text)):
            if number >= MAX_DECODED:
                break
            plain = decode(found[0])
            # Mostly letters and spaces: what a digest or a key never decodes to.
            if plain and len(_ORDINARY.findall(plain)) > 0.85 * len(plain):
                yield plain


def _base64(token: str) -> str:
    token = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _hexadecimal(token: str) -> str:
    return bytes.fromhex(token).decode("latin-1")
