"""The digest of a signed schema 1 manifest, the one document whose digest is not that of its bytes.

It covers the payload without the signature block; where that ended is in the signature's protected header
(distribution, manifest-v2-1: ``formatLength``, ``formatTail``).
"""

import base64
import binascii

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.registry import fields


def signed_payload(raw: bytes, what: str) -> bytes:
    """The bytes that were signed; raise UpstreamInvalid when the signature block does not say."""
    signatures = fields.items(fields.load_object(raw, what), "signatures", what)
    first = signatures[0] if signatures and isinstance(signatures[0], dict) else {}
    try:
        protected = fields.load_object(_decode(fields.text(first, "protected")), what)
        tail = _decode(fields.text(protected, "formatTail"))
    except (binascii.Error, ValueError):
        raise UpstreamInvalid(f"{what} has an unreadable signature block.") from None
    length = protected.get("formatLength")
    if not isinstance(length, int) or not 0 < length < len(raw):
        raise UpstreamInvalid(f"{what} has an unreadable signature block.")
    return raw[:length] + tail


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
