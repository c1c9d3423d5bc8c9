"""Starting, ending, and calls whose client leaves or whose time is up, against real processes."""

import http.client
import json
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security.audit_verify import verify
from tests.clients.web import DEADLINE, HEADERS, WebServer, call_of, modern_headers, parsed, refused_start, until_closed
from tests.integration.web.conftest import OPEN
from tests.upstreams.faults import self_signed

TOOL = "docker_get_manifest"


def call_bytes(*, modern: bool) -> bytes:
    body = json.dumps(call_of(TOOL, {"image": "nginx"}, modern=modern)).encode()
    headers = modern_headers(TOOL) if modern else HEADERS
    lines = [f"{name}: {value}" for name, value in {**headers, "content-length": str(len(body))}.items()]
    return ("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode() + body


def outcomes(environment: dict[str, str], tool: str = TOOL) -> list[str]:
    lines = Path(environment["MCP_DOCKERHUB_AUDIT_FILE"]).read_text().splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [str(record["outcome"]) for record in records if record.get("tool") == tool]


def origin_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("answers", [{}, {"MCP_DOCKERHUB_JSON_RESPONSE": "true"}, {"MCP_DOCKERHUB_SESSIONS": "true"}])
def test_a_client_that_leaves_stops_its_upstream_work(
    environment: dict[str, str], silent_upstream: socket.socket, answers: dict[str, str]
) -> None:
    settings = {**environment, **answers, "MCP_DOCKERHUB_REGISTRY_URL": origin_of(silent_upstream)}
    with WebServer(settings) as server:
        handshake, stateless = call_bytes(modern=False), call_bytes(modern=True)
        if "MCP_DOCKERHUB_SESSIONS" in answers:
            handshake = handshake.replace(b"\r\n", b"\r\nmcp-session-id: %b\r\n" % open_session(server).encode(), 1)
        for request in (handshake, stateless):
            with server.connect() as client:
                client.sendall(request)
                upstream, _ = silent_upstream.accept()
                assert upstream.recv(65536)
            with upstream:
                upstream.settimeout(DEADLINE)
                assert upstream.recv(65536) == b"", "the request upstream goes on"
        assert server.stop() == 0
    assert outcomes(environment) == ["cancelled", "cancelled"]
    assert verify(Path(environment["MCP_DOCKERHUB_AUDIT_FILE"])).intact


def open_session(server: WebServer) -> str:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = server.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    assert answer.status == 200
    return answer.headers["mcp-session-id"]


def test_a_request_that_takes_too_long_is_ended_and_told_so(
    environment: dict[str, str], silent_upstream: socket.socket
) -> None:
    settings = {
        **environment,
        "MCP_DOCKERHUB_REGISTRY_URL": origin_of(silent_upstream),
        "MCP_DOCKERHUB_REQUEST_TIMEOUT": "0.5",
        "MCP_DOCKERHUB_JSON_RESPONSE": "true",
    }
    with WebServer(settings) as server:
        for modern in (False, True):
            headers = modern_headers(TOOL) if modern else HEADERS
            answer = server.post(call_of(TOOL, {"image": "nginx"}, 41, modern=modern), headers)
            assert answer.status == 504
            assert answer.json["id"] == 41
            assert answer.error["retryable"]
        assert server.call("health_check").status == 200
        assert server.stop() == 0
    assert outcomes(environment) == ["cancelled", "cancelled"]


def test_more_requests_than_can_be_served_are_told_to_come_back(
    environment: dict[str, str], silent_upstream: socket.socket
) -> None:
    settings = {
        **environment,
        "MCP_DOCKERHUB_REGISTRY_URL": origin_of(silent_upstream),
        "MCP_DOCKERHUB_MAX_CONCURRENCY": "4",
    }
    with WebServer(settings) as server:
        clients = [server.connect() for _ in range(2)]
        for client in clients:
            client.sendall(call_bytes(modern=True))
        upstream, _ = silent_upstream.accept()
        with upstream:
            upstream.recv(65536)
        # One caller gets half of the places, so that others find one.
        answer = server.call("health_check")
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.error["code"] == "RATE_LIMITED"
        for client in clients:
            client.close()
        deadline = time.monotonic() + DEADLINE
        while server.call("health_check").status != 200:
            assert time.monotonic() < deadline


class Released:
    """An upstream that answers every request with 404, but none before it is released."""

    def __init__(self) -> None:
        self.asked, self.released = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = origin_of(self._listener)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                self.asked.set()
                self.released.wait(DEADLINE)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")

    def close(self) -> None:
        self.released.set()
        self._listener.close()


@pytest.fixture
def slow_upstream() -> Iterator[Released]:
    upstream = Released()
    yield upstream
    upstream.close()


def test_sigterm_lets_requests_end_and_takes_no_new_ones(environment: dict[str, str], slow_upstream: Released) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        probes = free.getsockname()[1]
    settings = {
        **environment,
        "MCP_DOCKERHUB_REGISTRY_URL": slow_upstream.url,
        "MCP_DOCKERHUB_METRICS_PORT": str(probes),
    }
    with WebServer(settings) as server, server.connect() as client, server.connect() as idle:
        client.sendall(call_bytes(modern=True))
        assert slow_upstream.asked.wait(DEADLINE)
        assert ready(probes) == 200
        server.process.send_signal(signal.SIGTERM)
        assert until_closed(idle) == b""
        assert ready(probes) == 503
        with pytest.raises(ConnectionError):
            server.connect()
        slow_upstream.released.set()
        answer = parsed(until_closed(client))
        assert answer.status == 200
        assert answer.json["result"]["structuredContent"]["code"] == "NOT_FOUND"
        assert server.process.wait(DEADLINE) == 0
    assert outcomes(environment) == ["NOT_FOUND"]
    assert verify(Path(environment["MCP_DOCKERHUB_AUDIT_FILE"])).intact


def ready(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    connection.request("GET", "/readyz")
    return connection.getresponse().status


@pytest.mark.parametrize("modern", [False, True])
def test_what_does_not_end_while_draining_is_cancelled_and_told_so(
    environment: dict[str, str], slow_upstream: Released, modern: bool
) -> None:
    settings = {
        **environment,
        "MCP_DOCKERHUB_REGISTRY_URL": slow_upstream.url,
        "MCP_DOCKERHUB_DRAIN_TIMEOUT": "0",
        "MCP_DOCKERHUB_JSON_RESPONSE": "true",
    }
    with WebServer(settings) as server, server.connect() as client:
        client.sendall(call_bytes(modern=modern))
        assert slow_upstream.asked.wait(DEADLINE)
        server.process.send_signal(signal.SIGTERM)
        answer = parsed(until_closed(client))
        assert answer.status == 503
        assert "shutting down" in answer.error["message"]
        assert server.process.wait(DEADLINE) == 0
    assert outcomes(environment) == ["cancelled"]
    assert "Traceback" not in "".join(server.errors)
    assert verify(Path(environment["MCP_DOCKERHUB_AUDIT_FILE"])).intact


def test_a_second_signal_does_not_wait(environment: dict[str, str], slow_upstream: Released) -> None:
    with (
        WebServer({**environment, "MCP_DOCKERHUB_REGISTRY_URL": slow_upstream.url}) as server,
        server.connect() as client,
        server.connect() as idle,
    ):
        client.sendall(call_bytes(modern=True))
        assert slow_upstream.asked.wait(DEADLINE)
        server.process.send_signal(signal.SIGINT)
        assert until_closed(idle) == b""
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(5) == 0
    assert outcomes(environment) == ["cancelled"]


LOOPBACK_ONLY = {**OPEN, "MCP_DOCKERHUB_HOST": "0.0.0.0"}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            {"MCP_DOCKERHUB_HOST": "0.0.0.0"},
            ["MCP_DOCKERHUB_ISSUER", "MCP_DOCKERHUB_PUBLIC_URL", "MCP_DOCKERHUB_ALLOWED_HOSTS"],
        ),
        (LOOPBACK_ONLY, ["MCP_DOCKERHUB_INSECURE_NO_AUTH", "MCP_DOCKERHUB_HOST"]),
        (
            {**OPEN, "MCP_DOCKERHUB_TLS_CERT_FILE": "/nowhere", "MCP_DOCKERHUB_TLS_KEY_FILE": "/nowhere"},
            ["No such file"],
        ),
    ],
)
def test_a_server_that_would_be_exposed_or_cannot_run_does_not_start(
    settings: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    said = refused_start({"DOCKER_CONFIG": str(tmp_path), "MCP_DOCKERHUB_PORT": "0", **settings})
    assert all(name in said for name in names), said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ("--host", "127.0.0.1", "--port", str(taken.getsockname()[1]))
        said = refused_start({**OPEN, "DOCKER_CONFIG": str(tmp_path)}, arguments)
    assert "MCP_DOCKERHUB_PORT" in said
    assert "in use" in said


def test_any_asgi_server_can_serve_the_factory(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ("-m", "uvicorn", "--factory", "mcp_dockerhub.web.app:create_app", "--port", str(port))
    server = WebServer(environment, sys.executable, *command)
    server.port = port
    try:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                assert server.call("health_check").status == 200
                break
            except ConnectionError:
                assert time.monotonic() < deadline
                assert server.process.poll() is None, server.errors
        assert server.request("GET", "/nowhere").error["code"] == "NOT_FOUND"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(DEADLINE)
    finally:
        server.__exit__(None, None, None)
    assert verify(Path(environment["MCP_DOCKERHUB_AUDIT_FILE"])).intact


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    _, trusted = self_signed(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")
    return {
        "MCP_DOCKERHUB_TLS_CERT_FILE": str(trusted),
        "MCP_DOCKERHUB_TLS_KEY_FILE": str(trusted.with_suffix(".key")),
    }


def test_certificate_files_make_it_speak_tls(environment: dict[str, str], certificate: dict[str, str]) -> None:
    import ssl

    with WebServer({**environment, **certificate}) as server:
        context = ssl.create_default_context(cafile=certificate["MCP_DOCKERHUB_TLS_CERT_FILE"])
        request = urllib.request.Request(
            f"https://localhost:{server.port}/mcp", json.dumps(call_of("health_check")).encode(), HEADERS
        )
        with urllib.request.urlopen(request, timeout=DEADLINE, context=context) as response:
            assert response.status == 200
            assert response.headers["strict-transport-security"]
        assert b"HTTP/1.1 200" not in server.raw(call_bytes(modern=True))
        with context.wrap_socket(server.connect(), server_hostname="localhost") as idle:
            idle.sendall(call_bytes(modern=True))
            assert idle.recv(12) == b"HTTP/1.1 200"
            assert server.stop() == 0
    assert "Traceback" not in "".join(server.errors)
    assert "shutdown exceeded" not in "".join(server.errors), "nobody waits for an idle client to say goodbye"
