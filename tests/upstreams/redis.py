"""Debian's ``redis-server`` on a free loopback port, for tests that need a real one.

with RedisServer() as server:
    link = RedisLink(server.url)
    server.kill(); server.start()      # the same port, its memory lost
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

BINARY = shutil.which("redis-server")
MISSING = "redis-server is not installed (Debian package redis-server)"
PATIENCE = 20.0


class _EndedError(Exception):
    """redis-server ended by itself."""


class RedisServer:
    """One server; in memory only unless ``durable``."""

    def __init__(self, *, password: str = "", cluster: bool = False, durable: bool = False) -> None:
        self.password = password
        self.port = free_port()
        self._cluster = cluster
        self._durable = durable
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As MCP_DOCKERHUB_REDIS_URL takes it."""
        account = f":{self.password}@" if self.password else ""
        return f"redis://{account}127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        self._start_on_a_free_port()
        if self._cluster:
            self.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            self._wait_for(lambda: b"cluster_state:ok" in self.command("CLUSTER", "INFO"))
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()

    def _start_on_a_free_port(self) -> None:
        """Somebody else may take a port between finding and using it."""
        for _ in range(5):
            try:
                self.start()
            except _EndedError:
                self.port = free_port()
            else:
                return
        raise _EndedError

    def start(self) -> None:
        """Start (again) and wait until it answers."""
        assert BINARY, MISSING
        assert self._folder is not None
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._folder.name,
            "save": "",
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "always",
            "requirepass": self.password,
            "cluster-enabled": "yes" if self._cluster else "no",
            # By default the port and 10,000, which may be no port at all.
            "cluster-port": free_port(),
        }
        lines = [f"{name} {value if value != '' else chr(34) * 2}" for name, value in options.items()]
        config = Path(self._folder.name) / "redis.conf"
        config.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen([BINARY, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_for(self._answers)

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def pause(self) -> None:
        """From now on it takes connections but does not answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        self._signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """The reply to one command, as it is on the wire (RESP 2)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            if self.password:
                connection.sendall(_encoded("AUTH", self.password))
                connection.recv(64)
            connection.sendall(_encoded(*words))
            return connection.recv(1 << 20)

    def keys(self) -> list[str]:
        """The names of all keys."""
        return [line.decode() for line in self.command("KEYS", "*").split(b"\r\n")[2::2]]

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "redis-server does not answer"
            if self._process is not None and self._process.poll() is not None:
                raise _EndedError
            time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _encoded(*words: str) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
