"""What the image says about vulnerabilities, locked down as everywhere: over the OSV API, and from its own database.

A second container of the same image holds the stand-in registry and OSV; both share a loopback and nothing else.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.image.engine import (
    CONFINED,
    HARDENED,
    PATIENCE,
    PYTHON,
    ROOT,
    STATE,
    Container,
    docker,
    owned_volume,
    probe,
)

LIMITS = ("--memory=192m", "--memory-swap=192m", "--pids-limit=64")
DATABASE = f"{STATE}/advisories.db"

# One advisory more than the scene has, about what is in the image under test.
SERVE = """
import json, pathlib, sys
sys.path[:0] = ["/app", "/checkout"]
from tests.upstreams.scanned import advisory, running_scene
with running_scene() as scene:
    scene.osv.publish(advisory("GHSA-aaaa-0000-0003", "mcp", "99.0", aliases=["CVE-2026-0003"]))
    environment = scene.environment(pathlib.Path("/nowhere")).items()
    wanted = {name: value for name, value in environment if name.startswith("MCP_DOCKERHUB_")}
    print(json.dumps([scene.registry.host, wanted]), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Scene:
    """Stand-ins that answer the containers which share their loopback."""

    host: str
    environment: dict[str, str]
    flags: tuple[str, ...]

    def run(self, image: str, *arguments: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """One command of the image, whatever its exit code."""
        settings = [f"--env={name}={value}" for name, value in self.environment.items()]
        return docker("run", "--rm", *self.flags, *flags, *settings, image, *arguments, check=False)


@pytest.fixture(scope="module")
def scene(image: str) -> Iterator[Scene]:
    name = f"mcp-image-test-{uuid.uuid4().hex[:12]}"
    command = [
        *("docker", "run", "-i", "--rm", "--name", name, *HARDENED, f"--user={os.getuid()}:{os.getgid()}"),
        *(f"--volume={ROOT / 'tests'}:/checkout/tests:ro", f"--entrypoint={PYTHON}", image, "-IB", "-c", SERVE),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            line = process.stdout.readline()
            assert line, "the stand-ins did not start"
            host, environment = json.loads(line)
            yield Scene(host, environment, (*CONFINED, *LIMITS, f"--network=container:{name}"))
        finally:
            process.stdin.close()
            process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("tag", "code", "said"),
    [
        ("1", 1, "EXPLOITED critical  CVE-2026-0001  requests  2.19.0"),
        ("2", 0, "CLEAN"),
        ("runtime", 2, "NOT COMPLETE"),
        ("sbom", 1, "from the attached SBOM"),
        ("none", 2, ""),
    ],
)
def test_a_scan_ends_with_the_code_a_pipeline_relies_on(
    image: str, scene: Scene, tag: str, code: int, said: str
) -> None:
    done = scene.run(image, "scan", f"{scene.host}/team/app:{tag}")
    assert done.returncode == code, done.stderr
    assert said in done.stdout


def test_the_tool_answers_in_a_session(image: str, scene: Scene) -> None:
    with Container(image, flags=scene.flags, environment=scene.environment) as container:
        container.initialize()
        found = container.call("docker_get_vulnerabilities", image=f"{scene.host}/team/app:1")["structuredContent"]
        assert [finding["id"] for finding in found["findings"]] == ["CVE-2026-0001", "CVE-2026-0002"]
        assert found["complete"]
        clean = container.call("docker_get_vulnerabilities", image=f"{scene.host}/team/app:2")["structuredContent"]
        assert (clean["complete"], clean["findings"]) == (True, [])
        assert container.hang_up() == 0


def test_without_the_service_nothing_is_called_clean(image: str, scene: Scene) -> None:
    nobody = Scene(scene.host, {**scene.environment, "MCP_DOCKERHUB_OSV_URL": "http://127.0.0.1:1"}, scene.flags)
    done = nobody.run(image, "scan", f"{scene.host}/team/app:2")
    assert done.returncode == 2
    assert "CLEAN" not in done.stdout


def test_a_database_on_a_volume_serves_scans_without_a_network(image: str, scene: Scene, tmp_path: Path) -> None:
    """The image scans itself: with what its own ``db update`` fetched, and nobody to ask."""
    archive = tmp_path / "image.tar"
    docker("save", "--output", str(archive), image)
    archive.chmod(0o644)
    tmp_path.chmod(0o755)
    named = f"--env=MCP_DOCKERHUB_DATABASE={DATABASE}"
    with owned_volume(image) as state:
        mounted = f"--volume={state}:{STATE}"
        done = scene.run(image, "db", "update", "--ecosystem", "PyPI", "Debian", flags=(mounted, named))
        assert done.returncode == 0, done.stderr

        alone = (*HARDENED, *LIMITS, f"{mounted}:ro", named, f"--volume={archive}:/image.tar:ro")
        status = json.loads(docker("run", "--rm", *alone, image, "db", "status", "--json").stdout)
        assert {row["ecosystem"] for row in status["ecosystems"]} == {"PyPI", "Debian"}

        scan = ("run", "--rm", *alone, image, "scan", "docker-archive:/image.tar", "--format=json")
        report = docker(*scan, check=False)
        assert report.returncode == 1, report.stderr
        said = json.loads(report.stdout)
        assert [(finding["id"], finding["package"]["name"]) for finding in said["findings"]] == [
            ("CVE-2026-0003", "mcp")
        ]
        assert said["complete"], said["coverage"]


def test_a_report_is_written_to_a_volume(image: str, scene: Scene) -> None:
    with owned_volume(image) as state:
        mounted = f"--volume={state}:{STATE}"
        page = f"{STATE}/report.html"
        done = scene.run(image, "report", "--html", page, f"{scene.host}/team/app:1", flags=(mounted,))
        assert done.returncode == 0, done.stderr
        text = probe(image, f"import json; print(json.dumps(open('{page}').read()))", "--network=none", mounted)
        assert "CVE-2026-0001" in text
        assert "Content-Security-Policy" in text
