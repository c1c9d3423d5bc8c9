"""What a tool works with: the services of this process and what this caller was granted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mcp_dockerhub.images.sources import Sources
    from mcp_dockerhub.supply_chain.advisories.model import Advisories
    from mcp_dockerhub.supply_chain.catalogue.cataloguer import Progress
    from mcp_dockerhub.supply_chain.context import SupplyChain
    from mcp_dockerhub.supply_chain.scanning import Scanning
    from mcp_dockerhub.tools.operations import Operations
    from mcp_dockerhub_security.grant import Grant


@dataclass(frozen=True, slots=True)
class Services:
    """Built once by the composition root."""

    sources: "Callable[[str], Sources]"
    """The clients of a tenant, built with the first use."""
    operations: "Operations"
    """What the server knows about itself: health, history, limits, cache, configuration."""
    scanning: "Callable[[], Scanning] | None" = None
    """Reads layers for what is installed, where nothing attached to an image says so; built with the first use."""
    trusted_root: "Path | None" = None
    """The operator's Sigstore trusted root."""
    advisories: "Callable[[], Advisories | None] | None" = None
    """Knows vulnerabilities; built with the first use."""
    count_scan: "Callable[[str, str], None] | None" = None
    """Told of each scan its source and its coverage."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of one principal. The grant is the access every client call asks for."""

    services: Services
    grant: "Grant"
    progress: "Progress | None" = None
    """Tells the caller how far a long operation has come."""
    found: "Callable[[int], Awaitable[None]] | None" = None
    """Tells the caller how many advisories have been found so far."""

    @property
    def sources(self) -> "Sources":
        return self.services.sources(self.grant.partition)

    @property
    def supply_chain(self) -> "SupplyChain":
        """What the services of the toolset ``supply_chain`` work with."""
        from mcp_dockerhub.supply_chain.context import SupplyChain

        scanning = self.services.scanning() if self.services.scanning else None
        return SupplyChain(
            self.sources,
            scanning.cataloguer(self.progress) if scanning else None,
            scanning.layers(self.progress) if scanning and scanning.enabled else None,
            self.services.trusted_root,
            self.services.advisories() if self.services.advisories else None,
            scanning.cache if scanning else None,
            self.services.count_scan,
        )
