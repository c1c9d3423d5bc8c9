"""Client of OCI and Docker registries (OCI distribution-spec): references in, verified documents out."""

from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import (
    DOCKER_HUB_URL,
    WELL_KNOWN,
    WELL_KNOWN_HOSTS,
    Registries,
    RegistryConfig,
    WellKnown,
    settings_credential,
)
from mcp_dockerhub.registry.credentials import (
    DockerConfig,
    docker_config_path,
    load_docker_config,
    parse_docker_config,
)
from mcp_dockerhub.registry.freshness import combined
from mcp_dockerhub.registry.models import (
    ArtifactManifest,
    Descriptor,
    HistoryEntry,
    Image,
    ImageConfig,
    ImageManifest,
    Index,
    Manifest,
    Quota,
    Referrers,
    Resolved,
    SchemaOneManifest,
    TagList,
)
from mcp_dockerhub.registry.referrers import fallback_tag

__all__ = [
    "DOCKER_HUB_URL",
    "WELL_KNOWN",
    "WELL_KNOWN_HOSTS",
    "ArtifactManifest",
    "Descriptor",
    "DockerConfig",
    "HistoryEntry",
    "Image",
    "ImageConfig",
    "ImageManifest",
    "Index",
    "Manifest",
    "Quota",
    "Referrers",
    "Registries",
    "RegistryClient",
    "RegistryConfig",
    "Resolved",
    "SchemaOneManifest",
    "TagList",
    "WellKnown",
    "combined",
    "docker_config_path",
    "fallback_tag",
    "load_docker_config",
    "parse_docker_config",
    "settings_credential",
]
