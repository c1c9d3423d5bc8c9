"""Toolset ``server``: how this server is doing and what it may do. Nothing here asks an upstream without need."""

import platform
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Annotated, Literal

from pydantic import Field

from mcp_dockerhub import render
from mcp_dockerhub.errors import DockerHubError, InvalidInput
from mcp_dockerhub.results import Result
from mcp_dockerhub.tools.call import Call
from mcp_dockerhub.tools.toolset import tool
from mcp_dockerhub_monitoring.analysis import anomalies, trends
from mcp_dockerhub_monitoring.history import OperationStats, WindowName, WindowView
from mcp_dockerhub_monitoring.process import sample_process
from mcp_dockerhub_security.levels import Level, secure_operation
from mcp_dockerhub_security.limits import WindowState
from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Remark

Status = Literal["healthy", "degraded", "unhealthy"]
WINDOWS: tuple[WindowName, ...] = ("1m", "15m", "1h", "24h")


class Component(OutputModel):
    name: Identifier
    status: Status
    reason: Remark
    since: datetime


class HealthReport(Result):
    status: Status
    since: datetime
    components: list[Component]

    def render(self) -> str:
        rows = [[part.name, part.status, part.reason] for part in self.components]
        return "\n".join(
            [f"{self.status} since {render.time(self.since)}", *render.table(("part", "status", "why"), rows)]
        )


@tool(title="Health", open_world=False)
@secure_operation(level=Level.PUBLIC)
async def health_check(call: Call) -> HealthReport:
    """Say whether this server is healthy, part by part, with reasons."""
    health = call.services.operations.health.evaluate()
    return HealthReport(
        fetched_at=datetime.now(UTC),
        status=health.status.value,
        since=health.since,
        components=[
            Component(name=part.name, status=part.status.value, reason=part.reason, since=part.since)
            for part in health.components
        ],
    )


class Performance(OutputModel):
    """One window of all operations, or of one; latencies in seconds."""

    window: WindowName
    covered_s: float
    calls: int
    per_second: float
    errors: int
    refused: int
    cancelled: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    cache_ratio: float | None


class ToolPerformance(OutputModel):
    tool: Identifier
    calls: int
    errors: int
    p95_s: float | None


class Resources(OutputModel):
    resident_bytes: int
    cpu_s: float
    memory_ratio: float
    """Of the cgroup's limit, or of the system's memory where there is none."""
    loop_lag_s: float | None


class PerformanceMetrics(Result):
    windows: list[Performance]
    tools: list[ToolPerformance]
    trends: list[Remark]
    anomalies: list[Remark]
    resources: Resources

    def render(self) -> str:
        header = ("window", "calls", "errors", "refused", "p50", "p95", "p99", "cache")
        rows = [
            [
                row.window,
                str(row.calls),
                str(row.errors),
                str(row.refused),
                *map(_seconds, (row.p50_s, row.p95_s, row.p99_s)),
                "-" if row.cache_ratio is None else f"{row.cache_ratio:.0%}",
            ]
            for row in self.windows
        ]
        memory = f"memory {render.size(self.resources.resident_bytes)}, CPU {self.resources.cpu_s:.1f} s"
        busiest = [f"{row.tool}: {row.calls} calls, p95 {_seconds(row.p95_s)}" for row in self.tools[:10]]
        return "\n".join([*render.table(header, rows, "<>>>>>>>"), memory, *busiest, *self.anomalies[:10]])


@tool(title="Performance metrics", open_world=False)
@secure_operation(level=Level.PUBLIC)
async def get_performance_metrics(
    call: Call, *, tool: Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")] | None = None
) -> PerformanceMetrics:
    """Show how fast and how often this server's tools answer, over 1 min to 24 h, with trends and anomalies."""
    operations = call.services.operations
    if tool is not None and tool not in operations.identification().tools:
        raise InvalidInput("This server has no such tool.", hint="Leave the argument out to see all of them.")
    views = [operations.history.window(name) for name in WINDOWS]
    sample = sample_process()
    return PerformanceMetrics(
        fetched_at=datetime.now(UTC),
        windows=[_window(view, _of(view, tool)) for view in views],
        tools=_by_tool(views[-1], tool),
        trends=[trend.explanation for trend in trends(operations.history, "1h") if trend.direction != "unknown"],
        anomalies=[anomaly.explanation for anomaly in anomalies(operations.history, "1h")[:20]],
        resources=Resources(
            resident_bytes=sample.resident_bytes,
            cpu_s=round(sample.cpu_seconds, 2),
            memory_ratio=round(sample.memory_ratio, 4),
            loop_lag_s=operations.lag.worst(),
        ),
    )


def _of(view: WindowView, tool: str | None) -> OperationStats | None:
    return view.total if tool is None else view.operations.get(tool)


def _window(view: WindowView, stats: OperationStats | None) -> Performance:
    calls = stats.calls if stats else 0
    return Performance(
        window=view.name,
        covered_s=round(view.seconds, 1),
        calls=calls,
        per_second=round(calls / view.seconds, 4) if view.seconds > 0 else 0.0,
        errors=stats.errors if stats else 0,
        refused=stats.refusals if stats else 0,
        cancelled=stats.cancelled if stats else 0,
        p50_s=stats.p50 if stats else None,
        p95_s=stats.p95 if stats else None,
        p99_s=stats.p99 if stats else None,
        cache_ratio=stats.cache_ratio if stats else None,
    )


def _by_tool(view: WindowView, tool: str | None) -> list[ToolPerformance]:
    chosen = [(name, stats) for name, stats in view.operations.items() if tool in (None, name)]
    chosen.sort(key=lambda item: -item[1].calls)
    return [
        ToolPerformance(tool=name, calls=stats.calls, errors=stats.errors, p95_s=stats.p95) for name, stats in chosen
    ]


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


class ServerInfo(Result):
    name: Literal["mcp-dockerhub"] = "mcp-dockerhub"
    version: Identifier
    commit: Identifier | None
    image_digest: Identifier | None
    python: Identifier
    sdk: Identifier
    protocol_versions: list[Identifier]
    transport: Identifier
    toolsets: list[Identifier]
    tools: list[Identifier]
    rate_limits: list[Identifier]
    registries: dict[Identifier, bool]
    """Configured registries, and whether credentials are."""
    features: dict[Identifier, bool]

    def render(self) -> str:
        registries = [f"{host}{' (credentials)' if known else ''}" for host, known in self.registries.items()]
        enabled = [name for name, on in self.features.items() if on]
        return self.text(
            [
                f"mcp-dockerhub {self.version} on Python {self.python}, MCP SDK {self.sdk}, over {self.transport}",
                *([f"commit: {self.commit}"] if self.commit else []),
                *([f"image: {self.image_digest}"] if self.image_digest else []),
                f"protocol versions: {', '.join(self.protocol_versions)}",
                f"toolsets: {', '.join(self.toolsets)} ({len(self.tools)} tools)",
                f"limits: {'; '.join(self.rate_limits)}",
                f"registries configured: {', '.join(registries)}",
                f"on: {', '.join(enabled) or 'nothing optional'}",
            ]
        )


@lru_cache(maxsize=1)
def _sdk_version() -> str:
    """Read once: looking a distribution up costs more than the rest of the answer."""
    return version("mcp")


@tool(title="Server information", open_world=False)
@secure_operation(level=Level.PUBLIC)
async def get_server_info(call: Call) -> ServerInfo:
    """Show this server's version, protocol versions, toolsets, limits and what is configured."""
    from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

    identification = call.services.operations.identification()
    return ServerInfo(
        fetched_at=datetime.now(UTC),
        version=identification.version,
        commit=identification.commit or None,
        image_digest=identification.image_digest or None,
        python=platform.python_version(),
        sdk=_sdk_version(),
        protocol_versions=list(KNOWN_PROTOCOL_VERSIONS),
        transport=identification.transport,
        toolsets=list(identification.toolsets),
        tools=list(identification.tools),
        rate_limits=list(identification.rate_limits),
        registries=dict(identification.registries),
        features=dict(identification.features),
        warnings=list(identification.warnings),
    )


class CacheInfo(Result):
    entries: int
    bytes: int
    max_bytes: int
    hits: int
    misses: int
    joined: int
    """Calls that waited for a fetch already under way."""
    stale: int
    evictions: int
    hit_ratio: float | None
    by_kind: dict[Identifier, float]
    """Hit ratio by kind of document."""

    def render(self) -> str:
        kinds = [f"{kind} {ratio:.0%}" for kind, ratio in self.by_kind.items()]
        ratio = "no look-ups yet" if self.hit_ratio is None else f"hit ratio {self.hit_ratio:.1%}"
        counts = {name: getattr(self, name) for name in ("hits", "misses", "joined", "stale", "evictions")}
        return "\n".join(
            [
                f"{self.entries} entries, {render.size(self.bytes)} of {render.size(self.max_bytes)}; {ratio}",
                ", ".join(f"{name} {count}" for name, count in counts.items()),
                *([f"by kind: {', '.join(kinds)}"] if kinds else []),
            ]
        )


@tool(title="Cache", open_world=False)
@secure_operation(level=Level.PUBLIC)
async def docker_cache_info(call: Call) -> CacheInfo:
    """Show what the cache holds and how often it answers."""
    stats = call.services.operations.cache().stats()
    total = stats.total
    return CacheInfo(
        fetched_at=datetime.now(UTC),
        entries=total.entries,
        bytes=total.bytes,
        max_bytes=stats.max_bytes,
        hits=total.hits,
        misses=total.misses,
        joined=total.joins,
        stale=total.stale,
        evictions=total.evictions,
        hit_ratio=total.hit_ratio,
        by_kind={kind.value: part.hit_ratio for kind, part in stats.kinds.items() if part.hit_ratio is not None},
    )


class LimitWindow(OutputModel):
    window: Identifier
    limit: int
    remaining: int
    reset_after_s: float


class PullQuota(OutputModel):
    limit: int
    remaining: int | None
    window_s: int | None


class RateLimitStatus(Result):
    principal: Identifier
    windows: list[LimitWindow]
    docker_hub_pulls: PullQuota | None

    def render(self) -> str:
        rows = [[row.window, render.number(row.remaining), render.number(row.limit)] for row in self.windows]
        quota = self.docker_hub_pulls
        pulls = "no quota was stated"
        if quota:
            left = render.UNKNOWN if quota.remaining is None else render.number(quota.remaining)
            pulls = f"{left} of {render.number(quota.limit)} left" + (
                f" per {quota.window_s} s" if quota.window_s else ""
            )
        lines = render.table(("limit", "left", "of"), rows, "<>>")
        return self.text([f"limits of {self.principal}:", *lines, f"Docker Hub pulls: {pulls}"])


@tool(title="Rate limits")
@secure_operation(level=Level.PUBLIC)
async def docker_rate_limit_status(call: Call) -> RateLimitStatus:
    """Show how many calls are left here, and how many pulls Docker Hub leaves."""
    principal = call.grant.principal
    windows = await call.services.operations.limiter.status(principal.key, principal.tenant)
    warnings: list[str] = []
    quota = None
    try:
        quota = await call.sources.registry.quota(call.grant)
    except (DockerHubError, Refusal) as error:
        warnings.append(f"Docker Hub's pull quota is unknown: {error.message}")
    return RateLimitStatus(
        fetched_at=datetime.now(UTC),
        principal=call.grant.principal.id,
        windows=[_limit(window) for window in windows],
        docker_hub_pulls=None
        if quota is None
        else PullQuota(limit=quota.limit, remaining=quota.remaining, window_s=quota.window_s),
        warnings=warnings,
    )


def _limit(state: WindowState) -> LimitWindow:
    return LimitWindow(
        window=state.window,
        limit=state.limit,
        remaining=state.remaining,
        reset_after_s=round(state.reset_after_s, 1),
    )


TOOLS = (health_check, get_performance_metrics, get_server_info, docker_cache_info, docker_rate_limit_status)
