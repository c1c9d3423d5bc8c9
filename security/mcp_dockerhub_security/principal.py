"""Somebody who may call, and where a call over a network came from."""

from dataclasses import dataclass
from typing import Final, Literal

ORIGIN: Final = "mcp_dockerhub.origin"
"""Key of the ASGI scope under which the HTTP layers leave an ``Origin`` for the Guard."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may call; limits, policy and audit hold on to ``id``."""

    id: str
    kind: Literal["local", "token"]
    tenant: str
    """Whose credentials, limits and cache partition apply; empty for the only one."""
    scopes: frozenset[str]
    client: str = ""
    """The client's own name and version, bounded; a claim, so it decides nothing."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the layers in front of the protocol found out about a request."""

    principal: Principal
    """Who authenticated."""
    address: str = ""
    """The client's address, trusted proxies looked through; empty where there is none."""
    user_agent: str = ""
    """Bounded and cleaned; a claim."""
