"""One registry and one OSV for all tests here."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mcp_dockerhub.cli import main
from tests.upstreams.scanned import Scene, running_scene

Scan = Callable[[Sequence[str]], int]


@pytest.fixture(scope="session")
def shared_scene() -> Iterator[Scene]:
    with running_scene() as scene:
        yield scene


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    """What is broken in it is whole again afterwards."""
    yield shared_scene
    shared_scene.osv.broken.clear()
    shared_scene.registry.app.scripts.clear()


@pytest.fixture
def scan(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scan:
    """The command in this process; returns its exit code."""
    home = tmp_path / "home"
    home.mkdir()
    for name, value in scene.environment(home).items():
        monkeypatch.setenv(name, value)
    return lambda arguments: main(["scan", *arguments])
