"""Everything of one process except the protocol: clients, security manager, metrics layer, catalogue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from mcp_dockerhub import __version__
from mcp_dockerhub.registry.config import Registries
from mcp_dockerhub.services import Clients, allowed_registries, build_clients
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
from mcp_dockerhub_security.egress import EgressPolicy
from mcp_dockerhub_security.guard import Guard
from mcp_dockerhub_security.identity import LocalIdentity, local_scopes
from mcp_dockerhub_security.limits import MemoryLimiter, parse_limits
from mcp_dockerhub_security.policy import Policy
from mcp_dockerhub_security.recorder import Recorder
from mcp_dockerhub_security.text import observe_sanitizing

if TYPE_CHECKING:
    from mcp_dockerhub_security.limits import Limiter

READINESS: Final = ("audit",)
"""Parts of our own without which a replica must get no traffic; never an upstream."""
_FIRST_LOOK: Final = 2.0
"""Seconds after the start."""


@dataclass(frozen=True, slots=True)
class Application:
    """One process's parts, built once."""

    settings: Settings
    clients: Clients
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
        clients = build_clients(settings, upstream_observer=metrics, cache_observer=metrics)
        audit = _open_audit(settings)
        limiter = _limiter(settings)
        lag = LagSampler(metrics.event_loop_lag)
        health = _health(history, clients, audit, metrics, lag, catalogue)
        health.expose(metrics)
        expose_process(metrics)
        operations = Operations(
            lambda: _identification(settings, clients, catalogue), health, history, lag, limiter, clients.cache
        )
        return cls(
            settings=settings,
            clients=clients,
            catalogue=catalogue,
            services=Services(clients.sources, operations),
            guard=_guard(settings, clients, catalogue, limiter, Recorder(audit, metrics), metrics),
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


class _Credentials:
    """For which registries the operator configured credentials, as the policy asks."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    def has(self, registry: str) -> bool:
        return self._registries.choose(registry, private=True).kind != "anonymous"


def _guard(
    settings: Settings,
    clients: Clients,
    catalogue: Catalogue,
    limiter: "Limiter",
    recorder: Recorder,
    metrics: Metrics,
) -> Guard:
    credentials = clients.hub_credential.kind != "anonymous" or bool(clients.registries.auths)
    credentials = credentials or any(r.credential.kind != "anonymous" for r in clients.registries.configured.values())
    scopes = local_scopes(credentials=credentials, allow_writes=settings.allow_writes and not settings.read_only)
    egress = EgressPolicy(allowed_registries(settings), settings.configured_origins)
    policy = Policy(egress, _Credentials(clients.registries))
    return Guard(LocalIdentity(scopes), limiter, catalogue, policy, recorder, metrics)


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
    clients: Clients,
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
            "upstreams": upstream_check(clients.http.circuits, thresholds),
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


def _identification(settings: Settings, clients: Clients, catalogue: Catalogue) -> Identification:
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
