"""A client for stdio servers that adds as little as possible to what it measures: lines of JSON through pipes."""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, cast

import psutil

PROTOCOL: Final = "2025-11-25"
PATIENCE: Final = 60.0
"""Seconds an answer may take before the benchmark gives up."""


class Server:
    """A stdio MCP server as a subprocess, from exec on."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._last_id = 0
        self.last_size = 0
        """Bytes of the line read last."""
        self._unread: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def initialize(self) -> float:
        """Shake hands; the seconds from exec to the reply."""
        client = {"name": "benchmark", "version": "1"}
        parameters = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        self.request("initialize", parameters)
        elapsed = time.perf_counter() - self.started
        self.notify("notifications/initialized")
        return elapsed

    def request(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The result of one request; RuntimeError when the server answers with an error."""
        return self.receive(self.send(method, parameters))

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of one tool call; RuntimeError when the tool reports an error."""
        return checked(tool, self.request("tools/call", {"name": tool, "arguments": arguments}))

    def send(self, method: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Send a request without waiting; its id."""
        self._last_id += 1
        self._write({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": parameters or {}})
        return self._last_id

    def notify(self, method: str, parameters: Mapping[str, Any] | None = None) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": parameters or {}})

    def receive(self, wanted: int) -> dict[str, Any]:
        """The result of the request with id ``wanted``; answers to others are kept for later."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in self._unread:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer to request {wanted} within {PATIENCE:g} s")
            line = self._line()
            self.last_size = len(line)
            message = json.loads(line)
            if "id" in message and ("result" in message or "error" in message):
                self._unread[message["id"]] = message
        message = self._unread.pop(wanted)
        if "error" in message:
            raise RuntimeError(f"request {wanted} failed: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def receive_all(self, wanted: Iterable[int]) -> list[dict[str, Any]]:
        return [self.receive(identifier) for identifier in wanted]

    @property
    def memory(self) -> int:
        """Resident bytes now."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def restart_peak(self) -> None:
        """Let the peak start anew at what is resident now (Linux)."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    @property
    def peak(self) -> int:
        """The most bytes ever resident since ``restart_peak`` (Linux)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]
        return int(kilobytes) * 1024

    def _write(self, message: Mapping[str, Any]) -> None:
        self._input.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        self._input.flush()

    def _line(self) -> bytes:
        line = self._output.readline()
        if not line:
            raise RuntimeError(f"the server ended with code {self._process.wait(timeout=10)}")
        return line


def checked(tool: str, result: dict[str, Any]) -> dict[str, Any]:
    """The result of a tool call, unless the tool reported an error: then RuntimeError."""
    if result.get("isError"):
        raise RuntimeError(f"{tool} failed: {result.get('structuredContent')}")
    return result


def clean_environment(**settings: str) -> dict[str, str]:
    """The caller's environment without its settings of the server, and with compiled modules in use."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MCP_DOCKERHUB_", "DOCKERHUB_", "DOCKER_", "COVERAGE_"))
        and name not in {"PYTHONDONTWRITEBYTECODE", "HTTPS_PROXY", "https_proxy"}
    }
    return kept | settings
