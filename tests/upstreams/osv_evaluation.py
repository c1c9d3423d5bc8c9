"""Whether a version is affected: the pseudocode of the OSV schema (section "Evaluation"), written a second time.

It shares nothing with the server's own evaluation, so that one can be held against the other. Orders: SemVer 2.0
section 11, PEP 440 by ``packaging``, Debian policy section 5.6.12, apk-tools' ``apk version``. Ecosystems of which no
real records are at hand get dotted numbers with an optional pre-release, which all of them read alike.
"""

import re
from collections.abc import Callable, Mapping
from functools import cmp_to_key
from typing import Any

from packaging.version import InvalidVersion, Version

Compare = Callable[[str, str], int]


class NotAVersion(ValueError):
    """Has no place in the order."""


def matches(affected: str, asked: str) -> bool:
    """Whether an ecosystem of a record answers to the one asked for: with all of its release, or with none of it."""
    affected, asked = (text.replace("DHI", "Docker Hardened Images") for text in (affected, asked))
    if asked in (affected, affected.split(":")[0]):
        return True
    return affected.startswith("Ubuntu:") and asked == affected.replace(":Pro", "").replace(":LTS", "")


def is_vulnerable(ecosystem: str, name: str, version: str, record: Mapping[str, Any]) -> bool:
    for affected in record["affected"]:
        package = affected.get("package", {})
        if package.get("name") != name or not matches(package.get("ecosystem", ""), ecosystem):
            continue
        if version in affected.get("versions", ()):
            return True
        if any(_included(version, found, _order(package["ecosystem"])) for found in affected.get("ranges", ())):
            return True
    return False


def _included(version: str, found: Mapping[str, Any], order: Compare) -> bool:
    events: list[tuple[str, str]] = [next(iter(event.items())) for event in found["events"]]

    def sooner(one: tuple[str, str], other: tuple[str, str]) -> int:
        return _events(one, other, order)

    try:
        limits = [value for kind, value in events if kind == "limit"]
        if limits and not any(value == "*" or order(version, value) < 0 for value in limits):
            return False
        order(version, version)
        vulnerable = False
        for kind, value in sorted(events, key=cmp_to_key(sooner)):
            if kind == "introduced" and (value == "0" or order(version, value) >= 0):
                vulnerable = True
            elif kind in ("fixed", "last_affected") and order(version, value) >= (kind == "last_affected"):
                vulnerable = False
    except NotAVersion:
        return False
    return vulnerable


def _events(one: tuple[str, str], other: tuple[str, str], order: Compare) -> int:
    if "0" in (one[1], other[1]):
        return (one[1] != "0") - (other[1] != "0")
    if "*" in (one[1], other[1]):
        return (one[1] == "*") - (other[1] == "*")
    return order(one[1], other[1])


def _order(ecosystem: str) -> Compare:
    base = ecosystem.split(":", maxsplit=1)[0]
    return _ORDERS.get(base, _dotted)


def _cmp(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _dotted(one: str, other: str) -> int:
    """Numbers, then a pre-release that comes before its release."""
    (a, a_pre), (b, b_pre) = (_split(text) for text in (one, other))
    width = max(len(a), len(b))
    numbers = _cmp(a + [0] * (width - len(a)), b + [0] * (width - len(b)))
    if numbers or a_pre == b_pre:
        return numbers
    if not a_pre or not b_pre:
        return 1 if not a_pre else -1
    for left, right in zip(a_pre, b_pre, strict=False):
        if left == right:
            continue
        if left.isdecimal() and right.isdecimal():
            return _cmp(int(left), int(right))
        if left.isdecimal() != right.isdecimal():
            return -1 if left.isdecimal() else 1
        return _cmp(left, right)
    return _cmp(len(a_pre), len(b_pre))


def _semver(one: str, other: str) -> int:
    for text in (one, other):
        if text.partition("+")[0].partition("-")[0].count(".") > 2:
            raise NotAVersion(text)
    return _dotted(one, other)


def _split(text: str) -> tuple[list[int], list[str]]:
    text = text.removeprefix("v").split("+")[0]
    numbers, _, before = text.partition("-")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", numbers) or not re.fullmatch(r"[0-9A-Za-z.-]*", before):
        raise NotAVersion(text)
    return [int(part) for part in numbers.split(".")], before.split(".") if before else []


def _python(one: str, other: str) -> int:
    try:
        return _cmp(Version(one), Version(other))
    except InvalidVersion:
        raise NotAVersion(one) from None


def _debian(one: str, other: str) -> int:
    for left, right in zip(_debian_parts(one), _debian_parts(other), strict=True):
        if found := _debian_part(left, right):
            return found
    return 0


def _debian_parts(text: str) -> tuple[str, str, str]:
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    if not epoch.isdecimal() or not re.fullmatch(r"[0-9][0-9A-Za-z.+~:-]*", upstream):
        raise NotAVersion(text)
    return epoch, upstream, revision


def _debian_part(one: str, other: str) -> int:
    """As the policy describes it: what is no digit up to the first digit, then the number, and again."""
    while one or other:
        left, right = (re.match(r"[^0-9]*", text)[0] for text in (one, other))  # type: ignore[index]
        one, other = one[len(left) :], other[len(right) :]
        for at in range(max(len(left), len(right))):
            if found := _cmp(_weight(left[at : at + 1]), _weight(right[at : at + 1])):
                return found
        left, right = (re.match(r"[0-9]*", text)[0] for text in (one, other))  # type: ignore[index]
        one, other = one[len(left) :], other[len(right) :]
        if found := _cmp(int(left or 0), int(right or 0)):
            return found
    return 0


def _weight(character: str) -> int:
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256


_TOKEN = re.compile(r"(?P<number>\.?[0-9]+)|(?P<letter>[a-z](?![a-z]))|_(?P<suffix>[a-z]+)|-r(?P<revision>[0-9]+)$")
_SUFFIXES = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"]


def _apk(one: str, other: str) -> int:
    a, b = _tokens(one), _tokens(other)
    for left, right in zip(a, b, strict=False):
        if found := _token(left, right):
            return found
    if len(a) == len(b):
        return 0
    longer, sign = (a[len(b)], 1) if len(a) > len(b) else (b[len(a)], -1)
    before = longer[0] == "suffix" and _SUFFIXES.index(longer[1]) < 4
    return -sign if before else sign


def _tokens(text: str) -> list[tuple[str, str]]:
    found = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in _TOKEN.finditer(text)]
    if not found or found[0][0] != "number" or "".join(m[0] for m in _TOKEN.finditer(text)) != text:
        raise NotAVersion(text)
    return found


def _token(left: tuple[str, str], right: tuple[str, str]) -> int:
    if left[0] != right[0]:
        if left[0] == "suffix" and _SUFFIXES.index(left[1]) < 4:
            return -1
        if right[0] == "suffix" and _SUFFIXES.index(right[1]) < 4:
            return 1
        ranks = ["revision", "suffix", "letter", "number"]
        return _cmp(ranks.index(left[0]), ranks.index(right[0]))
    if left[0] == "suffix":
        return _cmp(_SUFFIXES.index(left[1]), _SUFFIXES.index(right[1]))
    if left[0] == "letter":
        return _cmp(left[1], right[1])
    one, other = left[1].lstrip("."), right[1].lstrip(".")
    if left[1].startswith(".") and "0" in (one[0], other[0]):
        return _cmp(one, other)
    return _cmp(int(one), int(other))


_ORDERS: Mapping[str, Compare] = {
    "npm": _semver,
    "Go": _semver,
    "crates.io": _semver,
    "DHI": _semver,
    "Docker Hardened Images": _semver,
    "PyPI": _python,
    "Debian": _debian,
    "Ubuntu": _debian,
    "Alpine": _apk,
    "Wolfi": _apk,
    "Chainguard": _apk,
}
