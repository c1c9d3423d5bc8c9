"""VEX documents: which statements are about which findings, and that nothing is ever hidden by one."""

import json
from typing import Any

import pytest

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanOptions, ScanReport, VexMark, VexSource
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image
from mcp_dockerhub.supply_chain.vulnerabilities.vex import (
    MAX_STATEMENTS,
    Marks,
    Subject,
    VexDocument,
    read_vex,
)
from mcp_dockerhub.supply_chain.vulnerabilities.vex_sources import MAX_BYTES
from tests.upstreams.advisory_fakes import Known, advisory
from tests.upstreams.attestations import IN_TOTO, SPDX, Key, attest_image, refer, spdx, spdx_package, statement
from tests.upstreams.callers import Caller
from tests.upstreams.content import OCI_INDEX, Seeded
from tests.upstreams.registry import InMemoryRegistry

OPENVEX = "https://openvex.dev/ns/v0.2.0"
CVE = "CVE-2024-22195"
MANIFEST = Digest.parse("sha256:" + "1" * 64)
INDEX = Digest.parse("sha256:" + "2" * 64)
APP = Reference.parse("ghcr.io/o/app:v1")
SUBJECT = Subject(APP, (MANIFEST, INDEX), Platform.parse("linux/amd64"))
JINJA = Package(type="pypi", name="jinja2", version="3.1.2", purl="pkg:pypi/jinja2@3.1.2")
SSL = Package(
    type="deb",
    name="libssl3",
    version="3.0.15-1~deb12u1",
    purl="pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12",
    source_name="openssl",
    source_version="3.0.15-1",
)
IMAGE = f"pkg:oci/app@{MANIFEST}?repository_url=ghcr.io/o/app"


def said(status: str = "not_affected", *products: Any, **more: Any) -> dict[str, Any]:
    made = {"vulnerability": {"name": CVE}, "status": status, "justification": "vulnerable_code_not_present", **more}
    return {**made, "products": list(products)} if products else made


def vex(*statements: Any, **more: Any) -> dict[str, Any]:
    return {
        "@context": OPENVEX,
        "author": "Example",
        "timestamp": "2026-01-01T00:00:00Z",
        "statements": list(statements),
        **more,
    }


def document(*statements: Any, attested: bool = False) -> VexDocument:
    return read_vex(vex(*statements), "file.json", attested=attested)


def marks(documents: list[VexDocument], subject: Subject, names: list[str], packages: list[Package]) -> VexMark | None:
    return Marks(documents, subject).of(names, packages)


def status(*statements: Any, package: Package = JINJA, attested: bool = False, names: tuple[str, ...] = (CVE,)) -> str:
    mark = marks([document(*statements, attested=attested)], SUBJECT, list(names), [package])
    return mark.status if mark else ""


PRODUCTS: list[Any] = [
    IMAGE,
    f"pkg:oci/app@{INDEX}?repository_url=ghcr.io/o/app&arch=amd64",
    f"pkg:oci/app@{MANIFEST}".replace(":1", "%3A1"),
    "pkg:oci/app?repository_url=ghcr.io/o/app",
    "pkg:oci/app?repository_url=ghcr.io/o",
    "pkg:oci/app?repository_url=https://GHCR.io/o/app&tag=v1",
    "pkg:docker/o/app@v1?repository_url=ghcr.io&platform=linux/amd64",
    f"ghcr.io/o/app@{MANIFEST}",
    "ghcr.io/o/app:v1",
    str(MANIFEST),
    "pkg:pypi/jinja2@3.1.2",
    "pkg:pypi/jinja2",
    {"@id": IMAGE},
    {"identifiers": {"purl": IMAGE}},
    {"@id": "anything", "hashes": {"sha-256": MANIFEST.hex}},
    {"@id": IMAGE, "subcomponents": [{"@id": "pkg:pypi/other"}, {"@id": "pkg:pypi/jinja2"}]},
]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_statement_about_this_image_or_package_counts(product: Any) -> None:
    assert status(said("not_affected", product)) == "not_affected"


OTHERS: list[Any] = [
    f"pkg:oci/app@sha256:{'3' * 64}?repository_url=ghcr.io/o/app",
    "pkg:oci/app",
    "pkg:oci/app?repository_url=ghcr.io/other/app",
    "pkg:oci/app?repository_url=ghcr.io/o/app&tag=v2",
    f"pkg:oci/app@{MANIFEST}?arch=arm64",
    "pkg:docker/o/app@v1",
    "pkg:docker/o/app@v1?repository_url=ghcr.io&platform=linux/arm64",
    "ghcr.io/o/app:v2",
    "pkg:pypi/jinja2@3.1.3",
    "pkg:npm/jinja2",
    "pkg:pypi/jinja",
    "jinja2",
    "pkg:broken",
    {"@id": IMAGE, "subcomponents": [{"@id": "pkg:pypi/other"}]},
    {"@id": "pkg:pypi/jinja2", "subcomponents": [{"@id": "pkg:pypi/jinja2"}]},
    {"@id": IMAGE, "subcomponents": [17]},
    {"hashes": {"sha-512": MANIFEST.hex}, "@id": "x"},
    17,
    "",
    {},
]


@pytest.mark.parametrize("product", OTHERS)
def test_a_statement_about_something_else_does_not(product: Any) -> None:
    assert status(said("not_affected", product)) == ""


@pytest.mark.parametrize(
    ("purl", "counts"),
    [
        ("pkg:deb/debian/libssl3", True),
        ("pkg:deb/debian/libssl3@3.0.15-1~deb12u1?distro=debian-12", True),
        ("pkg:deb/debian/openssl", True),
        ("pkg:deb/debian/openssl@3.0.15-1", True),
        ("pkg:deb/debian/openssl@3.0.15-2", False),
        ("pkg:deb/debian/libssl3?distro=debian-11", False),
        ("pkg:deb/ubuntu/libssl3", False),
        ("pkg:deb/debian/libssl3?arch=arm64", False),
    ],
)
def test_distribution_packages_are_named_by_binary_or_source(purl: str, counts: bool) -> None:
    assert bool(status(said("fixed", purl), package=SSL)) is counts


def test_docker_hub_images_go_by_their_short_names() -> None:
    subject = Subject(Reference.parse("nginx:1.29"), (MANIFEST,), Platform.parse("linux/amd64"))
    for purl in (
        "pkg:docker/nginx@1.29",
        "pkg:docker/library/nginx",
        "pkg:oci/nginx?repository_url=index.docker.io/library/nginx",
    ):
        assert marks([document(said("fixed", purl))], subject, [CVE], [JINJA]), purl


def test_without_products_only_an_attestation_is_about_the_image() -> None:
    assert status(said()) == ""
    assert status(said(), attested=True) == "not_affected"
    assert status(said("not_affected", 17), attested=True) == ""


def test_every_name_of_the_vulnerability_counts() -> None:
    for named in (
        "GHSA-1",
        {"name": "GHSA-1"},
        {"name": "X", "aliases": ["GHSA-1", 3]},
        {"@id": "https://osv.dev/vulnerability/GHSA-1"},
    ):
        assert status(said("fixed", IMAGE, vulnerability=named), names=(CVE, "GHSA-1")) == "fixed"
    for nobody in ("", {}, 17, None, {"name": "CVE-2024-2219"}):
        assert status(said("fixed", IMAGE, vulnerability=nobody)) == ""


def test_the_newest_statement_wins_and_of_equals_the_last() -> None:
    old = said("not_affected", IMAGE, timestamp="2025-01-01T00:00:00Z")
    new = said("affected", IMAGE, timestamp="2025-06-01T00:00:00Z", action_statement="Update.")
    corrected = said("fixed", IMAGE, timestamp="2025-01-01T00:00:00Z", last_updated="2025-07-01T00:00:00Z")
    assert status(old, new) == status(new, old) == "affected"
    assert status(new, corrected, old) == "fixed"
    assert status(said("affected", IMAGE), said("fixed", IMAGE)) == "fixed"
    undated = read_vex({"@context": OPENVEX, "statements": [said("fixed", IMAGE)]}, "x")
    mark = marks([undated], SUBJECT, [CVE], [JINJA])
    assert mark is not None
    assert mark.timestamp is None


def test_all_packages_of_a_finding_have_to_be_meant() -> None:
    one = [document(said("fixed", "pkg:pypi/jinja2@3.1.2"))]
    assert marks(one, SUBJECT, [CVE], [JINJA, JINJA])
    assert marks(one, SUBJECT, [CVE], [JINJA, SSL]) is None
    both = [document(said("fixed", "pkg:pypi/jinja2", "pkg:deb/debian/libssl3"))]
    assert marks(both, SUBJECT, [CVE], [JINJA, SSL])


@pytest.mark.parametrize(
    "broken",
    [
        said("harmless", IMAGE),
        said("not_affected", IMAGE, justification=""),
        {"status": "fixed", "products": [IMAGE]},
        "text",
        said("fixed", 17),
    ],
)
def test_statements_that_break_the_specification_say_nothing_and_are_counted(broken: Any) -> None:
    read = document(broken, said("fixed", "pkg:pypi/other"))
    assert (len(read.statements), read.skipped) == (1, 1)


def test_an_impact_statement_justifies_as_well() -> None:
    made = said("not_affected", IMAGE, justification="", impact_statement="It is never called.")
    mark = marks([document(made)], SUBJECT, [CVE], [JINJA])
    assert mark is not None
    assert (mark.statement, mark.author, mark.source) == ("It is never called.", "Example", "file.json")


@pytest.mark.parametrize(
    "content",
    [17, [], {}, {"@context": OPENVEX}, {"@context": "https://example.com", "statements": []}, {"statements": []}],
)
def test_anything_else_is_no_document(content: Any) -> None:
    with pytest.raises(InvalidInput, match="not an OpenVEX document"):
        read_vex(content, "file.json")


def test_a_document_without_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most"):
        read_vex({"@context": OPENVEX, "statements": [0] * (MAX_STATEMENTS + 1)}, "file.json")


# Documents attached to images, and given.


def push(registry: InMemoryRegistry, *documents: Any) -> Seeded:
    """An image with an SBOM and VEX statements in its index."""
    image = registry.add_image("o/app")
    packages = [spdx_package("jinja2", "3.1.2", "pkg:pypi/jinja2@3.1.2")]
    statements = [statement(image.digest, SPDX, spdx(packages))]
    statements += [statement(image.digest, OPENVEX, content) for content in documents]
    registry.add_index("o/app", "v1", [image, registry.add_attestation("o/app", image, statements)])
    return image


async def scanned(chain: SupplyChain, *given: bytes) -> ScanReport:
    documents = tuple(VexSource(f"given-{place}.json", raw) for place, raw in enumerate(given))
    return await scan_image(chain, Caller(), APP, None, ScanOptions(vex=documents))


@pytest.fixture
def found(known: Known) -> Known:
    known.database.add("jinja2", "3.1.2", advisory(CVE, "GHSA-h5c8-rqwp-cp95"), "critical")
    known.database.add("jinja2", "3.1.2", "CVE-2024-34064", "low")
    return known


@pytest.mark.anyio
async def test_an_attached_document_marks_a_finding_and_hides_nothing(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    push(registry, vex(said()))
    report = await scanned(chain)
    assert [finding.id for finding in report.findings] == ["CVE-2024-34064", CVE]
    assert [finding.id for finding in report.actionable] == ["CVE-2024-34064"]
    marked = report.findings[1].vex
    assert marked is not None
    assert (marked.status, marked.justification) == ("not_affected", "vulnerable_code_not_present")
    assert marked.source.endswith("attached to the image")
    assert report.findings[1].why.startswith("not affected by VEX; critical")
    assert report.counts["critical"] == 1
    assert len(report.vex_documents) == 1


@pytest.mark.anyio
async def test_documents_are_found_among_referrers_and_cosigns_tags_too(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    image = push(registry)
    first = statement(image.digest, "https://openvex.dev/ns", vex(said()))
    refer(registry, image, first, IN_TOTO, **{"in-toto.io/predicate-type": "https://openvex.dev/ns"})
    second = statement(image.digest, OPENVEX, vex(said("fixed", vulnerability={"name": "CVE-2024-34064"})))
    attest_image(registry, image, second, Key.make(), predicateType=OPENVEX)
    report = await scanned(chain)
    assert {finding.vex.status for finding in report.findings if finding.vex} == {"not_affected", "fixed"}
    assert list(report.actionable) == []


@pytest.mark.anyio
async def test_an_attached_document_about_another_image_marks_nothing(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    image = push(registry)
    about_other = statement("sha256:" + "9" * 64, OPENVEX, vex(said()))
    refer(registry, image, about_other, IN_TOTO, **{"in-toto.io/predicate-type": OPENVEX})
    report = await scanned(chain)
    assert not any(finding.vex for finding in report.findings)
    assert any("something else" in warning for warning in report.warnings)


@pytest.mark.anyio
async def test_unusable_attached_documents_become_warnings(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    push(registry, {"@context": OPENVEX}, vex(said("harmless")))
    report = await scanned(chain)
    assert len(report.findings) == 2
    assert any("not an OpenVEX document" in warning for warning in report.warnings)
    assert any("break its specification" in warning for warning in report.warnings)


@pytest.mark.anyio
async def test_a_document_that_is_gone_becomes_a_warning(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    image = push(registry)
    content = statement(image.digest, OPENVEX, vex(said()))
    carrier = refer(registry, image, content, IN_TOTO, **{"in-toto.io/predicate-type": OPENVEX})
    registry.script(404, path=f"/blobs/{carrier.layers[0]['digest']}")
    report = await scanned(chain)
    assert any("is gone" in warning for warning in report.warnings)


@pytest.mark.anyio
async def test_a_given_document_counts_and_is_newest_wins(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    push(registry, vex(said()))
    newer = said("affected", "pkg:pypi/jinja2", timestamp="2026-02-01T00:00:00Z")
    report = await scanned(chain, json.dumps(vex(newer)).encode())
    (mark,) = [finding.vex for finding in report.findings if finding.id == CVE]
    assert mark is not None
    assert (mark.status, mark.source) == ("affected", "given-0.json")


@pytest.mark.anyio
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"a": NaN}', b" " * (MAX_BYTES + 1), b"[" * 600_000])
async def test_a_given_document_that_is_none_is_an_error(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known, raw: bytes
) -> None:
    push(registry)
    with pytest.raises(InvalidInput, match=r"given-0\.json"):
        await scanned(chain, raw)


@pytest.mark.anyio
async def test_places_out_of_reach_are_said_and_the_report_is_not_kept(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    push(registry)
    registry.script(503, path="/referrers/")
    report = await scan_image(chain, Caller(), APP, None)
    assert len(report.findings) == 2
    assert any("not fully known" in warning for warning in report.warnings)
    await scan_image(chain, Caller(), APP, None)
    assert len(found.database.asked) == 2


@pytest.mark.anyio
async def test_a_listing_that_lies_costs_marks_and_nothing_else(
    chain: SupplyChain, registry: InMemoryRegistry, found: Known
) -> None:
    push(registry, vex(said()))
    other = registry.add_image("o/app", layers=(b"other",))
    carrier = refer(registry, other, statement(other.digest, OPENVEX, vex(said())), IN_TOTO)
    listing = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [carrier.descriptor()]}
    registry.script(200, path="/referrers/", body=listing, headers={"content-type": OCI_INDEX})
    report = await scanned(chain)
    assert len(report.findings) == 2
    assert any("VEX documents attached to the image could not be used" in warning for warning in report.warnings)
