"""What the services of this package work with, built once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.supply_chain.advisories.model import Advisories
from mcp_dockerhub.supply_chain.base_images import Bases
from mcp_dockerhub.supply_chain.build_records import Records
from mcp_dockerhub.supply_chain.inventory import Cataloguer
from mcp_dockerhub.supply_chain.layer_contents import LayerFinder, LayerSurvey


@dataclass(frozen=True, slots=True)
class SupplyChain:
    """Clients, and what the operator configured beyond them."""

    sources: Sources
    cataloguer: Cataloguer | None = None
    """Reads layers where nothing is attached; None where that is switched off."""
    survey: LayerSurvey | None = None
    """Looks into layers for what is worth changing; None where that is switched off."""
    trusted_root: Path | None = None
    """The operator's ``trusted_root.json`` for keyless signatures; by default that of the ``sigstore`` extra."""
    advisories: Advisories | None = None
    """Known vulnerabilities; None where no database is configured."""
    cache: Cache | None = None
    """Keeps reports; None where each is made anew."""
    count_scan: Callable[[str, str], None] | None = None
    """Told of each scan for vulnerabilities where its list of packages was from, and how much that covers."""

    def bases(self, access: Access) -> Bases:
        """Finds the base of an image by all that is known."""
        return Bases(self.sources, access)

    def records(self, access: Access) -> Records:
        """Finds the recorded Dockerfile of an image."""
        return Records(self.sources, access)

    def layer_contents(self, access: Access) -> LayerFinder | None:
        """Looks into an image's layers, None where that is switched off."""
        return LayerFinder(self.sources, access, self.survey) if self.survey else None
