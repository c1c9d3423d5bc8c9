"""`python -m benchmarks.catalogue [--attested] IMAGE…`: what SBOMs cost, on images of a registry at hand.

Without `--attested` the built-in cataloguer is compared with `syft`, which must be on the path, on images without an
SBOM. Of two images in a row the second should be built on the first: what it costs then shows what knowing the base is
worth. With `--attested` the images must have an SBOM; what is fetched for it, and kept in memory, is counted.

`benchmarks/catalogue_images.py` builds such images. Not part of `make bench`, which needs no registry.
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
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import psutil

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.packages import PackageSet
from mcp_dockerhub.transport.client import HostClass
from mcp_dockerhub.transport.observer import CircuitState, Outcome, RetryReason, UpstreamObserver

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


class Traffic(UpstreamObserver):
    """Counts requests and the bytes of their answers."""

    requests = 0
    received = 0

    def request(
        self,
        host_class: HostClass,
        method: str,
        outcome: Outcome,
        seconds: float,
        first_byte_seconds: float | None,
        received_bytes: int,
    ) -> None:
        self.requests += 1
        self.received += received_bytes

    def retry(self, host_class: HostClass, reason: RetryReason) -> None:
        pass

    def circuit(self, host_class: HostClass, state: CircuitState, host: str) -> None:
        pass

    def quota(self, limit: int, remaining: int, window_s: int) -> None:
        pass


async def attested(name: str) -> str:
    """One line about an image with an SBOM: cold and warm, and once more for the memory."""
    from mcp_dockerhub.services import build_clients
    from mcp_dockerhub.settings import load_settings
    from mcp_dockerhub.supply_chain.context import SupplyChain
    from mcp_dockerhub.supply_chain.sboms import Wanted, image_sbom

    traffic = Traffic()
    ref = Reference.parse(name)
    clients = build_clients(load_settings(), upstream_observer=traffic)
    begun = time.perf_counter()
    found = await image_sbom(SupplyChain(clients.sources), ANONYMOUS, ref, None, Wanted())
    seconds = time.perf_counter() - begun
    cold = traffic.requests
    await image_sbom(SupplyChain(clients.sources), ANONYMOUS, ref, None, Wanted())
    warm, received = traffic.requests - cold, traffic.received
    size = (await clients.sources.registry.image(ANONYMOUS, ref)).value.manifest.layers_size
    await clients.aclose()
    assert found.document is not None

    clients = build_clients(load_settings())
    tracemalloc.start()
    await image_sbom(SupplyChain(clients.sources), ANONYMOUS, ref, None, Wanted())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    await clients.aclose()
    return (
        f"{name[-39:]:<40}{seconds:>7.2f}s{cold:>6}{warm:>6}{received - found.document.size:>10}"
        f"{found.document.size:>11}{size:>12}{received / size:>8.2%}{peak / found.document.size:>8.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attested", action="store_true")
    parser.add_argument("images", nargs="+")
    arguments = parser.parse_args()
    if arguments.attested:
        print(f"{'image':<40}{'time':>8}{'cold':>6}{'warm':>6}{'besides':>10}", end="")
        print(f"{'document':>11}{'image':>12}{'share':>8}{'memory':>8}")
        for name in arguments.images:
            print(asyncio.run(attested(name)))
    else:
        compare(arguments.images)
    return 0


def compare(images: list[str]) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
