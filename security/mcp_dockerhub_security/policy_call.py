"""What policy knows of a call."""

from dataclasses import dataclass
from typing import Final

from mcp_dockerhub_security.principal import Principal

EVERYBODY: Final = "*"
"""The role that every principal has."""


@dataclass(frozen=True, slots=True)
class Call:
    """What rules are asked about: who calls what from where. ``level`` may differ from target to target."""

    principal: Principal
    tool: str
    address: str | None = ""
    """The client's address, trusted proxies looked through; empty where there is none; None: any, at its best."""
