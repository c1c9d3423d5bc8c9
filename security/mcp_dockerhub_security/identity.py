"""Who is calling."""

import os
from typing import Final, Protocol

from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.refusals import Refusal, RefusalCode
from mcp_dockerhub_security.request import Request
from mcp_dockerhub_security.text import clean_identifier

__all__ = [
    "ADMIN",
    "READ",
    "READ_PRIVATE",
    "WRITE",
    "IdentityProvider",
    "LocalIdentity",
    "OriginIdentity",
    "Principal",
    "local_scopes",
]

READ: Final = "dockerhub:read"
READ_PRIVATE: Final = "dockerhub:read:private"
WRITE: Final = "dockerhub:write"
ADMIN: Final = "dockerhub:admin"

MAX_CLIENT: Final = 100


class IdentityProvider(Protocol):
    """How a transport tells who is calling."""

    def identify(self, request: Request) -> Principal:
        """Raise Refusal when nobody can be named."""


def local_scopes(*, credentials: bool, allow_writes: bool) -> frozenset[str]:
    """What the operator's flags let the local user do.

    Credentials that this user configured may be used by this user; writes need ``--allow-writes``.
    """
    scopes = {READ}
    if credentials:
        scopes.add(READ_PRIVATE)
    if allow_writes:
        scopes |= {WRITE, ADMIN}
    return frozenset(scopes)


class OriginIdentity:
    """HTTP: whoever the layers in front of the protocol authenticated."""

    def identify(self, request: Request) -> Principal:
        """The authenticated principal; raises Refusal where none was left with the request: fail closed."""
        if request.origin is None or request.origin.principal is None:
            raise Refusal(
                RefusalCode.AUTHENTICATION_FAILED,
                "Nobody authenticated this request.",
                rule="no_principal",
                hint="Send an access token in the Authorization header.",
            )
        return request.origin.principal


class LocalIdentity:
    """stdio: whoever started the process, named by the operating system and not by the environment."""

    def __init__(self, scopes: frozenset[str], user: str | None = None) -> None:
        name = clean_identifier(user if user is not None else _user_name(), MAX_CLIENT)
        self._principal = Principal(f"local:{name}", "local", "", scopes)

    def identify(self, request: Request) -> Principal:
        """The local user, with the client's claim of its name."""
        client = clean_identifier(request.client, MAX_CLIENT)
        if client != self._principal.client:
            principal = self._principal
            # A connection's client does not change, so this is kept for the next call.
            self._principal = Principal(principal.id, principal.kind, principal.tenant, principal.scopes, client)
        return self._principal


def _user_name() -> str:
    """The account's name, or its number where it has none (arbitrary users in containers)."""
    try:
        import pwd
    except ImportError:
        return os.getlogin()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
