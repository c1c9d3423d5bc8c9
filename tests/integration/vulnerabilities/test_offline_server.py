"""A server without a way to OSV, as a client of its own process sees it: everything it knows is in a file."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.lines import COMMAND, DEADLINE, LineClient
from tests.upstreams.attestations import attach, cyclonedx, spdx, spdx_package, statement
from tests.upstreams.faults import unused_port
from tests.upstreams.layers import Member, elf_of, tar_of
from tests.upstreams.osv import osv_settings
from tests.upstreams.scanned import BASE, FIXED, Scene, advisory, running_scene

SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"
NODE = tar_of([Member("usr/local/bin/node", elf_of(b"", interpreter=True), mode=0o755)])
TOOL = "docker_get_vulnerabilities"


@dataclass(frozen=True)
class Offline:
    """A database made of what the stand-in publishes, and the environment of a server that has nothing else."""

    scene: Scene
    path: Path
    environment: dict[str, str]

    def at(self, path: Path) -> "Offline":
        return Offline(self.scene, path, {**self.environment, "MCP_DOCKERHUB_DATABASE": str(path)})

    def update(self, *ecosystems: str) -> str:
        """``db update`` where there is a network; what it says."""
        command = [COMMAND, "db", "update", *(["--ecosystem", *ecosystems] if ecosystems else [])]
        online = {**os.environ, **self.environment, **osv_settings(self.scene.osv_url)}
        ended = subprocess.run(command, env=online, capture_output=True, text=True, timeout=DEADLINE * 3, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == ""
        self.scene.osv.requests.clear()
        return ended.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offline]:
    """With a database of PyPI and Debian."""
    folder = tmp_path_factory.mktemp("offline")
    with running_scene() as scene:
        environment = scene.environment(folder)
        for name in osv_settings(scene.osv_url):
            del environment[name]
        environment["MCP_DOCKERHUB_OSV_URL"] = f"http://127.0.0.1:{unused_port()}"
        offline = Offline(scene, folder / "advisories.db", environment).at(folder / "advisories.db")
        offline.update("PyPI", "Debian")
        yield offline


@pytest.fixture
def filled(made: Offline, tmp_path: Path) -> Offline:
    """With a copy of it that a test may do with what it likes."""
    return made.at(Path(shutil.copy(made.path, tmp_path)))


@pytest.fixture
def client(filled: Offline) -> Iterator[LineClient]:
    with LineClient(filled.environment) as running:
        running.initialize()
        yield running


def asked(client: LineClient, image: str, **more: Any) -> dict[str, Any]:
    found = client.call(TOOL, {"image": image, **more})["structuredContent"]
    assert isinstance(found, dict)
    return found


def test_a_server_answers_from_its_file_and_asks_no_service(filled: Offline, client: LineClient) -> None:
    found = asked(client, filled.scene.image("app:1"))
    assert [(row["id"], row["fixed"]) for row in found["findings"]] == [
        ("CVE-2026-0001", ["2.20.0"]),
        ("CVE-2026-0002", ["2.31.0"]),
    ]
    assert found["findings"][0]["exploited_since"] == "2026-01-02"
    assert (found["complete"], found["incomplete_because"]) == (True, [])
    coverage = found["coverage"]
    assert (coverage["database"], coverage["not_known"]) == ("local database", [])
    assert coverage["matched"] == coverage["packages"] == 5
    assert coverage["updated"] is not None
    clean = asked(client, filled.scene.image("app:2"))
    assert (clean["complete"], clean["findings"], clean["counts"]) == (True, [], {})
    attached = asked(client, filled.scene.image("app:sbom"))
    assert (attached["coverage"]["found"], attached["total"]) == ("attestation", 2)
    assert filled.scene.osv.requests == []


def test_a_renewed_file_counts_with_the_next_question(filled: Offline, client: LineClient) -> None:
    image = filled.scene.image("app:2")
    assert asked(client, image)["findings"] == []
    new = advisory("GHSA-aaaa-0000-0003", "requests", "2.33.0", aliases=["CVE-2026-0003"])
    filled.scene.osv.publish(new)
    try:
        assert "PyPI: 3 advisories" in filled.update()
    finally:
        filled.scene.osv.withdraw(new["id"])
    assert [row["id"] for row in asked(client, image)["findings"]] == ["CVE-2026-0003"]


def test_a_file_that_is_gone_or_damaged_is_an_error_and_no_empty_list(filled: Offline, client: LineClient) -> None:
    image = filled.scene.image("app:2")
    assert asked(client, image)["complete"] is True
    kept = filled.path.read_bytes()
    filled.path.unlink()
    gone = client.call(TOOL, {"image": image})
    assert (gone["isError"], gone["structuredContent"]["code"]) == (True, "UNSUPPORTED")
    assert "does not exist" in gone["structuredContent"]["message"]
    filled.path.write_bytes(kept[:4096] + b"\xff" * (len(kept) - 4096))
    damaged = client.call(TOOL, {"image": image})
    assert damaged["isError"]
    assert "damaged" in damaged["structuredContent"]["message"]
    filled.path.write_bytes(kept)
    assert asked(client, image)["complete"] is True


def test_what_the_file_does_not_hold_is_not_called_clean(made: Offline, tmp_path: Path) -> None:
    offline = made.at(tmp_path / "advisories.db")
    offline.update("PyPI")
    with LineClient(offline.environment) as client:
        client.initialize()
        found = asked(client, offline.scene.image("app:2"))
    assert (found["complete"], found["findings"]) == (False, [])
    (gap,) = found["coverage"]["unmatched"]
    assert gap["what"] == "deb packages"
    assert gap["reason"].endswith("run mcp-dockerhub db update --ecosystem 'Debian'")


def test_an_old_file_is_not_called_complete(filled: Offline) -> None:
    with LineClient({**filled.environment, "MCP_DOCKERHUB_DATABASE_MAX_AGE": "0.00000001"}) as client:
        client.initialize()
        found = asked(client, filled.scene.image("app:2"))
    assert found["complete"] is False
    assert "The local database is 0 days old" in found["incomplete_because"][0]


def test_runtimes_that_no_package_accounts_for_are_named_whoever_listed_the_packages(
    filled: Offline, client: LineClient
) -> None:
    registry = filled.scene.registry
    python, node = {"Env": ["PYTHON_VERSION=3.13.1"]}, {"Env": ["NODE_VERSION=22.12.0"]}
    six = spdx_package("six", "1.17.0", "pkg:pypi/six@1.17.0")
    cpython = spdx_package("python", "3.13.1", "pkg:generic/python@3.13.1")
    documents = {
        # Syft finds the interpreter; nothing can be matched with it.
        "python-syft": (python, SPDX, spdx([six, cpython])),
        # Syft did not look: the environment tells.
        "python-silent": (python, SPDX, spdx([six])),
        "node-silent": (node, SPDX, spdx([six])),
        # A tool that looks for libraries only.
        "plain": ({}, CYCLONEDX, cyclonedx([{"type": "library", "name": "six", "purl": "pkg:pypi/six@1.17.0"}])),
    }
    for tag, (config, kind, document) in documents.items():
        own: dict[str, Any] = {"config": {**config, "Labels": {"tag": tag}}, "layers": (BASE, FIXED)}
        probe = registry.add_image("team/runtimes", **own)
        attach(registry, "team/runtimes", tag, [statement(probe.digest, kind, document)], **own)
    registry.add_image("team/runtimes", "node-layers", layers=(BASE, FIXED, NODE))

    def gaps(image: str) -> dict[str, list[str]]:
        found = asked(client, filled.scene.image(image))
        assert (found["complete"], found["findings"]) == (False, [])
        assert found["incomplete_because"]
        return {row["what"]: row["evidence"] for row in found["coverage"]["unmatched"]}

    assert gaps("runtimes:python-syft") == {"generic packages": ["python 3.13.1"]}
    assert gaps("runtimes:python-silent") == {"CPython": ["PYTHON_VERSION=3.13.1"]}
    assert gaps("runtimes:node-silent") == {"Node.js": ["NODE_VERSION=22.12.0"]}
    assert gaps("runtimes:node-layers") == {"Node.js": ["/usr/local/bin/node"]}
    assert gaps("app:runtime") == {"CPython": ["/usr/local/bin/python3.13"]}
    assert gaps("runtimes:plain") == {}
