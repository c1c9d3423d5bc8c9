"""Server processes on HTTP in front of a seeded registry and Hub."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.web import WebServer
from tests.upstreams.issuer import Issuer
from tests.upstreams.seeded import Upstreams, running_upstreams

RESOURCE = "https://mcp.example.com/mcp"
OPEN = {"MCP_DOCKERHUB_INSECURE_NO_AUTH": "true"}
UNLIMITED = {"MCP_DOCKERHUB_RATE_LIMIT": "100000/second", "MCP_DOCKERHUB_RATE_LIMIT_HEAVY": "100000/second"}


@pytest.fixture(scope="session")
def upstreams() -> Iterator[Upstreams]:
    with running_upstreams() as running:
        yield running


def _environment(upstreams: Upstreams, folder: Path) -> dict[str, str]:
    return {**upstreams.settings(folder), **UNLIMITED, "MCP_DOCKERHUB_AUDIT_FILE": str(folder / "audit.jsonl")}


@pytest.fixture
def environment(upstreams: Upstreams, tmp_path: Path) -> dict[str, str]:
    """What points a server at the stand-ins, with limits that no test reaches and without token checks."""
    return {**_environment(upstreams, tmp_path), **OPEN}


@pytest.fixture(scope="module")
def server(upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A server on loopback without token checks; each test leaves it as it found it."""
    folder = tmp_path_factory.mktemp("server")
    with WebServer({**_environment(upstreams, folder), **OPEN}) as running:
        yield running


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(audience=RESOURCE) as running:
        yield running


@pytest.fixture
def protected(upstreams: Upstreams, issuer: Issuer, tmp_path: Path) -> dict[str, str]:
    """The environment of a server that checks tokens and trusts a proxy on loopback."""
    return _protected(upstreams, issuer, tmp_path)


@pytest.fixture(scope="module")
def guarded(upstreams: Upstreams, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Such a server; each test leaves it as it found it."""
    with WebServer(_protected(upstreams, issuer, tmp_path_factory.mktemp("guarded"))) as running:
        yield running


def _protected(upstreams: Upstreams, issuer: Issuer, folder: Path) -> dict[str, str]:
    return {
        **_environment(upstreams, folder),
        "MCP_DOCKERHUB_PUBLIC_URL": RESOURCE,
        "MCP_DOCKERHUB_ISSUER": issuer.url,
        "MCP_DOCKERHUB_ALLOWED_HOSTS": "mcp.example.com,127.0.0.1:*",
        "MCP_DOCKERHUB_TRUSTED_PROXIES": "127.0.0.1",
    }


@pytest.fixture
def silent_upstream() -> Iterator[socket.socket]:
    """Something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener
