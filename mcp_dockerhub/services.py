"""From settings to working clients, once per process."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_dockerhub import __version__
from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.cache import NULL_OBSERVER as NOBODY_WATCHES
from mcp_dockerhub.cache import Cache, CacheObserver, Kind
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.misspelt import configuration_warnings
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import WELL_KNOWN_HOSTS, Registries, RegistryConfig, settings_credential
from mcp_dockerhub.registry.credentials import DockerConfig, docker_config_path, load_docker_config
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.settings import CALL_TIMEOUT, RegistrySetting, Settings
from mcp_dockerhub.store import Store, StoreUnusable
from mcp_dockerhub.supply_chain.catalogue.cataloguer import CatalogueLimits, LayerReader
from mcp_dockerhub.supply_chain.catalogue.process import WorkerLimits
from mcp_dockerhub.supply_chain.external import ExternalTool
from mcp_dockerhub.supply_chain.scanning import Scanning
from mcp_dockerhub.tenancy import Shared, TenantClients, tenant_hosts, tenant_origins
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential
from mcp_dockerhub.transport.deadline import own_deadline, remaining
from mcp_dockerhub.transport.observer import NULL_OBSERVER, UpstreamObserver
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from mcp_dockerhub_monitoring.tracing import span
from mcp_dockerhub_security.egress import EgressPolicy
from mcp_dockerhub_security.tenants import Tenant

if TYPE_CHECKING:
    from mcp_dockerhub.supply_chain.advisories.model import Advisories

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
    tenants: Mapping[str, TenantClients] = field(default_factory=dict)
    """What belongs to each tenant that the policy names; everybody else uses the fields above."""
    store: Store | None = None
    """What outlives the process; None where nothing does."""
    scanning: Scanning | None = None
    """Reads layers; always there when built by ``build_clients``."""
    knowledge: "Knowledge | None" = None
    """Of vulnerabilities; always there when built by ``build_clients``."""

    @property
    def advisories(self) -> "Advisories | None":
        """Knows vulnerabilities."""
        return self.knowledge() if self.knowledge else None

    def sources_of(self, tenant: str) -> Sources:
        """The clients of one tenant."""
        own = self.tenants.get(tenant)
        return own.sources if own else self.sources

    async def aclose(self) -> None:
        """Stop every fetch under way and close all connections."""
        await self.cache.aclose()
        await self.http.aclose()


class Knowledge:
    """What knows vulnerabilities, built with the first use: most calls do without."""

    def __init__(self, settings: AdvisorySettings, http: HttpStack, cache: Cache) -> None:
        self._arguments = settings, http, cache
        self._built: Advisories | None = None

    def __call__(self) -> "Advisories":
        if self._built is None:
            from mcp_dockerhub.supply_chain.advisories.composition import build_advisories

            self._built = build_advisories(*self._arguments)
        return self._built


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
        setting.url,
        username=setting.username,
        password=setting.password.get_secret_value() if setting.password else "",
        token=setting.token.get_secret_value() if setting.token else "",
    )


def build_clients(
    settings: Settings,
    *,
    tenants: Mapping[str, Tenant] | None = None,
    scan: ScanSettings | None = None,
    advisory: AdvisorySettings | None = None,
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
    advisory = advisory or AdvisorySettings()
    options = _with_advisories(stack_options(settings), advisory)
    http = HttpStack(_with_tenants(options, tenants or {}), observer=upstream_observer)
    cache = Cache(
        max_bytes=settings.cache_max_bytes,
        ttl=_ttl(settings.cache_ttl),
        task_context=_shared_fetch,
        remaining=remaining,
        observer=cache_observer,
    )
    scan = scan or ScanSettings()
    store, problems = open_store(scan)
    registry = RegistryClient(http, cache, registries, store)
    sources = Sources(registry, HubClient(http, cache, settings.hub_url, credential))
    warnings = (*configuration_warnings(settings), *docker.warnings, *problems)
    egress = EgressPolicy(allowed_registries(settings), settings.configured_origins)
    shared = Shared(http, cache, settings.hub_url, registries, egress, store)
    own = {name: TenantClients.build(tenant, shared) for name, tenant in (tenants or {}).items()}
    return Clients(
        http,
        cache,
        registries,
        sources,
        egress,
        credential,
        warnings,
        own,
        store,
        scanning(scan, cache, store),
        Knowledge(advisory, http, cache),
    )


def open_store(scan: ScanSettings) -> tuple[Store | None, tuple[str, ...]]:
    """The store, and why there is none where one is wanted: the server works without it."""
    if scan.cache_dir is None:
        return None, ()
    try:
        return Store(scan.cache_dir, scan.cache_dir_max_bytes), ()
    except StoreUnusable as problem:
        return None, (f"MCP_DOCKERHUB_CACHE_DIR is not used: {problem}.",)


def scanning(scan: ScanSettings, cache: Cache, store: Store | None) -> Scanning:
    """Who reads images, within what bounds."""
    limits = CatalogueLimits(
        seconds=scan.scan_timeout,
        image_bytes=scan.scan_max_bytes,
        worker=WorkerLimits(seconds=math.ceil(scan.scan_timeout)),
    )
    tool = None
    if scan.scanner in ("syft", "trivy"):
        tool = ExternalTool(scan.scanner, scan.trivy_server, scan.scan_timeout)
    return Scanning(cache, LayerReader(cache, store, limits), tool, enabled=scan.scanner != "none")


def stack_options(settings: Settings) -> StackOptions:
    """How requests to registries and Hubs are made."""
    return StackOptions(
        user_agent=USER_AGENT,
        call_timeout=CALL_TIMEOUT,
        configured_origins=settings.configured_origins,
        allowed_registries=allowed_registries(settings),
        proxy=settings.https_proxy.get_secret_value() if settings.https_proxy else None,
        no_proxy=settings.no_proxy,
        ca_file=settings.ca_file,
        propagate_trace=settings.trace_upstreams,
    )


def _with_advisories(options: StackOptions, advisory: AdvisorySettings) -> StackOptions:
    """Databases that the operator named may be anywhere."""
    return replace(options, configured_origins=options.configured_origins | advisory.configured_origins)


def _with_tenants(options: StackOptions, tenants: Mapping[str, Tenant]) -> StackOptions:
    """The stack serves all tenants; which of them may name which registry is the policy's to say."""
    allowed = options.allowed_registries
    return replace(
        options,
        configured_origins=options.configured_origins | tenant_origins(tenants),
        allowed_registries=None if allowed is None else allowed | tenant_hosts(tenants),
    )


@contextmanager
def _shared_fetch() -> Iterator[None]:
    """Around a fetch that several calls may wait for: its own time, and a span in the trace of the first."""
    with own_deadline(CALL_TIMEOUT), span("cache fetch"):
        yield


def _ttl(seconds: Mapping[str, float]) -> dict[Kind, float]:
    return {Kind(name): value for name, value in seconds.items()}


def _docker_config(settings: Settings) -> DockerConfig:
    directory = str(settings.docker_config) if settings.docker_config else None
    try:
        home: Path | None = Path.home()
    except RuntimeError:  # an arbitrary user id has no home
        home = None
    return load_docker_config(docker_config_path(directory, home))
