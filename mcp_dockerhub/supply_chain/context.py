"""What the services of this package work with, built once by the composition root."""

from dataclasses import dataclass
from pathlib import Path

from mcp_dockerhub.access import Access
from mcp_dockerhub.images.sources import Sources
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

    def bases(self, access: Access) -> Bases:
        """Finds the base of an image by all that is known."""
        return Bases(self.sources, access)

    def records(self, access: Access) -> Records:
        """Finds the recorded Dockerfile of an image."""
        return Records(self.sources, access)

    def layer_contents(self, access: Access) -> LayerFinder | None:
        """Looks into an image's layers, None where that is switched off."""
        return LayerFinder(self.sources, access, self.survey) if self.survey else None
