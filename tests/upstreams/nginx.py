"""Debian's ``nginx`` on a free loopback port, in front of servers on other ports: for tests that need a real proxy.

with Nginx([8001, 8002]) as nginx:
    http.client.HTTPConnection("127.0.0.1", nginx.port)
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from tests.upstreams.listening import PATIENCE, listens
from tests.upstreams.redis import free_port

BINARY: Final = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MISSING: Final = "nginx is not installed (Debian package nginx-light)"

# As deploy/compose has it, where it matters: streams pass as they come, what a client claims of its address does not,
# and a request that reached a server is never sent again.
_CONFIG: Final = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream servers {{
    {servers}
    keepalive 64;
  }}
  server {{
    listen 127.0.0.1:{port}{tls};
    client_max_body_size 1m;
    location / {{
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Forwarded "";
      proxy_buffering off;
      proxy_connect_timeout 3s;
      proxy_next_upstream error;
    }}
  }}
}}
"""


class Nginx:
    """One proxy; ``certificate`` and ``key`` (PEM files) make it speak TLS."""

    def __init__(self, servers: Sequence[int], *, certificate: Path | None = None, key: Path | None = None) -> None:
        self.port = 0
        self._servers = servers
        self._tls = f" ssl; ssl_certificate {certificate}; ssl_certificate_key {key}" if certificate else ""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="nginx-")
        for _ in range(5):
            # Somebody else may take a port between finding and using it.
            self.port = free_port()
            if self._starts():
                return self
        log = Path(self._folder.name) / "error.log"
        raise AssertionError(log.read_text() if log.exists() else "nginx does not start")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
        if self._folder is not None:
            self._folder.cleanup()

    def _starts(self) -> bool:
        assert BINARY, MISSING
        assert self._folder is not None
        servers = "\n    ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in self._servers)
        config = Path(self._folder.name) / "nginx.conf"
        config.write_text(
            _CONFIG.format(folder=self._folder.name, servers=servers, port=self.port, tls=self._tls), encoding="utf-8"
        )
        command = [BINARY, "-p", self._folder.name, "-c", str(config), "-e", f"{self._folder.name}/error.log"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return listens(self._process, self.port)
