"""The production compose file, brought up for real: nginx with TLS, two replicas, Redis."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.image.engine import PATIENCE, PYTHON, ROOT, docker
from tests.image.standins import MONITORING, STAND_INS, StandIn

PROJECT = f"mcp-image-test-{uuid.uuid4().hex[:8]}"
SERVICES = ("server-a", "server-b", "nginx", "redis")
HOST = "mcp.example.com"

ASK = """
import http.client, json, ssl, sys
context = ssl.create_default_context(cafile="/run/tls.crt")
answers = []
for method, path, host in json.loads(sys.argv[1]):
    connection = http.client.HTTPSConnection("nginx", 8443, context=context, timeout=10)
    connection.connect = lambda c=connection: (
        http.client.HTTPConnection.connect(c),
        setattr(c, "sock", context.wrap_socket(c.sock, server_hostname="mcp.example.com")),
    )
    accepted = "application/json, text/event-stream"
    connection.request(method, path, headers={"Host": host, "Content-Type": "application/json", "Accept": accepted})
    answer = connection.getresponse()
    answers.append([answer.status, dict(answer.getheaders()), answer.read().decode()])
print(json.dumps(answers))
"""

CONNECT = """
import json, socket, sys
names, ports = json.loads(sys.argv[1])
reached = []
for name in names:
    for port in ports:
        try:
            socket.create_connection((name, port), 2).close()
            reached.append(f"{name}:{port}")
        except OSError:
            continue
print(json.dumps(reached))
"""


READ = """
import json, sys, urllib.request
print(json.dumps([json.load(urllib.request.urlopen(url, timeout=10)) for url in json.loads(sys.argv[1])]))
"""


class Stack:
    """The compose project, in a copy of deploy/ with passwords and a certificate of its own."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder / "deploy/compose"
        shutil.copytree(ROOT / "deploy/compose", self.folder, ignore=shutil.ignore_patterns("secrets", ".env"))
        shutil.copytree(ROOT / "monitoring", folder / "monitoring", ignore=shutil.ignore_patterns("*.py"))
        settings = {
            "MCP_IMAGE": image,
            "MCP_HOST": HOST,
            "MCP_ISSUER": "https://login.example.com/",
            "MCP_BIND": "127.0.0.1",
            "MCP_TLS_PORT": "0",
            "MCP_EDGE_SUBNET": "172.31.251.0/24",
            "MCP_EDGE_RANGE": "172.31.251.128/25",
            "MCP_EDGE_PROXY": "172.31.251.2",
        }
        self._environment = os.environ | settings
        subprocess.run([str(self.folder / "prepare")], env=self._environment, check=True, capture_output=True)

    def compose(self, *arguments: str, timeout: float = PATIENCE, check: bool = True) -> str:
        command = ["docker", "compose", "--project-name", PROJECT, "--profile", "monitoring", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def image_of(self, service: str) -> str:
        """The image that the file names for a service."""
        name: str = json.loads(self.compose("config", "--format", "json"))["services"][service]["image"]
        return name

    def use(self, service: str, image: str) -> None:
        """Run a service from a stand-in."""
        self._environment = self._environment | {f"{service.upper()}_IMAGE": image}
        # Debian 12 has an nginx from before `http2` was a directive; every version still reads the older spelling.
        configuration = self.folder / "nginx/nginx.conf"
        text = configuration.read_text()
        if service == "nginx":
            configuration.write_text(text.replace(" ssl;", " ssl http2;").replace("http2 on;", ""))

    def ask(self, *requests: tuple[str, str, str]) -> list[tuple[int, dict[str, str], str]]:
        """Answers through nginx, to a client on its network: status, headers, body."""
        certificate = f"--volume={self.folder / 'secrets/tls.crt'}:/run/tls.crt:ro"
        answers: list[tuple[int, dict[str, str], str]] = self.inside("edge", ASK, json.dumps(requests), certificate)
        return answers

    def inside(self, network: str, code: str, argument: str = "", *flags: str) -> Any:
        """What ``code`` prints as JSON, on one of the project's networks."""
        image = self._environment["MCP_IMAGE"]
        network_flag = f"--network={PROJECT}_{network}"
        command = ("run", "--rm", network_flag, *flags, "--entrypoint", PYTHON, image, "-IB", "-c", code, argument)
        return json.loads(docker(*command).stdout)


def _is_here(image: str) -> bool:
    known = docker("image", "inspect", image, check=False).returncode == 0
    return known or docker("pull", "--quiet", image, timeout=300, check=False).returncode == 0


@pytest.fixture(scope="module")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("compose"), image)
    _provide(stack, STAND_INS, tmp_path_factory)
    if docker("network", "ls", "--filter=driver=bridge", "--quiet").stdout == "":
        pytest.skip("this engine has no bridge network")
    try:
        stack.compose("up", "--detach", "--wait", *SERVICES, timeout=180)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "5", check=False)


def _provide(stack: Stack, stand_ins: Mapping[str, StandIn], folders: pytest.TempPathFactory) -> None:
    """Each service's own image where it can be had, else its stand-in."""
    for service, stand_in in stand_ins.items():
        needed = stack.image_of(service)
        if not _is_here(needed):
            made = stand_in.build(folders.mktemp(service))
            if made is None:
                pytest.skip(f"{needed} cannot be had here, and {service} is not installed")
            stack.use(service, made)


@pytest.fixture
def monitored(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack with Prometheus and Alertmanager beside it."""
    _provide(stack, MONITORING, tmp_path_factory)
    stack.compose("up", "--detach", "--no-recreate", *MONITORING, timeout=120)
    return stack


def test_every_service_turns_healthy(stack: Stack) -> None:
    lines = stack.compose("ps", "--format", "{{.Service}} {{.State}} {{.Health}}").splitlines()
    health = {name: (state, word) for name, state, *word in map(str.split, lines)}
    assert health["server-a"] == ("running", ["healthy"])
    assert health["server-b"] == ("running", ["healthy"])
    assert health["redis"] == ("running", ["healthy"])
    assert health["nginx"][0] == "running"


def test_a_stranger_is_told_where_to_log_in_over_tls(stack: Stack) -> None:
    metadata, stranger = stack.ask(("GET", "/.well-known/oauth-protected-resource/mcp", HOST), ("POST", "/mcp", HOST))
    assert metadata[0] == 200
    assert json.loads(metadata[2])["authorization_servers"] == ["https://login.example.com/"]
    assert stranger[0] == 401
    challenge = {name.lower(): value for name, value in stranger[1].items()}["www-authenticate"]
    assert f"https://{HOST}/.well-known/oauth-protected-resource/mcp" in challenge


def test_nothing_but_the_protocol_is_passed_on(stack: Stack) -> None:
    paths = ("/metrics", "/healthz", "/readyz", "/", "/mcp/../metrics")
    assert {status for status, _, _ in stack.ask(*(("GET", path, HOST) for path in paths))} <= {400, 404}


def test_another_host_name_is_refused(stack: Stack) -> None:
    assert stack.ask(("POST", "/mcp", "evil.example.net"))[0][0] in (403, 421)


def test_redis_is_on_a_network_of_its_own(stack: Stack) -> None:
    places = json.dumps([["redis"], [6379]])
    assert stack.inside("edge", CONNECT, places) == []
    assert stack.inside("backend", CONNECT, places) == ["redis:6379"]


def test_each_replica_writes_an_audit_chain_that_holds(stack: Stack) -> None:
    stack.ask(("POST", "/mcp", HOST), ("POST", "/mcp", HOST))
    for letter in "ab":
        path = f"/var/lib/mcp-dockerhub/audit-{letter}.jsonl"
        command = (PYTHON, "-IB", "/app", "audit", "verify", path)
        stack.compose("exec", "-T", f"server-{letter}", *command)


def test_prometheus_watches_both_replicas_and_knows_where_alerts_go(monitored: Stack) -> None:
    base = "http://prometheus:9090/api/v1"

    def state() -> tuple[dict[str, str], int, list[str]]:
        urls = json.dumps([f"{base}/targets", f"{base}/rules", f"{base}/alertmanagers"])
        targets, rules, managers = (found["data"] for found in monitored.inside("monitoring", READ, urls))
        health = {target["labels"]["instance"]: target["health"] for target in targets["activeTargets"]}
        active = [manager["url"] for manager in managers["activeAlertmanagers"]]
        return health, sum(len(group["rules"]) for group in rules["groups"]), active

    both = {"server-a:9464": "up", "server-b:9464": "up"}
    assert _becomes(lambda: state()[0] == both), state()
    _, rules, managers = state()
    assert rules > 10
    assert managers == ["http://alertmanager:9093/api/v2/alerts"]
    status = monitored.inside("monitoring", READ, json.dumps(["http://alertmanager:9093/api/v2/status"]))[0]
    assert "severity" in status["config"]["original"]


def test_metrics_and_their_store_are_out_of_reach_of_the_proxy(monitored: Stack) -> None:
    assert monitored.inside("edge", CONNECT, json.dumps([["prometheus", "alertmanager"], [9090, 9093]])) == []


def _becomes(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except AssertionError:  # not listening yet
            continue
    return False
