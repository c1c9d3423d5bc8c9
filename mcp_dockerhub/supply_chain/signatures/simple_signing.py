"""The payload of cosign's image signatures (cosign SIGNATURE_SPEC.md, "Simple Signing")."""

import base64
import binascii
from typing import Final

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.supply_chain.json_walk import load

MAX_PAYLOAD: Final = 256 * 1024
_TYPES: Final = frozenset({"cosign container image signature", "https://sigstore.dev/cosign/sign/v1"})
# The specification's text says dev.cosignproject.cosign, its examples and cosign say dev.sigstore.cosign for the rest.
_PREFIXES: Final = ("dev.sigstore.cosign/", "dev.cosignproject.cosign/")


def annotation(descriptor: Descriptor, name: str) -> str:
    """A part of a signature kept beside its payload: ``signature``, ``certificate``, ``bundle``; empty if absent."""
    found = (descriptor.annotations.get(prefix + name, "") for prefix in _PREFIXES)
    return next(filter(None, found), "")


def signature_of(descriptor: Descriptor) -> bytes | None:
    """The signature over a payload, None where it is absent or not base64."""
    text = annotation(descriptor, "signature")
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def problem_of(payload: bytes, digest: Digest, what: str) -> str:
    """Why a payload is not about ``digest``; empty when it is."""
    try:
        document = load(payload, what, MAX_PAYLOAD)
    except DockerHubError:
        return "What is signed is not JSON."
    critical = document.get("critical")
    image = critical.get("image") if isinstance(critical, dict) else None
    if not isinstance(critical, dict) or not isinstance(image, dict) or critical.get("type") not in _TYPES:
        return "What is signed is not a signature payload of cosign's."
    # Written in either case: the specification's examples differ from what cosign writes.
    named = {str(value) for name, value in image.items() if name.lower() == "docker-manifest-digest"}
    if named != {str(digest)}:
        return "It is a signature of another image."
    return ""
