"""Somebody who may call, and where a call over a network came from."""

from dataclasses import dataclass
from typing import Final, Literal

ORIGIN: Final = "mcp_dockerhub.origin"
"""Key of the ASGI scope under which the HTTP layers leave an ``Origin`` for the Guard."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may call; policy and audit hold on to ``id``, limits to ``key``."""

    id: str
    kind: Literal["local", "token"]
    tenant: str
    """Whose credentials, limits and cache partition apply; empty for the only one."""
    scopes: frozenset[str]
    client: str = ""
    """The client's own name and version, bounded; a claim, so it decides nothing."""
    roles: frozenset[str] = frozenset()
    """What the issuer says this principal is; only the policy file gives a role a meaning."""
    auth_time: float | None = None
    """When this human last proved who they are, in Unix seconds; None where nobody says so."""
    issuer: str = ""
    """Who vouches for all this; empty for the local user."""

    @property
    def key(self) -> str:
        """Tells them from everybody else, of other tenants too. No tenant's name holds a line break, and no id."""
        return f"{self.tenant}\n{self.id}" if self.tenant else self.id


@dataclass(frozen=True, slots=True)
class Origin:
    """What the layers in front of the protocol found out about a request."""

    principal: Principal | None
    """Who authenticated; None before or without that."""
    address: str = ""
    """The client's address, trusted proxies looked through; empty where there is none."""
    user_agent: str = ""
    """Bounded and cleaned; a claim."""
