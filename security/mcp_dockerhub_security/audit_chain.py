"""How an audit record is written: one canonical JSON line whose hash covers the line before it.

``hash`` is the SHA-256 of the canonical JSON (sorted keys, no spaces, ASCII) of the record without ``hash``;
``previous`` is the hash of the record before, so no record can change, go, come or move without the next one
telling. Whoever can rewrite the whole file can rewrite the whole chain: signed checkpoints (``audit_keys``) and
heads kept elsewhere (``redis_anchors``) are for that.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

GENESIS: Final = "0" * 64
"""What the first record has for ``previous``."""

MAX_LINE: Final = 64 * 1024
"""Longest line that is read back, in bytes; records are built from bounded fields and stay far below."""

_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def canonical(record: Mapping[str, Any]) -> bytes:
    """The one spelling of a record: sorted keys, no spaces, ASCII."""
    return _encode(record).encode("ascii")


def seal(record: Mapping[str, Any]) -> tuple[bytes, str]:
    """The line of a record (newline included) and its hash; ``record`` has no ``hash`` yet."""
    body = canonical(record)
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + b',"hash":"' + digest.encode("ascii") + b'"}\n', digest


def unseal(line: bytes) -> tuple[dict[str, Any], str]:
    """The record of a line and its hash; ValueError unless the line is exactly what ``seal`` writes for it."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is not a JSON record") from None
    if isinstance(record, dict) and type(record.get("sequence")) is int:
        written = record.pop("hash", None)
        expected, digest = seal(record)
        # Comparing whole lines also finds duplicate keys and other spellings of the same values.
        if written == digest and expected == line:
            return record, digest
    raise ValueError("does not match its hash")
