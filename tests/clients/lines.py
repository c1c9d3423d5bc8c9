"""A client that speaks lines and nothing else, for what an official client would never send."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any, Final, Self

COMMAND: Final = str(Path(sys.executable).with_name("mcp-dockerhub"))
DEADLINE: Final = 20.0
"""Seconds any one answer may take on a busy machine."""
_KEPT: Final = ("PATH", "HOME", "LANG", "SYSTEMROOT", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPATH")


class LineClient:
    """One server process and its three streams."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        inherited = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            env={**inherited, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._lines: Queue[bytes] = Queue()
        self.errors: list[bytes] = []
        self._threads = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()

    def initialize(self) -> dict[str, Any]:
        """The handshake of protocol versions up to 2025-11-25."""
        client = {"name": "lines", "version": "1"}
        answer = self.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def send(self, message: Mapping[str, Any] | bytes) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next line of stdout, which must be a JSON-RPC message."""
        line = self._lines.get(timeout=DEADLINE)
        assert line, "the server closed its output"
        message: dict[str, Any] = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return the whole response to it."""
        self._next += 1
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": dict(params or {})})
        while (answer := self.receive()).get("id") != self._next:
            pass
        return answer

    def call(self, tool: str, arguments: Any) -> dict[str, Any]:
        """A tool's result."""
        result: dict[str, Any] = self.request("tools/call", {"name": tool, "arguments": arguments})["result"]
        return result

    def end_of_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)
