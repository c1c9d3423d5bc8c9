"""What the server knows about itself, for the toolset ``server``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_dockerhub_monitoring.health import HealthMonitor
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.process import LagSampler
from mcp_dockerhub_security.limits import Limiter

if TYPE_CHECKING:
    from mcp_dockerhub.cache import Cache


@dataclass(frozen=True, slots=True)
class Identification:
    """What does not change while the process lives."""

    version: str
    commit: str
    image_digest: str
    """Both empty where not known."""
    transport: str
    toolsets: tuple[str, ...]
    tools: tuple[str, ...]
    rate_limits: tuple[str, ...]
    registries: Mapping[str, bool]
    """Configured registries and whether credentials are configured for them."""
    features: Mapping[str, bool]
    warnings: tuple[str, ...]
    """What of the configuration could not be used."""


@dataclass(frozen=True, slots=True)
class Operations:
    """The parts of this process that can be asked how they are doing."""

    identification: Callable[[], Identification]
    health: HealthMonitor
    history: History
    lag: LagSampler
    limiter: Limiter
    cache: "Callable[[], Cache]"
