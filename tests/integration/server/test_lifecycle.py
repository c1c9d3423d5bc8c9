"""Starting, ending, and the promise that stdout carries the protocol and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security.audit_verify import verify
from tests.clients.lines import COMMAND, DEADLINE, LineClient
from tests.upstreams.registry import InMemoryRegistry

PROMPT = 1.0
"""Seconds in which an idle server ends."""


def test_end_of_input_ends_the_process_cleanly_and_promptly(environment: dict[str, str]) -> None:
    with LineClient(environment) as client:
        client.initialize()
        started = time.monotonic()
        client.end_of_input()
        assert client.process.wait(DEADLINE) == 0
        assert time.monotonic() - started < PROMPT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly_while_the_client_is_silent(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with LineClient(environment) as client:
        client.initialize()
        started = time.monotonic()
        client.process.send_signal(number)
        assert client.process.wait(DEADLINE) == 0
        assert time.monotonic() - started < PROMPT


def test_a_signal_ends_the_process_while_a_call_waits_for_its_upstream(
    environment: dict[str, str], silent_upstream: str
) -> None:
    with LineClient({**environment, "MCP_DOCKERHUB_REGISTRY_URL": silent_upstream}) as client:
        client.initialize()
        client.send(
            {
                "jsonrpc": "2.0",
                "id": 7,
                "method": "tools/call",
                "params": {"name": "docker_get_manifest", "arguments": {"image": "nginx"}},
            }
        )
        client.call("get_server_info", {})
        started = time.monotonic()
        client.process.send_signal(signal.SIGTERM)
        assert client.process.wait(DEADLINE) == 0
        assert time.monotonic() - started < PROMPT * 2
    report = verify(Path(environment["MCP_DOCKERHUB_AUDIT_FILE"]))
    assert report.intact


def test_a_call_under_way_when_the_input_ends_is_still_answered(environment: dict[str, str]) -> None:
    with InMemoryRegistry() as registry:
        registry.add_image("library/nginx", "latest")
        with LineClient({**environment, "MCP_DOCKERHUB_REGISTRY_URL": registry.url}) as client:
            client.initialize()
            client.call("docker_get_manifest", {"image": "missing"})
            with registry.hung():
                client.send(_call(7, "docker_get_manifest", {"image": "nginx"}))
                client.call("get_server_info", {})
                client.end_of_input()
            answer = client.receive()
            assert (answer["id"], answer["result"].get("isError", False)) == (7, False)
            assert client.process.wait(DEADLINE) == 0


def _call(number: int, tool: str, arguments: dict[str, str]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@pytest.mark.skipif(sys.platform == "win32", reason="its pipes are written by a thread")
@pytest.mark.parametrize("closes", [False, True], ids=["stops reading", "closes its end"])
def test_a_client_that_takes_no_more_answers_does_not_keep_the_process(
    environment: dict[str, str], closes: bool
) -> None:
    with subprocess.Popen(
        [COMMAND],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            initialize = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "x", "version": "1"},
            }
            first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize}
            process.stdin.write(json.dumps(first).encode() + b"\n")
            process.stdin.flush()
            process.stdout.readline()
            if closes:
                process.stdout.close()
            for number in range(2, 30):
                asked = {"jsonrpc": "2.0", "id": number, "method": "tools/list"}
                process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.close()
            assert process.wait(DEADLINE) == 0
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_requests_from_a_file_are_answered_into_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "file", "version": "1"}}
    requests = tmp_path / "requests"
    requests.write_text(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize})
        + "\n"
        + json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
        + "\n"
        + json.dumps({"jsonrpc": "2.0", "id": 2, "method": "ping"})
        + "\n"
    )
    answers = tmp_path / "answers"
    with requests.open("rb") as incoming, answers.open("wb") as outgoing:
        done = subprocess.run(
            [COMMAND], env={**os.environ, **environment}, stdin=incoming, stdout=outgoing, timeout=DEADLINE, check=False
        )
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in answers.read_text().splitlines()] == [1, 2]


def test_no_input_at_all_is_an_end_and_not_a_fault(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [COMMAND],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_what_cannot_be_used_stops_the_start_by_name_and_without_its_value(environment: dict[str, str]) -> None:
    for name, value in (
        ("MCP_DOCKERHUB_RATE_LIMIT", "s3cret per fortnight"),
        ("MCP_DOCKERHUB_AUDIT_FILE", "/does/not/exist/audit.jsonl"),
        ("MCP_DOCKERHUB_CACHE_TTL", "tags=s3cret"),
    ):
        done = subprocess.run(
            [COMMAND],
            env={**os.environ, **environment, name: value},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 2
        assert name in done.stderr
        assert "s3cret" not in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_a_token_without_a_user_name_is_said_in_one_line(environment: dict[str, str]) -> None:
    with LineClient({**environment, "DOCKERHUB_TOKEN": "dckr_pat_x"}) as client:
        client.initialize()
        info = client.call("get_server_info", {})["structuredContent"]
        assert any("DOCKERHUB_USERNAME" in warning for warning in info["warnings"])
        assert info["registries"]["docker.io"] is False
        client.end_of_input()
        client.process.wait(DEADLINE)
    said = b"".join(client.errors).decode()
    assert said.count("DOCKERHUB_USERNAME") == 1
    assert "dckr_pat" not in said


def test_the_metrics_port_serves_beside_stdio(environment: dict[str, str]) -> None:
    from tests.upstreams.faults import unused_port

    port = unused_port()
    with LineClient({**environment, "MCP_DOCKERHUB_METRICS_PORT": str(port)}) as client:
        client.initialize()
        client.call("docker_get_image_details", {"image": "nginx:alpine"})
        healthy = subprocess.run(
            [COMMAND, "healthcheck"],
            env={**os.environ, "MCP_DOCKERHUB_METRICS_PORT": str(port)},
            timeout=DEADLINE,
            check=False,
        )
        assert healthy.returncode == 0
    gone = subprocess.run(
        [COMMAND, "healthcheck"],
        env={**os.environ, "MCP_DOCKERHUB_METRICS_PORT": str(port)},
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert gone.returncode == 1


def test_the_health_check_of_a_server_without_a_metrics_port_has_nothing_to_ask(environment: dict[str, str]) -> None:
    done = subprocess.run([COMMAND, "healthcheck"], env={**os.environ, **environment}, timeout=DEADLINE, check=False)
    assert done.returncode == 0


def test_a_metrics_port_that_is_taken_is_an_error_with_its_name(environment: dict[str, str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [COMMAND],
            env={**os.environ, **environment, "MCP_DOCKERHUB_METRICS_PORT": str(taken.getsockname()[1])},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    assert done.returncode == 2
    assert "MCP_DOCKERHUB_METRICS_PORT" in done.stderr
    assert "Traceback" not in done.stderr
