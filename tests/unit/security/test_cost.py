"""What it costs to clean text that somebody made to be expensive: no more than plain text of the same length would."""

import time
from collections.abc import Callable

import pytest

from mcp_dockerhub_security.text import CODE_LIMIT, PROSE_LIMIT, clean_code, clean_identifier, clean_prose, clean_text

BOUND = 1.0
"""Seconds; each takes milliseconds, and took many seconds while its expressions could go back."""
HOSTILE = {
    "an image that never ends": "![](" + " " * 16_000,
    "many images that never end": "![](   " * 3_000,
    "a link that never ends": "[a](" + "(" * 16_000,
    "a title that never ends": "[a](b " + '"' * 16_000,
    "spaces before a title": "[a](b" + " " * 16_000 + '"',
    "definitions": "]:" + " " * 16_000,
    "open brackets": "[" * 16_000 + "]",
    "open tags": "<a" * 8_000,
    "autolinks": "<a:" * 6_000,
    "device control strings": "\x90" * 62_000,
    "operating system commands": "\x1b]" * 31_000,
    "parameters": "\x9b" + "0" * 62_000,
}
CLEANERS: dict[str, Callable[[str], str]] = {
    "prose": lambda text: clean_prose(text, 16 * PROSE_LIMIT),
    "code": lambda text: clean_code(text, 8 * CODE_LIMIT),
    "identifier": lambda text: clean_identifier(text, 64_000),
    "text": clean_text,
}


@pytest.mark.parametrize("clean", CLEANERS.values(), ids=CLEANERS.keys())
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_cleaning_takes_no_longer_for_text_made_to_be_expensive(clean: Callable[[str], str], text: str) -> None:
    started = time.process_time()
    clean(text)
    assert time.process_time() - started < BOUND
