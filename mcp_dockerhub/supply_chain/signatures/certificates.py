"""What a Fulcio certificate says about who it was given to (Fulcio oid-info.md, certificate-specification.md)."""

from dataclasses import dataclass
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.supply_chain.signatures.keys import PublicKey
from mcp_dockerhub.supply_chain.signatures.verdicts import Signer

_ISSUER: Final = "1.3.6.1.4.1.57264.1.8"
"""Issuer as a DER string; the older ``_ISSUER_RAW`` has it as bare bytes."""
_ISSUER_RAW: Final = "1.3.6.1.4.1.57264.1.1"
MAX_PEM: Final = 65_536


@dataclass(frozen=True, slots=True)
class Certificate:
    """A signing certificate, read and not yet trusted."""

    x509: Any
    signer: Signer | None
    """None where it does not name exactly one, as those of Sigstore do."""

    @classmethod
    def parse(cls, pem: str) -> "Certificate | None":
        """The first certificate of a PEM text, None where there is none."""
        from cryptography.x509 import load_pem_x509_certificate

        if len(pem) > MAX_PEM:
            return None
        try:
            return cls.of(load_pem_x509_certificate(pem.encode()))
        except ValueError:
            return None

    @classmethod
    def of(cls, x509: Any) -> "Certificate":
        names = _names(x509)
        return cls(x509, Signer(names[0], _issuer(x509)) if len(names) == 1 else None)

    @property
    def key(self) -> PublicKey | None:
        """Its key, None where it is of a kind nobody signs images with."""
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            return PublicKey.of(self.x509.public_key())
        except (InvalidInput, UnsupportedAlgorithm, ValueError):
            return None


def _names(x509: Any) -> list[str]:
    from cryptography.x509 import (
        ExtensionNotFound,
        RFC822Name,
        SubjectAlternativeName,
        UniformResourceIdentifier,
    )

    try:
        names = x509.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return []
    found = [*names.get_values_for_type(RFC822Name), *names.get_values_for_type(UniformResourceIdentifier)]
    return [str(name) for name in found] if len(found) == len(list(names)) else []


def _issuer(x509: Any) -> str:
    from cryptography.x509 import ExtensionNotFound, ObjectIdentifier

    for oid in (_ISSUER, _ISSUER_RAW):
        try:
            raw = x509.extensions.get_extension_for_oid(ObjectIdentifier(oid)).value.value
            return _string(raw) if oid == _ISSUER else raw.decode()
        except (ExtensionNotFound, ValueError):
            continue
    return ""


def _string(der: bytes) -> str:
    """The text of a DER UTF8String of at most 255 bytes."""
    start = 3 if der[1:2] == b"\x81" else 2
    if der[:1] != b"\x0c" or len(der) < start or len(der) != start + der[start - 1]:
        raise ValueError("not a short UTF8String")
    return der[start:].decode()
