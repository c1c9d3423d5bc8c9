"""Every series this server can expose, in one table.

Names follow the Prometheus conventions (base units, ``_total``) and, for operations, the OpenTelemetry
semantic conventions for MCP with dots written as underscores. Each definition states how many label sets
it may ever hold; :mod:`.store` enforces that, so the table bounds the size of a scrape.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

SeriesType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric as it is exposed; ``name`` is the sample's name, ``_total`` included."""

    name: str
    type: SeriesType
    labels: tuple[str, ...]
    unit: str
    """Base unit of the value; empty for plain counts of things named in ``name``."""
    help: str
    max_series: int = 1
    """Most label sets ever held, the one for the overflow included."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending, without infinity."""

    @property
    def max_lines(self) -> int:
        """Most sample lines in a scrape: a histogram has one per bucket, infinity, sum and count."""
        return self.max_series * (len(self.buckets) + 3 if self.type == "histogram" else 1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the documented table."""

    name: str
    type: SeriesType
    labels: tuple[str, ...]
    unit: str
    help: str
    max_series: int
    max_lines: int


OPERATION_BUCKETS: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
"""Holds both latency thresholds of the health check (5 s, 15 s) and the deadline of a call (60 s)."""
UPSTREAM_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FSYNC_BUCKETS: Final = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

OPERATION_DURATION: Final = Definition(
    "mcp_server_operation_duration_seconds",
    "histogram",
    ("mcp_method_name", "gen_ai_tool_name"),
    "seconds",
    "Time from receiving a request to having its answer, by method and tool.",
    72,
    OPERATION_BUCKETS,
)
OPERATIONS: Final = Definition(
    "mcp_server_operations_total",
    "counter",
    ("mcp_method_name", "gen_ai_tool_name", "outcome", "era", "transport"),
    "",
    "Requests and notifications handled, by how they ended, protocol era and transport.",
    640,
)
IN_FLIGHT: Final = Definition("mcp_server_operations_in_flight", "gauge", (), "", "Requests being handled right now.")
SESSIONS: Final = Definition("mcp_server_sessions", "gauge", (), "", "Open sessions of the handshake era.")
STREAMS: Final = Definition("mcp_server_streams", "gauge", (), "", "Open event streams to clients.")

INPUT_REFUSALS: Final = Definition(
    "mcp_dockerhub_input_refusals_total", "counter", ("rule",), "", "Input refused, by the rule it broke.", 32
)
POLICY_DENIALS: Final = Definition(
    "mcp_dockerhub_policy_denials_total",
    "counter",
    ("rule", "code"),
    "",
    "Operations denied by policy, scope, consent or egress, by rule and error code.",
    64,
)
AUTHENTICATION_FAILURES: Final = Definition(
    "mcp_dockerhub_authentication_failures_total",
    "counter",
    ("kind",),
    "",
    "Callers that could not be authenticated, by kind of failure.",
    24,
)
LIMIT_DECISIONS: Final = Definition(
    "mcp_dockerhub_limit_decisions_total",
    "counter",
    ("decision", "window"),
    "",
    "Decisions of the rate limiter, by the window that decided.",
    24,
)
AUDIT_EVENTS: Final = Definition(
    "mcp_dockerhub_audit_events_total",
    "counter",
    ("event",),
    "",
    "Audit records written and attempts that failed.",
    8,
)
AUDIT_DURATION: Final = Definition(
    "mcp_dockerhub_audit_write_duration_seconds",
    "histogram",
    ("event",),
    "seconds",
    "Time to write an audit record, fsync included where the event requires it.",
    8,
    FSYNC_BUCKETS,
)
AUDIT_CHAIN: Final = Definition(
    "mcp_dockerhub_audit_chain_records", "gauge", (), "", "Records in the audit log's current hash chain."
)
REDIS_UP: Final = Definition(
    "mcp_dockerhub_redis_up",
    "gauge",
    (),
    "",
    "1 while Redis answers, 0 while it is given up on: limits then hold per process, or calls are refused.",
)
REDIS_FAILURES: Final = Definition(
    "mcp_dockerhub_redis_failures_total",
    "counter",
    ("reason",),
    "",
    "Commands that Redis did not carry out: it did not answer in time, could not be reached, or refused.",
    4,
)
SANITIZED: Final = Definition(
    "mcp_dockerhub_output_sanitized_total",
    "counter",
    ("kind",),
    "",
    "Things removed from or shortened in output shown to a model, by kind.",
    24,
)

UPSTREAM_REQUESTS: Final = Definition(
    "mcp_dockerhub_upstream_requests_total",
    "counter",
    ("host_class", "method", "outcome"),
    "",
    "Requests to upstreams, by status class or failure.",
    128,
)
UPSTREAM_DURATION: Final = Definition(
    "mcp_dockerhub_upstream_request_duration_seconds",
    "histogram",
    ("host_class",),
    "seconds",
    "Time of one request to an upstream, body included.",
    9,
    UPSTREAM_BUCKETS,
)
UPSTREAM_FIRST_BYTE: Final = Definition(
    "mcp_dockerhub_upstream_first_byte_duration_seconds",
    "histogram",
    ("host_class",),
    "seconds",
    "Time until an upstream's response headers arrived.",
    9,
    UPSTREAM_BUCKETS,
)
UPSTREAM_BYTES: Final = Definition(
    "mcp_dockerhub_upstream_received_bytes_total",
    "counter",
    ("host_class",),
    "bytes",
    "Body bytes received from upstreams.",
    9,
)
UPSTREAM_RETRIES: Final = Definition(
    "mcp_dockerhub_upstream_retries_total",
    "counter",
    ("host_class", "reason"),
    "",
    "Requests sent again, by why.",
    48,
)
CIRCUIT_TRANSITIONS: Final = Definition(
    "mcp_dockerhub_upstream_circuit_transitions_total",
    "counter",
    ("host_class", "state"),
    "",
    "Changes of a circuit breaker into a state.",
    32,
)
CIRCUITS: Final = Definition(
    "mcp_dockerhub_upstream_circuits",
    "gauge",
    ("host_class", "state"),
    "",
    "Hosts whose circuit breaker is open or half open right now.",
    24,
)
QUOTA_LIMIT: Final = Definition(
    "mcp_dockerhub_pull_quota_limit", "gauge", (), "", "Pulls the registry grants per window, by its word."
)
QUOTA_REMAINING: Final = Definition(
    "mcp_dockerhub_pull_quota_remaining", "gauge", (), "", "Pulls left in the current window."
)
QUOTA_WINDOW: Final = Definition(
    "mcp_dockerhub_pull_quota_window_seconds", "gauge", (), "seconds", "Length of the quota's window."
)

CACHE_HITS: Final = Definition(
    "mcp_dockerhub_cache_hits_total", "counter", ("kind",), "", "Answers from the cache while fresh.", 12
)
CACHE_MISSES: Final = Definition(
    "mcp_dockerhub_cache_misses_total", "counter", ("kind",), "", "Look-ups that had to fetch.", 12
)
CACHE_STALE: Final = Definition(
    "mcp_dockerhub_cache_stale_total",
    "counter",
    ("kind",),
    "",
    "Expired answers served because the upstream was down.",
    12,
)
CACHE_JOINED: Final = Definition(
    "mcp_dockerhub_cache_joined_total",
    "counter",
    ("kind",),
    "",
    "Look-ups that joined a fetch already running.",
    12,
)
CACHE_EVICTIONS: Final = Definition(
    "mcp_dockerhub_cache_evictions_total", "counter", ("kind",), "", "Entries dropped to make room.", 12
)
CACHE_BYTES: Final = Definition("mcp_dockerhub_cache_size_bytes", "gauge", (), "bytes", "Bytes charged to the cache.")
CACHE_ENTRIES: Final = Definition("mcp_dockerhub_cache_entries", "gauge", (), "", "Entries in the cache.")

SCANS: Final = Definition(
    "mcp_dockerhub_scans_total",
    "counter",
    ("source", "coverage"),
    "",
    "Vulnerability scans, by where the package list came from and how much of the image it covers.",
    24,
)

HEALTH: Final = Definition(
    "mcp_dockerhub_health_status",
    "gauge",
    ("component",),
    "",
    "0 healthy, 1 degraded, 2 unhealthy; component `overall` is the worst of all.",
    16,
)
EVENT_LOOP_LAG: Final = Definition(
    "mcp_dockerhub_event_loop_lag_seconds",
    "histogram",
    (),
    "seconds",
    "How late a timer of the event loop fires; high values mean something blocks it.",
    1,
    LAG_BUCKETS,
)
MEMORY_USAGE: Final = Definition(
    "mcp_dockerhub_memory_usage_bytes",
    "gauge",
    (),
    "bytes",
    "Memory in use in the control group (of the system where there is none), reclaimable files excluded.",
)
MEMORY_LIMIT: Final = Definition(
    "mcp_dockerhub_memory_limit_bytes",
    "gauge",
    (),
    "bytes",
    "Memory limit of the control group (of the system where there is none).",
)
PROCESS_CPU: Final = Definition(
    "process_cpu_seconds_total", "counter", (), "seconds", "User and system CPU time spent."
)
PROCESS_MEMORY: Final = Definition(
    "process_resident_memory_bytes", "gauge", (), "bytes", "Resident memory of the process."
)
PROCESS_START: Final = Definition(
    "process_start_time_seconds", "gauge", (), "seconds", "Start of the process in Unix time."
)
PROCESS_FDS: Final = Definition("process_open_fds", "gauge", (), "", "Open file descriptors.")
PROCESS_MAX_FDS: Final = Definition("process_max_fds", "gauge", (), "", "Most file descriptors allowed.")
PROCESS_THREADS: Final = Definition("process_threads", "gauge", (), "", "Threads of the process.")

COLLECT_ERRORS: Final = Definition(
    "mcp_dockerhub_collect_errors_total",
    "counter",
    ("source",),
    "",
    "Sources that failed to report their state for a scrape.",
    8,
)
BUILD_INFO: Final = Definition(
    "mcp_dockerhub_build_info",
    "gauge",
    ("version", "commit", "python_version", "mcp_version"),
    "",
    "Always 1; the labels say what is running.",
    2,
)


def definitions() -> tuple[Definition, ...]:
    """All definitions in the order of this module."""
    return tuple(value for value in globals().values() if isinstance(value, Definition))


def catalogue() -> tuple[Row, ...]:
    """The table of all series, for documentation and for the tests that compare it with a scrape."""
    return tuple(Row(d.name, d.type, d.labels, d.unit, d.help, d.max_series, d.max_lines) for d in definitions())


def markdown() -> str:
    """The text of ``monitoring/metrics.md``."""
    return "\n".join(_markdown_lines()) + "\n"


def _markdown_lines() -> Iterator[str]:
    rows = catalogue()
    yield "# Metrics"
    yield ""
    yield "Generated from `mcp_dockerhub_monitoring.definitions`: change that, then run `make docs`."
    yield ""
    yield "Every family holds at most the stated number of label sets, whatever callers send: values come from"
    yield "closed sets where one exists (unknown tools and methods count as `unknown`), and what would be one"
    yield "label set too many is counted with every label set to `other`. Lines are what a scrape shows: a"
    yield "histogram has one line per bucket and three more. Labels never hold host names, image names, callers"
    yield "or anything else a client or a registry chose."
    yield ""
    yield "| series | type | labels | unit | meaning | max. series | max. lines |"
    yield "|---|---|---|---|---|---:|---:|"
    for row in rows:
        labels = " ".join(f"`{label}`" for label in row.labels)
        yield (
            f"| `{row.name}` | {row.type} | {labels} | {row.unit} | {row.help} | {row.max_series} | {row.max_lines} |"
        )
    series, lines = sum(row.max_series for row in rows), sum(row.max_lines for row in rows)
    yield f"| **all** | | | | | **{series}** | **{lines}** |"
