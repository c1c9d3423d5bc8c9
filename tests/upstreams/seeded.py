"""A registry, a Hub and an OSV on loopback: for the demonstration, the benchmarks and tests of whole answers.

Registry and Hub hold the images of ``seed/images.json``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.upstreams.hub import HubState, running_hub
from tests.upstreams.images import hub_seed, seed_registry
from tests.upstreams.osv import OsvState, osv_settings, running_osv
from tests.upstreams.registry import InMemoryRegistry

UNLIMITED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Upstreams:
    registry: InMemoryRegistry
    hub: HubState
    hub_url: str
    osv: OsvState
    """Knows releases and no vulnerabilities, until some are published."""
    osv_url: str

    def settings(self, folder: Path) -> dict[str, str]:
        """The environment that points a server at these, and not at its user's docker credentials.

        ``folder`` is one without a docker configuration, such as a temporary one.
        """
        return {
            "MCP_DOCKERHUB_HUB_URL": self.hub_url,
            "MCP_DOCKERHUB_REGISTRY_URL": self.registry.url,
            "MCP_DOCKERHUB_REGISTRIES": json.dumps([{"host": self.registry.host, "url": self.registry.url}]),
            "DOCKER_CONFIG": str(folder),
            **osv_settings(self.osv_url),
        }


@contextmanager
def running_upstreams() -> Iterator[Upstreams]:
    """All of them, until left; none limits its clients."""
    with InMemoryRegistry() as registry:
        seed_registry(registry)
        hub = HubState.seeded(hub_seed(), limit=UNLIMITED)
        osv = OsvState.of_records()
        with running_hub(hub) as url, running_osv(osv) as osv_url:
            yield Upstreams(registry, hub, url, osv, osv_url)
