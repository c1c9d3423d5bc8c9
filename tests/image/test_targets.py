"""The other targets of the Dockerfile: each is built, and does what it is for."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.builds import BUILD_TIME, bake
from tests.image.engine import HARDENED, ROOT, Container, docker

SLIM_PYTHON = "/usr/local/bin/python3"
Build = Callable[[str], str]

SETUID = """
import json, os, stat
kept = {"proc", "sys", "dev"}
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if folder != "/" or name not in kept]
    modes = ((path, os.lstat(path).st_mode) for path in (os.path.join(folder, name) for name in files))
    found += [path for path, mode in modes if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)]
print(json.dumps(found))
"""


OTHER_SERVER = """
from mcp.server import MCPServer

server = MCPServer("another")


@server.tool()
def double(number: int) -> int:
    return 2 * number


server.run()
"""


@pytest.fixture(scope="module")
def build(image: str) -> Iterator[Build]:
    """Builds a target from the checkout and returns its tag; the tags are gone afterwards."""
    made: list[str] = []

    def one(target: str) -> str:
        tag = f"{image.rpartition(':')[0]}:{target}-image-test"
        if tag not in made:
            made.append(tag)
            # Not every base at hand has apt, and nothing here needs what it would bring.
            without_packages = "--set=*.args.DEVELOPMENT_PACKAGES="
            bake(ROOT, without_packages, f"--set=*.tags={tag}", target=target)
        return tag

    yield one
    for tag in made:
        docker("image", "rm", "--force", tag, check=False)


def test_the_slim_image_answers_and_holds_nothing_that_raises_privileges(build: Build) -> None:
    slim = build("production-slim")
    with Container(slim) as server:
        assert server.initialize()["serverInfo"]["name"] == "mcp-dockerhub"
        assert server.hang_up() == 0
    found = docker("run", "--rm", *HARDENED, "--user=0:0", f"--entrypoint={SLIM_PYTHON}", slim, "-IB", "-c", SETUID)
    assert json.loads(found.stdout) == []
    assert docker("run", "--rm", *HARDENED, "--entrypoint=/bin/sh", slim, "-c", "id -u").stdout == "65532\n"


def test_the_development_image_runs_the_checkout_that_is_mounted_under_any_user(build: Build) -> None:
    development = build("development")
    mounted = (*HARDENED, f"--volume={ROOT}:/src:ro", "--user=4321:4321")
    for flags in (HARDENED, mounted):
        done = docker("run", "--rm", *flags, development, "python3", "-m", "mcp_dockerhub", "--version")
        assert done.stdout.startswith("mcp-dockerhub ")


def test_the_test_image_finds_every_test_and_what_the_tests_read(build: Build) -> None:
    test = build("test")
    pytest_in_it = ("run", "--rm", "--network=none", test, "pytest", "-p", "no:cacheprovider", "-q")
    collected = docker(*pytest_in_it, "--collect-only", check=False)
    assert collected.returncode == 0, collected.stdout[-2000:]
    # The life of the server too: how connections end is what differs most between releases of Python.
    tests = ("tests/unit/packaging", "tests/unit/web", "tests/integration/web/test_lifecycle.py")
    done = docker(*pytest_in_it, *tests, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_documented_dockerfile_serves_somebody_elses_server(image: str, tmp_path: Path) -> None:
    found = re.search(r"```dockerfile\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "Dockerfile").write_text(found[1])
    (tmp_path / "server.py").write_text(OTHER_SERVER)
    shutil.copy(ROOT / "requirements/runtime.lock", tmp_path / "requirements.lock")
    tag = f"{image.rpartition(':')[0]}:another-image-test"
    bridges = docker("network", "ls", "--filter=driver=bridge", "--quiet").stdout
    network = [] if bridges else ["--network=host"]
    docker("buildx", "build", "--quiet", "--load", *network, "--tag", tag, str(tmp_path), timeout=BUILD_TIME)
    try:
        with Container(tag) as server:
            assert server.initialize()["serverInfo"]["name"] == "another"
            assert server.call("double", number=21)["structuredContent"] == {"result": 42}
    finally:
        docker("image", "rm", "--force", tag, check=False)
