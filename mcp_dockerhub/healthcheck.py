"""The container's health check: is the server on this machine alive?

It runs every few seconds next to the server, so it imports next to nothing and reads the two settings it
needs itself.
"""

import os
import socket
import sys
from typing import Final

TIMEOUT: Final = 3.0
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - asked, not bound


def check() -> int:
    """Ask ``/healthz``; 0 when alive, 1 when not.

    Without a metrics port there is nothing to ask: a stdio server lives exactly as long as its process.
    """
    port = os.environ.get("MCP_DOCKERHUB_METRICS_PORT", "")
    if not port:
        return 0
    host = os.environ.get("MCP_DOCKERHUB_METRICS_HOST", "127.0.0.1")
    try:
        status = _status(_WILDCARDS.get(host, host), int(port))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"mcp-dockerhub: no answer on the metrics port: {error}\n")
        return 1
    return 0 if status == 200 else 1


def _status(host: str, port: int) -> int:
    with socket.create_connection((host, port), TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        _, _, answer = connection.recv(64).partition(b" ")
        return int(answer[:3])
