"""docker_get_sbom: where the SBOM is found, that it is about the image, what is answered and what it costs."""

import json
import time
from typing import Any

import pytest

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import NotFound, TooLarge, Unsupported, UpstreamInvalid
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.supply_chain.answers import Sbom
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.packages import Coverage, Distro, Gap, GapKind, Package, PackageSet
from mcp_dockerhub.supply_chain.sboms import Filters, Wanted, image_sbom, license_names
from mcp_dockerhub.supply_chain.vocabulary import Format
from tests.upstreams.attestations import (
    BUNDLE,
    CYCLONEDX,
    PYTHON_PACKAGE,
    SBOM,
    SPDX,
    Key,
    attach,
    attest_image,
    cosign_tag,
    cyclonedx,
    envelope,
    refer,
    spdx,
    spdx_package,
    statement,
)
from tests.upstreams.callers import Caller
from tests.upstreams.content import OCI_CONFIG, Seeded, encode
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
KEY = Key.make()


async def asked(chain: SupplyChain, wanted: Wanted | None = None, platform: str = "") -> Sbom:
    return await image_sbom(chain, Caller(), APP, Platform.parse(platform) if platform else None, wanted or Wanted())


def in_index(registry: InMemoryRegistry, **more: Any) -> Seeded:
    pushed = registry.add_image("o/app")
    child = registry.add_attestation("o/app", pushed, [statement(pushed.digest, SPDX, SBOM, **more)])
    registry.add_index("o/app", "v1", [pushed, child])
    return pushed


def in_legacy_index(registry: InMemoryRegistry) -> Seeded:
    about = registry.add_image("o/app").digest
    return attach(registry, "o/app", "v1", [statement(about, SPDX, SBOM, "v0.1")], legacy=True)[1]


def by_referrers(registry: InMemoryRegistry) -> Seeded:
    image = registry.add_image("o/app", "v1")
    refer(registry, image, statement(image.digest, SPDX, SBOM), "application/vnd.in-toto+json")
    return image


def by_fallback_tag(registry: InMemoryRegistry) -> Seeded:
    registry.behaviour.referrers = "404"
    image = registry.add_image("o/app", "v1")
    carrier = refer(registry, image, statement(image.digest, SPDX, SBOM), "application/vnd.in-toto+json")
    registry.add_index("o/app", image.digest.replace(":", "-"), [carrier])
    return image


def by_att_tag(registry: InMemoryRegistry) -> Seeded:
    image = registry.add_image("o/app", "v1")
    attest_image(registry, image, statement(image.digest, SPDX, SBOM), KEY)
    return image


def by_sbom_tag(registry: InMemoryRegistry) -> Seeded:
    image = registry.add_image("o/app", "v1")
    tag = cosign_tag(image.digest, "sbom")
    registry.add_artifact("o/app", tag, config=(OCI_CONFIG, b"{}"), layers=[("text/spdx+json", encode(SBOM))])
    return image


def by_bare_referrer(registry: InMemoryRegistry) -> Seeded:
    image = registry.add_image("o/app", "v1")
    refer(registry, image, SBOM, "application/spdx+json")
    return image


def by_bundle(registry: InMemoryRegistry) -> Seeded:
    image = registry.add_image("o/app", "v1")
    bundle = {"mediaType": BUNDLE, "dsseEnvelope": envelope(statement(image.digest, SPDX, SBOM), KEY)}
    refer(registry, image, bundle, BUNDLE, **{"dev.sigstore.bundle.predicateType": SPDX})
    return image


PLACES = [
    (in_index, "index", False),
    (in_legacy_index, "index", False),
    (by_referrers, "referrers", False),
    (by_fallback_tag, "referrers", False),
    (by_att_tag, "cosign tag", True),
    (by_sbom_tag, "cosign tag", False),
    (by_bare_referrer, "referrers", False),
    (by_bundle, "referrers", True),
]


@pytest.mark.parametrize(("push", "where", "signed"), PLACES)
async def test_an_sbom_is_found_wherever_it_is_kept(
    chain: SupplyChain, registry: InMemoryRegistry, push: Any, where: str, signed: bool
) -> None:
    image = push(registry)
    found = await asked(chain, Wanted("packages"))
    assert [(row.type, row.name, row.version) for row in found.packages] == [
        ("deb", "libssl3t64", "3.5.1-1"),
        ("pypi", "anyio", "4.9.0"),
    ]
    assert (found.manifest, found.found, found.total) == (image.digest, "attestation", 2)
    assert found.document is not None
    assert (found.document.where, found.document.signed) == (where, signed)


@pytest.mark.parametrize("push", [by_sbom_tag, by_bare_referrer])
async def test_an_sbom_without_a_statement_says_that_nothing_confirms_it(
    chain: SupplyChain, registry: InMemoryRegistry, push: Any
) -> None:
    push(registry)
    found = await asked(chain)
    assert any("nothing confirms it" in warning for warning in found.warnings)
    assert found.document is not None
    assert found.document.predicate_type is None


@pytest.mark.parametrize("push", [in_index, in_legacy_index, by_referrers])
async def test_an_attached_sbom_costs_at_most_six_requests_and_none_the_second_time(
    chain: SupplyChain, registry: InMemoryRegistry, push: Any
) -> None:
    push(registry)
    registry.clear()
    await asked(chain)
    assert 3 <= registry.count() <= 6
    registry.clear()
    assert (await asked(chain, Wanted("packages"))).source == "cache"
    assert registry.count() == 0


async def test_layers_are_named_as_the_manifest_names_them_within_six_requests(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app")
    unpacked = json.loads(registry.app.repositories["o/app"].blobs[image.config_digest])["rootfs"]["diff_ids"][1]
    packages = [
        {**PYTHON_PACKAGE, "SPDXID": "SPDXRef-a"},
        {**spdx_package("b", "1", "pkg:npm/%40s/b@1"), "SPDXID": "SPDXRef-b"},
        {**spdx_package("c", "1", "pkg:npm/c@1"), "SPDXID": "SPDXRef-c"},
    ]
    files = [
        {"SPDXID": "SPDXRef-f1", "fileName": "app/METADATA", "comment": f"layerID: {unpacked}"},
        {"SPDXID": "SPDXRef-f2", "fileName": "/b/package.json", "comment": f"layerID: {image.layers[0]['digest']}"},
        {"SPDXID": "SPDXRef-f3", "fileName": "/c", "comment": "layerID: sha256:" + "9" * 64},
        "no object",
    ]
    relations = [
        {
            "spdxElementId": f"SPDXRef-{package}",
            "relatedSpdxElement": f"SPDXRef-{file}",
            "relationshipType": "OTHER",
            "comment": "evident-by: indicates the package's existence is evident by the given file",
        }
        for package, file in (("a", "f1"), ("b", "f2"), ("c", "f3"), ("a", "f2"))
    ]
    document = spdx(packages, files=files, relationships=[*relations, "no object", {"spdxElementId": 1}])
    child = registry.add_attestation("o/app", image, [statement(image.digest, SPDX, document)])
    registry.add_index("o/app", "v1", [image, child])
    registry.clear()
    found = await asked(chain, Wanted("packages"))
    assert [(row.name, row.location, row.layer) for row in found.packages] == [
        ("anyio", "/app/METADATA", image.layers[1]["digest"]),
        ("@s/b", "/b/package.json", image.layers[0]["digest"]),
        ("c", "/c", None),
    ]
    assert registry.count() == 6


def named(name: str, package: str) -> dict[str, Any]:
    return spdx([spdx_package(package, "1", f"pkg:generic/{package}@1")], name=name)


async def test_sboms_of_build_stages_are_not_the_images(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    documents = [named("sbom-build", "compiler"), named("/run/src/extras/x", "context"), named("sbom", "app")]
    statements = [statement(image.digest, SPDX, document) for document in documents]
    registry.add_index("o/app", "v1", [image, registry.add_attestation("o/app", image, statements)])
    found = await asked(chain, Wanted("packages"))
    assert [row.name for row in found.packages] == ["app"]
    assert any("build stages" in warning for warning in found.warnings)


async def test_an_sbom_of_a_build_stage_alone_is_called_one(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    about = statement(image.digest, SPDX, named("sbom-build", "compiler"))
    registry.add_index("o/app", "v1", [image, registry.add_attestation("o/app", image, [about])])
    found = await asked(chain)
    assert found.total == 1
    assert any("none of the image itself" in warning for warning in found.warnings)


async def test_of_two_formats_the_smaller_document_is_fetched(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    large = statement(image.digest, SPDX, spdx([PYTHON_PACKAGE] * 20))
    small = statement(image.digest, f"{CYCLONEDX}/v1.6", cyclonedx(COMPONENTS))
    registry.add_index("o/app", "v1", [image, registry.add_attestation("o/app", image, [large, small])])
    found = await asked(chain)
    assert found.document is not None
    assert found.document.format == "CycloneDX 1.6"


async def test_a_form_that_is_not_read_gives_way_to_the_layers(sources: Sources, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app", "v1")
    refer(registry, image, statement(image.digest, SPDX, spdx([], "SPDX-3.0")), "application/vnd.in-toto+json")
    found = await asked(SupplyChain(sources, FakeCataloguer()))
    assert found.found == "catalogue"
    assert any("not SPDX 2.2 or 2.3" in warning for warning in found.warnings)


async def test_a_tampered_document_does_not_give_way_to_the_layers(
    sources: Sources, registry: InMemoryRegistry
) -> None:
    attach(registry, "o/app", "v1", [statement("sha256:" + "0" * 64, SPDX, SBOM)])
    with pytest.raises(UpstreamInvalid):
        await asked(SupplyChain(sources, FakeCataloguer()))


async def test_each_platform_gets_its_own_sbom(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    children: list[Any] = []
    for place, platform in enumerate(("linux/amd64", "linux/arm64")):
        image = registry.add_image("o/app", platform=platform, layers=(platform.encode(),))
        document = spdx([spdx_package(f"p{place}", "1", f"pkg:generic/p{place}@1")])
        children += [image, registry.add_attestation("o/app", image, [statement(image.digest, SPDX, document)])]
    registry.add_index("o/app", "v1", children)
    for place, platform in enumerate(("linux/amd64", "linux/arm64")):
        found = await asked(chain, Wanted("packages"), platform)
        assert (found.platform, found.packages[0].name) == (platform, f"p{place}")


async def test_an_sbom_of_the_whole_index_is_used_and_called_so(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    index, _ = registry.add_multi_platform("o/app", "v1", ["linux/amd64", "linux/arm64"])
    attest_image(registry, index, statement(index.digest, SPDX, SBOM), KEY)
    found = await asked(chain)
    assert found.total == 2
    assert any("whole index" in warning for warning in found.warnings)


async def test_a_platform_that_only_the_configuration_tells_is_found(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app")
    child = registry.add_attestation("o/app", image, [statement(image.digest, SPDX, SBOM)])
    bare = {key: value for key, value in image.descriptor().items() if key != "platform"}
    registry.add_index("o/app", "v1", [bare, child])
    assert (await asked(chain)).total == 2


# Refusals


@pytest.mark.parametrize(
    "about",
    ["sha256:" + "0" * 64, ["sha512:" + "0" * 128], []],
)
async def test_a_statement_about_something_else_is_refused(
    chain: SupplyChain, registry: InMemoryRegistry, about: Any
) -> None:
    attach(registry, "o/app", "v1", [statement(about, SPDX, SBOM)])
    with pytest.raises(UpstreamInvalid):
        await asked(chain)


async def test_the_index_is_no_subject_of_buildkits_statements(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    plain = registry.add_index("o/app", None, [image])
    attach(registry, "o/app", "v1", [statement(plain.digest, SPDX, SBOM)])
    with pytest.raises(UpstreamInvalid, match="about something else"):
        await asked(chain)


async def test_a_manifest_about_another_image_is_refused(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    other = registry.add_image("o/app", layers=(b"other",))
    child = registry.add_attestation("o/app", other, [statement(image.digest, SPDX, SBOM)])
    child["annotations"]["vnd.docker.reference.digest"] = image.digest
    registry.add_index("o/app", "v1", [image, child])
    with pytest.raises(UpstreamInvalid, match="another image"):
        await asked(chain)


async def test_no_byte_of_any_document_on_the_way_can_be_changed(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    """Every byte of the index, the attestation manifest and the SBOM, one at a time."""
    image = registry.add_image("o/app", layers=(b"a",))
    small = spdx([spdx_package("p", "1", "pkg:generic/p@1")])
    child = registry.add_attestation("o/app", image, [statement(image.digest, SPDX, small)])
    index = registry.add_index("o/app", "v1", [image, child])
    held = registry.app.repositories["o/app"]
    blob = next(name for name, content in held.blobs.items() if b"in-toto" in content)
    for digest, kept in ((blob, held.blobs), (child["digest"], held.manifests), (index.digest, held.manifests)):
        await _each_byte(chain, kept, digest)


async def _each_byte(chain: SupplyChain, kept: dict[str, Any], digest: str) -> None:
    original = kept[digest]
    kind, raw = original if isinstance(original, tuple) else ("", original)
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 0x01]) + raw[place + 1 :]
        kept[digest] = (kind, changed) if kind else changed
        chain.sources.registry._wire.cache.clear()
        with pytest.raises(UpstreamInvalid):
            await asked(chain)
    kept[digest] = original
    chain.sources.registry._wire.cache.clear()
    assert (await asked(chain)).total == 1


async def test_a_damaged_document_does_not_hide_a_good_one(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app", "v1")
    refer(registry, image, b"{", "application/vnd.in-toto+json")
    refer(registry, image, statement(image.digest, SPDX, spdx([], "SPDX-3.0")), "application/vnd.in-toto+json")
    attest_image(registry, image, statement(image.digest, SPDX, SBOM), KEY)
    found = await asked(chain)
    assert found.total == 2
    assert any("not valid JSON" in warning for warning in found.warnings)


async def test_a_document_the_registry_lists_and_does_not_hold_is_passed_over(
    sources: Sources, registry: InMemoryRegistry
) -> None:
    in_index(registry)
    held = registry.app.repositories["o/app"].blobs
    del held[next(digest for digest, content in held.items() if b"in-toto" in content)]
    found = await asked(SupplyChain(sources, FakeCataloguer()))
    assert found.found == "catalogue"
    assert any("is gone" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("document", "media_type", "error"),
    [
        (b"SPDXVersion: SPDX-2.3", "text/spdx", Unsupported),
        (b'"a text"', "application/spdx+json", Unsupported),
        (b"{}", "application/spdx+json", Unsupported),
        (b"{}", "application/vnd.cyclonedx+json", Unsupported),
        (b'{"spdxVersion": "SPDX-3.0"}', "application/spdx+json", Unsupported),
        (b'{"specVersion": "1.3"}', "application/vnd.cyclonedx+json", Unsupported),
        (b'{"spdxVersion": "SPDX-2.3", "spdxVersion": "SPDX-2.3"}', "application/spdx+json", UpstreamInvalid),
        (b"\xff\xfe", "application/spdx+json", UpstreamInvalid),
        (b"[" * 100_000, "application/spdx+json", Unsupported),
        (b'{"spdxVersion": "SPDX-2.3", "x": ' + b"[" * 100_000, "application/spdx+json", UpstreamInvalid),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(
    chain: SupplyChain, registry: InMemoryRegistry, document: bytes, media_type: str, error: type[Exception]
) -> None:
    image = registry.add_image("o/app", "v1")
    refer(registry, image, document, media_type)
    with pytest.raises(error):
        await asked(chain)


async def test_a_document_that_would_cost_too_much_memory_is_not_parsed(
    chain: SupplyChain, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.json_walk.MAX_VALUES", 1_000)
    image = registry.add_image("o/app", "v1")
    refer(registry, image, b"[" + b"[],[]," * 1_000 + b"[]]", "application/spdx+json")
    with pytest.raises(TooLarge):
        await asked(chain)


async def test_a_document_beyond_the_size_bound_is_not_fetched(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app", "v1")
    small = refer(registry, image, b"{}", "application/spdx+json")
    del registry.app.repositories["o/app"].manifests[small.digest]
    huge = {**small.document, "layers": [{**small.document["layers"][0], "size": 65 * 1024 * 1024}]}
    registry.put_manifest("o/app", "huge", encode(huge), small.media_type)
    registry.clear()
    with pytest.raises(TooLarge):
        await asked(chain)
    assert registry.count("GET", small.layers[0]["digest"]) == 0


# Nothing attached


class FakeCataloguer:
    """Reads no layers."""

    def __init__(self, gaps: int = 1) -> None:
        self.asked: list[tuple[str, str]] = []
        self.gaps = gaps

    async def catalogue(self, sources: Sources, access: Access, ref: Reference, image: Image) -> Cached[PackageSet]:
        self.asked.append((str(ref), image.manifest.digest))
        manifest = await sources.registry.manifest(access, ref)
        gap = Gap(GapKind.UNREAD, "rpm database", ("/var/lib/rpm/rpmdb.sqlite",), 1)
        package = Package(type="apk", name="musl", version="1.2.5-r0", licenses=("MIT",), source_name="musl-src")
        found = PackageSet(
            packages=(package,),
            found="catalogue",
            distro=Distro("alpine", "3.20.3", name="Alpine Linux v3.20"),
            coverage=Coverage((gap,) * self.gaps, ("apk",)),
        )
        return Cached(found, "live", manifest.fetched_at)


async def test_without_an_sbom_the_layers_are_read(sources: Sources, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app", "v1")
    cataloguer = FakeCataloguer()
    found = await asked(SupplyChain(sources, cataloguer), Wanted("packages"))
    assert cataloguer.asked == [(f"{APP}@{image.digest}", image.digest)]
    assert (found.found, found.document, found.distribution) == ("catalogue", None, "Alpine Linux v3.20")
    assert [(gap.kind.value, gap.what, gap.evidence) for gap in found.gaps] == [
        ("unread", "rpm database", ["/var/lib/rpm/rpmdb.sqlite"])
    ]
    assert found.packages[0].source_package == "musl-src"
    assert "- not covered: rpm database (1)" in found.render()
    assert "its layers, by catalogue" in found.render()


async def test_many_gaps_are_counted(sources: Sources, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1")
    found = await asked(SupplyChain(sources, FakeCataloguer(gaps=40)))
    assert len(found.gaps) == 30
    assert "Only 30 of 40 gaps in the coverage are listed." in found.warnings


@pytest.mark.parametrize("name", ["spdx", "cyclonedx"])
async def test_a_document_says_what_it_leaves_out(sources: Sources, registry: InMemoryRegistry, name: Format) -> None:
    registry.add_image("o/app", "v1")
    chosen = Filters(type="apk", license="gpl")
    found = await asked(SupplyChain(sources, FakeCataloguer()), Wanted(name, chosen))
    assert found.content is not None
    assert (found.total, found.matched, "musl" in found.content) == (1, 0, False)
    for said in ("the image's layers", "type 'apk', license 'gpl'", "Not covered: rpm database"):
        assert said in found.content


async def test_without_an_sbom_and_a_cataloguer_there_is_none(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1")
    with pytest.raises(NotFound, match=r"No SBOM is attached to ghcr.io/o/app:v1 \(linux/amd64\)\."):
        await asked(chain)


async def test_what_could_not_be_reached_is_not_called_missing(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1")
    registry.script(503, path="/referrers/")
    with pytest.raises(NotFound, match="in the places that could be reached"):
        await asked(chain)


async def test_provenance_alone_is_no_sbom(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    about = statement(image.digest, "https://slsa.dev/provenance/v1", {})
    child = registry.add_attestation("o/app", image, [about, {**about, "predicateType": ""}])
    registry.add_index("o/app", "v1", [image, child])
    with pytest.raises((NotFound, UpstreamInvalid)):
        await asked(chain)
    assert registry.count("GET", "/blobs/") == 1, "only the statement that does not say what it is is fetched"


# Answers


COMPONENTS: list[dict[str, Any]] = [
    {"type": "library", "group": "@scope", "name": "left", "version": "1.0.0", "purl": "pkg:npm/%40scope/left@1.0.0"},
    {"type": "library", "name": "right", "version": "2", "licenses": [{"license": {"id": "MIT"}}]},
    {"type": "operating-system", "name": "Debian", "version": "13"},
]


async def test_the_summary_counts(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    in_index(registry)
    found = await asked(chain)
    assert (found.total, found.matched, found.types) == (2, 2, {"deb": 1, "pypi": 1})
    assert found.licenses == {"Apache-2.0": 2, "MIT": 1}
    assert (found.packages, found.content, found.unlicensed) == ([], None, 0)
    assert "2 packages" in found.render()
    assert "read from  SPDX-2.3 attached to the image" in found.render()


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(name="SSL"), ["libssl3t64"]),
        (Filters(type="PyPI"), ["anyio"]),
        (Filters(license="mit"), ["anyio"]),
        (Filters(license="apache", type="deb"), ["libssl3t64"]),
        (Filters(name="nothing"), []),
    ],
)
async def test_filters_choose_packages(
    chain: SupplyChain, registry: InMemoryRegistry, filters: Filters, names: list[str]
) -> None:
    in_index(registry)
    found = await asked(chain, Wanted("packages", filters))
    assert [row.name for row in found.packages] == names
    assert (found.total, found.matched) == (2, len(names))


async def test_packages_come_in_pages(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    in_index(registry)
    first = await asked(chain, Wanted("packages", limit=1))
    second = await asked(chain, Wanted("packages", limit=1, page=2))
    beyond = await asked(chain, Wanted("packages", limit=1, page=9))
    assert [row.name for row in first.packages + second.packages] == ["libssl3t64", "anyio"]
    assert (first.pages, beyond.packages) == (2, [])
    assert "page       1 of 2" in first.render()


async def test_cyclonedx_is_read(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app", "v1")
    document = cyclonedx(COMPONENTS, "1.4")
    refer(registry, image, statement(image.digest, f"{CYCLONEDX}/v1.4", document), "application/vnd.in-toto+json")
    found = await asked(chain, Wanted("packages"))
    assert [(row.name, row.type) for row in found.packages] == [("@scope/left", "npm"), ("right", "")]
    assert found.distribution == "debian 13"
    assert found.document is not None
    assert found.document.format == "CycloneDX 1.4"


async def test_a_document_too_large_to_hand_out_says_what_to_do(
    chain: SupplyChain, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_index(registry)
    monkeypatch.setattr("mcp_dockerhub.supply_chain.sboms.MAX_WRITTEN", 100)
    with pytest.raises(TooLarge) as refused:
        await asked(chain, Wanted("spdx"))
    assert "Filter" in refused.value.hint


async def test_hostile_words_in_an_sbom_are_cleaned_where_they_are_shown(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    hostile = "evil\x1b[31m\u202ename\u200b"
    image = registry.add_image("o/app", "v1")
    document = spdx([spdx_package(hostile, "1\x00", licenseDeclared="\u202eMIT")])
    refer(registry, image, document, "application/spdx+json")
    for form in ("packages", "spdx", "cyclonedx"):
        found = await asked(chain, Wanted(form))
        shown = found.model_dump_json() + found.render() + json.dumps(json.loads(found.content or "{}"))
        for character in ("\x1b", "\u202e", "\u200b", "\\u202e", "\\u200b", "\\u001b", "\\u0000"):
            assert character not in shown


def test_licenses_are_told_apart_in_no_time_however_many_spaces_there_are() -> None:
    stated = (
        "(MIT OR\n Apache-2.0)",
        "GPL-2.0-only  WITH Classpath",
        "BSD , Zlib,ISC",
        "FOR AND",
        "a" + " " * 100_000 + "b",
    )
    began = time.thread_time()
    names = license_names(Package(type="apk", name="musl", version="1", licenses=stated))
    assert time.thread_time() - began < 0.5
    assert names == {"MIT", "Apache-2.0", "GPL-2.0-only", "Classpath", "BSD", "Zlib", "ISC", "FOR AND", "a b"}
