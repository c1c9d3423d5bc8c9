"""Tokens of the stand-in issuer: keys that rotate, and whatever a test wants signed, well-formed or not."""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

LIFETIME: Final = 300
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class _Absent:
    """Leaves a claim or header parameter out."""


ABSENT: Final = _Absent()


@dataclass(frozen=True)
class SigningKey:
    """A key pair with its name and algorithm."""

    key_id: str
    algorithm: str
    private: PrivateKey

    def public_jwk(self) -> dict[str, Any]:
        """As a JWK Set shows it."""
        algorithm: Any = get_default_algorithms()[self.algorithm]
        jwk = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        shown = {name: value for name, value in jwk.items() if name != "key_ops"}
        return {**shown, "kid": self.key_id, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        """A token; headers overwrite ``alg``, ``typ`` and ``kid``, ABSENT drops them."""
        header = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.key_id, **(headers or {})}
        return self.sign_raw(encoded(_present(header)), encoded(_present(claims)))

    def sign_raw(self, header: bytes, payload: bytes) -> str:
        """A token with exactly these bytes, signed by this key's own algorithm whatever the header says."""
        signing_input = f"{segment(header)}.{segment(payload)}"
        algorithm: Any = get_default_algorithms()[self.algorithm]
        return f"{signing_input}.{segment(algorithm.sign(signing_input.encode(), self.private))}"


def new_key(algorithm: str = "ES256", key_id: str = "") -> SigningKey:
    """A fresh key; RSA keys are made once per size and shared, since making one takes long."""
    return SigningKey(key_id or f"key-{secrets.token_hex(4)}", algorithm, _private(algorithm))


def _private(algorithm: str) -> PrivateKey:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1(), "ES256K": ec.SECP256K1()}
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm])
    return rsa_key(2048)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key of this size, the same each time."""
    return rsa.generate_private_key(65537, bits)


def standard_claims(issuer: str, audience: Any, now: float | None = None) -> dict[str, Any]:
    """What a good access token says."""
    at = int(time.time() if now is None else now)
    return {
        "iss": issuer,
        "sub": "ada",
        "aud": audience,
        "client_id": "probe",
        "scope": "dockerhub:read",
        "iat": at,
        "exp": at + LIFETIME,
        "jti": secrets.token_hex(16),
    }


def encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
    """``alg: none``: a token without a signature."""
    header = {"alg": "none", "typ": "at+jwt", **(headers or {})}
    return f"{segment(encoded(header))}.{segment(encoded(claims))}."


def signed_with_public_key(key: SigningKey, claims: Mapping[str, Any]) -> str:
    """HS256 with the public key's text as the secret: the algorithm confusion attack."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = encoded({"alg": "HS256", "typ": "at+jwt", "kid": key.key_id})
    signing_input = f"{segment(header)}.{segment(encoded(claims))}"
    return f"{signing_input}.{segment(hmac.digest(pem, signing_input.encode(), hashlib.sha256))}"


def peek(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def _present(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if not isinstance(value, _Absent)}
