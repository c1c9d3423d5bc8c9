"""Who sends a request: the interface to whatever checks tokens, and the layer that asks it.

What checks tokens satisfies ``Authenticator`` by its shape alone, so it needs nothing of this package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.scope import Exchange, values
from mcp_dockerhub_security.principal import Principal

if TYPE_CHECKING:
    from mcp_dockerhub.web.scope import App, Receive, Scope, Send

HEADER: Final = b"authorization"


class Challenge(Protocol):
    """A refusal to authenticate or to authorise; its headers carry ``WWW-Authenticate`` (RFC 6750, 9470, 9728)."""

    @property
    def status(self) -> int:
        """401, 403, 429 or 503."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Sent as they are; never any part of a token."""

    @property
    def code(self) -> str:
        """One of the tool error codes, such as ``AUTHENTICATION_FAILED`` or ``RATE_LIMITED``."""

    @property
    def message(self) -> str:
        """What is wrong, without any part of the token."""

    @property
    def hint(self) -> str:
        """What to do about it."""

    @property
    def rule(self) -> str:
        """What refused, of a closed set: a label of metrics and audit records."""

    @property
    def retry_after_s(self) -> float | None:
        """Seconds, where trying again later may help."""


class Authenticator(Protocol):
    """Says whose request this is, before anything but its head was read."""

    async def authenticate(self, authorization: Sequence[str], address: str) -> Principal | Challenge:
        """``authorization`` holds every Authorization header's value, none to several; ``address`` is the client's.

        A failure is a Challenge, never an exception.
        """


class StepUp(Protocol):
    """Says whether a principal lacks something that its client could get: more scopes, a fresher login."""

    async def authorize(self, principal: Principal, method: str, params: Mapping[str, Any]) -> Challenge | None:
        """Called with each request's JSON-RPC method and raw, well-formed but unvalidated parameters.

        None lets it through to the Guard, which decides; a Challenge is answered at once. What would be refused
        whatever the token says (an unknown tool, wrong arguments) is not this layer's business: None.
        """


class EverybodyIs:
    """Without token checks, on loopback: every caller is the local user."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    async def authenticate(self, authorization: Sequence[str], address: str) -> Principal | Challenge:
        """The local user; a token is not looked at."""
        return self._principal


@dataclass(frozen=True, slots=True)
class Authenticated:
    """ASGI layer: asks the authenticator, and leaves the principal with the exchange for everything inside."""

    app: "App"
    authenticator: Authenticator

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        exchange = Exchange.of(scope)
        authorization = tuple(values(scope, HEADER))
        found = await self.authenticator.authenticate(authorization, exchange.address)
        if not isinstance(found, Principal):
            raise challenged(found)
        exchange.authenticated(scope, found)
        await self.app(scope, receive, send)


def challenged(challenge: Challenge) -> HttpError:
    """The answer to a request that is challenged."""
    return HttpError(
        challenge.status,
        challenge.code,
        challenge.message,
        rule=challenge.rule,
        hint=challenge.hint,
        headers=tuple(challenge.headers),
        retry_after_s=challenge.retry_after_s,
    )
