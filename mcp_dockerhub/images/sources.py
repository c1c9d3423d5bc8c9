"""Where the services of this package read from."""

from dataclasses import dataclass

from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.registry.client import RegistryClient


@dataclass(frozen=True, slots=True)
class Sources:
    """The clients every service asks; each call says on whose behalf through its ``access``."""

    registry: RegistryClient
    hub: HubClient
