"""Who lists the packages of an image that says nothing about itself, by the operator's choice."""

from dataclasses import dataclass

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.supply_chain.catalogue.cataloguer import LayerCataloguer, LayerReader, Progress
from mcp_dockerhub.supply_chain.external import ExternalCataloguer, ExternalTool
from mcp_dockerhub.supply_chain.inventory import Cataloguer


@dataclass(frozen=True, slots=True)
class Scanning:
    """One per process: what was read for one caller is there for all who may see it."""

    cache: Cache
    reader: LayerReader
    tool: ExternalTool | None = None
    """Runs in the built-in cataloguer's place."""
    enabled: bool = True

    def cataloguer(self, progress: Progress | None = None) -> Cataloguer | None:
        """For a caller who wants to know of its ``progress``; None where scans are switched off."""
        if not self.enabled:
            return None
        if self.tool is not None:
            return ExternalCataloguer(self.tool, self.cache)
        return self.layers(progress)

    def layers(self, progress: Progress | None = None) -> LayerCataloguer:
        """The built-in one, for what others do not tell: whatever lies in the layers besides packages."""
        return LayerCataloguer(self.reader, progress)
