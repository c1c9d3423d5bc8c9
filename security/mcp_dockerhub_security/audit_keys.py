"""Ed25519 keys (RFC 8032) that sign checkpoints, so that nobody without the private one can write a log anew.

``cryptography`` is imported with the first key: a server without one does not need it.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_dockerhub_security.audit_chain import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_KEY_FILE: Final = 64 * 1024

_DOMAIN: Final = b"mcp-dockerhub audit checkpoint 1\n"
"""Begins everything that is signed, so that a signature is good for nothing else."""


class AuditKeyError(ValueError):
    """A key cannot be used; the message holds nothing of it."""


class Signer:
    """Signs checkpoints."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.key_id = key_id(private.public_key())

    @classmethod
    def load(cls, pem: str) -> "Signer":
        """From an unencrypted private key in PEM (PKCS 8); raises AuditKeyError."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            private = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise AuditKeyError("it is not an unencrypted private key in PEM") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise AuditKeyError("it is not an Ed25519 key")
        return cls(private)

    def sign(self, record: dict[str, Any]) -> None:
        """Add ``key`` and ``signature`` to a record that is otherwise complete, but for its hash."""
        record["key"] = self.key_id
        record["signature"] = base64.b64encode(self._private.sign(_DOMAIN + canonical(record))).decode()


class PublicKeys:
    """Tells whose signature a checkpoint carries; empty where no key was given."""

    def __init__(self, keys: Iterable["Ed25519PublicKey"] = ()) -> None:
        self._keys = {key_id(key): key for key in keys}

    def __bool__(self) -> bool:
        return bool(self._keys)

    @classmethod
    def load(cls, paths: Iterable[Path]) -> "PublicKeys":
        """From files with a public key in PEM each; raises AuditKeyError, and OSError where one cannot be read."""
        return cls(_public(path) for path in paths)

    def signed(self, record: Mapping[str, Any]) -> bool:
        """Whether a checkpoint carries a good signature by one of the keys."""
        from cryptography.exceptions import InvalidSignature

        key = self._keys.get(str(record.get("key")))
        signature = record.get("signature")
        if key is None or not isinstance(signature, str):
            return False
        unsigned = {name: value for name, value in record.items() if name not in ("signature", "hash")}
        try:
            key.verify(base64.b64decode(signature, validate=True), _DOMAIN + canonical(unsigned))
        except (InvalidSignature, binascii.Error):
            return False
        return True


def key_id(key: "Ed25519PublicKey") -> str:
    """Names a public key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def generate_key(path: Path) -> Path:
    """Write a new private key to ``path``, for its owner only, and the public one beside it; returns the latter's path.

    Raises OSError, FileExistsError where there is such a file.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    private = Ed25519PrivateKey.generate()
    public_path = path.with_name(f"{path.name}.pub")
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_new(public_path, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    try:
        _write_new(path, secret, 0o600)
    except OSError:
        public_path.unlink()
        raise
    return public_path


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _public(path: Path) -> "Ed25519PublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    with path.open("rb") as file:
        pem = file.read(MAX_KEY_FILE)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise AuditKeyError(f"{path.name} is not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise AuditKeyError(f"{path.name} is not an Ed25519 key")
    return key
