"""The outer form of a signed JSON Web Token (RFC 7515, compact serialization), before any key is looked at.

Everything here is still the sender's word. The header decides nothing but which of our own keys to try: keys,
certificates and addresses inside it are refused, and so is every extension that must be understood.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused
from mcp_dockerhub_security.tokens.strict_json import strict_object

MAX_TOKEN: Final = 8 * 1024
"""Characters of a token of any kind."""
MAX_HEADER: Final = 1024
"""Characters of the encoded header."""

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,127}", re.ASCII)
"""Thumbprints, UUIDs, base64 and names; nothing that is a path, a URL or part of a query to anything."""
_REFUSED_PARAMETERS: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk"})


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token in its parts. Nothing of it is verified."""

    algorithm: str
    key_id: str | None
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What a signature covers, so that no other encoding of a signature makes another token of it."""
        return "sha256:" + hashlib.sha256(self.signing_input).hexdigest()


def looks_signed(token: str) -> bool:
    """Three segments: a token that is verified here and never sent anywhere, whatever it holds."""
    return token.count(".") == 2


def parse_compact(token: str, *, algorithms: frozenset[str], types: frozenset[str]) -> CompactToken:
    """Take a token apart.

    ``algorithms`` are the accepted ones; ``types`` the accepted values of ``typ`` in lower case, without
    ``application/`` (RFC 7515, section 4.1.9).

    Raises:
        TokenRefused: it is too long, not canonical, or its header is not acceptable.
    """
    if len(token) > MAX_TOKEN:
        raise TokenRefused(Flaw.SIZE)
    segments = token.split(".")
    if len(segments) != 3 or len(segments[0]) > MAX_HEADER:
        raise TokenRefused(Flaw.MALFORMED)
    try:
        parameters = strict_object(_decoded(segments[0]))
    except ValueError:
        raise TokenRefused(Flaw.MALFORMED) from None
    algorithm, key_id = _check_header(parameters, algorithms, types)
    payload, signature = _decoded(segments[1]), _decoded(segments[2])
    return CompactToken(algorithm, key_id, payload, token.rpartition(".")[0].encode("ascii"), signature)


def _check_header(
    parameters: Mapping[str, Any], algorithms: frozenset[str], types: frozenset[str]
) -> tuple[str, str | None]:
    if not _REFUSED_PARAMETERS.isdisjoint(parameters):
        raise TokenRefused(Flaw.HEADER)
    algorithm = parameters.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise TokenRefused(Flaw.ALGORITHM)
    kind = parameters.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in types:
        raise TokenRefused(Flaw.TYPE)
    key_id = parameters.get("kid")
    if key_id is not None and not is_key_id(key_id):
        raise TokenRefused(Flaw.KEY_ID)
    return algorithm, key_id


def is_key_id(value: object) -> bool:
    """True for what may be looked up as a key's name."""
    return isinstance(value, str) and _KEY_ID.fullmatch(value) is not None


def _decoded(segment: str) -> bytes:
    """base64url without padding, in its one canonical spelling (RFC 7515, section 2)."""
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise TokenRefused(Flaw.MALFORMED)
    data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != segment.encode("ascii"):
        raise TokenRefused(Flaw.MALFORMED)
    return data
