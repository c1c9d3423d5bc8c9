"""Content is what its digest says, or it is not used (OCI image-spec descriptor.md, verification)."""

import hashlib

from mcp_dockerhub.errors import InvalidInput, UpstreamInvalid
from mcp_dockerhub.reference import Digest


def digest_of(raw: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of exact bytes; ``algorithm`` is one that ``Digest`` knows."""
    return Digest(f"{algorithm}:{hashlib.new(algorithm, raw, usedforsecurity=True).hexdigest()}")


def parse_digest(text: str | None) -> Digest | None:
    """A digest as an upstream gave it, None when it is none of ours."""
    try:
        return Digest.parse(text or "")
    except InvalidInput:
        return None


def check_digest(raw: bytes, expected: Digest, what: str) -> None:
    """Raise UpstreamInvalid unless ``raw`` hashes to ``expected``."""
    if digest_of(raw, expected.algorithm) != expected:
        raise UpstreamInvalid(
            f"{what} does not match its digest {expected.algorithm}:{expected.hex[:12]}…: it was altered or damaged.",
            hint="Do not use this content; tell the registry's operator.",
        )


def check_size(raw: bytes, size: int, what: str) -> None:
    """Raise UpstreamInvalid unless ``raw`` has the size its descriptor promised."""
    if len(raw) != size:
        raise UpstreamInvalid(f"{what} has {len(raw)} bytes where its descriptor says {size}.")
