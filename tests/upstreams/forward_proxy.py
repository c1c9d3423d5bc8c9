"""Debian's ``tinyproxy`` on a free loopback port: a real forward proxy that wants a password.

with ForwardProxy("user", "secret") as proxy:
    environment["HTTPS_PROXY"] = proxy.url
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Self

from tests.upstreams.listening import PATIENCE, listens
from tests.upstreams.redis import free_port

BINARY: Final = shutil.which("tinyproxy", path="/usr/bin:/usr/sbin:/usr/local/bin")
MISSING: Final = "tinyproxy is not installed (Debian package tinyproxy)"


class ForwardProxy:
    """One proxy; it lets nobody through without its password."""

    def __init__(self, user: str, password: str) -> None:
        self.port = 0
        self._user = user
        self._password = password
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self._user}:{self._password}@127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it was asked so far."""
        assert self._folder is not None
        return (Path(self._folder.name) / "log").read_text()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="tinyproxy-")
        for _ in range(5):
            self.port = free_port()
            if self._starts():
                return self
        raise AssertionError(self.log)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
        if self._folder is not None:
            self._folder.cleanup()

    def _starts(self) -> bool:
        assert BINARY, MISSING
        assert self._folder is not None
        log = Path(self._folder.name) / "log"
        lines = [
            f"Port {self.port}",
            "Listen 127.0.0.1",
            "Allow 127.0.0.1",
            "Timeout 60",
            "MaxClients 50",
            f'LogFile "{log}"',
            "LogLevel Info",
            f"BasicAuth {self._user} {self._password}",
        ]
        config = Path(self._folder.name) / "tinyproxy.conf"
        config.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(
            [BINARY, "-d", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return listens(self._process, self.port)
