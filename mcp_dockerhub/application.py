"""Everything of one process except the protocol: clients, security manager, metrics layer, catalogue."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from mcp_dockerhub import __version__
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
from mcp_dockerhub_monitoring.health import HealthMonitor
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_monitoring.process import LagSampler, expose_process, sample_process
from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.guard import Guard
from mcp_dockerhub_security.identity import LocalIdentity, local_scopes
from mcp_dockerhub_security.limits import MemoryLimiter, parse_limits
from mcp_dockerhub_security.policy import Policy
from mcp_dockerhub_security.recorder import Recorder
from mcp_dockerhub_security.text import observe_sanitizing

if TYPE_CHECKING:
    from mcp_dockerhub.services import Clients

READINESS: Final = ("audit",)
"""Parts of our own without which a replica must get no traffic; never an upstream."""
_FIRST_LOOK: Final = 2.0
"""Seconds after the start."""


class LazyClients:
    """The clients, built with the first use: answering ``initialize`` must not wait for them."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._built: Clients | None = None

    def __call__(self) -> "Clients":
        if self._built is None:
            from mcp_dockerhub.services import build_clients

            self._built = build_clients(self._settings, upstream_observer=self._metrics, cache_observer=self._metrics)
        return self._built

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

    async def aclose(self) -> None:
        if self._built is not None:
            await self._built.aclose()


@dataclass(frozen=True, slots=True)
class Application:
    """One process's parts, built once."""

    settings: Settings
    clients: LazyClients
    catalogue: Catalogue
    services: Services
    guard: Guard
    audit: AuditLog
    metrics: Metrics
    health: HealthMonitor
    lag: LagSampler

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Build everything; nothing connects anywhere yet.

        Raises:
            SettingsError: a limit cannot be parsed, a tool is unknown, or the audit log cannot be opened.
        """
        catalogue = Catalogue.of_settings(settings)
        history = History()
        metrics = Metrics(catalogue, history=history)
        observe_sanitizing(metrics.sanitized)
        clients = LazyClients(settings, metrics)
        audit = _open_audit(settings)
        limiter = _limiter(settings)
        lag = LagSampler(metrics.event_loop_lag)
        health = _health(history, clients, audit, metrics, lag, catalogue)
        health.expose(metrics)
        expose_process(metrics)
        operations = Operations(
            lambda: _identification(settings, clients(), catalogue),
            health,
            history,
            lag,
            limiter,
            lambda: clients().cache,
        )
        return cls(
            settings=settings,
            clients=clients,
            catalogue=catalogue,
            services=Services(lambda: clients().sources, operations),
            guard=Guard(
                LocalIdentity(_local_scopes(settings)),
                limiter,
                catalogue,
                Policy(clients, clients),
                Recorder(audit, metrics),
                metrics,
            ),
            audit=audit,
            metrics=metrics,
            health=health,
            lag=lag,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the background work going while the body runs, then close everything."""
        background = [asyncio.create_task(self.lag.run()), asyncio.create_task(self._watch_health())]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.clients.aclose()
            self.audit.close()

    async def _watch_health(self) -> None:
        # Not at once: the first look loads what answering `initialize` must not wait for.
        await asyncio.sleep(_FIRST_LOOK)
        await self.health.run()


def _local_scopes(settings: Settings) -> frozenset[str]:
    # Whoever runs the process may use the credentials they configured, if there are any.
    return local_scopes(credentials=True, allow_writes=settings.allow_writes and not settings.read_only)


def _open_audit(settings: Settings) -> AuditLog:
    try:
        return AuditLog.open(settings.audit_file or None)
    except OSError as error:
        raise SettingsError(f"MCP_DOCKERHUB_AUDIT_FILE: the log cannot be opened ({error.strerror}).") from error


def _limiter(settings: Settings) -> MemoryLimiter:
    for name, text in (("RATE_LIMIT", settings.rate_limit), ("RATE_LIMIT_HEAVY", settings.rate_limit_heavy)):
        try:
            parse_limits(text)
        except ValueError as error:
            raise SettingsError(f"MCP_DOCKERHUB_{name}: {error}") from error
    return MemoryLimiter(settings.rate_limit, settings.rate_limit_heavy)


def _health(
    history: History,
    clients: LazyClients,
    audit: AuditLog,
    metrics: Metrics,
    lag: LagSampler,
    catalogue: Catalogue,
) -> HealthMonitor:
    thresholds = Thresholds()
    return HealthMonitor(
        {
            "latency": latency_check(history, _Light(catalogue), thresholds),
            "errors": error_check(history, thresholds),
            "upstreams": upstream_check(clients.circuits, thresholds),
            "quota": quota_check(lambda: metrics.known_quota, thresholds),
            "audit": state_check(lambda: "records are being lost" if audit.failing else None),
            "memory": memory_check(sample_process, thresholds),
            "process": process_check(sample_process, thresholds),
            "event_loop": event_loop_check(lag.worst, thresholds),
        },
        readiness=READINESS,
    )


class _Light:
    """The tools that are not heavy: those whose latency says something about health."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __contains__(self, name: object) -> bool:
        spec = self._catalogue.tools.get(name) if isinstance(name, str) else None
        return spec is not None and not spec.operation.heavy


def _identification(settings: Settings, clients: "Clients", catalogue: Catalogue) -> Identification:
    registries = clients.registries
    hosts = ["docker.io", *(registry.host for registry in settings.registries)]
    return Identification(
        version=__version__,
        transport="stdio",
        toolsets=tuple(catalogue.by_toolset()),
        tools=tuple(catalogue.tools),
        rate_limits=(settings.rate_limit, f"heavy {settings.rate_limit_heavy}"),
        registries={host: registries.choose(host, private=True).kind != "anonymous" for host in hosts},
        features={
            "audit_file": bool(settings.audit_file),
            "metrics_port": settings.metrics_port is not None,
            "read_only": settings.read_only,
            "writes": settings.allow_writes and not settings.read_only,
            "proxy": settings.https_proxy is not None,
        },
        warnings=clients.warnings,
    )
