"""Clients that send or read too slowly, against a process with little patience."""

import json
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.web import DEADLINE, WebServer, call_of, parsed, until_closed
from tests.integration.web.conftest import OPEN

CALL = json.dumps(call_of("health_check")).encode()
HEAD = (
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Accept: application/json, text/event-stream\r\n"
)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = str(tmp_path_factory.mktemp("impatient"))
    environment = {**OPEN, "DOCKER_CONFIG": folder, "MCP_DOCKERHUB_AUDIT_FILE": f"{folder}/audit.jsonl"}
    with WebServer(environment, sys.executable, "-m", "tests.clients.impatient_server") as running:
        yield running


def test_a_connection_that_says_nothing_is_closed(impatient: WebServer) -> None:
    assert impatient.raw(b"") == b""


def test_a_head_that_does_not_arrive_in_time_is_answered_and_closed(impatient: WebServer) -> None:
    answer = parsed(impatient.raw(HEAD + b"X-Slow: a"))
    assert answer.status == 408
    assert "in time" in answer.error["message"]


def test_a_body_that_does_not_arrive_in_time_ends_the_connection(impatient: WebServer) -> None:
    assert impatient.raw(HEAD + b"Content-Length: 100\r\n\r\n{") == b""


def test_the_rest_of_a_refused_body_is_not_waited_for_long(impatient: WebServer) -> None:
    answer = parsed(impatient.raw(HEAD + b"Content-Length: 9000000\r\n\r\n" + b" " * 1000))
    assert answer.status == 413


def test_an_idle_connection_is_closed_after_its_answer(impatient: WebServer) -> None:
    response = impatient.raw(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(CALL), CALL))
    assert response.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_never_reads_is_cut_off(impatient: WebServer) -> None:
    with impatient.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        poll = select.poll()
        poll.register(connection, select.POLLERR | select.POLLHUP)
        assert poll.poll(DEADLINE * 1000), "the server still waits"


def test_a_client_that_reads_gets_all_of_a_large_answer(impatient: WebServer) -> None:
    answer = impatient.request("GET", "/big")
    assert answer.status == 200
    assert len(answer.body) == 32 * 1024 * 1024


def test_half_a_connection_is_none(impatient: WebServer) -> None:
    import socket

    with impatient.connect() as connection:
        connection.sendall(HEAD)
        connection.shutdown(socket.SHUT_WR)
        assert until_closed(connection) == b""


def test_refusals_of_slow_clients_are_recorded(impatient: WebServer, tmp_path: Path) -> None:
    impatient.raw(HEAD + b"X-Slow: a")
    impatient.stop()
    errors = "".join(impatient.errors)
    assert "Traceback" not in errors
    assert '"level": "error"' not in errors
