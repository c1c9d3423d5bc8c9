"""Asking the human before a call with effects."""

from typing import Any, Protocol

from mcp_dockerhub_security.identity import Principal
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.refusals import Refusal, RefusalCode


class Consent(Protocol):
    """Asks for one execution of one operation with exactly these arguments."""

    async def require(self, principal: Principal, name: str, arguments: Any, level: Level) -> None:
        """Return when the human said yes; raise Refusal (CONSENT_REQUIRED) otherwise."""


class NoConsent:
    """A transport that cannot ask: the answer is never a silent yes."""

    async def require(self, principal: Principal, name: str, arguments: Any, level: Level) -> None:
        """Raise Refusal (CONSENT_REQUIRED)."""
        raise Refusal(
            RefusalCode.CONSENT_REQUIRED,
            "This operation changes something and needs the consent of a human, who cannot be asked here.",
            rule="consent_unavailable",
            hint="Use a client that supports elicitation.",
        )
