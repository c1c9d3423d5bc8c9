"""For whom a token is (RFC 7519 ``aud``, RFC 8707 ``resource``): this server, by its exact name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused

MAX_VALUES: Final = 32
_CLAIMS: Final = ("aud", "resource")


@dataclass(frozen=True, slots=True)
class Audience:
    """This server's canonical URI, and whether it accepts tokens that are for others too."""

    resource: str
    shared: bool = False
    """True accepts a list that names other servers beside this one. Each of those could replay the token here."""

    def check(self, claims: Mapping[str, Any]) -> None:
        """Each of ``aud`` and ``resource`` that is there must name this server, and one of them must be there.

        Names are compared character by character. The one exception: ``https://host`` and ``https://host/`` are the
        same URI (RFC 9110, section 4.2.3), where the resource has no path.

        Raises:
            TokenRefused: with AUDIENCE, or AUDIENCE_SHARED where only the other names are in the way.
        """
        present = [_values(claims[name]) for name in _CLAIMS if name in claims]
        if not present or not all(self._names_us(values) for values in present):
            raise TokenRefused(Flaw.AUDIENCE)
        if not self.shared and not all(value in self._spellings for values in present for value in values):
            raise TokenRefused(Flaw.AUDIENCE_SHARED)

    def _names_us(self, values: tuple[str, ...]) -> bool:
        return any(value in self._spellings for value in values)

    @property
    def _spellings(self) -> tuple[str, ...]:
        if urlsplit(self.resource).path:
            return (self.resource,)
        return (self.resource, f"{self.resource}/")


def _values(claim: object) -> tuple[str, ...]:
    """A string, or a list of strings; nothing else names anybody."""
    if isinstance(claim, str):
        return (claim,)
    if not isinstance(claim, list) or len(claim) > MAX_VALUES:
        raise TokenRefused(Flaw.AUDIENCE)
    if not all(isinstance(value, str) for value in claim):
        raise TokenRefused(Flaw.AUDIENCE)
    return tuple(claim)
