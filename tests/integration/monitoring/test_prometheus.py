"""A real Prometheus scrapes a real server: panels' queries are answered, an alert goes from pending to firing."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mcp_dockerhub_monitoring.definitions import definitions
from tests.clients.lines import DEADLINE, LineClient
from tests.upstreams.faults import unused_port
from tests.upstreams.hub import HubState, running_hub
from tests.upstreams.images import hub_seed, seed_registry
from tests.upstreams.registry import InMemoryRegistry

MONITORING: Final = Path(__file__).parents[3] / "monitoring"
PROMETHEUS: Final = shutil.which("prometheus")
PROMTOOL: Final = shutil.which("promtool")
AMTOOL: Final = shutil.which("amtool")
RULES: Final[dict[str, Any]] = yaml.safe_load((MONITORING / "prometheus" / "rules.yml").read_text())
_LABELS: Final = {"mcp_method_name", "mcp_version"}
ALERTS: Final = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
DASHBOARDS: Final = sorted((MONITORING / "grafana").glob("*.json"))

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


@needs_promtool
def test_the_rules_are_valid_and_each_alert_is_proven_both_ways() -> None:
    rules = MONITORING / "prometheus" / "rules.yml"
    for command in (["check", "rules", str(rules)], ["test", "rules", str(rules.with_name("rules.test.yml"))]):
        done = subprocess.run([str(PROMTOOL), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    cases = yaml.safe_load(rules.with_name("rules.test.yml").read_text())["tests"]
    outcomes = {
        (case["alertname"], bool(case["exp_alerts"])) for test in cases for case in test.get("alert_rule_test", ())
    }
    assert outcomes >= {(alert["alert"], fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.skipif(AMTOOL is None, reason="amtool is not installed (Debian: prometheus-alertmanager)")
def test_the_alertmanager_example_is_valid() -> None:
    path = MONITORING / "alertmanager" / "alertmanager.yml"
    done = subprocess.run([str(AMTOOL), "check-config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_section_in_the_runbook() -> None:
    runbook = (MONITORING.parent / "docs" / "runbook.md").read_text()
    sections = {line.removeprefix("## ") for line in runbook.splitlines() if line.startswith("## Mcp")}
    assert sections == {alert["alert"] for alert in ALERTS}
    for alert in ALERTS:
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


def _queries() -> Iterator[tuple[str, str]]:
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def test_every_metric_is_on_a_dashboard_and_every_panel_uses_metrics_that_exist() -> None:
    recorded = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
    names = {definition.name for definition in definitions()}
    text = " ".join(query for _, query in _queries())
    shown = {name for name in names if name in text}
    behind_rules = {
        name for name in names for group in RULES["groups"] for rule in group["rules"] if name in rule["expr"]
    }
    aside = {"process_open_fds", "process_max_fds", "process_threads", "process_start_time_seconds"}
    hidden = names - shown - behind_rules - aside
    assert hidden <= {
        "mcp_dockerhub_upstream_circuit_transitions_total",
        "mcp_dockerhub_pull_quota_window_seconds",
        "mcp_dockerhub_cache_entries",
    }
    suffixes = ("", "_bucket", "_sum", "_count")
    known = recorded | {name + suffix for name in names for suffix in suffixes}
    for panel, query in _queries():
        used = {word for word in _words(query) if word.startswith(("mcp_", "process_"))} - {
            "mcp_method_name",
            "mcp_version",
        }
        assert used, panel
        assert used <= known, panel


def _words(query: str) -> set[str]:
    return set("".join(c if c.isalnum() or c in "_:" else " " for c in query).split())


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str

    def get(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(
            f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=DEADLINE
        ) as answer:
            document = json.load(answer)
        assert document["status"] == "success"
        return document["data"]

    def query(self, expression: str) -> list[Any]:
        result: list[Any] = self.get("/api/v1/query", query=expression)["result"]
        return result

    def states(self, alert: str) -> set[str]:
        return {
            found["state"] for found in self.get("/api/v1/alerts")["alerts"] if found["labels"]["alertname"] == alert
        }


def _until(condition: Callable[[], bool], what: str) -> None:
    """Ask again and again, within the deadline: a scrape comes when it comes."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[Prometheus, int]]:
    """A Prometheus that scrapes twice a second, with the project's rules but less patience; and the port it scrapes."""
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    target, own = unused_port(), unused_port()
    rules = (MONITORING / "prometheus" / "rules.yml").read_text()
    for patience in ("2m", "5m", "10m", "15m"):
        rules = rules.replace(f"for: {patience}", "for: 2s")
    (tmp_path / "rules.yml").write_text(rules)
    configuration = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "mcp-dockerhub", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [
        PROMETHEUS,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{own}",
        "--log.level=error",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            running = Prometheus(f"http://127.0.0.1:{own}")
            _until(lambda: _answers(running), "Prometheus did not start")
            yield running, target
        finally:
            process.kill()


def _answers(prometheus: Prometheus) -> bool:
    try:
        prometheus.query("1")
    except OSError:
        return False
    return True


def test_a_cut_off_registry_is_seen_alerted_on_and_every_panel_is_answered(
    prometheus: tuple[Prometheus, int], tmp_path: Path
) -> None:
    watching, port = prometheus
    with ExitStack() as hub, ExitStack() as registry:
        image_registry = registry.enter_context(InMemoryRegistry())
        seed_registry(image_registry)
        hub_url = hub.enter_context(running_hub(HubState.seeded(hub_seed())))
        environment = {
            "MCP_DOCKERHUB_HUB_URL": hub_url,
            "MCP_DOCKERHUB_REGISTRY_URL": image_registry.url,
            "MCP_DOCKERHUB_RATE_LIMIT": "100000/second",
            "MCP_DOCKERHUB_METRICS_PORT": str(port),
            "DOCKER_CONFIG": str(tmp_path),
        }
        with LineClient(environment) as client:
            client.initialize()
            for image in ("nginx:alpine", "nginx", "../../etc", "evil.example/x"):
                client.call("docker_get_image_details", {"image": image})
            calls = 'sum(mcp_server_operations_total{gen_ai_tool_name="docker_get_image_details"})'
            _until(lambda: bool(watching.query(f"{calls} == 4")), "the calls were not scraped")
            assert watching.states("McpDockerhubCircuitOpen") == set()
            registry.close()
            for _ in range(3):
                client.call("docker_get_manifest", {"image": "redis"})
            _until(lambda: "pending" in watching.states("McpDockerhubCircuitOpen"), "no alert became pending")
            _until(lambda: "firing" in watching.states("McpDockerhubCircuitOpen"), "no alert fired")
            for panel, query in _queries():
                filled = query.replace("$job", "mcp-dockerhub").replace("$instance", ".*").replace("$tool", ".*")
                watching.query(filled.replace("$__rate_interval", "1m"))
                assert "$" not in filled.replace("$__rate_interval", ""), panel
            # At its worst: by now the circuit may be ready to be tried again.
            worst = 'max_over_time(mcp_dockerhub_health_status{component="upstreams"}[10m])'
            assert watching.query(worst)[0]["value"][1] == "1"
