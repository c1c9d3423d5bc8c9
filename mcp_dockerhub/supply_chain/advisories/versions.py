"""Which of two versions is the later one, by the rules of their ecosystem.

``univers`` and ``packaging`` know Debian, Maven, RubyGems, NuGet and PyPI. Semantic versions, Alpine's and Composer's
are read here, because ``univers`` compares build metadata (SemVer 2.0 section 10 says to ignore it), reads Alpine's
as Gentoo's and Composer's as semantic ones.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final

from mcp_dockerhub.supply_chain.advisories.ecosystems import base_of

KEPT: Final = 65_536
"""Versions whose reading is remembered: a database asks about the same boundaries over and over."""


MAX_LENGTH: Final = 300


class Unreadable(ValueError):
    """Not a version of this ecosystem: it is neither before nor after any other."""


Reader = Callable[[str], Any]
"""From a version's text to something that compares with others from the same reader. Raises Unreadable."""


def reader_of(ecosystem: str) -> Reader | None:
    """How the versions of an ecosystem are read (``Debian:12`` as ``Debian``), None for one that is not known."""
    return _READERS.get(base_of(ecosystem))


def is_readable(ecosystem: str, version: str) -> bool:
    """Whether ``version`` can be compared with others of its ecosystem."""
    reader = reader_of(ecosystem)
    if reader is None:
        return False
    try:
        reader(version)
    except Unreadable:
        return False
    return True


def _remembered(reader: Reader) -> Reader:
    return lru_cache(maxsize=KEPT)(reader)


_SEMANTIC: Final = re.compile(
    r"v?(\d{1,40})(?:\.(\d{1,40}))?(?:\.(\d{1,40}))?(?:-([0-9A-Za-z.-]{1,200}))?(?:\+[0-9A-Za-z.+-]{0,200})?", re.ASCII
)


@_remembered
def semantic(text: str) -> Any:
    """SemVer 2.0 section 11; missing numbers are 0, a leading ``v`` is allowed, build metadata does not count."""
    found = _SEMANTIC.fullmatch(text)
    if found is None:
        raise Unreadable(text)
    numbers = tuple(int(part or 0) for part in found.group(1, 2, 3))
    before = found[4]
    if before is None:
        return numbers, 1, ()
    parts = before.split(".")
    return numbers, 0, tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


_ALPINE: Final = re.compile(
    r"(\d{1,40})((?:\.\d{1,40})*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d{0,40})*)"
    r"(?:~[0-9a-f]{1,100})?(?:-r(\d{1,40}))?",
    re.ASCII,
)
_ALPINE_SUFFIX: Final = re.compile(r"_([a-z]+)(\d*)")
_BEFORE: Final = ("alpha", "beta", "pre", "rc")
_AFTER: Final = ("cvs", "svn", "git", "hg", "p")


@_remembered
def alpine(text: str) -> Any:
    """apk-tools' order: numbers, a letter, suffixes (the first four come before what has none), the revision.

    Each part is a tuple that starts with the rank of its kind, so that a version that ends earlier comes before one
    that goes on, unless it goes on with ``_alpha``, ``_beta``, ``_pre`` or ``_rc``.
    """
    found = _ALPINE.fullmatch(text)
    if found is None:
        raise Unreadable(text)
    parts: list[tuple[Any, ...]] = [(7, 1, int(found[1]))]
    # What starts with a zero is compared as text, like the digits after a decimal point.
    parts += [(7, 0, part) if part.startswith("0") else (7, 1, int(part)) for part in found[2].split(".")[1:]]
    if found[3]:
        parts.append((6, found[3]))
    for suffix, number in _ALPINE_SUFFIX.findall(found[4]):
        parts.append((0, _BEFORE.index(suffix)) if suffix in _BEFORE else (5, _AFTER.index(suffix)))
        if number:
            parts.append((4, int(number)))
    if found[5]:
        parts.append((2, int(found[5])))
    parts.append((1,))
    return tuple(parts)


_COMPOSER: Final = re.compile(
    r"v?(\d{1,40}(?:\.\d{1,40}){0,9})(?:[-_.+]?(?:stable|beta|b|rc|alpha|a|patch|pl|p)(?:[-_.]?\d{1,40}){0,9})?"
    r"(?:[-_.]dev)?(?:\+[0-9A-Za-z.+-]{0,200})?",
    re.ASCII | re.IGNORECASE,
)
_COMPOSER_PART: Final = re.compile(r"\d+|[a-z]+")
_FORMS: Final[Mapping[str, int]] = {
    "dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "stable": 4, "patch": 5, "pl": 5, "p": 5,
}  # fmt: skip
_NUMBER: Final = 4


@_remembered
def composer(text: str) -> Any:
    """PHP's ``version_compare`` of the four-part form that Composer gives every version."""
    text = text.lower()
    found = _COMPOSER.fullmatch(text)
    if found is None:
        raise Unreadable(text)
    parts = _COMPOSER_PART.findall(text.removeprefix("v").partition("+")[0])
    numbers = list(takewhile(str.isdecimal, parts))
    rest = parts[len(numbers) :]
    numbers += ["0"] * (4 - len(numbers))
    words = [(_NUMBER, int(part)) if part.isdecimal() else (_FORMS[part], -1) for part in (*numbers, *rest)]
    return (*(word for word in words if word != (_NUMBER, -1)), (_NUMBER, -1))


@_remembered
def python(text: str) -> Any:
    """PEP 440."""
    from packaging.version import InvalidVersion, Version

    try:
        if len(text) > MAX_LENGTH or text != text.strip():
            raise Unreadable(text)
        return Version(text)
    except InvalidVersion:
        raise Unreadable(text) from None


def _by_univers(module: str, build: Callable[[Any, str], Any], pattern: str) -> Reader:
    """A reader from ``univers``, which takes almost any text: what does not fit ``pattern`` is no version.

    Its modules are imported one by one, because all of them together take a tenth of a second.
    """
    shape = re.compile(pattern, re.ASCII)

    def read(text: str) -> Any:
        if len(text) > MAX_LENGTH or not shape.fullmatch(text):
            raise Unreadable(text)
        import importlib

        try:
            return build(importlib.import_module(f"univers.{module}"), text)
        except ValueError:
            raise Unreadable(text) from None

    return _remembered(read)


debian: Final = _by_univers(
    "debian", lambda found, text: found.Version.from_string(text), r"(?:\d{1,9}:)?\d[0-9A-Za-z.+~:-]*"
)
maven: Final = _by_univers("maven", lambda found, text: found.Version(text), r"(?=.*\d)[0-9A-Za-z][0-9A-Za-z._+-]*")
gem: Final = _by_univers(
    "gem", lambda found, text: found.GemVersion(text), r"\d+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
nuget: Final = _by_univers(
    "nuget",
    lambda found, text: found.Version.from_string(text),
    r"v?\d+(?:\.\d+){0,3}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]*)?",
)

_READERS: Final[Mapping[str, Reader]] = {
    "Debian": debian,
    "Ubuntu": debian,
    "Alpine": alpine,
    "Wolfi": alpine,
    "Chainguard": alpine,
    "PyPI": python,
    "npm": semantic,
    "Go": semantic,
    "crates.io": semantic,
    "Docker Hardened Images": semantic,
    "Maven": maven,
    "RubyGems": gem,
    "NuGet": nuget,
    "Packagist": composer,
}
