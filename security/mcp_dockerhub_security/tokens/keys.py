"""The issuer's public keys (RFC 7517), as far as this server would use them.

A key set is the issuer's word, fetched from where the operator said; still, only keys that can do what they are
for are kept: public, for signatures, of a kind and size that one of the accepted algorithms uses.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mcp_dockerhub_security.tokens.compact import CompactToken, is_key_id
from mcp_dockerhub_security.tokens.strict_json import strict_object

if TYPE_CHECKING:
    from jwt import PyJWK

MAX_KEYS: Final = 64
RSA_BITS: Final = (2048, 8192)

_RSA: Final = ("RSA", "")
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "RS256": _RSA,
    "RS384": _RSA,
    "RS512": _RSA,
    "PS256": _RSA,
    "PS384": _RSA,
    "PS512": _RSA,
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithm to the key type and curve it needs (RFC 7518, 8037): asymmetric ones only."""

ALGORITHMS: Final = frozenset(_KINDS)
"""What can be configured."""
DEFAULT_ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}


@dataclass(frozen=True, slots=True)
class Key:
    """One public key with one algorithm; equal to another only if it is the same key material."""

    key_id: str | None
    algorithm: str
    thumbprint: str
    """SHA-256 of what makes the key (as in RFC 7638), whatever it is called."""
    _jwk: "PyJWK" = field(repr=False, compare=False)

    def verifies(self, token: CompactToken) -> bool:
        """True if this key made the token's signature, by this key's own algorithm."""
        if token.algorithm != self.algorithm:
            return False
        algorithm = self._jwk.Algorithm
        return bool(algorithm.verify(token.signing_input, self._jwk.key, token.signature))


class KeySet:
    """All usable keys of one document."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys
        self._known = frozenset(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """The key of that name for that algorithm. A token that names none gets the only one there is, or none."""
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        if key_id is not None:
            fitting = [key for key in fitting if key.key_id == key_id]
        return fitting[0] if len(fitting) == 1 else None


def parse_key_set(document: bytes, algorithms: frozenset[str]) -> KeySet:
    """The keys in a JWK Set that ``algorithms`` can use; all others are left out.

    Raises:
        ValueError: not a JWK Set, more than ``MAX_KEYS`` keys, or none that can be used.
    """
    keys = strict_object(document).get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError("not a list of keys")
    usable = tuple(key for jwk in keys if isinstance(jwk, dict) for key in _usable(jwk, algorithms))
    if not usable:
        raise ValueError("no usable key")
    return KeySet(usable)


def _usable(jwk: Mapping[str, Any], algorithms: frozenset[str]) -> list[Key]:
    """The key once for each algorithm it may be used with."""
    if not _for_signatures(jwk):
        return []
    kind = (jwk.get("kty"), jwk.get("crv", ""))
    own = jwk.get("alg")
    names = [name for name in sorted(algorithms) if _KINDS[name] == kind and own in (None, name)]
    return [key for name in names if (key := _load(jwk, name)) is not None]


def _for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    key_id = jwk.get("kid")
    return (
        _PRIVATE.isdisjoint(jwk)
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and (key_id is None or is_key_id(key_id))
    )


def _load(jwk: Mapping[str, Any], algorithm: str) -> Key | None:
    # Imported here: a server without tokens should not pay for cryptography at start.
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    members = {name: jwk[name] for name in ("kty", "crv", *_PUBLIC[jwk["kty"]]) if name in jwk}
    try:
        with warnings.catch_warnings(action="error"):
            loaded = PyJWK(members, algorithm)
    except (PyJWTError, ValueError, TypeError, Warning):
        return None
    if jwk["kty"] == "RSA" and not RSA_BITS[0] <= loaded.key.key_size <= RSA_BITS[1]:
        return None
    material = hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()
    return Key(jwk.get("kid"), algorithm, material, loaded)
