"""``WWW-Authenticate`` headers (RFC 9110, section 11.6.1).

One header may hold several challenges, and a comma separates challenges as well as parameters, so that only the
``=`` after a word tells which of the two it begins. Quoted values may contain commas.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SEPARATORS: Final = re.compile(r"[ \t,]*")
_SCHEME: Final = re.compile(rf"({_WORD})(?:[ \t]+|(?=,)|$)")
_PARAMETER: Final = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.DOTALL)
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a host offers. Scheme and parameter names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        return self.parameters.get("service", "")

    @property
    def scope(self) -> str:
        return self.parameters.get("scope", "")


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all ``WWW-Authenticate`` header values, in order; what makes no sense ends its value."""
    return tuple(challenge for value in values for challenge in _parse_value(value))


def _parse_value(value: str) -> Iterator[Challenge]:
    at = _skip(value, 0)
    while at < len(value):
        scheme = _SCHEME.match(value, at)
        if scheme is None:
            return
        parameters, at = _parameters(value, scheme.end())
        yield Challenge(scheme[1].lower(), parameters)


def _parameters(value: str, at: int) -> tuple[Mapping[str, str], int]:
    """The parameters from ``at`` on and where the next challenge begins; the first of a repeated name counts."""
    opaque = _TOKEN68.match(value, at)
    if opaque is not None:
        return {}, _skip(value, opaque.end())
    found: dict[str, str] = {}
    at = _skip(value, at)
    while (match := _PARAMETER.match(value, at)) is not None:
        quoted, plain = match[2], match[3]
        text = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
        found.setdefault(match[1].lower(), text)
        at = _skip(value, match.end())
    return found, at


def _skip(value: str, at: int) -> int:
    match = _SEPARATORS.match(value, at)
    return match.end() if match else at
