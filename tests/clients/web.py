"""A server process on HTTP, and clients that speak to it in bytes or in JSON."""

import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

DEADLINE: Final = 20.0
"""Seconds any one answer may take on a busy machine."""
HEADERS: Final = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
MODERN: Final = "2026-07-28"
_KEPT: Final = (
    *("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONSAFEPATH"),
    *("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"),
)


def inherited() -> dict[str, str]:
    """What a process of ours keeps of the environment."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


class Answer:
    """One response, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The JSON body, or the JSON of the last event of a stream."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
            return json.loads(events[-1])
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """What the error says: every refusal is small JSON of one form."""
        assert self.headers["content-type"] == "application/json", self.headers
        assert len(self.body) < 2048
        found: dict[str, Any] = self.json["error"]["data"]
        return found


def call_of(tool: str, arguments: Any = None, request_id: int | str = 1, *, modern: bool = False) -> dict[str, Any]:
    """A tools/call message of either era."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments or {}}
    if modern:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def modern_headers(tool: str) -> dict[str, str]:
    return {**HEADERS, "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": tool}


class WebServer:
    """``mcp-dockerhub serve --transport http`` on a free port, or another module that logs where it listens."""

    def __init__(self, environment: Mapping[str, str], *command: str) -> None:
        self.process = subprocess.Popen(
            [*(command or (str(Path(sys.executable).with_name("mcp-dockerhub")), "serve", "--transport", "http"))],
            env={**inherited(), "MCP_DOCKERHUB_PORT": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.errors: list[str] = []
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        self.host = "127.0.0.1"
        self.port = 0

    def __enter__(self) -> Self:
        self.port = int(self.wait_for("listening")["port"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next log record of that kind; fails when the process ends before."""
        while (found := self._events.get(timeout=DEADLINE)) is not None:
            if found.get("event") == event:
                return found
        raise AssertionError("the server ended:\n" + "".join(self.errors))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            line = raw.decode(errors="replace")
            self.errors.append(line)
            if line.startswith("{"):
                self._events.put(json.loads(line))
        self._events.put(None)

    def connect(self, timeout: float = DEADLINE) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout)

    def raw(self, data: bytes) -> bytes:
        """Everything the server says to these bytes until it closes the connection."""
        with self.connect() as connection:
            connection.sendall(data)
            return until_closed(connection)

    def request(
        self, method: str, path: str = "/mcp", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def post(self, message: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """A message as JSON, or bytes as they are."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.request("POST", "/mcp", body, {**HEADERS, **(headers or {})})

    def call(self, tool: str, arguments: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.post(call_of(tool, arguments), headers)


def until_closed(connection: socket.socket) -> bytes:
    """What arrives until the other side closes; a reset counts as closing."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:
        pass
    return received


def parsed(response: bytes) -> Answer:
    """One HTTP/1.1 response with a Content-Length, and nothing after it."""
    head, _, rest = response.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    assert len(rest) == int(headers["content-length"]), response
    return Answer(int(lines[0].split(" ")[1]), headers, rest)


def refused_start(environment: Mapping[str, str], arguments: Sequence[str] = ()) -> str:
    """What a server that must not start says; it exits with 2."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mcp-dockerhub")), "serve", "--transport", "http", *arguments],
        env={**inherited(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert not done.stdout
    return done.stderr
