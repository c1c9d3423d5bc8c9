"""Whose a vulnerable package is: the base image's or one's own, and where neither can be known."""

from dataclasses import replace
from typing import Any

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.catalogue.cataloguer import LayerCataloguer, LayerReader
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanOptions, ScanReport
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image
from tests.upstreams.advisory_fakes import Known
from tests.upstreams.attestations import SPDX, spdx, spdx_package, statement
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded, digest_of
from tests.upstreams.layers import OS_RELEASE, STATUS, Member, metadata, tar_of
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"
BASE_LAYER = tar_of((Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS)))
CURL = b"""
Package: curl
Status: install ok installed
Architecture: amd64
Version: 7.88.1-10
"""
MORE = tar_of(
    (
        Member("var/lib/dpkg/status", STATUS.rstrip() + b"\n" + CURL),
        Member("app/six-1.dist-info/METADATA", metadata("six", "1.17.0")),
    )
)


def base_of(registry: InMemoryRegistry, layers: tuple[bytes, ...] = (BASE_LAYER,)) -> Seeded:
    return registry.add_image("o/base", "3", layers=layers)


def app_of(registry: InMemoryRegistry, base: Seeded, name: str = "ghcr.io/o/base:3", **more: Any) -> Seeded:
    said = {NAME: name, DIGEST: base.digest}
    return registry.add_image("o/app", "v1", layers=(BASE_LAYER, MORE), annotations=said, **more)


@pytest.fixture
def reading(chain: SupplyChain, cache: Cache, known: Known) -> SupplyChain:
    """Reads layers, as nothing is attached."""
    known.database.add("openssl", "3.0.15-1", "CVE-BASE").add("curl", "7.88.1-10", "CVE-CURL")
    known.database.add("six", "1.17.0", "CVE-SIX")
    return replace(chain, cataloguer=LayerCataloguer(LayerReader(cache)))


async def scanned(chain: SupplyChain, options: ScanOptions | None = None, caller: Caller | None = None) -> ScanReport:
    return await scan_image(chain, caller or Caller(), APP, None, options or ScanOptions())


def origins(report: ScanReport) -> dict[str, bool | None]:
    return {finding.id: finding.in_base for finding in report.findings}


async def test_packages_are_the_bases_or_ones_own_though_one_file_lists_them_all(
    reading: SupplyChain, registry: InMemoryRegistry
) -> None:
    base = base_of(registry)
    app = app_of(registry, base)
    report = await scanned(reading)
    assert origins(report) == {"CVE-BASE": True, "CVE-CURL": False, "CVE-SIX": False}
    layers = {finding.id: finding.layer for finding in report.findings}
    assert layers["CVE-BASE"] == app.layers[0]["digest"]
    assert layers["CVE-CURL"] == layers["CVE-SIX"] == app.layers[1]["digest"]
    assert report.base is not None
    assert (report.base.image, report.base.layers, report.base.sure) == ("ghcr.io/o/base:3", 1, True)
    assert [layer.in_base for layer in report.layers] == [True, False]
    assert [finding.why.rpartition("; ")[2] for finding in report.findings] == [
        "in your layers",
        "in your layers",
        "in the base image",
    ]


async def test_ones_own_come_before_the_bases(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    app_of(registry, base_of(registry))
    assert [finding.id for finding in (await scanned(reading)).findings][-1] == "CVE-BASE"


async def test_without_a_base_nothing_is_attributed(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1", layers=(BASE_LAYER, MORE))
    report = await scanned(reading)
    assert set(origins(report).values()) == {None}
    assert report.base is None
    assert [layer.in_base for layer in report.layers] == [None, None]


async def test_a_base_that_cannot_be_read_is_said_and_asked_again(
    reading: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    app_of(registry, base_of(registry))
    registry.script(503, path="/o/base/")
    report = await scanned(reading)
    assert set(origins(report).values()) == {None}
    assert any("The base could not be read" in warning for warning in report.warnings)
    assert not any("base" in reason for reason in report.incomplete_because)
    await scanned(reading)
    assert len(known.database.asked) == 2


async def test_a_base_the_caller_may_not_read_is_not_read(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    app_of(registry, base_of(registry))
    registry.clear()
    report = await scanned(reading, caller=Caller(denied=frozenset({"ghcr.io/o/base"})))
    assert not registry.count(path="/o/base/")
    assert report.base is None


async def test_a_base_that_moved_on_is_known_in_part(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    base = base_of(registry, (BASE_LAYER, b"newer"))
    app_of(registry, base)
    report = await scanned(reading)
    assert origins(report) == {"CVE-BASE": True, "CVE-CURL": None, "CVE-SIX": None}
    assert report.base is not None
    assert not report.base.sure


async def test_a_base_the_image_does_not_stand_on_is_none(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    app_of(registry, base_of(registry, (b"another",)))
    assert (await scanned(reading)).base is None


async def test_an_image_that_stands_on_nothing_is_all_ones_own(
    reading: SupplyChain, registry: InMemoryRegistry
) -> None:
    registry.add_image("o/app", "v1", layers=(BASE_LAYER, MORE), annotations={NAME: "scratch"})
    report = await scanned(reading)
    assert set(origins(report).values()) == {False}
    assert report.warnings == ()


async def test_a_label_that_says_so_may_be_the_bases_own(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1", layers=(BASE_LAYER, MORE), config={"Labels": {NAME: "scratch"}})
    assert (await scanned(reading)).base is None


async def test_a_base_that_is_no_reference_is_none(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    app_of(registry, base_of(registry), "NOT A REFERENCE!")
    assert (await scanned(reading)).base is None


async def test_nobody_looks_for_a_base_nobody_wants(reading: SupplyChain, registry: InMemoryRegistry) -> None:
    app_of(registry, base_of(registry))
    assert (await scanned(reading, ScanOptions(find_base=False))).base is None


async def test_a_document_knows_no_layer_of_packages_that_one_file_lists(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    """Its word is the layer that wrote the file last, which is not that of the package."""
    base = base_of(registry)
    app = app_of(registry, base)
    upper = f"found at /var/lib/dpkg/status layerID: {digest_of(MORE)}"
    packages = [
        spdx_package("curl", "1-1", "pkg:deb/debian/curl@1-1?distro=debian-12", comment=upper),
        spdx_package("six", "1", "pkg:pypi/six@1", comment=upper),
        spdx_package(
            "bash", "5-1", "pkg:deb/debian/bash@5-1?distro=debian-12", comment=f"layerID: {digest_of(BASE_LAYER)}"
        ),
        spdx_package("yarl", "1", "pkg:pypi/yarl@1"),
    ]
    child = registry.add_attestation("o/app", app, [statement(app.digest, SPDX, spdx(packages))])
    registry.add_index("o/app", "v1", [app, child])
    known.database.add("curl", "1-1", "CVE-1").add("six", "1", "CVE-2").add("bash", "5-1", "CVE-3").add(
        "yarl", "1", "CVE-4"
    )
    report = await scanned(chain)
    assert origins(report) == {"CVE-1": None, "CVE-2": False, "CVE-3": True, "CVE-4": None}
