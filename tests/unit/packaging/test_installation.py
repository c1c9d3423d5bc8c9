"""What the other tests import is the thing that ships."""

import importlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("mcp_dockerhub", "mcp_dockerhub_security", "mcp_dockerhub_monitoring")
DISTRIBUTION = importlib.metadata.distribution("mcp-dockerhub")


def is_editable() -> bool:
    origin = json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}")
    return bool(origin.get("dir_info", {}).get("editable"))


@pytest.mark.skipif(is_editable(), reason="the checkout is installed editable (`make dev`)")
@pytest.mark.parametrize("package", PACKAGES)
def test_tests_import_the_installed_wheel_and_not_the_checkout(package: str) -> None:
    origin = importlib.import_module(package).__file__
    assert origin is not None
    assert Path(origin) == Path(str(DISTRIBUTION.locate_file(f"{package}/__init__.py")))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_package_ships_its_type_marker(package: str) -> None:
    origin = importlib.import_module(package).__file__
    assert origin is not None
    assert Path(origin).with_name("py.typed").is_file()


@pytest.mark.skipif(is_editable(), reason="the checkout is installed editable (`make dev`)")
def test_the_wheel_installs_nothing_but_its_packages_and_its_command() -> None:
    top_level = {Path(str(file)).parts[0] for file in DISTRIBUTION.files or () if ".." not in Path(str(file)).parts}
    metadata = {name for name in top_level if name.endswith(".dist-info")}
    assert top_level - metadata == set(PACKAGES)


def test_the_wheel_carries_its_licence() -> None:
    assert DISTRIBUTION.metadata["License-Expression"] == "Apache-2.0"
    assert any(str(file).endswith("licenses/LICENSE") for file in DISTRIBUTION.files or ()) or is_editable()


def test_locks_belong_to_the_requirements_and_name_no_index() -> None:
    script = Path(__file__).parents[3] / "scripts" / "lock.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
