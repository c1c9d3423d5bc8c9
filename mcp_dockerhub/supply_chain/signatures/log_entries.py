"""Rekor's promise that it logged a signature, as cosign keeps it beside one (cosign SIGNATURE_SPEC.md, "bundle").

The promise is the log's own signature over the entry and its time, so it can be checked without asking the log.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.supply_chain.json_walk import load, load_text
from mcp_dockerhub.supply_chain.signatures.trust_root import TrustRoot

MAX_BUNDLE: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry and the promise over it."""

    promise: bytes
    body: str
    """Base64 of the canonical entry."""
    time: int
    """Seconds since 1970."""
    index: int
    log_id: str
    """Hexadecimal SHA-256 of the log's key."""

    @classmethod
    def parse(cls, text: str) -> "LogEntry | None":
        """None where the text is no such bundle."""
        try:
            document = load_text(text, "bundle") if len(text) <= MAX_BUNDLE else {}
            payload = document["Payload"]
            entry = cls(
                base64.b64decode(document["SignedEntryTimestamp"], validate=True),
                payload["body"],
                payload["integratedTime"],
                payload["logIndex"],
                payload["logID"],
            )
        except (DockerHubError, KeyError, TypeError, ValueError):
            return None
        return entry if entry.is_sane else None

    @property
    def is_sane(self) -> bool:
        """Whether the parts have the types they should: they come from JSON."""
        parts: tuple[Any, ...] = (self.body, self.log_id, self.time, self.index)
        return [type(part) for part in parts] == [str, str, int, int] and 0 < self.time < 2**33

    @property
    def logged_at(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    @property
    def promised(self) -> bytes:
        """What the log signed: the canonical JSON (RFC 8785) of the entry's four parts."""
        parts = {"body": self.body, "integratedTime": self.time, "logID": self.log_id, "logIndex": self.index}
        return json.dumps(parts, separators=(",", ":"), sort_keys=True).encode()

    def problem(self, root: TrustRoot) -> tuple[bool, str]:
        """Whether the promise is worse than unknown (forged), and what is wrong with it; empty when it holds."""
        try:
            log = root.logs.get(bytes.fromhex(self.log_id))
        except ValueError:
            log = None
        if log is None or not log.validity.covers(self.logged_at):
            return False, "The transparency log that recorded it is not one the trusted root knows."
        if not log.key.verifies(self.promise, self.promised):
            return True, "The transparency log's own signature over the entry is not valid."
        return False, ""

    def document(self) -> dict[str, Any]:
        """The entry itself, empty where it is unreadable."""
        try:
            return load(base64.b64decode(self.body, validate=True), "entry", MAX_BUNDLE)
        except (DockerHubError, binascii.Error, ValueError):
            return {}

    def records(self, signed: bytes, signature: bytes, signers: set[bytes]) -> bool:
        """Whether the entry is about this very signature over ``signed``.

        ``signers`` are the PEM texts, stripped, of the certificate or key it must name. Entries of the types
        ``hashedrekord`` and ``rekord`` 0.0.1, which cosign makes for image signatures.
        """
        document = self.document()
        spec = document.get("spec")
        if document.get("kind") not in ("hashedrekord", "rekord") or not isinstance(spec, dict):
            return False
        data, stated = spec.get("data"), spec.get("signature")
        named = _at(stated, "publicKey", "content")
        return (
            _at(data, "hash", "algorithm") == "sha256"
            and _at(data, "hash", "value") == hashlib.sha256(signed).hexdigest()
            and _decoded(_at(stated, "content")) == signature
            and _decoded(named).strip() in signers
        )

    def records_envelope(self, payload: bytes, signatures: tuple[bytes, ...], signers: set[bytes]) -> bool:
        """Whether the entry is about this very envelope: types ``dsse`` 0.0.1 and ``intoto`` 0.0.2."""
        document = self.document()
        spec = document.get("spec")
        if document.get("kind") == "dsse":
            digest, entries, name, key = _at(spec, "payloadHash"), _at(spec, "signatures"), "signature", "verifier"
        elif document.get("kind") == "intoto" and document.get("apiVersion") == "0.0.2":
            content = _at(spec, "content")
            digest, entries, name, key = (
                _at(content, "payloadHash"),
                _at(content, "envelope", "signatures"),
                "sig",
                "publicKey",
            )
        else:
            return False
        if _at(digest, "algorithm") != "sha256" or _at(digest, "value") != hashlib.sha256(payload).hexdigest():
            return False
        listed = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        # The older type encodes the signature once more than the newer one does.
        return bool(listed) and all(
            signatures and _signature(entry.get(name), signatures) and _decoded(entry.get(key)).strip() in signers
            for entry in listed
        )


def _signature(text: Any, signatures: tuple[bytes, ...]) -> bool:
    once = _decoded(text)
    return once in signatures or _decoded(once.decode(errors="replace")) in signatures


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
