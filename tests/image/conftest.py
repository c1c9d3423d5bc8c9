"""Tests of the built image. ``scripts/image-test`` builds it, names it in the environment and runs them."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image.builds import Export, build, copy_context, run_registry
from tests.image.engine import ROOT, Container, docker, probe, why_no_engine

REACH = """
import json, socket
try:
    socket.create_connection({address}, 5).close()
    print(json.dumps(True))
except OSError:
    print(json.dumps(False))
"""


@pytest.fixture(scope="session")
def image() -> str:
    """The production image, as the engine knows it."""
    if reason := why_no_engine():
        pytest.skip(reason)
    name = os.environ.get("IMAGE_UNDER_TEST")
    if not name:
        pytest.skip("no image built: scripts/image-test builds one and runs these tests")
    return name


@pytest.fixture(scope="session")
def inspected(image: str) -> Any:
    """The engine's description of the image."""
    return json.loads(docker("image", "inspect", image).stdout)[0]


@pytest.fixture
def server(image: str) -> Iterator[Container]:
    """A running server, hands shaken, with every hardening flag."""
    with Container(image) as container:
        container.initialize()
        yield container


@pytest.fixture(scope="session")
def measured() -> Iterator[dict[str, Any]]:
    """Numbers that ``scripts/image-test`` shows; written to reports/image.json."""
    numbers: dict[str, Any] = {}
    yield numbers
    if numbers:
        path = Path(ROOT / "reports/image.json")
        path.parent.mkdir(exist_ok=True)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | numbers, indent=2) + "\n")


@pytest.fixture(scope="session")
def context(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context as it is now: the checkout may change while the tests build several times."""
    snapshot = tmp_path_factory.mktemp("context")
    copy_context(snapshot)
    return snapshot


@pytest.fixture(scope="session")
def exported(image: str, context: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The production image as it would be pushed."""
    return build(tmp_path_factory.mktemp("export") / "image.tar", context=context)[0]


@pytest.fixture(scope="session")
def registry(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that the engine and the tests reach: the one named in the environment, or one of our own."""
    if named := os.environ.get("IMAGE_TEST_REGISTRY"):
        yield named
        return
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no registry: IMAGE_TEST_REGISTRY names none, and docker-registry is not installed")
    with run_registry(program, tmp_path_factory.mktemp("registry")) as address:
        if not probe(image, REACH.format(address=tuple(address.split(":"))), "--network=host"):
            pytest.skip("the engine has a loopback of its own: name a registry that it reaches in IMAGE_TEST_REGISTRY")
        yield address
