"""What an operator can say about the HTTP stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcp_dockerhub.transport.realms import KNOWN_REALMS


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Durations are in seconds."""

    user_agent: str = "mcp-dockerhub"
    connect_timeout: float = 5.0
    request_timeout: float = 30.0
    """For one attempt, its body included."""
    call_timeout: float = 60.0
    """For one call of the client, retries, waits and token requests included."""
    connections_per_host: int = 10
    configured_origins: frozenset[str] = frozenset()
    """Exactly the origins ``scheme://host[:port]`` exempt from the https and public-address rules."""
    allowed_registries: frozenset[str] | None = None
    """Registries a reference may name, checked here once more; None leaves it to the guard."""
    known_realms: Mapping[str, frozenset[str]] = field(default_factory=lambda: KNOWN_REALMS)
    """Registry host to the hosts of token services that may receive its credentials."""
    proxy: str | None = field(default=None, repr=False)
    """URL of a proxy for https requests; it may hold a password."""
    no_proxy: tuple[str, ...] = ()
    """Hosts reached without it (see ``transport.bypass``)."""
    ca_file: Path | None = None
    """PEM certificates trusted in place of the system's."""
    propagate_trace: bool = False
    """Whether upstreams are told the trace context of the call a request belongs to."""
