"""What belongs to one tenant of those that the policy file names: credentials, clients, and where it may read.

Tenants share the connections, the cache and what is public in it. They never share credentials: not each other's,
and not those that the operator configured for the process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import DOCKER_HUB
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import Registries, RegistryConfig
from mcp_dockerhub.store import Store
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, HttpClient
from mcp_dockerhub_security.egress import EgressPolicy
from mcp_dockerhub_security.tenants import Tenant, TenantRegistry


@dataclass(frozen=True, slots=True)
class Shared:
    """What all tenants of a process build on."""

    http: HttpClient
    cache: Cache
    hub_url: str
    registries: Registries
    """The process's own: tenants reach the same places, with credentials of their own or none."""
    egress: EgressPolicy
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class TenantClients:
    """One tenant's clients; the policy's ``Upstreams``."""

    registries: Registries
    sources: Sources
    egress: EgressPolicy

    @classmethod
    def build(cls, tenant: Tenant, shared: Shared) -> Self:
        """Nothing here connects to anything."""
        registries = tenant_registries(tenant, shared.registries)
        hub = registries.choose(DOCKER_HUB, private=True)
        sources = Sources(
            RegistryClient(shared.http, shared.cache, registries, shared.store),
            HubClient(shared.http, shared.cache, shared.hub_url, hub),
        )
        allowed = tenant.allowed_registries or shared.egress.allowed_registries
        own = frozenset(registry.host for registry in tenant.registries)
        egress = replace(shared.egress, allowed_registries=None if allowed is None else allowed | own)
        return cls(registries, sources, egress)

    def has(self, registry: str) -> bool:
        """Whether this tenant has credentials for ``registry``."""
        return self.registries.choose(registry, private=True).kind != "anonymous"

    def check_registry(self, host: str) -> None:
        """Raise Refusal (POLICY_DENIED) for a registry that this tenant's references may not name."""
        self.egress.check_registry(host)


def tenant_registries(tenant: Tenant, process: Registries) -> Registries:
    """The places that the process knows, without its credentials, and the tenant's own."""
    known: dict[str, RegistryConfig] = {
        host: replace(config, credential=ANONYMOUS_CREDENTIAL) for host, config in process.configured.items()
    }
    own = {registry.host: _config(tenant.name, registry, process) for registry in tenant.registries}
    return Registries({**known, **own})


def _config(tenant: str, registry: TenantRegistry, process: Registries) -> RegistryConfig:
    url = registry.url or process.find(registry.host).url
    config = RegistryConfig.create(
        registry.host, url, username=registry.username, password=registry.password, token=registry.token
    )
    if config.credential.kind == "anonymous":
        return config
    # Two tenants may use one account with different secrets: what one was shown must not be taken for the other's.
    identity = f"{tenant}/{config.credential.identity}"
    return replace(config, credential=replace(config.credential, identity=identity))


def tenant_origins(tenants: Mapping[str, Tenant]) -> frozenset[str]:
    """The origins that tenants configured, which the egress rules exempt as they do the process's own."""
    urls = (registry.url for tenant in tenants.values() for registry in tenant.registries if registry.url)
    return frozenset(f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls))


def tenant_hosts(tenants: Mapping[str, Tenant]) -> frozenset[str]:
    """All registries that any tenant may name beyond the process's."""
    own = (registry.host for tenant in tenants.values() for registry in tenant.registries)
    return frozenset(own).union(*(tenant.allowed_registries for tenant in tenants.values()))
