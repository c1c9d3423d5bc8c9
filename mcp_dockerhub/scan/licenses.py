"""Packages under licenses that are not wanted (``--deny-license``), by SPDX expression (SPDX 2.3, annex D)."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_dockerhub.supply_chain.packages import Package

_TOKEN: Final = re.compile(r"\s*(\(|\)|[^\s()]+)")
_MAX_TOKENS: Final = 256
_OPERATORS: Final = frozenset({"AND", "OR", "WITH"})


@dataclass(frozen=True, slots=True)
class Denied:
    """One package nobody may ship here, and why."""

    package: Package
    license: str
    """As the package states it."""


@dataclass(frozen=True, slots=True)
class LicenseVerdict:
    """What became of ``--deny-license``."""

    patterns: tuple[str, ...]
    denied: tuple[Denied, ...]
    silent: int
    """Packages that state no license: about these nothing is known."""


def check_licenses(packages: Iterable[Package], patterns: Sequence[str]) -> LicenseVerdict:
    """``patterns`` are SPDX identifiers, ``*`` matching anything, in any case.

    Of alternatives (``OR``) one that is not denied is enough; of parts that all apply (``AND``) none may be. A license
    with an exception counts as the license. Words that are no expression count as one license of that name.
    """

    def is_denied(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)

    denied, silent = [], 0
    for package in packages:
        if not package.licenses:
            silent += 1
        stated = next((entry for entry in package.licenses if _denies(entry, is_denied)), None)
        if stated is not None:
            denied.append(Denied(package, stated))
    return LicenseVerdict(tuple(patterns), tuple(denied), silent)


def _denies(expression: str, is_denied: Callable[[str], bool]) -> bool:
    tokens = _tokens(expression)
    if tokens is not None:
        verdict, end = _any_of(tokens, 0, is_denied)
        if end == len(tokens):
            return verdict
    return is_denied(expression.strip())


def _tokens(text: str) -> list[str] | None:
    tokens = [match[1] for match in _TOKEN.finditer(text[: 64 * _MAX_TOKENS])]
    return tokens if 0 < len(tokens) <= _MAX_TOKENS else None


# Each reader returns whether what begins at ``at`` is denied, and where it ends; -1 where there is no expression.


def _any_of(tokens: list[str], at: int, is_denied: Callable[[str], bool]) -> tuple[bool, int]:
    verdict, at = _all_of(tokens, at, is_denied)
    while 0 <= at < len(tokens) and tokens[at].upper() == "OR":
        other, at = _all_of(tokens, at + 1, is_denied)
        verdict = verdict and other
    return verdict, at


def _all_of(tokens: list[str], at: int, is_denied: Callable[[str], bool]) -> tuple[bool, int]:
    verdict, at = _one(tokens, at, is_denied)
    while 0 <= at < len(tokens) and tokens[at].upper() == "AND":
        other, at = _one(tokens, at + 1, is_denied)
        verdict = verdict or other
    return verdict, at


def _one(tokens: list[str], at: int, is_denied: Callable[[str], bool]) -> tuple[bool, int]:
    if not 0 <= at < len(tokens) or tokens[at] == ")" or tokens[at].upper() in _OPERATORS:
        return False, -1
    if tokens[at] == "(":
        verdict, end = _any_of(tokens, at + 1, is_denied)
        closed = 0 <= end < len(tokens) and tokens[end] == ")"
        return verdict, end + 1 if closed else -1
    end = at + 3 if at + 2 < len(tokens) and tokens[at + 1].upper() == "WITH" else at + 1
    return is_denied(tokens[at]), end
