"""`python -m benchmarks.advisories`: what the local database of advisories costs, and whether it answers like the API.

Archives of 200,000 generated advisories (of the shape real ones have) are made into a database by a process of its
own, whose memory is measured, once from nothing and once after one in a hundred changed; 1,000 packages are matched
with it. Then every package of the real records at hand is asked of the stand-in OSV and of a database made from its
archives, at every version they name and just beside.

Not part of `make bench`: it takes some minutes.
"""

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.local.updating import Updater
from mcp_dockerhub.supply_chain.advisories.model import Query
from mcp_dockerhub.supply_chain.advisories.osv_api import OsvApi
from mcp_dockerhub.transport.client import Response, StreamedResponse, Upstream
from tests.upstreams.osv import DirectHttp, OsvState, real_records
from tests.upstreams.osv_cases import ECOSYSTEMS, answers, by_ecosystem, queries_of

SIZES: Final = {"npm": 100_000, "PyPI": 60_000, "Debian": 40_000}
MAX_MEMORY: Final = 300
"""MiB."""
MAX_SECONDS: Final = 1.0
"""For 1,000 packages."""
PER_PACKAGE: Final = {"npm": 4, "PyPI": 6, "Debian": 12}
MIB: Final = 1024 * 1024


class Folder:
    """An HttpClient whose archives are files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def request(self, upstream: Upstream, method: str, path: str, **_: Any) -> Response:
        raise NotImplementedError

    @asynccontextmanager
    async def stream(self, upstream: Upstream, path: str, **_: Any) -> AsyncIterator[StreamedResponse]:
        async def chunks() -> AsyncIterator[bytes]:
            with (self._folder / f"{path.split('/')[-2]}.zip").open("rb") as file:
                while chunk := file.read(MIB):
                    yield chunk

        yield StreamedResponse(200, {}, path, chunks())


def advisory(ecosystem: str, number: int, revision: int) -> dict[str, Any]:
    """One generated record: about 3 kB, as real ones."""
    rng = random.Random(f"{ecosystem}{number}")
    package = f"package-{number // PER_PACKAGE[ecosystem]}"
    releases = [f"Debian:{n}" for n in (11, 12, 13)] if ecosystem == "Debian" else [ecosystem]
    minor = rng.randrange(1, 60)
    fixed = f"1.{minor}.{rng.randrange(9)}" + ("-1+deb12u1" if ecosystem == "Debian" else "")
    listed = [f"1.{n}.{patch}" for n in range(minor) for patch in range(3)][-40:] if ecosystem == "PyPI" else []
    return {
        "id": f"GEN-{ecosystem}-{number}",
        "aliases": [f"CVE-2024-{number:06}"],
        "modified": f"2024-01-01T00:00:{revision:02}Z",
        "published": "2024-01-01T00:00:00Z",
        "summary": f"Generated advisory {number} about {package}",
        "details": " ".join(rng.choice(("heap", "overflow", "in", "the", "parser", "of", "input")) for _ in range(250)),
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
        "references": [{"type": "WEB", "url": f"https://example.com/{number}/{n}"} for n in range(6)],
        "affected": [
            {
                "package": {"ecosystem": release, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
                "versions": listed,
            }
            for release in releases
        ],
    }


def write_archives(folder: Path, scale: float, changed: int) -> None:
    for ecosystem, size in SIZES.items():
        with zipfile.ZipFile(folder / f"{ecosystem}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number in range(int(size * scale)):
                revision = 1 if changed and number % changed == 0 else 0
                archive.writestr(f"GEN-{ecosystem}-{number}.json", json.dumps(advisory(ecosystem, number, revision)))


def built(folder: Path) -> tuple[float, float]:
    """Seconds and MiB that a process of its own needs for an update."""
    command = [sys.executable, "-m", "benchmarks.advisories", "--build", str(folder)]
    started = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.monotonic() - started, float(done.stdout)


def build(folder: Path) -> None:
    """In that process: update, and print the most memory it had."""
    updater = Updater(Folder(folder), "http://archives.invalid", folder / "advisories.db", {})
    asyncio.run(updater.update(list(SIZES)))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def packages(scale: float) -> Iterator[Query]:
    """A thousand, as a large image has them: half of the distribution, half of languages."""
    rng = random.Random(1)
    for _ in range(500):
        number = rng.randrange(int(SIZES["Debian"] * scale / PER_PACKAGE["Debian"]))
        yield Query("Debian:12", f"package-{number}", f"1.{rng.randrange(60)}.0-1")
    for _ in range(250):
        for ecosystem in ("npm", "PyPI"):
            number = rng.randrange(int(SIZES[ecosystem] * scale / PER_PACKAGE[ecosystem]))
            yield Query(ecosystem, f"package-{number}", f"1.{rng.randrange(60)}.0")


def generated(folder: Path, scale: float) -> bool:
    write_archives(folder, scale, 0)
    total = sum(int(size * scale) for size in SIZES.values())
    seconds, memory = built(folder)
    print(f"build from nothing: {total:,} advisories in {seconds:.0f} s, {memory:.0f} MiB of at most {MAX_MEMORY}")
    write_archives(folder, scale, 100)
    seconds, more = built(folder)
    print(f"update of one in a hundred: {seconds:.0f} s, {more:.0f} MiB")
    print(f"database: {(folder / 'advisories.db').stat().st_size / MIB:.0f} MiB")
    queries = list(packages(scale))
    runs = [matched(folder, queries) for _ in range(3)]
    first = runs[0][1]
    print(f"match {len(queries):,} packages, {runs[0][2]:,} hits: {first:.2f} s of processor time, the first time;")
    print("  by the clock " + ", ".join(f"{run[0]:.2f} s" for run in runs))
    return max(memory, more) <= MAX_MEMORY and first <= MAX_SECONDS


def matched(folder: Path, queries: Sequence[Query]) -> tuple[float, float, int]:
    """Seconds by the clock and of the processor, and hits, of one call."""
    started, spent = time.monotonic(), time.process_time()
    found = asyncio.run(LocalDatabase(folder / "advisories.db").match(queries))
    return time.monotonic() - started, time.process_time() - spent, len(found.hits)


async def agreement(folder: Path) -> bool:
    records = real_records()
    state = OsvState.of_records(records)
    http = DirectHttp(state)
    await Updater(http, "http://archives.invalid", folder / "real.db", {}).update(ECOSYSTEMS)
    queries = queries_of(records)
    api = await OsvApi(http, Cache(max_bytes=1 << 30), "http://osv.invalid").match(queries)
    local = await LocalDatabase(folder / "real.db").match(queries)
    one, other = answers(api), answers(local)
    different = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    print(f"agreement: {len(queries):,} packages and versions, {len(one):,} hits by the API path, {len(other):,} local")
    for ecosystem, count in by_ecosystem(queries).most_common():
        print(f"  {ecosystem:24} {count:>7,} asked, {by_ecosystem(query for query, _ in one)[ecosystem]:>7,} hits")
    own = len(set(local.unmatched) - set(api.unmatched))
    print(f"  {len(different)} differ; {own} unmatched by the local path alone (versions in an advisory itself)")
    return one == other


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the 200,000 advisories")
    parser.add_argument("--folder", type=Path, help="where to put what is generated; a temporary one by default")
    arguments = parser.parse_args()
    if arguments.build is not None:
        build(arguments.build)
        return 0
    with tempfile.TemporaryDirectory(prefix="mcp-dockerhub-bench-", dir=arguments.folder) as name:
        kept: Mapping[str, bool] = {
            "cost": generated(Path(name), arguments.scale),
            "agreement": asyncio.run(agreement(Path(name))),
        }
    print(", ".join(f"{bar}: {'kept' if value else 'NOT KEPT'}" for bar, value in kept.items()))
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
