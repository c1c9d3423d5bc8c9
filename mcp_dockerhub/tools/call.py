"""What a tool works with: the services of this process and what this caller was granted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_dockerhub.images.sources import Sources
    from mcp_dockerhub.tools.operations import Operations
    from mcp_dockerhub_security.grant import Grant


@dataclass(frozen=True, slots=True)
class Services:
    """Built once by the composition root."""

    sources: "Callable[[], Sources]"
    """The clients, built with the first use."""
    operations: "Operations"
    """What the server knows about itself: health, history, limits, cache, configuration."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of one principal. The grant is the access every client call asks for."""

    services: Services
    grant: "Grant"

    @property
    def sources(self) -> "Sources":
        return self.services.sources()
