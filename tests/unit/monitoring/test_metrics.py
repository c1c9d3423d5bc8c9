"""What is counted where, and that hostile names cannot make it grow."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mcp_dockerhub_monitoring import definitions as d
from mcp_dockerhub_monitoring.definitions import catalogue, definitions, markdown
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.metrics import CODES, METHODS, OUTCOMES, Metrics

TOOLS = {"docker_list_tags", "docker_get_sbom"}


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def operation_labels(tool: str, outcome: str = "ok", method: str = "tools/call") -> dict[str, str]:
    return {
        "mcp_method_name": method,
        "gen_ai_tool_name": tool,
        "outcome": outcome,
        "era": "stateless",
        "transport": "http",
    }


def test_an_operation_is_counted_and_timed_by_method_and_tool() -> None:
    metrics = Metrics(TOOLS)
    metrics.operation("tools/call", "docker_list_tags", "NOT_FOUND", "stateless", "http", 0.2)
    labels = operation_labels("docker_list_tags", "NOT_FOUND")
    assert value(metrics, "mcp_server_operations_total", **labels) == 1
    timed = {"mcp_method_name": "tools/call", "gen_ai_tool_name": "docker_list_tags"}
    assert value(metrics, "mcp_server_operation_duration_seconds_count", **timed) == 1
    assert value(metrics, "mcp_server_operation_duration_seconds_sum", **timed) == pytest.approx(0.2)
    assert value(metrics, "mcp_server_operation_duration_seconds_bucket", le="0.1", **timed) == 0
    assert value(metrics, "mcp_server_operation_duration_seconds_bucket", le="0.25", **timed) == 1


def test_what_is_not_known_is_counted_as_unknown() -> None:
    metrics = Metrics(TOOLS)
    metrics.operation("tools/call", "rm -rf", "ok", "stateless", "http", 0.1)
    metrics.operation("tools/call", {"not": "a name"}, "ok", "stateless", "http", 0.1)
    metrics.operation("evil/method", "x", "whatever", "yesterday", "pigeon", 0.1)
    assert value(metrics, "mcp_server_operations_total", **operation_labels("unknown")) == 2
    odd = operation_labels("", "error", "unknown") | {"era": "unknown", "transport": "unknown"}
    assert value(metrics, "mcp_server_operations_total", **odd) == 1


def test_only_tool_calls_carry_a_tool_name() -> None:
    metrics = Metrics(TOOLS)
    metrics.operation("prompts/get", "docker_list_tags", "ok", "stateless", "http", 0.1)
    assert value(metrics, "mcp_server_operations_total", **operation_labels("", method="prompts/get")) == 1


def test_operations_in_flight_are_counted_while_they_last() -> None:
    metrics = Metrics(TOOLS)
    assert value(metrics, "mcp_server_operations_in_flight") == 0
    token = metrics.enter("tools/call", "docker_list_tags")
    assert value(metrics, "mcp_server_operations_in_flight") == 1
    metrics.leave(token)
    assert value(metrics, "mcp_server_operations_in_flight") == 0


def test_the_history_gets_work_and_not_listings() -> None:
    history = History()
    metrics = Metrics(TOOLS, history=history)
    metrics.operation("tools/call", "docker_list_tags", "ok", "stateless", "http", 0.1)
    metrics.operation("resources/read", None, "ok", "stateless", "http", 0.1)
    metrics.operation("tools/list", None, "ok", "stateless", "http", 0.1)
    metrics.operation("ping", None, "ok", "stateless", "http", 0.1)
    assert set(history.window("1m").operations) == {"docker_list_tags", "resources/read"}


@pytest.mark.parametrize(
    ("method", "operation"), [("tools/call", "docker_get_sbom"), ("prompts/get", "prompts/get"), ("ping", None)]
)
def test_cache_lookups_and_refusals_are_put_to_the_operation_in_progress(method: str, operation: str | None) -> None:
    history = History()
    metrics = Metrics(TOOLS, history=history)
    token = metrics.enter(method, "docker_get_sbom")
    metrics.hit("tags")
    metrics.miss("tags")
    metrics.refused("schema", "INVALID_INPUT")
    metrics.leave(token)
    metrics.refused("schema", "INVALID_INPUT")
    view = history.window("1m")
    assert list(view.operations) == ([operation] if operation else [])
    if operation:
        assert view.operations[operation].cache_ratio == pytest.approx(0.5)
        assert view.operations[operation].refusals == 1
    assert view.total.refusals == 2


def test_upstream_requests_are_counted_by_class_method_and_outcome() -> None:
    metrics = Metrics()
    metrics.request("registry", "HEAD", "2xx", 0.2, 0.1, 512)
    metrics.request("registry", "HEAD", "unavailable", 3.0, None, 0)
    metrics.retry("registry", "5xx")
    found = samples(metrics)
    by = (("host_class", "registry"),)
    assert found["mcp_dockerhub_upstream_request_duration_seconds_count", by] == 2
    assert found["mcp_dockerhub_upstream_first_byte_duration_seconds_count", by] == 1
    assert found["mcp_dockerhub_upstream_received_bytes_total", by] == 512
    assert value(metrics, "mcp_dockerhub_upstream_retries_total", host_class="registry", reason="5xx") == 1
    assert (
        value(
            metrics,
            "mcp_dockerhub_upstream_requests_total",
            host_class="registry",
            method="HEAD",
            outcome="unavailable",
        )
        == 1
    )


def test_circuits_are_followed_per_host_and_shown_per_class() -> None:
    metrics = Metrics()

    def circuits(state: str) -> float | None:
        return value(metrics, "mcp_dockerhub_upstream_circuits", host_class="registry", state=state)

    metrics.circuit("registry", "open", "a.example")
    metrics.circuit("registry", "open", "b.example")
    assert circuits("open") == 2
    metrics.circuit("registry", "half_open", "a.example")
    assert (circuits("open"), circuits("half_open")) == (1, 1)
    metrics.circuit("registry", "closed", "a.example")
    metrics.circuit("registry", "closed", "b.example")
    assert (circuits("open"), circuits("half_open")) == (0, 0)
    assert "example" not in metrics.render().decode()


def test_hosts_with_open_circuits_are_bounded() -> None:
    metrics = Metrics()
    for number in range(2000):
        metrics.circuit("registry", "open", f"h{number}.example")
    for number in range(2000):
        metrics.circuit("registry", "closed", f"h{number}.example")
    assert value(metrics, "mcp_dockerhub_upstream_circuits", host_class="registry", state="open") == 0


def test_the_quota_is_shown_once_it_is_known() -> None:
    metrics = Metrics()
    assert value(metrics, "mcp_dockerhub_pull_quota_remaining") is None
    metrics.quota(100, 7, None)
    assert value(metrics, "mcp_dockerhub_pull_quota_window_seconds") is None
    metrics.quota(100, 6, 21600)
    found = samples(metrics)
    assert found["mcp_dockerhub_pull_quota_limit", ()] == 100
    assert found["mcp_dockerhub_pull_quota_remaining", ()] == 6
    assert found["mcp_dockerhub_pull_quota_window_seconds", ()] == 21600


def test_a_quota_is_believed_for_its_window_only() -> None:
    now = 0.0
    metrics = Metrics(clock=lambda: now)
    assert metrics.known_quota is None
    metrics.quota(100, 7, 60)
    assert metrics.known_quota == (100, 7)
    now = 60.0
    assert metrics.known_quota is None
    metrics.quota(100, 7, None)
    now += 6 * 3600 - 1
    assert metrics.known_quota == (100, 7)


def test_the_cache_is_counted_by_kind() -> None:
    metrics = Metrics()
    for count in (metrics.hit, metrics.miss, metrics.stale, metrics.joined, metrics.evicted):
        count("tags")
    metrics.size(4096, 3)
    for event in ("hits", "misses", "stale", "joined", "evictions"):
        assert value(metrics, f"mcp_dockerhub_cache_{event}_total", kind="tags") == 1
    assert value(metrics, "mcp_dockerhub_cache_size_bytes") == 4096
    assert value(metrics, "mcp_dockerhub_cache_entries") == 3


@pytest.mark.parametrize(
    ("code", "series"),
    [
        ("INVALID_INPUT", ("mcp_dockerhub_input_refusals_total", {"rule": "r"})),
        ("AUTHENTICATION_FAILED", ("mcp_dockerhub_authentication_failures_total", {"kind": "r"})),
        ("POLICY_DENIED", ("mcp_dockerhub_policy_denials_total", {"rule": "r", "code": "POLICY_DENIED"})),
        ("CONSENT_REQUIRED", ("mcp_dockerhub_policy_denials_total", {"rule": "r", "code": "CONSENT_REQUIRED"})),
    ],
)
def test_refusals_are_counted_by_what_they_are(code: str, series: tuple[str, dict[str, str]]) -> None:
    metrics = Metrics()
    metrics.refused("r", code)
    assert value(metrics, series[0], **series[1]) == 1


def test_refusals_for_rate_are_counted_as_limit_decisions_only() -> None:
    metrics = Metrics()
    metrics.refused("rate", "RATE_LIMITED")
    metrics.limit("refused", "60/minute")
    assert value(metrics, "mcp_dockerhub_limit_decisions_total", decision="refused", window="60/minute") == 1
    assert not [key for key in samples(metrics) if "denials" in key[0]]


def test_the_audit_and_the_sanitizer_are_counted() -> None:
    metrics = Metrics()
    metrics.audit("intent", 0.002)
    metrics.audit_chain(12)
    metrics.sanitized("ansi", 4)
    assert value(metrics, "mcp_dockerhub_audit_events_total", event="intent") == 1
    assert value(metrics, "mcp_dockerhub_audit_write_duration_seconds_count", event="intent") == 1
    assert value(metrics, "mcp_dockerhub_audit_chain_records") == 12
    assert value(metrics, "mcp_dockerhub_output_sanitized_total", kind="ansi") == 4


def test_a_failing_audit_is_an_increase_of_a_series_that_was_there_before() -> None:
    metrics = Metrics()
    assert value(metrics, "mcp_dockerhub_audit_events_total", event="failed") == 0
    metrics.audit("failed", 0.0)
    assert value(metrics, "mcp_dockerhub_audit_events_total", event="failed") == 1
    assert value(metrics, "mcp_dockerhub_audit_write_duration_seconds_count", event="failed") is None


def test_sessions_streams_scans_lag_and_build_are_shown() -> None:
    metrics = Metrics()
    metrics.sessions(3)
    metrics.streams(2)
    metrics.scan("osv", "full")
    metrics.event_loop_lag(0.02)
    metrics.build("0.1.0", "abc", "3.13.1", "2.3.0")
    assert value(metrics, "mcp_server_sessions") == 3
    assert value(metrics, "mcp_server_streams") == 2
    assert value(metrics, "mcp_dockerhub_scans_total", source="osv", coverage="full") == 1
    assert value(metrics, "mcp_dockerhub_event_loop_lag_seconds_count") == 1
    labels = {"version": "0.1.0", "commit": "abc", "python_version": "3.13.1", "mcp_version": "2.3.0"}
    assert value(metrics, "mcp_dockerhub_build_info", **labels) == 1


def test_a_source_that_fails_is_counted_and_takes_nothing_with_it() -> None:
    metrics = Metrics()

    def broken() -> None:
        raise OSError("gone")

    metrics.before_scrape("process", broken)
    metrics.before_scrape("health", lambda: metrics.gauge(d.HEALTH, 1, "audit"))
    found = samples(metrics)
    assert found["mcp_dockerhub_collect_errors_total", (("source", "process"),)] == 1
    assert found["mcp_dockerhub_health_status", (("component", "audit"),)] == 1


def hostile_names(count: int) -> Iterator[str]:
    chance = random.Random(6)
    for _ in range(count):
        yield "".join(chr(chance.choice((*range(32, 127), 10, 0x202E, 0x1F600))) for _ in range(chance.randrange(80)))


def drive_everything(metrics: Metrics, names: Iterator[str]) -> None:
    chance = random.Random(7)
    methods, outcomes, tools = sorted(METHODS), sorted(OUTCOMES), [f"tool_{n}" for n in range(60)]
    for name in names:
        tool = chance.choice((name, chance.choice(tools)))
        method = chance.choice((name, "tools/call", chance.choice(methods)))
        token = metrics.enter(method, tool)
        era, transport = chance.choice(("handshake", "stateless", name)), chance.choice(("stdio", "http", name))
        metrics.operation(method, tool, chance.choice((name, chance.choice(outcomes))), era, transport, 0.1)
        metrics.leave(token)
        metrics.request(name, name, name, 0.1, 0.1, 1)
        for one in (metrics.hit, metrics.miss, metrics.stale, metrics.joined, metrics.evicted):
            one(name)
        for two in (metrics.retry, metrics.limit, metrics.scan, metrics.refused):
            two(name, name)
        metrics.circuit(name, name, name)
        for code in CODES:
            metrics.refused(name, code)
        metrics.audit(name, 0.1)
        metrics.sanitized(name, 1)
        metrics.build(name, name, name, name)
        metrics.gauge(d.HEALTH, 1, name)
    metrics.sessions(1)
    metrics.streams(1)
    metrics.quota(1, 1, 1)
    metrics.size(1, 1)
    metrics.audit_chain(1)
    metrics.event_loop_lag(0.1)


def test_hostile_names_cannot_exceed_the_documented_number_of_series() -> None:
    metrics = Metrics({f"tool_{n}" for n in range(60)})
    drive_everything(metrics, hostile_names(4000))
    text = metrics.render().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    counted: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        counted[name] = len(family.samples)
    bounds = {row.name: row.max_lines for row in catalogue()}
    assert {name: count for name, count in counted.items() if count > bounds[name]} == {}
    assert len(lines) <= sum(bounds.values())
    assert len(text.splitlines()) <= 3000
    # The bound is reached, so the test drives what it claims to drive.
    assert counted["mcp_server_operations_total"] == d.OPERATIONS.max_series
    assert counted["mcp_dockerhub_policy_denials_total"] == d.POLICY_DENIALS.max_series


def test_the_whole_table_fits_a_scrape() -> None:
    described = 2 * len(definitions())
    assert sum(row.max_lines for row in catalogue()) + described <= 3000


def test_names_follow_the_conventions() -> None:
    for row in catalogue():
        assert row.name.startswith(("mcp_server_", "mcp_dockerhub_", "process_")), row.name
        assert row.name.endswith("_total") is (row.type == "counter"), row.name
        if row.unit:
            assert row.name.removesuffix("_total").endswith("_" + row.unit) or row.name == "process_cpu_seconds_total"
        assert row.help.endswith("."), row.name
        assert row.unit in {"", "seconds", "bytes"}
    assert len({row.name for row in catalogue()}) == len(catalogue())


def test_the_documented_table_names_every_series() -> None:
    text = markdown()
    for row in catalogue():
        assert f"| `{row.name}` | {row.type} |" in text
    assert "**all**" in text


def test_registering_twice_gives_the_same_registry() -> None:
    metrics = Metrics()
    assert metrics.registry is metrics.registry


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus package is not installed")
def test_promtool_finds_nothing_to_complain_about() -> None:
    metrics = Metrics({f"tool_{n}" for n in range(5)})
    drive_everything(metrics, hostile_names(300))
    metrics.gauge(d.PROCESS_CPU, 1.0)
    metrics.gauge(d.PROCESS_MEMORY, 1.0)
    metrics.gauge(d.MEMORY_USAGE, 1.0)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics.render(), capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_counting_does_not_import_prometheus_client_or_psutil() -> None:
    script = (
        "import sys\n"
        "from mcp_dockerhub_monitoring.metrics import Metrics\n"
        "from mcp_dockerhub_monitoring import health, checks, process, logs, history, endpoint\n"
        "Metrics({'a'}).operation('tools/call', 'a', 'ok', 'stateless', 'stdio', 0.1)\n"
        "print(sorted({'prometheus_client', 'psutil', 'structlog'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "[]\n"
