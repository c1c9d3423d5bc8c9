"""Debian's ``docker-registry`` (distribution 2.8) on a free loopback port, for tests.

with DockerRegistry(auth="token", private=frozenset({"team/app"})) as registry:
    registry.add_image("library/nginx", "alpine")
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

from tests.upstreams.http_push import PushingSeeder
from tests.upstreams.token_server import ISSUER, SERVICE, TokenServer

BINARY = shutil.which("docker-registry")
MISSING = "docker-registry is not installed (Debian package docker-registry)"
START_TIMEOUT = 20.0
USER, PASSWORD = "alice", "wonderland"
# bcrypt of PASSWORD, made once: the registry takes no other hash.
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuA0vov2GDneHB3.8.cv9UF9g.RdvScIW\n"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


class DockerRegistry(PushingSeeder):
    """The real registry, content in memory, with the seeding API of the stand-in."""

    def __init__(
        self, *, auth: Literal["anonymous", "basic", "token"] = "anonymous", private: frozenset[str] = frozenset()
    ) -> None:
        super().__init__("", self._authorization)
        self.auth = auth
        self.private = private
        self.tokens: TokenServer | None = None
        self._exit = ExitStack()
        self._lines: list[str] = []
        self._ready = threading.Event()

    @property
    def host(self) -> str:
        """As references name it."""
        return self.url.removeprefix("http://")

    @property
    def origins(self) -> frozenset[str]:
        """What the HTTP stack must be told is configured, the token service included."""
        return frozenset({self.url} | ({self.tokens.origin} if self.tokens else set()))

    def __enter__(self) -> Self:
        assert BINARY, MISSING
        with ExitStack() as starting:
            folder = Path(starting.enter_context(tempfile.TemporaryDirectory()))
            if self.auth == "token":
                self.tokens = starting.enter_context(TokenServer({USER: PASSWORD}, self.private))
            config = folder / "config.json"  # JSON is YAML
            config.write_text(json.dumps(self._configuration(folder)))
            process = subprocess.Popen(
                [BINARY, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            reader = threading.Thread(target=self._read, args=(process,), daemon=True)
            reader.start()
            starting.callback(reader.join)
            starting.callback(process.wait)
            starting.callback(process.terminate)
            self._ready.wait(START_TIMEOUT)
            assert self.url, f"not started: {self._lines[-5:]}"
            self._exit = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        """Follow the log: it says where the registry listens, and must be read for the process to go on."""
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._lines = [*self._lines[-50:], line.strip()]
                if found := _LISTENING.search(line):
                    self.url = f"http://{found[1]}"
                    self._ready.set()
        self._ready.set()

    def _configuration(self, folder: Path) -> Mapping[str, Any]:
        return {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {"inmemory": {}, "delete": {"enabled": True}},
            "http": {"addr": "127.0.0.1:0", "secret": "for-tests-only"},
            **self._authentication(folder),
        }

    def _authentication(self, folder: Path) -> Mapping[str, Any]:
        if self.auth == "basic":
            path = folder / "htpasswd"
            path.write_text(_HTPASSWD)
            return {"auth": {"htpasswd": {"realm": "registry", "path": str(path)}}}
        if self.tokens is not None:
            bundle = folder / "root.pem"
            bundle.write_bytes(self.tokens.certificate_pem)
            token = {"realm": self.tokens.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(bundle)}
            return {"auth": {"token": token}}
        return {}

    def _authorization(self, repository: str) -> str:
        """Of the one who pushes."""
        if self.auth == "basic":
            return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.tokens is not None:
            access = [{"type": "repository", "name": repository, "actions": ["pull", "push"]}]
            return f"Bearer {self.tokens.token(access, USER)}"
        return ""
