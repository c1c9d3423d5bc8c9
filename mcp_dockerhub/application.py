"""Everything of one process except the protocol: clients, security manager, metrics layer, catalogue."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version
from typing import TYPE_CHECKING, Final, Self

from mcp_dockerhub import __version__
from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.environment import read
from mcp_dockerhub.policies import load_document
from mcp_dockerhub.protection import Protection
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.settings import Settings, SettingsError
from mcp_dockerhub.tools.call import Services
from mcp_dockerhub.tools.catalogue import Catalogue
from mcp_dockerhub.tools.operations import Identification, Operations
from mcp_dockerhub_monitoring.checks import (
    Thresholds,
    error_check,
    event_loop_check,
    latency_check,
    memory_check,
    process_check,
    quota_check,
    state_check,
    upstream_check,
)
from mcp_dockerhub_monitoring.health import HealthMonitor, Status
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_monitoring.process import LagSampler, expose_process, sample_process
from mcp_dockerhub_monitoring.tracing import TracingUnavailableError, start_tracing
from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.consent import HumanConsent
from mcp_dockerhub_security.guard import Guard
from mcp_dockerhub_security.identity import IdentityProvider, LocalIdentity, OriginIdentity, local_scopes
from mcp_dockerhub_security.policy import Policy, Upstreams
from mcp_dockerhub_security.recorder import Recorder
from mcp_dockerhub_security.tenants import Tenant, Tenants
from mcp_dockerhub_security.text import observe_sanitizing

if TYPE_CHECKING:
    from mcp_dockerhub.services import Clients
    from mcp_dockerhub.supply_chain.scanning import Scanning
    from mcp_dockerhub_security.limits import Limiter

_FIRST_LOOK: Final = 2.0
"""Seconds after the start."""


class LazyClients:
    """The clients, built with the first use: answering ``initialize`` must not wait for them."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        tenants: Mapping[str, Tenant],
        scan: ScanSettings | None = None,
        advisory: AdvisorySettings | None = None,
    ) -> None:
        self._settings = settings
        self._scan = scan
        self._advisory = advisory
        self._tenants = tenants
        self._metrics = metrics
        self._built: Clients | None = None

    def __call__(self) -> "Clients":
        if self._built is None:
            from mcp_dockerhub.services import build_clients

            self._built = build_clients(
                self._settings,
                tenants=self._tenants,
                scan=self._scan,
                advisory=self._advisory,
                upstream_observer=self._metrics,
                cache_observer=self._metrics,
            )
        return self._built

    def scanning(self) -> "Scanning":
        """Who reads layers."""
        scanning = self().scanning
        assert scanning is not None  # noqa: S101  (built with the clients)
        return scanning

    def circuits(self) -> Mapping[str, str]:
        """Host to state of its circuit; none before the first use."""
        return self._built.http.circuits() if self._built else {}

    # What the policy asks

    def has(self, registry: str) -> bool:
        """Whether the operator configured credentials for ``registry``."""
        return self().registries.choose(registry, private=True).kind != "anonymous"

    def check_registry(self, host: str) -> None:
        """Raise Refusal (POLICY_DENIED) for a registry that references may not name."""
        self().egress.check_registry(host)

    def of_tenants(self) -> dict[str, Upstreams]:
        """The same for each tenant that the policy names."""
        return {name: _TenantUpstreams(self, name) for name in self._tenants}

    async def aclose(self) -> None:
        if self._built is not None:
            await self._built.aclose()


@dataclass(frozen=True, slots=True)
class _TenantUpstreams:
    """What the policy asks about one tenant."""

    clients: LazyClients
    tenant: str

    def has(self, registry: str) -> bool:
        return self.clients().tenants[self.tenant].has(registry)

    def check_registry(self, host: str) -> None:
        self.clients().tenants[self.tenant].check_registry(host)


@dataclass(frozen=True, slots=True)
class Application:
    """One process's parts, built once."""

    settings: Settings
    scan: ScanSettings
    clients: LazyClients
    catalogue: Catalogue
    services: Services
    policy: Policy
    guard: Guard
    protection: Protection
    limiter: "Limiter"
    recorder: Recorder
    audit: AuditLog
    metrics: Metrics
    health: HealthMonitor
    lag: LagSampler

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Build everything; nothing connects anywhere yet.

        Raises:
            SettingsError: a limit cannot be parsed, a tool is unknown, or the policy or the audit log cannot be used.
        """
        document = load_document(settings)
        tenants = document.tenants if document else Tenants()
        catalogue = Catalogue.of_settings(settings)
        history = History()
        metrics = Metrics(catalogue, history=history)
        observe_sanitizing(metrics.sanitized)
        scan = read(ScanSettings)
        clients = LazyClients(settings, metrics, tenants.named, scan, read(AdvisorySettings))
        policy = Policy(clients, clients, document, tenants=clients.of_tenants())
        protection = Protection.build(settings, tenants, metrics)
        recorder = Recorder(protection.audit, metrics, tenants=protection.tenant_audits)
        lag = LagSampler(metrics.event_loop_lag)
        health = _health(history, clients, protection, metrics, lag, catalogue, _thresholds(settings))
        health.expose(metrics)
        expose_process(metrics)
        _expose_facts(metrics, protection.audit, settings.commit or "unknown")
        operations = Operations(
            lambda: _identification(settings, clients(), catalogue, protection),
            health,
            history,
            lag,
            protection.limiter,
            lambda: clients().cache,
        )
        return cls(
            settings=settings,
            scan=scan,
            clients=clients,
            catalogue=catalogue,
            services=_services(settings, clients, operations, metrics),
            policy=policy,
            guard=Guard(
                _identity(settings),
                protection.limiter,
                catalogue,
                policy,
                recorder,
                metrics,
                consent=HumanConsent(protection.consents()),
            ),
            protection=protection,
            limiter=protection.limiter,
            recorder=recorder,
            audit=protection.audit,
            metrics=metrics,
            health=health,
            lag=lag,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the background work going while the body runs, then close everything.

        Raises:
            SettingsError: traces are asked for and cannot be sent.
        """
        stop_tracing = _tracing(self.settings)
        background = [asyncio.create_task(self.lag.run()), asyncio.create_task(self._watch_health())]
        try:
            async with self.protection.running():
                yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.clients.aclose()
            await asyncio.to_thread(stop_tracing)

    async def _watch_health(self) -> None:
        # Not at once: the first look loads what answering `initialize` must not wait for.
        await asyncio.sleep(_FIRST_LOOK)
        await self.health.run()


def _tracing(settings: Settings) -> Callable[[], None]:
    """Start sending traces where a collector is named; returns what stops it."""
    if not settings.otlp_endpoint:
        return lambda: None
    try:
        return start_tracing(__version__)
    except TracingUnavailableError as error:
        raise SettingsError(f"OTEL_EXPORTER_OTLP_ENDPOINT: traces cannot be sent: {error}.") from error


def _expose_facts(metrics: Metrics, audit: AuditLog, commit: str) -> None:
    def refresh() -> None:
        metrics.build(__version__, commit, python_version(), version("mcp"))
        metrics.audit_chain(audit.head.sequence)

    metrics.before_scrape("facts", refresh)


def _identity(settings: Settings) -> IdentityProvider:
    return OriginIdentity() if settings.transport == "http" else LocalIdentity(operator_scopes(settings))


def operator_scopes(settings: Settings) -> frozenset[str]:
    """What the operator's flags let a local user do."""
    # Whoever runs the process may use the credentials they configured, if there are any.
    return local_scopes(credentials=True, allow_writes=settings.allow_writes and not settings.read_only)


def _services(settings: Settings, clients: LazyClients, operations: Operations, metrics: Metrics) -> Services:
    return Services(
        lambda tenant: clients().sources_of(tenant),
        operations,
        scanning=clients.scanning,
        trusted_root=settings.sigstore_trusted_root,
        advisories=lambda: clients().advisories,
        count_scan=metrics.scan,
    )


def _thresholds(settings: Settings) -> Thresholds:
    try:
        return Thresholds.of(settings.health_thresholds)
    except ValueError as error:
        raise SettingsError(f"MCP_DOCKERHUB_HEALTH_THRESHOLDS: {error}.") from error


def _health(
    history: History,
    clients: LazyClients,
    protection: Protection,
    metrics: Metrics,
    lag: LagSampler,
    catalogue: Catalogue,
    thresholds: Thresholds,
) -> HealthMonitor:
    closed = "redis" in protection.readiness
    without_redis = Status.UNHEALTHY if closed else Status.DEGRADED
    return HealthMonitor(
        {
            "latency": latency_check(history, _Light(catalogue), thresholds),
            "errors": error_check(history, thresholds),
            "upstreams": upstream_check(clients.circuits, thresholds),
            "quota": quota_check(lambda: metrics.known_quota, thresholds),
            "audit": state_check(protection.audit_problem),
            **({"redis": state_check(protection.redis_problem, failing=without_redis)} if protection.redis else {}),
            "memory": memory_check(sample_process, thresholds),
            "process": process_check(sample_process, thresholds),
            "event_loop": event_loop_check(lag.worst, thresholds),
        },
        readiness=protection.readiness,
    )


class _Light:
    """The tools that are not heavy: those whose latency says something about health."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __contains__(self, name: object) -> bool:
        spec = self._catalogue.tools.get(name) if isinstance(name, str) else None
        return spec is not None and not spec.operation.heavy


def _identification(
    settings: Settings, clients: "Clients", catalogue: Catalogue, protection: Protection
) -> Identification:
    registries = clients.registries
    hosts = ["docker.io", *(registry.host for registry in settings.registries)]
    return Identification(
        version=__version__,
        commit=settings.commit,
        image_digest=settings.image_digest,
        transport=settings.transport,
        toolsets=tuple(catalogue.by_toolset()),
        tools=tuple(catalogue.tools),
        rate_limits=protection.rules.labels,
        registries={host: registries.choose(host, private=True).kind != "anonymous" for host in hosts},
        features={
            "audit_file": bool(settings.audit_file),
            "redis": protection.redis is not None,
            "metrics_port": settings.metrics_port is not None,
            "read_only": settings.read_only,
            "writes": settings.allow_writes and not settings.read_only,
            "proxy": settings.https_proxy is not None,
        },
        warnings=clients.warnings,
    )
