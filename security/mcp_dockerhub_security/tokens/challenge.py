"""Saying no so that a client knows how to do better (RFC 6750, 9470, 9728; MCP authorization).

One value for every refusal of the token layer: the status and headers of the answer, and what the audit record and
a person need. All texts are fixed; what varies are scopes, seconds and the server's own URLs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcp_dockerhub_security.tokens.flaws import Flaw

RECENT: Final = 300
"""Seconds since a human authenticated that RESTRICTED operations accept."""

_ADVICE: Final = "Get an access token for this server from its authorization server and send it as a Bearer token."


@dataclass(frozen=True, slots=True)
class Challenge:
    """A refusal on the way to a principal; nothing in it comes from the request."""

    status: int
    code: str
    """A tool error code."""
    message: str
    hint: str
    rule: str
    """From a closed set, for metrics and audit."""
    headers: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Challenges:
    """Makes the challenges of one protected resource."""

    metadata_url: str
    """Where its metadata is (RFC 9728)."""
    scope: str = ""
    """What an ordinary client should ask for: the least that is of use, not all there is."""

    def missing(self) -> Challenge:
        """401 without an error code, because nothing was presented that could be wrong (RFC 6750, section 3.1)."""
        return Challenge(
            401,
            "AUTHENTICATION_FAILED",
            "This server needs an access token.",
            _ADVICE,
            "token_missing",
            self._header(),
        )

    def ambiguous(self) -> Challenge:
        """400: more than one Authorization header, or one that is not ``Bearer TOKEN``."""
        text = "The request must carry exactly one well-formed Bearer token."
        return Challenge(
            400,
            "INVALID_INPUT",
            text,
            "Send one Authorization header: Bearer, a space, and the token.",
            "token_ambiguous",
            self._header("invalid_request", text),
        )

    def refused(self, flaw: Flaw) -> Challenge:
        """401 for a token that will not do; another one may."""
        text = flaw.description
        return Challenge(401, "AUTHENTICATION_FAILED", text, _ADVICE, flaw.value, self._header("invalid_token", text))

    def unavailable(self, retry_after_s: float) -> Challenge:
        """503: whether the token is good cannot be found out, which says nothing against it."""
        return Challenge(
            503,
            "UPSTREAM_UNAVAILABLE",
            "The token cannot be checked now, because what is needed for that does not answer.",
            "Keep the token and try again.",
            "token_authority_unavailable",
            retry_after_s=retry_after_s,
        )

    def throttled(self, retry_after_s: float) -> Challenge:
        """429 for an address with too many refused tokens."""
        return Challenge(
            429,
            "RATE_LIMITED",
            "Too many tokens from this address were refused.",
            "Wait before trying again, with a valid token.",
            "token_failures",
            retry_after_s=retry_after_s,
        )

    def insufficient_scope(self, scopes: Iterable[str]) -> Challenge:
        """403 with all scopes of the operation at once, those that the token has included (RFC 6750, section 3.1)."""
        needed = " ".join(sorted(scopes))
        text = "The operation needs more than this token allows."
        return Challenge(
            403,
            "FORBIDDEN",
            f"The operation needs the scope {needed}.",
            "Get an access token with this scope and call again.",
            "scope_insufficient",
            self._header("insufficient_scope", text, scope=needed),
        )

    def insufficient_authentication(self, max_age: int = RECENT) -> Challenge:
        """401 for a login too long ago (RFC 9470, section 3)."""
        text = "The operation needs a more recent authentication."
        return Challenge(
            401,
            "AUTHENTICATION_FAILED",
            text,
            f"Log in again (max_age {max_age} seconds) and call again with the new access token.",
            "authentication_too_old",
            self._header("insufficient_user_authentication", text, max_age=str(max_age)),
        )

    def _header(self, error: str = "", description: str = "", **more: str) -> tuple[tuple[str, str], ...]:
        parameters = {"resource_metadata": self.metadata_url, "error": error, "error_description": description}
        parameters |= {"scope": self.scope, **more} if not error or error == "invalid_token" else more
        shown = ", ".join(f'{name}="{_quotable(value)}"' for name, value in parameters.items() if value)
        return (("WWW-Authenticate", f"Bearer {shown}"),)


def _quotable(value: str) -> str:
    """Everything here is ours and plain; a stray character must not end the quoted string (RFC 9110, 5.6.4)."""
    return "".join(c for c in value if c.isascii() and c.isprintable() and c not in '"\\')
