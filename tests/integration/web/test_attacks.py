"""What must be refused, against a real process: framing, sizes, ambiguity, spoofing. The server lives on each time."""

import json
import random
import resource
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.web import DEADLINE, HEADERS, WebServer, call_of, parsed, until_closed
from tests.upstreams.faults import self_signed

CALL = json.dumps(call_of("health_check")).encode()
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def head(*lines: bytes, request: bytes = b"POST /mcp HTTP/1.1", host: bytes = b"Host: 127.0.0.1\r\n") -> bytes:
    """A request's head; the usual fields, then ``lines``."""
    usual = b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    return request + b"\r\n" + host + usual + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


@pytest.fixture(autouse=True)
def _the_server_lives_on(server: WebServer) -> Iterator[None]:
    yield
    assert server.call("health_check").json["result"]["structuredContent"]


CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CALL), CALL)
LENGTH = b"Content-Length: %d" % len(CALL)


@pytest.mark.parametrize(
    "request_bytes",
    [
        head(LENGTH, b"Transfer-Encoding: chunked") + CHUNKED + SMUGGLED,
        head(b"Content-Length: 4", b"Transfer-Encoding: chunked") + CHUNKED,
        head(LENGTH, LENGTH) + CALL,
        head(LENGTH, b"Content-Length: 0") + CALL,
        head(b"Content-Length: %d, %d" % (len(CALL), len(CALL))) + CALL,
        head(b"Content-Length: +%d" % len(CALL)) + CALL,
        head(b"Content-Length: 0x10") + CALL,
        head(b"Content-Length: -1") + CALL,
        head(b"Content-Length:") + CALL,
        head(b"Content-Length : 3") + CALL,
        head(b"Transfer-Encoding : chunked") + CHUNKED,
        head(b"Transfer-Encoding: chunked", request=b"POST /mcp HTTP/1.0") + CHUNKED,
        head(b"X-Folded: one", b" two", LENGTH) + CALL,
        head(b"Transfer-Encoding:", b" chunked") + CHUNKED,
        head(b"Transfer-Encoding: \x0bchunked") + CHUNKED,
        head(b"X-Null: a\x00b", LENGTH) + CALL,
        head(b"X-Return: a\rContent-Length: 0", LENGTH) + CALL,
        head(b"X-Bell: a\x07b", LENGTH) + CALL,
        head(b"X-Tab: a\x0bb", LENGTH) + CALL,
        head(LENGTH).replace(b"\r\n", b"\n") + CALL,
        head(LENGTH, host=b"") + CALL,
        head(LENGTH, b"Host: evil.example") + CALL,
        head(b"No colon", LENGTH) + CALL,
        head(LENGTH, request=b"POST http://127.0.0.1/mcp HTTP/1.1") + CALL,
        head(LENGTH, request=b"POST /mcp HTTP/1.1 x") + CALL,
        head(LENGTH, request=b"POST /mcp\tHTTP/1.1") + CALL,
        head(LENGTH, request=b"POST /mcp HTTP/2.0") + CALL,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\r\n\r\n" + head(LENGTH) + CALL,
    ],
)
def test_a_request_that_two_servers_may_read_differently_is_refused(server: WebServer, request_bytes: bytes) -> None:
    answer = parsed(server.raw(request_bytes))
    assert answer.status == 400
    assert answer.error["code"] == "INVALID_INPUT"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("coding", [b"chunked, identity", b"identity", b"gzip, chunked", b"xchunked", b"chunked;a=b"])
def test_a_transfer_coding_that_is_not_exactly_chunked_is_refused(server: WebServer, coding: bytes) -> None:
    answer = parsed(server.raw(head(b"Transfer-Encoding: " + coding) + CHUNKED))
    assert answer.status == 501
    assert answer.error["code"] == "UNSUPPORTED"


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"5\r\nhello world\r\n", b"-1\r\n", b"0x5\r\nhello\r\n", b"%x\r\n%bXX0\r\n\r\n" % (len(CALL), CALL)],
)
def test_chunks_that_break_their_framing_end_the_connection(server: WebServer, body: bytes) -> None:
    answer = parsed(server.raw(head(b"Transfer-Encoding: chunked") + body + SMUGGLED))
    assert answer.status == 400
    assert answer.error["code"] == "INVALID_INPUT"


def test_what_follows_a_request_before_its_answer_is_never_served(server: WebServer) -> None:
    response = server.raw(head(LENGTH) + CALL + SMUGGLED + head(LENGTH) + CALL)
    assert response.count(b"HTTP/1.1") == 1
    assert b"health" in response
    assert b"404" not in response.partition(b"\r\n")[0]


def test_a_body_of_ten_megabytes_is_refused_by_its_announcement(server: WebServer) -> None:
    answer = server.post(b" " * 10_000_000)
    assert answer.status == 413
    assert answer.error["code"] == "TOO_LARGE"


def test_a_body_that_does_not_say_its_size_is_refused_once_it_is_too_large(server: WebServer) -> None:
    with server.connect() as connection:
        connection.sendall(head(b"Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
        assert parsed(until_closed(connection)).status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[' + b"[]," * 340_000 + b"1]}}",
        b'"' + b'\\"' * 400_000,
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"health_check","name":"docker_list_tags"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":1,"a":1}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"9" * 5000 + b"}}",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}',
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        CALL + b"{}",
    ],
)
def test_a_body_that_is_not_one_unambiguous_json_text_is_refused(server: WebServer, body: bytes) -> None:
    answer = server.post(body)
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32700
    assert answer.error["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    "body",
    [
        b"1",
        b"null",
        b"[]",
        b"[" + CALL + b"]",
        b"{}",
        b'{"id":1,"method":"ping"}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
        b'{"jsonrpc":"2.0","id":"' + b"x" * 300 + b'","method":"ping"}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 40 + b',"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":7}',
        b'{"jsonrpc":"2.0","id":1,"method":""}',
        b'{"jsonrpc":"2.0","id":1,"method":"' + b"m" * 200 + b'"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
    ],
)
def test_json_that_is_not_one_message_is_refused(server: WebServer, body: bytes) -> None:
    answer = server.post(body)
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32600
    assert answer.json["id"] is None


def test_a_flood_of_header_fields_is_refused(server: WebServer) -> None:
    assert parsed(server.raw(head(*(b"X-%d: a" % i for i in range(101)), LENGTH) + CALL)).status == 431


def test_header_fields_that_never_end_are_refused(server: WebServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Long: " + b"a" * 100_000)
        answer = parsed(until_closed(connection))
    assert answer.status == 431
    assert answer.error["code"] == "TOO_LARGE"


def test_a_hundred_thousand_small_fields_are_refused_early(server: WebServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A:\r\n" * 10_300)
        assert parsed(until_closed(connection)).status == 431


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example#127.0.0.1",
        "localhost@evil.example",
        "localhost.",
        "localhost:80:80",
        "localhost:999999",
        "localhost:x",
        "[::1",
        "",
        "127.0.0.2",
    ],
)
def test_a_host_that_is_not_ours_is_misdirected(server: WebServer, host: str) -> None:
    request = head(LENGTH, b"Connection: close", host=b"Host: %b\r\n" % host.encode()) + CALL
    answer = parsed(server.raw(request))
    assert answer.status == 421
    assert answer.error["code"] == "FORBIDDEN"
    assert "evil" not in answer.body.decode()


def test_case_and_the_space_around_a_host_mean_nothing(server: WebServer) -> None:
    request = head(LENGTH, b"Connection: close", host=b"Host:  LOCALHOST \r\n") + CALL
    assert server.raw(request).startswith(b"HTTP/1.1 200 ")


def test_forwarded_host_headers_change_nothing(server: WebServer) -> None:
    spoofed = {
        "host": "evil.example",
        "x-forwarded-host": "127.0.0.1",
        "forwarded": "host=127.0.0.1",
        "x-host": "127.0.0.1",
    }
    assert server.post(call_of("health_check"), spoofed).status == 421


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example:80",
        "null",
        "file://",
        "https://localhost",
        "http://localhost:8000.evil.example",
        "http://localhost:80@evil.example",
        "",
    ],
)
def test_a_page_of_another_origin_may_not_call(server: WebServer, origin: str) -> None:
    answer = server.post(call_of("health_check"), {"origin": origin})
    assert answer.status == 403
    assert answer.error["code"] == "FORBIDDEN"
    assert "access-control-allow-origin" not in answer.headers


def test_two_origins_are_no_origin(server: WebServer) -> None:
    lines = (b"Origin: http://localhost", b"Origin: http://localhost", b"Connection: close", LENGTH)
    assert parsed(server.raw(head(*lines) + CALL)).status == 403


def test_a_token_in_the_query_is_refused_and_written_down_nowhere(environment: dict[str, str]) -> None:
    queries = ("access_token=secret-token", "secret", "token=eyJhbGciOiJub25lIn0.e30.")
    with WebServer(environment) as server:
        answers = [server.request("POST", f"/mcp?{query}", CALL, HEADERS) for query in queries]
        server.stop()
    assert [answer.status for answer in answers] == [400, 400, 400]
    audit = Path(environment["MCP_DOCKERHUB_AUDIT_FILE"]).read_text()
    assert audit.count('"query_not_allowed"') == 3
    written = b"".join(answer.body for answer in answers).decode() + audit + "".join(server.errors)
    assert "secret" not in written
    assert "eyJ" not in written


def test_two_thousand_idle_connections_keep_nobody_else_out(server: WebServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    idle: list[socket.socket] = []
    try:
        for number in range(2_000):
            connection = server.connect()
            idle.append(connection)
            if number % 2:
                connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow:")
        assert server.call("health_check").status == 200
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("tls", [False, True])
def test_idle_connections_do_not_use_up_descriptors(tls: bool, environment: dict[str, str], tmp_path: Path) -> None:
    """With and without TLS, where a connection that does not shake hands is none that the parser gets to see."""
    if tls:
        self_signed(tmp_path, "127.0.0.1")
        environment["MCP_DOCKERHUB_TLS_CERT_FILE"] = str(tmp_path / "faults.pem")
        environment["MCP_DOCKERHUB_TLS_KEY_FILE"] = str(tmp_path / "faults.key")
    program = Path(sys.executable).with_name("mcp-dockerhub")
    command = ("sh", "-c", f"ulimit -n 640; exec {program} serve --transport http")
    with WebServer(environment, *command) as server, ExitStack() as open_:
        for _ in range(700):
            open_.enter_context(server.connect())
        connection = server.connect()
        if tls:
            trust = ssl.create_default_context(cafile=tmp_path / "faults.pem")
            connection = trust.wrap_socket(connection, server_hostname="127.0.0.1")
        open_.enter_context(connection)
        connection.sendall(head(LENGTH, b"Connection: close") + CALL)
        assert until_closed(connection).startswith(b"HTTP/1.1 200 ")
        assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < 640 - 200
        server.stop()
    assert "system resource" not in "".join(server.errors)


def test_clients_that_come_back_all_at_once_are_all_served(environment: dict[str, str], tmp_path: Path) -> None:
    """As after a restart: each is accepted at once, and its TLS handshake takes a while."""
    self_signed(tmp_path, "127.0.0.1")
    environment["MCP_DOCKERHUB_TLS_CERT_FILE"] = str(tmp_path / "faults.pem")
    environment["MCP_DOCKERHUB_TLS_KEY_FILE"] = str(tmp_path / "faults.key")
    trust = ssl.create_default_context(cafile=tmp_path / "faults.pem")
    with WebServer(environment) as server, ExitStack() as open_:
        coming = [open_.enter_context(server.connect()) for _ in range(300)]
        served = [
            open_.enter_context(trust.wrap_socket(connection, server_hostname="127.0.0.1")) for connection in coming
        ]
        for connection in (served[0], served[-1]):
            connection.sendall(head(LENGTH, b"Connection: close") + CALL)
            assert until_closed(connection).startswith(b"HTTP/1.1 200 ")


def test_connections_may_be_dropped_at_any_moment(server: WebServer) -> None:
    whole = head(LENGTH) + CALL
    for end in range(0, len(whole) + 1, 7):
        with server.connect() as connection:
            connection.settimeout(DEADLINE)
            connection.sendall(whole[:end])
    assert server.call("health_check").status == 200


def test_noise_is_refused_without_a_word_of_a_defect(environment: dict[str, str]) -> None:
    noise = random.Random(20261121)
    whole = head(LENGTH, b"Connection: close") + CALL
    statuses = Counter[bytes]()
    with WebServer(environment) as server:
        for _ in range(400):
            with server.connect() as connection:
                connection.sendall(_damaged(whole, noise))
                connection.shutdown(socket.SHUT_WR)
                statuses[until_closed(connection)[9:12]] += 1
        assert server.call("health_check").status == 200
        server.stop()
    assert statuses[b"400"] > 100
    assert not [status for status in statuses if status.startswith(b"5") and status != b"501"], statuses
    assert not [
        line for line in server.errors if '"level": "info"' not in line and "tokens are not checked" not in line
    ]


def _damaged(request: bytes, noise: random.Random) -> bytes:
    """With a few bytes changed, removed or put in."""
    damaged = bytearray(request)
    for _ in range(noise.randint(1, 6)):
        at = noise.randrange(len(damaged))
        match noise.randrange(4):
            case 0 | 1:
                damaged[at] = noise.randrange(256)
            case 2:
                del damaged[at : at + noise.randint(1, 9)]
            case _:
                damaged[at:at] = bytes(noise.choices(b'\r\n :;,\x00\xff\t{}[]"', k=noise.randint(1, 6)))
    return bytes(damaged)
