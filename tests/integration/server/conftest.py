"""A server process in front of a seeded registry and Hub."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.lines import LineClient
from tests.upstreams.golden_images import load_golden
from tests.upstreams.seeded import Upstreams, running_upstreams

UNLIMITED = {"MCP_DOCKERHUB_RATE_LIMIT": "100000/second", "MCP_DOCKERHUB_RATE_LIMIT_HEAVY": "100000/second"}


@pytest.fixture(scope="session")
def upstreams() -> Iterator[Upstreams]:
    with running_upstreams() as running:
        load_golden(running.registry, "attested")
        yield running


def _environment(upstreams: Upstreams, folder: Path) -> dict[str, str]:
    return {**upstreams.settings(folder), **UNLIMITED, "MCP_DOCKERHUB_AUDIT_FILE": str(folder / "audit.jsonl")}


@pytest.fixture
def environment(upstreams: Upstreams, tmp_path: Path) -> dict[str, str]:
    """What points a server at the stand-ins, with limits that no test reaches."""
    return _environment(upstreams, tmp_path)


@pytest.fixture(scope="module")
def client(upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineClient]:
    """An initialised client; each test leaves its server as it found it."""
    with LineClient(_environment(upstreams, tmp_path_factory.mktemp("server"))) as running:
        running.initialize()
        yield running


@pytest.fixture
def silent_upstream() -> Iterator[str]:
    """The origin of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
