"""Drives a container engine by its command line: containers, MCP sessions over stdio, and exported images."""

import json
import os
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
"""Seconds any one step may take before it counts as hung; emulated processors and busy machines are slow."""

CONFINED: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""What the documentation tells people to run with."""

HARDENED: Final = (*CONFINED, "--network=none")
"""The same without any network: nothing at a start may need one."""

PYTHON: Final = "/usr/bin/python3"
STATE: Final = "/var/lib/mcp-dockerhub"
"""Where the documentation mounts what a server keeps."""
PROTOCOL: Final = "2025-11-25"


def docker(*arguments: str, timeout: float = PATIENCE, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one docker command with nothing on its standard input."""
    command = ["docker", *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def why_no_engine() -> str | None:
    """The reason these tests cannot run here, or None."""
    try:
        done = docker("version", "--format", "{{.Server.Version}}", timeout=20, check=False)
    except FileNotFoundError:
        return "no container engine: the docker command is not installed"
    except subprocess.TimeoutExpired:
        return "no container engine: it does not answer"
    if done.returncode:
        return f"no container engine at {os.environ.get('DOCKER_HOST', 'the default socket')}"
    return None


def probe(image: str, code: str, *flags: str) -> Any:
    """What ``code`` prints as JSON, run by the image's own interpreter instead of the server."""
    return json.loads(docker("run", "--rm", *flags, "--entrypoint", PYTHON, image, "-IB", "-c", code).stdout)


@dataclass
class Container:
    """A server that runs in a container, spoken to over its standard streams."""

    image: str
    flags: Sequence[str] = HARDENED
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"mcp-image-test-{uuid.uuid4().hex[:12]}")
    keep: bool = False
    """Leave the container after it exits, so that its state can be read."""
    errors: list[str] = field(default_factory=list)
    """Lines of standard error."""

    def __enter__(self) -> Self:
        settings = [f"--env={name}={value}" for name, value in self.environment.items()]
        remove = [] if self.keep else ["--rm"]
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            ["docker", "run", "-i", "--name", self.name, *remove, *self.flags, *settings, self.image, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._last_id = 0
        self._early: dict[int, dict[str, Any]] = {}
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            docker("kill", self.name, check=False)
        if self.keep:
            docker("rm", "--force", self.name, check=False)
        self._process.kill()
        self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self.errors.extend(self._process.stderr)

    def notify(self, method: str) -> None:
        """Send a notification."""
        self._write({"jsonrpc": "2.0", "method": method})

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request without waiting for its answer; returns its id."""
        self._last_id += 1
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": self._last_id, "method": method}
        if params is not None:
            message["params"] = params
        self._write(message)
        return self._last_id

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def answer(self, request: int, timeout: float = PATIENCE) -> dict[str, Any]:
        """The message that answers a request; others that come before it are kept for their own asker."""
        deadline = time.monotonic() + timeout
        while request not in self._early:
            try:
                line = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no answer within {timeout} s; stderr:\n{''.join(self.errors)}") from None
            if line is None:
                raise AssertionError(f"the server closed its output; stderr:\n{''.join(self.errors)}")
            message = json.loads(line)
            if "id" in message and "method" not in message:
                self._early[message["id"]] = message
        return self._early.pop(request)

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The result of a request; a JSON-RPC error fails the test."""
        message = self.answer(self.send(method, params))
        assert "result" in message, message
        result: dict[str, Any] = message["result"]
        return result

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool call."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def initialize(self) -> dict[str, Any]:
        """Shake hands, and note how long after ``docker run`` the reply came."""
        result = self.request(
            "initialize",
            {
                "protocolVersion": PROTOCOL,
                "capabilities": {},
                "clientInfo": {"name": "image-test", "version": "1"},
            },
        )
        self.seconds_to_reply = time.monotonic() - self.started
        self.notify("notifications/initialized")
        return result

    def hang_up(self) -> int:
        """Close the server's standard input and return the exit code it leaves with."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(PATIENCE)

    def wait(self, timeout: float = PATIENCE) -> int:
        """The exit code, once it is there."""
        return self._process.wait(timeout)

    def run_inside(self, code: str) -> Any:
        """What ``code`` prints as JSON, run beside the server in the same container."""
        return json.loads(docker("exec", self.name, PYTHON, "-IB", "-c", code).stdout)

    def drain(self) -> None:
        """Wait until everything the ended process wrote has been read."""
        for reader in self._readers:
            reader.join(PATIENCE)

    def becomes_healthy(self, timeout: float = PATIENCE) -> bool:
        """Watch the engine's events until the health check passes; False when it fails first."""
        events = subprocess.Popen(
            ["docker", "events", "--since=1h", f"--filter=container={self.name}", "--filter=event=health_status"],
            stdout=subprocess.PIPE,
            text=True,
        )
        stop = threading.Timer(timeout, events.kill)
        stop.start()
        try:
            assert events.stdout is not None
            return any("health_status: healthy" in line for line in events.stdout)
        finally:
            stop.cancel()
            events.kill()
            events.wait(PATIENCE)
            if events.stdout is not None:
                events.stdout.close()

    def state(self) -> Any:
        """The engine's own record of the container."""
        return json.loads(docker("inspect", self.name).stdout)[0]


@contextmanager
def owned_volume(image: str) -> Iterator[str]:
    """A named volume that the server's user owns, made so the way the compose files do it; gone afterwards."""
    name = f"mcp-image-test-{uuid.uuid4().hex[:12]}"
    docker("volume", "create", name)
    try:
        code = f"import os; os.chown('{STATE}', 65532, 65532)"
        docker(
            *("run", "--rm", "--network=none", "--user=0:0", "--read-only", "--cap-drop=ALL", "--cap-add=CHOWN"),
            *(f"--volume={name}:{STATE}", f"--entrypoint={PYTHON}", image, "-IB", "-c", code),
        )
        yield name
    finally:
        docker("volume", "rm", "--force", name)
