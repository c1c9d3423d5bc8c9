"""The container's probe: anything but a healthy answer is a failure that says so."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from mcp_dockerhub.healthcheck import check

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("MCP_", "COVERAGE_"))}

PATIENCE = 10.0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"", 1),
        (b"220 mail.example.com ESMTP", 1),
        (b"HTTP/1.1", 1),
    ],
)
def test_only_a_healthy_answer_counts(answer: bytes, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("MCP_DOCKERHUB_METRICS_HOST", "127.0.0.1")
        monkeypatch.setenv("MCP_DOCKERHUB_METRICS_PORT", str(listener.getsockname()[1]))
        asked: list[bytes] = []

        def serve() -> None:
            listener.settimeout(PATIENCE)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                asked.append(connection.recv(1024))
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        try:
            assert check() == code
        finally:
            server.join(PATIENCE)
    assert asked[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")


def test_without_a_metrics_port_there_is_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCP_DOCKERHUB_METRICS_PORT", raising=False)
    assert check() == 0


def test_a_port_that_is_none_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_METRICS_PORT", "http")
    assert check() == 1
    assert capsys.readouterr().err.startswith("mcp-dockerhub: no answer on the metrics port")


def test_a_probe_that_runs_every_few_seconds_imports_next_to_nothing() -> None:
    heavy = {"asyncio", "mcp", "pydantic", "pydantic_settings", "redis", "httpx2", "ssl"}
    code = "import sys, mcp_dockerhub.cli as c; c.main(['healthcheck']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=CLEAN)
    assert heavy & set(done.stdout.split()) == set()
