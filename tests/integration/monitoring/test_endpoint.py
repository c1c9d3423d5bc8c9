"""The endpoint over real sockets: what it answers, what it refuses, and what hostile clients cannot do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from mcp_dockerhub_monitoring import endpoint as module
from mcp_dockerhub_monitoring.checks import state_check
from mcp_dockerhub_monitoring.endpoint import MAX_HEAD_BYTES, MonitoringEndpoint, Reply, standard_routes
from mcp_dockerhub_monitoring.health import HealthMonitor
from mcp_dockerhub_monitoring.metrics import Metrics

pytestmark = pytest.mark.anyio


class Server:
    """The endpoint and what it shows."""

    def __init__(self) -> None:
        self.audit: str | None = None
        self.metrics = Metrics({"docker_list_tags"})
        health = HealthMonitor({"audit": state_check(lambda: self.audit)}, readiness=("audit",), interval=0.0)
        self.endpoint = MonitoringEndpoint(standard_routes(self.metrics, health) | {"/broken": self.broken})

    def broken(self) -> Reply:
        raise RuntimeError("secret detail")

    async def send(self, request: bytes) -> bytes:
        """The whole answer to some bytes."""
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.endpoint.port)
            try:
                writer.write(request)
                return await reader.read()
            finally:
                writer.transport.abort()

    async def get(self, path: str, method: str = "GET", host: str = "localhost") -> tuple[int, str, bytes]:
        """Status, head and body."""
        answer = await self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), head.decode(), body


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with made.endpoint:
        yield made


async def test_a_scrape_shows_the_metrics(server: Server) -> None:
    server.metrics.operation("tools/call", "docker_list_tags", "ok", "stateless", "stdio", 0.1)
    status, head, body = await server.get("/metrics?name[]=x")
    assert status == 200
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert b'mcp_server_operations_total{era="stateless",gen_ai_tool_name="docker_list_tags"' in body
    assert f"Content-Length: {len(body)}" in head


async def test_alive_and_ready_are_different_things(server: Server) -> None:
    assert (await server.get("/healthz"))[::2] == (200, b"ok\n")
    assert (await server.get("/readyz"))[::2] == (200, b"ready\n")
    server.audit = "the disk is full at /var/secret"
    assert (await server.get("/healthz"))[::2] == (200, b"ok\n")
    assert (await server.get("/readyz"))[::2] == (503, b"not ready\n")


async def test_head_has_the_length_and_no_body(server: Server) -> None:
    status, head, body = await server.get("/healthz", "HEAD")
    assert (status, body) == (200, b"")
    assert "Content-Length: 3" in head


async def test_every_answer_carries_the_security_headers(server: Server) -> None:
    for path in ("/metrics", "/nowhere"):
        _, head, _ = await server.get(path)
        for header in (
            "X-Content-Type-Options: nosniff",
            "Cache-Control: no-store",
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
            "Connection: close",
        ):
            assert header in head


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/metrics/../healthz", "/%6detrics", "http://localhost/metrics", "*"]
)
async def test_other_paths_are_not_found(server: Server, path: str) -> None:
    status, head, body = await server.get(path)
    assert (status, body) == (404, b"Not Found\n")
    assert path == "/" or path not in head


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"])
async def test_other_methods_are_refused(server: Server, method: str) -> None:
    status, head, _ = await server.get("/metrics", method)
    assert status == 405
    assert "Allow: GET, HEAD" in head


@pytest.mark.parametrize(
    "request_line",
    [b"", b"GET", b"GET /metrics", b"GET /metrics HTTP/2", b"GET  /metrics HTTP/1.1", b"\xff\xfe \x00 x"],
)
async def test_what_is_not_http_is_a_bad_request(server: Server, request_line: bytes) -> None:
    answer = await server.send(request_line + b"\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9090", "127.0.0.1.evil.example", "[::2]:80", ""])
async def test_on_loopback_no_other_host_name_is_answered(server: Server, host: str) -> None:
    assert (await server.get("/metrics", host=host))[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "127.0.0.1:1", "[::1]:9000"])
async def test_the_names_of_loopback_are_answered(server: Server, host: str) -> None:
    assert (await server.get("/healthz", host=host))[0] == 200


async def test_two_host_headers_are_a_bad_request(server: Server) -> None:
    answer = await server.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_http_1_0_without_a_host_is_answered(server: Server) -> None:
    assert (await server.send(b"GET /healthz HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_beyond_loopback_any_host_name_is_answered() -> None:
    routes = standard_routes(Metrics(), HealthMonitor({}))
    async with MonitoringEndpoint(routes, host="127.0.0.2") as endpoint, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.2", endpoint.port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: metrics.internal:9000\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()


async def test_a_handler_that_fails_tells_nothing(server: Server) -> None:
    status, _, body = await server.get("/broken")
    assert (status, body) == (500, b"Internal Server Error\n")
    assert (await server.get("/healthz"))[0] == 200


async def test_a_head_that_is_too_long_is_refused(server: Server) -> None:
    answer = await server.send(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD_BYTES + 10) + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_client_that_leaves_halfway_is_forgotten(server: Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.endpoint.port)
    writer.write(b"GET /metr")
    writer.close()
    await writer.wait_closed()
    assert (await server.get("/healthz"))[0] == 200


async def test_a_client_that_never_finishes_asking_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_TIMEOUT", 0.05)
    answer = await server.send(b"GET /metrics HTTP/1.1\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_TIMEOUT", 0.05)
    asked = asyncio.Event()

    def huge() -> Reply:
        asked.set()
        return Reply(HTTPStatus.OK, b"x" * 64_000_000)

    async with MonitoringEndpoint({"/huge": huge}) as endpoint, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        writer.write(b"GET /huge HTTP/1.1\r\n\r\n")
        await asked.wait()
        await asyncio.gather(*endpoint._connections)
        received = 0
        with contextlib.suppress(ConnectionResetError):  # a clean end is as good, if the answer was cut
            while chunk := await reader.read(1 << 20):
                received += len(chunk)
        assert received < 64_000_000
        writer.transport.abort()


async def test_connections_are_capped_and_come_free_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    idle = [await asyncio.open_connection("127.0.0.1", server.endpoint.port) for _ in range(3)]
    assert (await server.send(b"")).startswith(b"HTTP/1.1 503 ")
    for _, writer in idle:
        writer.transport.abort()
    await asyncio.wait(server.endpoint._connections, timeout=10)
    assert (await server.get("/healthz"))[0] == 200


async def test_closing_drops_open_connections_and_frees_the_port() -> None:
    endpoint = MonitoringEndpoint({})
    assert endpoint.port == 0
    await endpoint.aclose()
    await endpoint.start()
    port = endpoint.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        later, later_writer = await asyncio.open_connection("127.0.0.1", port)
        later_writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await later.read()).startswith(b"HTTP/1.1 404 ")  # so the earlier one is accepted too
        assert len(endpoint._connections) == 1
        await endpoint.aclose()
        assert await reader.read() == b""
    writer.transport.abort()
    later_writer.transport.abort()
    async with MonitoringEndpoint({}, port=port) as again:
        assert again.port == port


async def test_a_port_in_use_is_told_to_the_caller(server: Server) -> None:
    with pytest.raises(OSError, match="address"):
        await MonitoringEndpoint({}, port=server.endpoint.port).start()
