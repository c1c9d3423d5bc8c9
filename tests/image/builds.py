"""Builds the image, and reads what a build or a push made of it."""

import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from tests.image.engine import PATIENCE, ROOT, docker

BUILD_TIME: Final = 300.0
CONTEXT: Final = (
    *("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "Makefile", "requirements", "scripts"),
    *("mcp_dockerhub", "security/mcp_dockerhub_security", "monitoring/mcp_dockerhub_monitoring"),
)


@dataclass(frozen=True)
class Export:
    """An image as an OCI layout in a tar archive: exactly what a push would send."""

    path: Path

    @cached_property
    def _blobs(self) -> dict[str, bytes]:
        with tarfile.open(self.path) as archive:
            return {
                member.name: content.read()
                for member in archive
                if member.isfile() and member.size < 1_000_000 and (content := archive.extractfile(member))
            }

    def document(self, digest: str) -> Any:
        """A manifest, index, configuration or attestation by its digest."""
        return json.loads(self._blobs[f"blobs/{digest.replace(':', '/')}"])

    def entries(self) -> Iterator[dict[str, Any]]:
        """The descriptors of all manifests, those of a nested index included."""
        for entry in json.loads(self._blobs["index.json"])["manifests"]:
            if entry["mediaType"].endswith("index.v1+json"):
                yield from self.document(entry["digest"])["manifests"]
            else:
                yield entry

    def platform(self) -> dict[str, Any]:
        """The descriptor of the image's manifest, for whichever architecture this machine builds."""
        return next(e for e in self.entries() if e.get("platform", {}).get("architecture") != "unknown")

    def manifest(self) -> Any:
        return self.document(self.platform()["digest"])


def copy_context(destination: Path) -> None:
    """Copy what a build of the production image may read."""
    for name in CONTEXT:
        source, target = ROOT / name, destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


@cache
def facts() -> dict[str, str]:
    """What the checkout says about the image, once: a commit in between must not make two builds differ."""
    lines = subprocess.run([str(ROOT / "scripts/image-facts")], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in lines.splitlines())


def bake(context: Path, *options: str, target: str = "production", environment: dict[str, str] | None = None) -> None:
    """Build a target, with more options of ``docker buildx bake``."""
    done = subprocess.run(
        [str(ROOT / "scripts/image-build"), target, f"--set=*.context={context}", *options],
        env=os.environ | facts() | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIME,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def build(destination: Path, *options: str, context: Path) -> tuple[Export, float]:
    """Build the production image into an OCI archive; returns it and the seconds it took."""
    started = time.monotonic()
    bake(context, f"--set=*.output=type=oci,dest={destination}", *options)
    return Export(destination), time.monotonic() - started


def published(reference: str) -> Any:
    """A manifest or index from a registry."""
    return json.loads(docker("buildx", "imagetools", "inspect", "--raw", reference).stdout)


@contextmanager
def run_registry(program: str, folder: Path) -> Iterator[str]:
    """Debian's registry on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    configuration = folder / "registry.json"
    settings = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }
    configuration.write_text(json.dumps(settings))
    with subprocess.Popen([program, "serve", str(configuration)], stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(address)
            yield address
        finally:
            process.terminate()


def _wait_for(address: str) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the registry did not start"
            time.sleep(0.05)
        else:
            return
