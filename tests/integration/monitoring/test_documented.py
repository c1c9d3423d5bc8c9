"""The documented series and those of a server that did some work are the same."""

import re
import urllib.request
from pathlib import Path

from tests.clients.lines import DEADLINE, LineClient
from tests.upstreams.faults import unused_port
from tests.upstreams.seeded import running_upstreams

TABLE = Path(__file__).parents[3] / "monitoring" / "metrics.md"
CALLS = {
    "docker_search_images": {"query": "nginx"},
    "docker_get_image_details": {"image": "nginx:alpine"},
    "docker_list_tags": {"repository": "nginx", "pattern": "1.31*"},
    "docker_get_manifest": {"image": "../../etc"},
    "health_check": {},
    "docker_rate_limit_status": {},
}


def test_every_documented_metric_exists_and_every_metric_is_documented(tmp_path: Path) -> None:
    port = unused_port()
    with running_upstreams() as upstreams:
        environment = {**upstreams.settings(tmp_path), "MCP_DOCKERHUB_METRICS_PORT": str(port)}
        with LineClient(environment) as client:
            client.initialize()
            for tool, arguments in CALLS.items():
                client.call(tool, arguments)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE) as answer:
                scraped = answer.read().decode()
    shown = dict(re.findall(r"^# TYPE (\S+) (\w+)$", scraped, re.MULTILINE))
    documented = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", TABLE.read_text(), re.MULTILINE))
    assert shown == documented
    assert len(scraped.splitlines()) <= 3000
