"""Public keys and what they say about a signature (cosign SIGNATURE_SPEC.md, "Signature Schemes")."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.supply_chain.vocabulary import MAX_KEY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

MIN_RSA_BITS: Final = 2048
_HELP: Final = "Give the text of cosign.pub: it begins with -----BEGIN PUBLIC KEY-----."


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a kind cosign signs with: ECDSA on a NIST curve, Ed25519, or RSA (PKCS #1 v1.5)."""

    key: Any
    fingerprint: str
    """``sha256:`` and the hash of the DER form (SubjectPublicKeyInfo)."""

    @classmethod
    def parse(cls, pem: str) -> "PublicKey":
        """Raise InvalidInput unless ``pem`` is one public key of a known kind."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        if "PRIVATE KEY" in pem:
            raise InvalidInput(
                "The key is a private key: never send it anywhere.",
                hint="Consider it leaked and make a new one; to verify, the public key is needed.",
            )
        if len(pem) > MAX_KEY:
            raise InvalidInput(f"A key has at most {MAX_KEY} characters.", hint=_HELP)
        try:
            return cls.of(load_pem_public_key(pem.encode()))
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidInput("The key is no public key in PEM form.", hint=_HELP) from None

    @classmethod
    def of(cls, key: Any) -> "PublicKey":
        """Raise InvalidInput for kinds nobody signs images with, and for RSA keys that are too short."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        known = ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, rsa.RSAPublicKey
        if not isinstance(key, known):
            raise InvalidInput("The key is not an ECDSA, Ed25519 or RSA key.", hint=_HELP)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
            raise InvalidInput(f"RSA keys shorter than {MIN_RSA_BITS} bits prove nothing.")
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(key, f"sha256:{hashlib.sha256(der).hexdigest()}")

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Whether ``signature`` over ``signed`` was made with this key's private half."""
        return any(self._try(signature, signed, algorithm) for algorithm in self._hashes())

    def verifies_digest(self, signature: bytes, digest: bytes) -> bool:
        """As ``verifies``, for content whose SHA-256 ``digest`` is all there is."""
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._try(signature, digest, Prehashed(SHA256()))

    def _hashes(self) -> "list[HashAlgorithm]":
        """SHA-256, as cosign always used; for larger curves also the one of their size, which it uses by now."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        found: list[hashes.HashAlgorithm] = [hashes.SHA256()]
        if isinstance(self.key, ec.EllipticCurvePublicKey) and self.key.curve.key_size > 256:
            found.append(hashes.SHA384() if self.key.curve.key_size == 384 else hashes.SHA512())
        return found

    def _try(self, signature: bytes, signed: bytes, algorithm: Any) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

        try:
            if isinstance(self.key, ec.EllipticCurvePublicKey):
                self.key.verify(signature, signed, ec.ECDSA(algorithm))
            elif isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, signed, padding.PKCS1v15(), algorithm)
            else:
                self.key.verify(signature, signed)
        except (InvalidSignature, ValueError):
            return False
        return True
