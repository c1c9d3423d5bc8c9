"""`python -m benchmarks.catalogue IMAGE…`: the built-in cataloguer against syft, on images of a registry at hand.

Needs `syft` on the path and images without an SBOM that both can pull. Of two images in a row the second should be
built on the first: what it costs then shows what knowing the base is worth. Prints a table; not part of `make bench`,
which needs no registry.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import psutil

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.packages import PackageSet

TYPES: Final = {
    "python": "pypi",
    "deb": "deb",
    "apk": "apk",
    "npm": "npm",
    "go-module": "golang",
    "java-archive": "maven",
}
"""Syft's names of the ecosystems covered."""
UNKNOWN: Final = frozenset({"UNKNOWN", "(devel)"})
MIB: Final = 1024 * 1024
Identity = tuple[str, str, str]


class Memory(threading.Thread):
    """The most memory that this process and its children had at any one time, in bytes of their own (PSS)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process()
        self._stopped = threading.Event()
        self.idle = self._now()
        self.peak = self.idle

    def run(self) -> None:
        while not self._stopped.wait(0.02):
            self.peak = max(self.peak, self._now())

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _now(self) -> int:
        total = 0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        return total


@dataclass(frozen=True)
class Measured:
    """One look at one image."""

    seconds: float
    packages: set[Identity]
    peak: int = 0
    """Bytes beyond what was used before."""


async def ours(images: Iterable[str]) -> list[Measured]:
    """Every image in turn, by one process that knows nothing at first."""
    from mcp_dockerhub.services import build_clients
    from mcp_dockerhub.settings import load_settings

    clients = build_clients(load_settings())
    assert clients.scanning is not None
    found = []
    for name in images:
        memory = Memory()
        memory.start()
        begun = time.perf_counter()
        ref = Reference.parse(name)
        image = (await clients.sources.registry.image(ANONYMOUS, ref)).value
        packages = (await clients.scanning.layers().catalogue(clients.sources, ANONYMOUS, ref, image)).value
        seconds = time.perf_counter() - begun
        memory.stop()
        found.append(Measured(seconds, identities(packages), memory.peak - memory.idle))
    await clients.aclose()
    return found


def identities(packages: PackageSet) -> set[Identity]:
    return {identity(one.type, one.name, one.version) for one in packages.packages}


def identity(kind: str, name: str, version: str) -> Identity:
    """The same for both: what spelling differs by ecosystem, and what either cannot know, is taken out."""
    if kind == "maven":
        # The group is guessed where an archive does not say it, and guesses differ.
        name = name.rpartition(":")[2]
    if kind == "pypi":
        name = name.lower().replace("_", "-").replace(".", "-")
    if name == "stdlib":
        version = version.removeprefix("go")
    return kind, name, "" if version in UNKNOWN else version


def syft(image: str) -> Measured:
    program = shutil.which("syft")
    if program is None:
        raise SystemExit("syft is not on the path")
    environment = {**os.environ, "SYFT_REGISTRY_INSECURE_USE_HTTP": "true", "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    begun = time.perf_counter()
    command = [program, "scan", "-q", f"registry:{image}", "-o", "syft-json"]
    raw = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    seconds = time.perf_counter() - begun
    artifacts: list[dict[str, Any]] = json.loads(raw)["artifacts"]
    known = (one for one in artifacts if one["type"] in TYPES)
    return Measured(seconds, {identity(TYPES[one["type"]], one["name"], one["version"]) for one in known})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+")
    images = parser.parse_args().images
    found = asyncio.run(ours(images))
    print(f"{'image':<40}{'ours':>8}{'syft':>8}{'ratio':>7}{'MiB':>6}{'packages':>10}{'recall':>8}{'precision':>11}")
    for name, mine in zip(images, found, strict=True):
        theirs = syft(name)
        both = len(mine.packages & theirs.packages)
        recall = both / len(theirs.packages) if theirs.packages else 1.0
        precision = both / len(mine.packages) if mine.packages else 1.0
        print(
            f"{name[-39:]:<40}{mine.seconds:>7.2f}s{theirs.seconds:>7.2f}s{mine.seconds / theirs.seconds:>7.2f}"
            f"{mine.peak / MIB:>6.0f}{len(mine.packages):>10}{recall:>8.4f}{precision:>11.4f}"
        )
        for title, names in (
            ("only syft", theirs.packages - mine.packages),
            ("only ours", mine.packages - theirs.packages),
        ):
            for kind, package, version in sorted(names):
                print(f"    {title}: {kind} {package} {version or '(no version)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
