"""Cleaning text that others wrote: what is removed, what is kept, how it is cut.

Registries, publishers and clients choose this text; a model reads it and a terminal may print it. Removed
everywhere: terminal escape sequences (ECMA-48), control characters, bidirectional controls, everything
Unicode calls default-ignorable (zero-width, tag characters, variation selectors: they hide instructions from
people), line and paragraph separators, lone surrogates.

Each removal is counted (``counting``).
"""

import re
from typing import Final

from mcp_dockerhub_security.counting import observe_sanitizing, report

__all__ = [
    "CODE_LIMIT",
    "IDENTIFIER_LIMIT",
    "PROSE_LIMIT",
    "clean_code",
    "clean_identifier",
    "clean_prose",
    "clean_text",
    "cut",
    "observe_sanitizing",
]

IDENTIFIER_LIMIT: Final = 512
PROSE_LIMIT: Final = 4_000
CODE_LIMIT: Final = 8_000

# Possessive, and no string holds another's beginning: publishers choose this text, so each character is read once.
_ANSI: Final = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # control sequences: colours, cursor movement
    # titles, hyperlinks, strings
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]*+(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]?"  # every other escape, and what is left of a broken one
)

# Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt) with bidirectional controls, annotation
# marks, separators that split lines, and surrogates, which no UTF-8 can carry.
_HIDDEN_CLASS: Final = (
    "\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_HIDDEN_CLASS}]+")
_HIDDEN_OR_BREAK: Final = re.compile(f"[\x00-\x1f{_HIDDEN_CLASS}]+")
_SUSPECT: Final = _HIDDEN.search
"""Finds anything to remove from multi-line text: ESC is among the controls."""


def clean_text(text: str) -> str:
    """Remove what hides or controls, keep line breaks and tabs, cut nothing: for a whole rendered answer."""
    if not _SUSPECT(text):
        return text
    return _strip(text, _HIDDEN)


def clean_identifier(text: str, limit: int = IDENTIFIER_LIMIT) -> str:
    """One line: a name, digest, host or message, at most ``limit`` characters."""
    if len(text) <= limit and _is_plain(text):
        return text
    return cut(_strip(_bounded(text, limit), _HIDDEN_OR_BREAK), limit, dropped=_unread(text, limit))


def clean_code(text: str, limit: int = CODE_LIMIT) -> str:
    """Commands, history, Dockerfiles: every visible character stays as it is, at most ``limit`` characters."""
    if len(text) <= limit and ((text.isascii() and text.isprintable()) or not _SUSPECT(text)):
        return text
    return cut(_strip(_bounded(text, limit), _HIDDEN), limit, dropped=_unread(text, limit))


def clean_prose(text: str, limit: int = PROSE_LIMIT) -> str:
    """Descriptions, READMEs, free-text labels: HTML becomes text, images and links become inert text.

    Entities stay as typed (``&lt;`` is never decoded, so nothing escaped comes alive); ``a & b < c`` survives.
    """
    if len(text) <= limit and "<" not in text and "]" not in text and (_is_plain(text) or not _SUSPECT(text)):
        return text
    # Imported here: most processes start, list their tools and wait, and markup is rarely met.
    from mcp_dockerhub_security.markup import defuse

    plain = defuse(_strip(_bounded(text, limit), _HIDDEN))
    return cut(plain, limit, dropped=_unread(text, limit))


def cut(text: str, limit: int, *, dropped: int = 0) -> str:
    """``text`` in at most ``limit`` characters, the marker included; ``dropped`` were left out before already."""
    if len(text) <= limit and not dropped:
        return text
    total = len(text) + dropped
    # The marker is as long as its longest number, so that cutting twice changes nothing.
    kept = min(len(text), max(0, limit - len(_marker(total))))
    report("cut", total - kept)
    return text[:kept] + _marker(total - kept)


def _is_plain(text: str) -> bool:
    """Printable ASCII on one line: nearly all text, and known clean without looking for anything."""
    return text.isascii() and text.isprintable()


def _marker(count: int) -> str:
    return f" …[cut {count} characters]"


def _bounded(text: str, limit: int) -> str:
    """What is looked at: enough to fill ``limit`` after ordinary cleaning, so that work is bounded too."""
    return text[: 4 * limit + 1024]


def _unread(text: str, limit: int) -> int:
    return max(0, len(text) - (4 * limit + 1024))


def _strip(text: str, hidden: re.Pattern[str]) -> str:
    text, sequences = _ANSI.subn("", text)
    text, runs = hidden.subn("", text)
    report("ansi", sequences)
    report("hidden", runs)
    return text
