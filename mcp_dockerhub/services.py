"""From settings to working clients, once per process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_dockerhub import __version__
from mcp_dockerhub.cache import NULL_OBSERVER as NOBODY_WATCHES
from mcp_dockerhub.cache import Cache, CacheObserver, Kind
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import WELL_KNOWN_HOSTS, Registries, RegistryConfig, settings_credential
from mcp_dockerhub.registry.credentials import DockerConfig, docker_config_path, load_docker_config
from mcp_dockerhub.settings import CALL_TIMEOUT, RegistrySetting, Settings
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential
from mcp_dockerhub.transport.deadline import own_deadline, remaining
from mcp_dockerhub.transport.observer import NULL_OBSERVER, UpstreamObserver
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from mcp_dockerhub_security.egress import EgressPolicy

USER_AGENT: Final = f"mcp-dockerhub/{__version__}"


@dataclass(frozen=True, slots=True)
class Clients:
    """Everything that talks to an upstream, and what the configuration said about it."""

    http: HttpStack
    cache: Cache
    registries: Registries
    sources: Sources
    egress: EgressPolicy
    hub_credential: Credential
    warnings: tuple[str, ...]
    """What of the configuration could not be used."""

    async def aclose(self) -> None:
        """Stop every fetch under way and close all connections."""
        await self.cache.aclose()
        await self.http.aclose()


def allowed_registries(settings: Settings) -> frozenset[str]:
    """Hosts a reference may name: the operator's list, else the well-known ones and those configured."""
    configured = {registry.host for registry in settings.registries}
    return frozenset(settings.allowed_registries) or WELL_KNOWN_HOSTS | configured


def hub_credential(settings: Settings) -> Credential:
    """Who we are to Docker Hub, its API and its registry alike."""
    secret = settings.hub_secret
    if secret is None or settings.token_without_username:
        return ANONYMOUS_CREDENTIAL
    return settings_credential("docker.io", settings.dockerhub_username, secret.get_secret_value())


def registry_config(setting: RegistrySetting) -> RegistryConfig:
    """One entry of ``MCP_DOCKERHUB_REGISTRIES``."""
    return RegistryConfig.create(
        setting.host,
        setting.base_url,
        username=setting.username,
        password=setting.password.get_secret_value() if setting.password else "",
        token=setting.token.get_secret_value() if setting.token else "",
    )


def build_clients(
    settings: Settings,
    *,
    upstream_observer: UpstreamObserver = NULL_OBSERVER,
    cache_observer: CacheObserver = NOBODY_WATCHES,
) -> Clients:
    """Nothing here connects to anything."""
    docker = _docker_config(settings)
    credential = hub_credential(settings)
    registries = Registries.build(
        [registry_config(setting) for setting in settings.registries],
        hub_url=settings.registry_url,
        hub_credential=credential,
        auths=docker.credentials,
    )
    http = HttpStack(_stack_options(settings), observer=upstream_observer)
    cache = Cache(
        max_bytes=settings.cache_max_bytes,
        ttl=_ttl(settings.cache_ttl),
        task_context=lambda: own_deadline(CALL_TIMEOUT),
        remaining=remaining,
        observer=cache_observer,
    )
    sources = Sources(RegistryClient(http, cache, registries), HubClient(http, cache, settings.hub_url, credential))
    warnings = (*settings.warnings, *docker.warnings)
    egress = EgressPolicy(allowed_registries(settings), settings.configured_origins)
    return Clients(http, cache, registries, sources, egress, credential, warnings)


def _stack_options(settings: Settings) -> StackOptions:
    return StackOptions(
        user_agent=USER_AGENT,
        call_timeout=CALL_TIMEOUT,
        configured_origins=settings.configured_origins,
        allowed_registries=allowed_registries(settings),
        proxy=settings.https_proxy.get_secret_value() if settings.https_proxy else None,
        ca_file=settings.ca_file,
    )


def _ttl(seconds: Mapping[str, float]) -> dict[Kind, float]:
    return {Kind(name): value for name, value in seconds.items()}


def _docker_config(settings: Settings) -> DockerConfig:
    directory = str(settings.docker_config) if settings.docker_config else None
    try:
        home: Path | None = Path.home()
    except RuntimeError:  # an arbitrary user id has no home
        home = None
    return load_docker_config(docker_config_path(directory, home))
