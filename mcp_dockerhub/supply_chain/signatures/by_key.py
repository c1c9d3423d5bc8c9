"""Signatures by a key: what the key proves, and what can be said without it."""

import base64
from typing import Final

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.supply_chain.signatures.keys import PublicKey
from mcp_dockerhub.supply_chain.signatures.log_entries import LogEntry
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome, Signer, Verdict

_NOT_THIS_KEY: Final = (
    "It was not made with the key asked for; without a certificate nothing tells whose it is, or whether it is damaged."
)


def proves(signed: bytes, signatures: tuple[bytes, ...], policy: Policy) -> bool:
    """Whether the key asked for made one of ``signatures``: then no certificate that came with it matters."""
    return policy.key is not None and any(policy.key.verifies(signature, signed) for signature in signatures)


def assess(signed: bytes, signatures: tuple[bytes, ...], policy: Policy, entry: LogEntry | None) -> Verdict:
    """The verdict on signatures over ``signed`` that come without a certificate.

    ``entry`` is the transparency log's record where there is one: it names the key that was used. The log's promise
    is not needed here, because the key itself is what is trusted.
    """
    if not policy.wants_key:
        return _without_key(signed, signatures, policy, entry)
    key = policy.key or _known_key(policy, entry)
    if key is None:
        whose = f"{policy.publisher}'s key" if policy.publisher else "the key"
        return Verdict(Outcome.UNVERIFIABLE, f"To verify it {whose} is needed; it does not come with the signature.")
    if any(key.verifies(signature, signed) for signature in signatures):
        return Verdict(Outcome.VERIFIED, "The key verifies it.", signer_of(key))
    return _not_by(key, signed, signatures, _logged_key(entry))


def _not_by(key: PublicKey, signed: bytes, signatures: tuple[bytes, ...], used: PublicKey | None) -> Verdict:
    if used is None:
        return Verdict(Outcome.OTHER_SIGNER, _NOT_THIS_KEY)
    if used.fingerprint == key.fingerprint:
        return Verdict(Outcome.BAD, "It names the key asked for, which does not verify it.")
    if any(used.verifies(signature, signed) for signature in signatures):
        return Verdict(Outcome.OTHER_SIGNER, "It is valid, and by another key.", signer_of(used))
    return Verdict(Outcome.BAD, "It does not fit the key that its own log record names.")


def _without_key(signed: bytes, signatures: tuple[bytes, ...], policy: Policy, entry: LogEntry | None) -> Verdict:
    if not policy.is_open:
        return Verdict(Outcome.OTHER_SIGNER, "It is by a key, and names no identity.", _named(_logged_key(entry)))
    used = _logged_key(entry)
    if used is not None and not any(used.verifies(signature, signed) for signature in signatures):
        return Verdict(Outcome.BAD, "It does not fit the key that its own log record names.", signer_of(used))
    return Verdict(Outcome.UNVERIFIABLE, "It is by a key: give the publisher's public key to verify it.", _named(used))


def signer_of(key: PublicKey) -> Signer:
    return Signer(f"key {key.fingerprint}")


def _named(key: PublicKey | None) -> Signer | None:
    return signer_of(key) if key else None


def _known_key(policy: Policy, entry: LogEntry | None) -> PublicKey | None:
    """The key in the log's record, if it is one whose fingerprint the policy knows."""
    key = _logged_key(entry)
    return key if key and key.fingerprint in policy.fingerprints else None


def _logged_key(entry: LogEntry | None) -> PublicKey | None:
    spec = entry.document().get("spec") if entry else None
    stated = spec.get("signature") if isinstance(spec, dict) else None
    key = stated.get("publicKey") if isinstance(stated, dict) else None
    content = key.get("content") if isinstance(key, dict) else None
    try:
        return PublicKey.parse(base64.b64decode(content, validate=True).decode()) if isinstance(content, str) else None
    except (InvalidInput, ValueError):
        return None
