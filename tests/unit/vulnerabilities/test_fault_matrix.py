"""Every upstream failing, every defect of an SBOM, and both at once: the image is vulnerable, and nothing may ever say
that it is clean. The database is the real client of the OSV API on a stand-in."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.cache import Cache, Cached
from mcp_dockerhub.errors import DockerHubError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.advisories.composition import build_advisories
from mcp_dockerhub.supply_chain.advisories.local.updating import Updater
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.packages import Coverage, Gap, GapKind, Package, PackageSet
from mcp_dockerhub.supply_chain.vulnerabilities.listing import Wanted, listed
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanReport
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image
from tests.upstreams.attestations import IN_TOTO, SPDX, cyclonedx, spdx, spdx_package, statement
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.osv import DirectHttp, OsvState
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
JINJA = spdx_package("Jinja2", "2.10", "pkg:pypi/jinja2@2.10")
RECORD: dict[str, Any] = {
    "id": "PYSEC-0000-1",
    "aliases": ["CVE-2026-0001"],
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "Made up.",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.11"}]}],
        }
    ],
}


@dataclass
class World:
    """Everything that can fail."""

    registry: InMemoryRegistry
    osv: OsvState
    http: DirectHttp
    cache: Cache
    image: Seeded | None = None


@pytest.fixture
def world(registry: InMemoryRegistry, cache: Cache) -> World:
    state = OsvState.of_records([RECORD])
    return World(registry, state, DirectHttp(state), cache)


def chain_of(world: World, sources: Sources, cataloguer: Any = None) -> SupplyChain:
    settings = AdvisorySettings(
        MCP_DOCKERHUB_OSV_URL="https://osv.test",
        MCP_DOCKERHUB_KEV_URL="https://osv.test/kev.json",
        MCP_DOCKERHUB_EPSS_URL="https://osv.test/epss.csv.gz",
    )
    advisories = build_advisories(settings, world.http, world.cache)
    return SupplyChain(sources, cataloguer, advisories=advisories, cache=world.cache)


Failure = Callable[[World], None]


def broken(prefix: str, status: int, body: bytes = b"") -> Failure:
    return lambda world: world.osv.broken.update({prefix: (status, body)})


def scripted(status: int, path: str, body: bytes = b"") -> Failure:
    return lambda world: world.registry.script(status, path=path, body=body)


def raising(error: Exception) -> Failure:
    return lambda world: setattr(world.http, "failing", error)


def blob(status: int, which: str, body: bytes = b"") -> Failure:
    def apply(world: World) -> None:
        assert world.image is not None
        world.registry.script(
            status, path=f"/blobs/{world.image.config_digest}" if which == "config" else which, body=body
        )

    return apply


FAILURES: dict[str, Failure] = {
    "nothing": lambda world: None,
    "no tag": scripted(404, "/manifests/v1"),
    "registry down": scripted(503, "/v2/"),
    "registry refuses": scripted(403, "/v2/"),
    "registry limits": scripted(429, "/manifests/"),
    "manifests gone": scripted(404, "/manifests/sha256"),
    "manifests forged": scripted(200, "/manifests/sha256", b"{}"),
    "blobs gone": scripted(404, "/blobs/"),
    "blobs empty": scripted(200, "/blobs/"),
    "configuration gone": blob(404, "config"),
    "configuration down": blob(500, "config"),
    "referrers down": scripted(500, "/referrers/"),
    "referrers nonsense": scripted(200, "/referrers/", b"<html>"),
    "cosign tags down": scripted(502, r"/manifests/sha256-"),
    "database unreachable": raising(UpstreamUnavailable("No connection.")),
    "database slow": raising(UpstreamTimeout("No answer.")),
    "database nonsense": raising(UpstreamInvalid("Nonsense.")),
    "database limits": broken("/v1/", 429),
    "database fails": broken("/v1/", 500),
    "database says nothing": broken("/v1/querybatch", 200, b""),
    "database says null": broken("/v1/querybatch", 200, b"null"),
    "database says an empty object": broken("/v1/querybatch", 200, b"{}"),
    "database says no results": broken("/v1/querybatch", 200, b'{"results": []}'),
    "database says too many results": broken("/v1/querybatch", 200, b'{"results": [{}, {}, {}, {}, {}, {}, {}]}'),
    "database says null results": broken("/v1/querybatch", 200, b'{"results": [null]}'),
    "database says a page": broken("/v1/querybatch", 200, b"<html>sign in</html>"),
    "database does not know the path": broken("/v1/querybatch", 404),
    "database redirects": broken("/v1/querybatch", 302),
    "details gone": broken("/v1/vulns/", 404),
    "details fail": broken("/v1/vulns/", 503),
    "details nonsense": broken("/v1/vulns/", 200, b"{}"),
    "details of another": broken("/v1/vulns/", 200, b'{"id": "X-1", "modified": "2026-01-01T00:00:00Z"}'),
    "KEV down": broken("/kev.json", 500),
    "KEV nonsense": broken("/kev.json", 200, b"[]"),
    "EPSS down": broken("/epss.csv.gz", 500),
    "EPSS nonsense": broken("/epss.csv.gz", 200, b"\x1f\x8b nonsense"),
}

Defect = Callable[[str], Any]
"""From the image's digest to what is attached: a statement, bytes, or None for nothing."""
OTHER = "sha256:" + "9" * 64
TRUNCATED = b'{"_type": "https://in-toto.io/Statement/v1", "predicateType"'


def with_packages(*packages: Any, **more: Any) -> Defect:
    return lambda digest: statement(digest, SPDX, spdx(packages, **more))


DEFECTS: dict[str, Defect] = {
    "none": with_packages(JINJA),
    "nothing attached": lambda digest: None,
    "not JSON": lambda digest: b"<html>",
    "truncated": lambda digest: TRUNCATED,
    "empty file": lambda digest: b"",
    "no packages": with_packages(),
    "no list of packages": lambda digest: statement(digest, SPDX, {"spdxVersion": "SPDX-2.3"}),
    "about another image": lambda digest: statement(OTHER, SPDX, spdx([JINJA])),
    "unknown version": with_packages(JINJA, version="SPDX-3.0"),
    "predicate of nothing": lambda digest: statement(digest, SPDX, None),
    "no purl": with_packages(spdx_package("Jinja2", "2.10")),
    "broken purl": with_packages(spdx_package("Jinja2", "2.10", "pkg:")),
    "no version": with_packages(spdx_package("Jinja2", "", "pkg:pypi/jinja2")),
    "version said to be unknown": with_packages(spdx_package("Jinja2", "UNKNOWN", "pkg:pypi/jinja2")),
    "version that is none": with_packages(spdx_package("Jinja2", "two", "pkg:pypi/jinja2@two")),
    "version with words": with_packages(spdx_package("Jinja2", "2.10 (vendored)", "pkg:pypi/jinja2")),
    "no name": with_packages({"SPDXID": "SPDXRef-x", "versionInfo": "2.10"}),
    "type nobody knows": with_packages(spdx_package("Jinja2", "2.10", "pkg:generic/jinja2@2.10")),
    "type in capitals": with_packages(spdx_package("Jinja2", "2.10", "pkg:PyPI/Jinja2@2.10")),
    "packages that are none": with_packages(17, None, "text"),
    "release nobody says": with_packages(
        spdx_package("python3-jinja2", "2.10-1", "pkg:deb/debian/python3-jinja2@2.10-1")
    ),
    "release nobody knows": with_packages(
        spdx_package("python3-jinja2", "2.10-1", "pkg:deb/debian/python3-jinja2@2.10-1?distro=debian-99")
    ),
    "distribution nobody knows": with_packages(
        spdx_package("jinja2", "2.10-1", "pkg:deb/acme/jinja2@2.10-1?distro=acme-1")
    ),
    "rpm": with_packages(spdx_package("jinja2", "2.10-1", "pkg:rpm/rhel/jinja2@2.10-1?distro=rhel-9")),
    "tool that looks at libraries only": with_packages(
        spdx_package("six", "1.17.0", "pkg:pypi/six@1.17.0"), creationInfo={"creators": ["Tool: acme-1"]}
    ),
    "empty CycloneDX": lambda digest: statement(digest, "https://cyclonedx.org/bom", cyclonedx([])),
}

GAP = Gap(GapKind.LIMIT, "layer that was not read", ("sha256:1",))


class Layers:
    """A cataloguer that finds what is there, or says that it did not look."""

    def __init__(self, *, whole: bool) -> None:
        found = Package(type="pypi", name="Jinja2", version="2.10", purl="pkg:pypi/jinja2@2.10", location="/x")
        self.found = PackageSet(
            packages=(found,) if whole else (), found="catalogue", coverage=Coverage(() if whole else (GAP,), ("pypi",))
        )

    async def catalogue(self, *_: Any) -> Cached[PackageSet]:
        return Cached(self.found, "live", datetime.now(UTC))


def attach(world: World, content: Any) -> None:
    registry = world.registry
    world.image = registry.add_image("o/app", config={"Env": ["PATH=/bin"]})
    if content is None:
        registry.add_index("o/app", "v1", [world.image])
        return
    if isinstance(content, bytes):
        layers = [(IN_TOTO, content)]
        carrier = registry.add_artifact(
            "o/app", None, layers=layers, config=("application/vnd.oci.empty.v1+json", b"{}")
        )
        listing = carrier.descriptor(
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": world.image.digest,
            },
        )
        registry.add_index("o/app", "v1", [world.image, listing])
        return
    registry.add_index("o/app", "v1", [world.image, registry.add_attestation("o/app", world.image, [content])])


async def outcome(chain: SupplyChain) -> ScanReport | DockerHubError:
    try:
        return await scan_image(chain, Caller(), APP, None)
    except DockerHubError as error:
        return error


def is_false_clean(report: ScanReport | DockerHubError) -> bool:
    """Whether somebody who reads it would think that nothing is wrong."""
    if isinstance(report, DockerHubError):
        return False
    shown = listed(report, Wanted())
    text = shown.render()
    if report.findings:
        return "CVE-2026-0001" not in text
    return report.complete or "NOT COMPLETE" not in text or not report.incomplete_because


@pytest.mark.parametrize("cataloguer", [None, Layers(whole=True), Layers(whole=False)], ids=["off", "whole", "bounded"])
@pytest.mark.parametrize("defect", DEFECTS)
async def test_whatever_fails_and_however_broken_the_sbom_a_vulnerable_image_is_never_clean(
    world: World, sources: Sources, defect: str, cataloguer: Any
) -> None:
    content: Any = None
    attach(world, DEFECTS[defect](OTHER))
    assert world.image is not None
    content = DEFECTS[defect](world.image.digest)
    attach(world, content)
    bad = []
    for name, fail in FAILURES.items():
        world.registry.app.scripts.clear()
        world.osv.broken.clear()
        world.http.failing = None
        world.cache.clear()
        fail(world)
        if is_false_clean(await outcome(chain_of(world, sources, cataloguer))):
            bad.append(name)
    assert bad == []


async def test_without_a_fault_the_vulnerability_is_found_and_the_scan_complete(world: World, sources: Sources) -> None:
    attach(world, None)
    assert world.image is not None
    attach(world, DEFECTS["none"](world.image.digest))
    report = await outcome(chain_of(world, sources))
    assert isinstance(report, ScanReport)
    assert [finding.id for finding in report.findings] == ["CVE-2026-0001"]
    assert report.complete
    assert report.requests == 2


def changed(statement: str) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return apply


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


OTHER_RECORD = {**RECORD, "id": "PYSEC-0000-2", "aliases": ["CVE-2026-0002"], "affected": [
    {"package": {"ecosystem": "PyPI", "name": "other"}, "versions": ["1.0"]},
]}  # fmt: skip
BROKEN_RECORD = {**RECORD, "affected": [{**RECORD["affected"][0], "ranges": "all"}]}
# What the database holds, of which ecosystem, and what happens to the file afterwards.
FILES: dict[str, tuple[list[Any], str, Callable[[Path], Any]]] = {
    "whole": ([RECORD], "PyPI", lambda path: None),
    "not there": ([RECORD], "PyPI", Path.unlink),
    "empty": ([RECORD], "PyPI", lambda path: path.write_bytes(b"")),
    "something else": ([RECORD], "PyPI", lambda path: path.write_bytes(b"rubbish")),
    "cut": ([RECORD], "PyPI", cut),
    "of another layout": ([RECORD], "PyPI", changed("PRAGMA user_version = 99")),
    "of another ecosystem": ([RECORD], "Debian", lambda path: None),
    "of nothing": ([RECORD], "PyPI", changed("DELETE FROM archives")),
    "old": ([OTHER_RECORD], "PyPI", changed("UPDATE archives SET updated = '2026-01-01T00:00:00+00:00'")),
    "of no known age": ([OTHER_RECORD], "PyPI", changed("UPDATE archives SET updated = 'once'")),
    "of the future": ([OTHER_RECORD], "PyPI", changed("UPDATE archives SET updated = '2999-01-01T00:00:00+00:00'")),
    "with a record that cannot be read": ([OTHER_RECORD, BROKEN_RECORD], "PyPI", lambda path: None),
}


@pytest.mark.parametrize("file", FILES)
async def test_whatever_the_local_database_is_a_vulnerable_image_is_never_clean(
    world: World, sources: Sources, tmp_path: Path, file: str
) -> None:
    records, ecosystem, happens = FILES[file]
    path = tmp_path / "advisories.db"
    state = OsvState.of_records(records)
    await Updater(DirectHttp(state), "https://osv.test", path, {}).update([ecosystem])
    happens(path)
    settings = AdvisorySettings(MCP_DOCKERHUB_DATABASE=path)
    attach(world, DEFECTS["none"](OTHER))
    bad = []
    for defect, content in DEFECTS.items():
        assert world.image is not None
        attach(world, content(world.image.digest))
        world.cache.clear()
        chain = SupplyChain(sources, advisories=build_advisories(settings, world.http, world.cache), cache=world.cache)
        if is_false_clean(await outcome(chain)):
            bad.append(defect)
    assert bad == []


@pytest.mark.parametrize("failure", [name for name in FAILURES if name.startswith("database")])
async def test_no_answer_of_the_database_is_an_error_that_says_so(world: World, sources: Sources, failure: str) -> None:
    attach(world, None)
    assert world.image is not None
    attach(world, DEFECTS["none"](world.image.digest))
    FAILURES[failure](world)
    error = await outcome(chain_of(world, sources))
    assert isinstance(error, DockerHubError)
    assert error.message.startswith("The vulnerability database could not be asked: ")
    assert "not a clean result" in error.hint


async def test_a_database_that_fails_later_leaves_the_old_answer_marked_as_old(registry: InMemoryRegistry) -> None:
    from mcp_dockerhub.cache import Kind
    from mcp_dockerhub.hub.client import HubClient
    from mcp_dockerhub.registry import Registries, RegistryClient
    from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
    from tests.upstreams.app_client import AppClient

    cache = Cache(ttl=dict.fromkeys(Kind, 0.0))
    state = OsvState.of_records([RECORD])
    world = World(registry, state, DirectHttp(state), cache)
    http = AppClient(registry)
    sources = Sources(
        RegistryClient(http, cache, Registries.build()),
        HubClient(http, cache, "https://hub.test", ANONYMOUS_CREDENTIAL),
    )
    attach(world, None)
    assert world.image is not None
    attach(world, DEFECTS["none"](world.image.digest))
    chain = chain_of(world, sources)
    await outcome(chain)
    world.http.failing = UpstreamUnavailable("No connection.")
    report = await outcome(chain)
    assert isinstance(report, ScanReport)
    assert (report.source, [finding.id for finding in report.findings]) == ("stale", ["CVE-2026-0001"])
    await cache.aclose()
