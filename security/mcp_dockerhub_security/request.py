"""One inbound message, before anything is believed of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp_dockerhub_security.principal import Origin

if TYPE_CHECKING:
    from mcp_dockerhub_security.human import Human


@dataclass(frozen=True, slots=True)
class Request:
    """What the transport delivered. Every field may hold anything a hostile client can send."""

    method: str
    """The protocol method, such as ``tools/call``."""
    name: Any = ""
    """What the method names: a tool, a prompt, a resource URI, a completion's reference."""
    arguments: Any = None
    """Raw arguments; anything but a JSON object is refused."""
    params: Any = None
    """All raw parameters, for the bounds on the whole message."""
    request_id: str = ""
    client: str = ""
    """The client's own name and version, as it claims."""
    trace_id: str = ""
    """The trace (W3C Trace Context, 32 hexadecimal digits) this call belongs to, or empty."""
    origin: Origin | None = None
    """Over HTTP: who authenticated and from where. This part is our own finding and may be believed."""
    human: "Human | None" = None
    """How the human behind this request can be asked; None where nothing was prepared for it."""

    @property
    def address(self) -> str:
        """The client's address, trusted proxies looked through; empty on stdio."""
        return self.origin.address if self.origin else ""
