"""What is kept of a token once it is verified: who it is, never the token."""

from dataclasses import dataclass

from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.keys import Key


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token that was good when it was looked at."""

    principal: Principal
    valid_until: float
    """Unix seconds, after which it must be looked at again."""
    token_id: str
    """What a revocation list names it by: its ``jti``, else ``sha256:`` and a digest of what was signed."""
    context_class: str = ""
    """How its human authenticated (``acr``), or empty."""
    key: Key | None = None
    """The key that verified it, which must stay one of the issuer's; None where the issuer was asked."""
