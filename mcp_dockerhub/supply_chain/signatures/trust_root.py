"""Whom Sigstore's public services are trusted to be: a ``trusted_root.json`` (Sigstore protobuf-specs, TrustedRoot).

The file comes with the ``sigstore`` extra, or from the operator. Nothing is fetched: a root that is older than a key
the services took into use since cannot verify what that key signed, and the answer then says "not verifiable here".
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub.errors import DockerHubError, Internal
from mcp_dockerhub.registry.fields import moment
from mcp_dockerhub.supply_chain.json_walk import load
from mcp_dockerhub.supply_chain.signatures.keys import PublicKey

MAX_ROOT: Final = 1024 * 1024
_SHIPPED: Final = ("_store", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "trusted_root.json")


@dataclass(frozen=True, slots=True)
class Validity:
    """When something counts; open at the end where nothing is said."""

    start: datetime | None
    end: datetime | None

    def covers(self, when: datetime) -> bool:
        return (self.start is None or self.start <= when) and (self.end is None or when <= self.end)


@dataclass(frozen=True, slots=True)
class Log:
    """A transparency log or certificate transparency log."""

    key: PublicKey
    validity: Validity


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its certificates, leaf-most first, the root last."""

    certificates: tuple[Any, ...]
    validity: Validity


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """The services whose word counts."""

    raw: bytes = field(repr=False)
    """The document itself, for the library that reads it too."""
    authorities: tuple[Authority, ...]
    logs: Mapping[bytes, Log]
    """Transparency logs by the identifier that log entries name them by."""
    ct_logs: Mapping[bytes, Log]

    @classmethod
    def parse(cls, raw: bytes) -> "TrustRoot":
        """Raise Internal unless the document is a trusted root: it is the operator's, or ships with a library."""
        try:
            document = load(raw, "The Sigstore trusted root", MAX_ROOT)
            return cls(
                raw,
                tuple(_authorities(document)),
                dict(_logs(document, "tlogs")),
                dict(_logs(document, "ctlogs")),
            )
        except (DockerHubError, ValueError, KeyError, TypeError, AttributeError):
            raise Internal("The Sigstore trusted root cannot be used: it is not a trusted_root.json.") from None


def load_trust_root(path: Path | None) -> TrustRoot | None:
    """The operator's root, else the one that ships with the ``sigstore`` extra; None where there is neither.

    Raises Internal when the file cannot be used.
    """
    if path is not None:
        try:
            return TrustRoot.parse(path.read_bytes())
        except OSError as error:
            raise Internal(f"The Sigstore trusted root cannot be read ({error.strerror}).") from error
    try:
        shipped = files("sigstore").joinpath(*_SHIPPED)
        return TrustRoot.parse(shipped.read_bytes())
    except (ModuleNotFoundError, FileNotFoundError):
        return None


def _authorities(document: Mapping[str, Any]) -> Iterator[Authority]:
    from cryptography.x509 import load_der_x509_certificate

    for entry in document["certificateAuthorities"]:
        chain = entry["certChain"]["certificates"]
        certificates = tuple(load_der_x509_certificate(_bytes(item["rawBytes"])) for item in chain)
        if certificates:
            yield Authority(certificates, _validity(entry.get("validFor")))


def _logs(document: Mapping[str, Any], name: str) -> Iterator[tuple[bytes, Log]]:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    for entry in document.get(name, ()):
        der = _bytes(entry["publicKey"]["rawBytes"])
        key = PublicKey.of(load_der_public_key(der))
        log = Log(key, _validity(entry["publicKey"].get("validFor")))
        # The hash of the key; newer logs have an identifier that their name went into too.
        yield hashlib.sha256(der).digest(), log
        yield _bytes(entry["logId"]["keyId"]), log


def _validity(value: Any) -> Validity:
    known = value if isinstance(value, dict) else {}
    return Validity(moment(known, "start"), moment(known, "end"))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
