"""Write the Grafana dashboards in ``monitoring/grafana``, or with ``--check`` say which are not current.

A dashboard is rows of panels; a panel is a title, a unit and its queries. Everything else follows from that.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

FOLDER: Final = Path(__file__).resolve().parent.parent / "monitoring" / "grafana"
WIDTH: Final = 24
HEIGHT: Final = 8
SELECTOR: Final = 'job="$job", instance=~"$instance"'
_WORK: Final = 'mcp_method_name=~"tools/call|resources/read|prompts/get|completion/complete"'

Kind = Literal["timeseries", "stat"]


@dataclass(frozen=True, slots=True)
class Panel:
    """``queries`` maps PromQL to its legend; ``S`` in it stands for the selector of job and instance."""

    title: str
    unit: str
    queries: dict[str, str]
    kind: Kind = "timeseries"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    name: str
    title: str
    rows: Sequence[Sequence[Panel]]
    by_tool: bool = False


def _rate(metric: str, by: str, extra: str = "") -> str:
    labels = f"S, {extra}" if extra else "S"
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, by: str = "", extra: str = "") -> str:
    labels = f"S, {extra}" if extra else "S"
    group = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({group}) (rate({metric}_bucket{{{labels}}}[$__rate_interval])))"


_DURATION: Final = "mcp_server_operation_duration_seconds"
_TOOL: Final = 'mcp_method_name="tools/call", gen_ai_tool_name=~"$tool"'

DASHBOARDS: Final = (
    Dashboard(
        "overview",
        "MCP Docker Hub / Overview",
        [
            [
                Panel("Health", "none", {'max(mcp_dockerhub_health_status{S, component="overall"})': "worst"}, "stat"),
                Panel("Calls", "reqps", {"sum(mcp_dockerhub:operations:rate5m{S})": "calls"}, "stat"),
                Panel(
                    "Faults", "percentunit", {"max(mcp_dockerhub:operation_faults:ratio_rate5m{S})": "faults"}, "stat"
                ),
                Panel("p95", "s", {"max(mcp_dockerhub:operation_duration_seconds:p95_5m{S})": "p95"}, "stat"),
            ],
            [
                Panel(
                    "Calls by outcome", "reqps", {_rate("mcp_server_operations_total", "outcome", _WORK): "{{outcome}}"}
                ),
                Panel(
                    "Duration of tool calls",
                    "s",
                    {
                        _quantile(q, _DURATION, extra='mcp_method_name="tools/call"'): f"p{q * 100:.0f}"
                        for q in (0.5, 0.95, 0.99)
                    },
                ),
            ],
            [
                Panel(
                    "Health by part", "none", {"max by (component) (mcp_dockerhub_health_status{S})": "{{component}}"}
                ),
                Panel("In flight", "none", {"sum by (instance) (mcp_server_operations_in_flight{S})": "{{instance}}"}),
            ],
            [
                Panel(
                    "Memory",
                    "bytes",
                    {
                        "process_resident_memory_bytes{S}": "{{instance}} process",
                        "mcp_dockerhub_memory_usage_bytes{S}": "{{instance}} in use",
                        "mcp_dockerhub_memory_limit_bytes{S}": "{{instance}} limit",
                    },
                ),
                Panel(
                    "CPU and event loop",
                    "s",
                    {
                        "rate(process_cpu_seconds_total{S}[$__rate_interval])": "{{instance}} CPU",
                        _quantile(
                            0.99, "mcp_dockerhub_event_loop_lag_seconds", "instance"
                        ): "{{instance}} loop lag p99",
                    },
                ),
            ],
            [
                Panel(
                    "What is running",
                    "none",
                    {"count by (version, commit, mcp_version) (mcp_dockerhub_build_info{S})": "{{version}} {{commit}}"},
                ),
                Panel(
                    "Sessions and streams",
                    "none",
                    {"sum(mcp_server_sessions{S})": "sessions", "sum(mcp_server_streams{S})": "streams"},
                ),
            ],
        ],
    ),
    Dashboard(
        "upstreams",
        "MCP Docker Hub / Upstreams, quota and cache",
        [
            [
                Panel(
                    "Requests by host class and outcome",
                    "reqps",
                    {
                        _rate(
                            "mcp_dockerhub_upstream_requests_total", "host_class, outcome"
                        ): "{{host_class}} {{outcome}}"
                    },
                ),
                Panel(
                    "Duration p95 by host class",
                    "s",
                    {
                        _quantile(
                            0.95, "mcp_dockerhub_upstream_request_duration_seconds", "host_class"
                        ): "{{host_class}}"
                    },
                ),
            ],
            [
                Panel(
                    "Time to first byte p95",
                    "s",
                    {
                        _quantile(
                            0.95, "mcp_dockerhub_upstream_first_byte_duration_seconds", "host_class"
                        ): "{{host_class}}"
                    },
                ),
                Panel(
                    "Received",
                    "Bps",
                    {_rate("mcp_dockerhub_upstream_received_bytes_total", "host_class"): "{{host_class}}"},
                ),
            ],
            [
                Panel(
                    "Retries",
                    "reqps",
                    {_rate("mcp_dockerhub_upstream_retries_total", "host_class, reason"): "{{host_class}} {{reason}}"},
                ),
                Panel(
                    "Circuits that are not closed",
                    "none",
                    {"sum by (host_class, state) (mcp_dockerhub_upstream_circuits{S})": "{{host_class}} {{state}}"},
                ),
            ],
            [
                Panel(
                    "Docker Hub pull quota",
                    "none",
                    {
                        "min(mcp_dockerhub_pull_quota_remaining{S})": "remaining",
                        "min(mcp_dockerhub_pull_quota_limit{S})": "limit",
                    },
                ),
                Panel(
                    "Cache look-ups",
                    "reqps",
                    {
                        _rate("mcp_dockerhub_cache_hits_total", "kind"): "hit {{kind}}",
                        _rate("mcp_dockerhub_cache_misses_total", "kind"): "miss {{kind}}",
                        _rate("mcp_dockerhub_cache_joined_total", "kind"): "joined {{kind}}",
                        _rate("mcp_dockerhub_cache_stale_total", "kind"): "stale {{kind}}",
                    },
                ),
            ],
            [
                Panel("Hit ratio", "percentunit", {"mcp_dockerhub:cache_hits:ratio_rate5m{S}": "{{instance}}"}),
                Panel(
                    "Cache size and evictions",
                    "bytes",
                    {
                        "mcp_dockerhub_cache_size_bytes{S}": "{{instance}}",
                        _rate("mcp_dockerhub_cache_evictions_total", "kind"): "evicted {{kind}} a second",
                    },
                ),
            ],
            [
                Panel(
                    "Redis",
                    "none",
                    {
                        "mcp_dockerhub_redis_up{S}": "{{instance}} up",
                        _rate("mcp_dockerhub_redis_failures_total", "reason"): "{{reason}} a second",
                    },
                ),
            ],
        ],
    ),
    Dashboard(
        "security",
        "MCP Docker Hub / Security",
        [
            [
                Panel(
                    "Input refused, by rule", "reqps", {_rate("mcp_dockerhub_input_refusals_total", "rule"): "{{rule}}"}
                ),
                Panel(
                    "Denied, by rule",
                    "reqps",
                    {_rate("mcp_dockerhub_policy_denials_total", "rule, code"): "{{rule}} {{code}}"},
                ),
            ],
            [
                Panel(
                    "Authentication failures",
                    "reqps",
                    {_rate("mcp_dockerhub_authentication_failures_total", "kind"): "{{kind}}"},
                ),
                Panel(
                    "Limits",
                    "reqps",
                    {_rate("mcp_dockerhub_limit_decisions_total", "decision, window"): "{{decision}} {{window}}"},
                ),
            ],
            [
                Panel("Audit records", "reqps", {_rate("mcp_dockerhub_audit_events_total", "event"): "{{event}}"}),
                Panel(
                    "Audit write p99",
                    "s",
                    {_quantile(0.99, "mcp_dockerhub_audit_write_duration_seconds", "event"): "{{event}}"},
                ),
            ],
            [
                Panel("Output sanitised", "reqps", {_rate("mcp_dockerhub_output_sanitized_total", "kind"): "{{kind}}"}),
                Panel("Audit chain", "none", {"mcp_dockerhub_audit_chain_records{S}": "{{instance}}"}),
            ],
        ],
    ),
    Dashboard(
        "tools",
        "MCP Docker Hub / Tools",
        [
            [
                Panel(
                    "Calls by tool",
                    "reqps",
                    {_rate("mcp_server_operations_total", "gen_ai_tool_name", _TOOL): "{{gen_ai_tool_name}}"},
                ),
                Panel(
                    "Duration p95 by tool",
                    "s",
                    {_quantile(0.95, _DURATION, "gen_ai_tool_name", _TOOL): "{{gen_ai_tool_name}}"},
                ),
            ],
            [
                Panel(
                    "Outcomes",
                    "reqps",
                    {
                        _rate(
                            "mcp_server_operations_total", "gen_ai_tool_name, outcome", f'{_TOOL}, outcome!="ok"'
                        ): "{{gen_ai_tool_name}} {{outcome}}"
                    },
                ),
                Panel(
                    "Calls by era and transport",
                    "reqps",
                    {_rate("mcp_server_operations_total", "era, transport", _TOOL): "{{era}} {{transport}}"},
                ),
            ],
            [
                Panel(
                    "Scans",
                    "reqps",
                    {_rate("mcp_dockerhub_scans_total", "source, coverage"): "{{source}} {{coverage}}"},
                ),
                Panel(
                    "Lost while collecting",
                    "reqps",
                    {_rate("mcp_dockerhub_collect_errors_total", "source"): "{{source}}"},
                ),
            ],
        ],
        by_tool=True,
    ),
)


def rendered(dashboard: Dashboard) -> str:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    for number, row in enumerate(dashboard.rows):
        width = WIDTH // len(row)
        for column, panel in enumerate(row):
            place = {"x": column * width, "y": number * HEIGHT, "w": width, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
    document = {
        "uid": f"mcp-dockerhub-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["mcp-dockerhub"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(by_tool=dashboard.by_tool)},
        "links": [{"type": "dashboards", "tags": ["mcp-dockerhub"], "title": "MCP Docker Hub", "asDropdown": True}],
        "panels": panels,
    }
    return json.dumps(document, indent=1) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "expr": expression(query), "legendFormat": legend, "datasource": _SOURCE}
        for index, (query, legend) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def expression(query: str) -> str:
    """A query with its selector filled in."""
    return query.replace("{S", "{" + SELECTOR)


def _variables(*, by_tool: bool) -> list[dict[str, Any]]:
    names = [("job", "label_values(mcp_dockerhub_build_info, job)", False)]
    names.append(("instance", 'label_values(mcp_dockerhub_build_info{job="$job"}, instance)', True))
    if by_tool:
        names.append(("tool", 'label_values(mcp_server_operations_total{job="$job"}, gen_ai_tool_name)', True))
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    queries = [
        {
            "name": name,
            "type": "query",
            "query": query,
            "datasource": _SOURCE,
            "refresh": 2,
            "multi": several,
            "includeAll": several,
            **({"allValue": ".*"} if several else {}),
        }
        for name, query, several in names
    ]
    return [source, *queries]


def main() -> int:
    """Write the files, or with ``--check`` return 1 where one is not what this script says."""
    stale = []
    for dashboard in DASHBOARDS:
        path = FOLDER / f"{dashboard.name}.json"
        text = rendered(dashboard)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
    for name in stale:
        print(f"monitoring/grafana/{name} is not current: run `make docs` and commit it", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
