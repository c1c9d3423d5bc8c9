"""The image serving HTTP, asked from inside: no network and nothing else is needed for that."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.image.engine import HARDENED, Container, docker

FLAGS = (*HARDENED, "--memory=192m", "--memory-swap=192m", "--pids-limit=64", "--health-interval=1s")
FOR_A_TEAM = {
    "MCP_DOCKERHUB_TRANSPORT": "http",
    "MCP_DOCKERHUB_HOST": "0.0.0.0",
    "MCP_DOCKERHUB_PUBLIC_URL": "https://mcp.example.com/mcp",
    "MCP_DOCKERHUB_ALLOWED_HOSTS": "mcp.example.com",
    "MCP_DOCKERHUB_ISSUER": "https://login.example.com/",
    "MCP_DOCKERHUB_METRICS_HOST": "0.0.0.0",
    "MCP_DOCKERHUB_METRICS_PORT": "9464",
    "MCP_DOCKERHUB_AUDIT_FILE": "-",
}

ASK = """
import http.client, json, sys
answers = []
for port, method, path, host in {requests}:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    accepted = "application/json, text/event-stream"
    connection.request(method, path, headers={{"Host": host, "Content-Type": "application/json", "Accept": accepted}})
    answer = connection.getresponse()
    answers.append([answer.status, dict(answer.getheaders()), answer.read().decode()])
print(json.dumps(answers))
"""


def ask(server: Container, *requests: tuple[int, str, str, str]) -> list[Any]:
    """Status, headers and body of each answer."""
    answers: list[Any] = server.run_inside(ASK.format(requests=repr(requests)))
    return answers


@pytest.fixture
def team_server(image: str) -> Iterator[Container]:
    """A server for a team, healthy."""
    with Container(image, flags=FLAGS, environment=FOR_A_TEAM, keep=True) as container:
        assert container.becomes_healthy(), "".join(container.errors)
        yield container


def test_it_turns_healthy_and_ready_without_root_network_or_writable_files(team_server: Container) -> None:
    statuses = [
        status
        for status, _, _ in ask(team_server, *((9464, "GET", p, "10.1.2.3:9464") for p in ("/healthz", "/readyz")))
    ]
    assert statuses == [200, 200]


def test_nobody_is_served_without_a_token(team_server: Container) -> None:
    host = "mcp.example.com"
    metadata, stranger, impostor = ask(
        team_server,
        (8000, "GET", "/.well-known/oauth-protected-resource/mcp", host),
        (8000, "POST", "/mcp", host),
        (8000, "POST", "/mcp", "evil.example.net"),
    )
    assert metadata[0] == 200
    assert "https://login.example.com/" in metadata[2]
    assert stranger[0] == 401
    assert impostor[0] in (403, 421)


def test_metrics_are_on_a_port_of_their_own(team_server: Container) -> None:
    metrics, elsewhere = ask(
        team_server, (9464, "GET", "/metrics", "server-a:9464"), (8000, "GET", "/metrics", "mcp.example.com")
    )
    assert metrics[0] == 200
    assert "mcp_server_operations_in_flight" in metrics[2]
    assert elsewhere[0] in (401, 404)


def test_a_term_signal_ends_it_within_two_seconds(team_server: Container) -> None:
    docker("kill", "--signal=TERM", team_server.name)
    assert team_server.wait(timeout=2.0) == 0
    assert team_server.state()["State"]["OOMKilled"] is False


def test_it_does_not_start_open_to_others_without_tokens(image: str) -> None:
    exposed = ("--env=MCP_DOCKERHUB_TRANSPORT=http", "--env=MCP_DOCKERHUB_HOST=0.0.0.0")
    done = docker("run", "--rm", *HARDENED, *exposed, image, check=False)
    assert done.returncode == 2
    assert "MCP_DOCKERHUB_ISSUER" in done.stderr
