"""SPDX and CycloneDX: every package in, every package out, by the formats' own rules."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.supply_chain.json_walk import JsonWalk
from mcp_dockerhub.supply_chain.packages import Coverage, Distro, GapKind, Package, PackageSet
from mcp_dockerhub.supply_chain.purls import distro_of, read_purl, write_purl
from mcp_dockerhub.supply_chain.sbom.cyclonedx import read_cyclonedx
from mcp_dockerhub.supply_chain.sbom.cyclonedx_writer import write_cyclonedx
from mcp_dockerhub.supply_chain.sbom.licenses import Licenses, is_expression
from mcp_dockerhub.supply_chain.sbom.spdx import read_spdx
from mcp_dockerhub.supply_chain.sbom.spdx_writer import write_spdx
from mcp_dockerhub.supply_chain.sbom.writing import Subject
from tests.upstreams.attestations import cyclonedx, spdx, spdx_package

SCHEMA = json.loads((Path(__file__).parent / "fixtures" / "spdx-2.3.schema.json").read_text(encoding="utf-8"))
LAYER = "sha256:" + "a" * 64
PACKAGES = (
    Package(
        type="deb",
        name="libc6",
        version="2.41-12",
        purl="pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc",
        licenses=("LGPL-2.1-only AND GPL-2.0-or-later WITH GCC-exception-3.1", "MIT"),
        location="/var/lib/dpkg/status",
        layer=LAYER,
        source_name="glibc",
        arch="amd64",
        distro="debian-13",
    ),
    Package(type="npm", name="@scope/left", version="1.0.0", purl="pkg:npm/%40scope/left@1.0.0", licenses=("MIT",)),
    Package(type="golang", name="github.com/o/r", version="v1.2.3", purl="pkg:golang/github.com/o/r@v1.2.3"),
    Package(type="", name="ünïcode", version="", licenses=("BSD license, see file", "Apache-2.0 OR Ours")),
    Package(type="", name="plain", version="1", purl="no purl", licenses=("LicenseRef-own AND MIT",)),
    Package(type="pypi", name="twice", version="1", purl="pkg:pypi/twice@1", location="/a"),
    Package(type="pypi", name="twice", version="1", purl="pkg:pypi/twice@1", location="/b"),
)


def subject(packages: tuple[Package, ...] = PACKAGES, ref: str = "ghcr.io/o/app:v1", **more: Any) -> Subject:
    given: dict[str, Any] = {
        "ref": Reference.parse(ref),
        "digest": Digest("sha256:" + "b" * 64),
        "platform": Platform("linux", "amd64"),
        "packages": packages,
        "distro": Distro("debian", "13"),
        "coverage": Coverage(),
        "written": datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "note": "Packages as read from the image's layers.",
    }
    return Subject(**{**given, **more})


def read(document: dict[str, Any]) -> PackageSet:
    walk = JsonWalk(json.dumps(document), "The SBOM")
    return read_spdx(walk, 0) if "spdxVersion" in document else read_cyclonedx(walk, 0)


# Writing


def test_an_spdx_document_is_valid_and_says_all_that_is_known() -> None:
    written = write_spdx(subject())
    assert written.isascii()
    document = json.loads(written)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    identifiers = [package["SPDXID"] for package in document["packages"]]
    assert len(set(identifiers)) == len(identifiers)
    related = {entry["relatedSpdxElement"] for entry in document["relationships"]}
    assert related == set(identifiers), "everything is described or contained"
    libc = next(package for package in document["packages"] if package["name"] == "libc6")
    assert libc["licenseDeclared"] == "(LGPL-2.1-only AND GPL-2.0-or-later WITH GCC-exception-3.1) AND MIT"
    assert (libc["sourceInfo"], libc["comment"]) == ("found at /var/lib/dpkg/status", f"layerID: {LAYER}")
    words = {entry["licenseId"]: entry["extractedText"] for entry in document["hasExtractedLicensingInfos"]}
    assert words == {
        "LicenseRef-1": "BSD license, see file",
        "LicenseRef-2": "Apache-2.0 OR Ours",
        "LicenseRef-own": "LicenseRef-own",
    }


def test_every_license_reference_of_an_spdx_document_is_explained() -> None:
    document = json.loads(write_spdx(subject()))
    used = {
        word.strip("()")
        for package in document["packages"]
        for word in package["licenseDeclared"].split()
        if "LicenseRef-" in word
    }
    assert used == {entry["licenseId"] for entry in document["hasExtractedLicensingInfos"]}


def test_a_cyclonedx_document_is_valid_by_the_librarys_own_validator() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    written = write_cyclonedx(subject())
    assert written.isascii()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    document = json.loads(written)
    assert (document["specVersion"], document["metadata"]["component"]["type"]) == ("1.6", "container")
    libc = next(part for part in document["components"] if part["name"] == "libc6")
    assert libc["properties"] == [
        {"name": "mcp-dockerhub:layer", "value": LAYER},
        {"name": "mcp-dockerhub:location", "value": "/var/lib/dpkg/status"},
    ]


@pytest.mark.parametrize("write", [write_spdx, write_cyclonedx])
def test_what_is_written_reads_back_as_the_same_packages(write: Any) -> None:
    found = read(json.loads(write(subject())))
    assert sorted(package.identity for package in found.packages) == sorted(package.identity for package in PACKAGES)
    libc = next(package for package in found.packages if package.name == "libc6")
    assert (libc.source, libc.distro, libc.arch) == (("glibc", "2.41-12"), "debian-13", "amd64")
    if write is write_spdx:
        assert (libc.location, libc.layer) == ("/var/lib/dpkg/status", LAYER)


@pytest.mark.parametrize("write", [write_spdx, write_cyclonedx])
def test_the_same_content_gives_the_same_document(write: Any) -> None:
    assert write(subject()) == write(subject())
    assert write(subject()) != write(subject(note="Only some."))


@pytest.mark.parametrize("write", [write_spdx, write_cyclonedx])
def test_an_image_without_packages_or_system_is_a_document_too(write: Any) -> None:
    document = json.loads(write(subject((), "nginx", distro=None)))
    assert "hasExtractedLicensingInfos" not in document
    if write is write_spdx:
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_the_image_itself_is_named_by_a_package_url() -> None:
    assert subject().purl == ("pkg:oci/app@sha256:" + "b" * 64 + "?arch=amd64&repository_url=ghcr.io/o/app&tag=v1")
    assert "tag=" not in subject(ref="ghcr.io/o/app@sha256:" + "b" * 64).purl


# Licenses


@pytest.mark.parametrize(
    "text",
    [
        "MIT",
        "GPL-2.0+",
        "MIT AND (Apache-2.0 OR BSD-3-Clause)",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "LicenseRef-mine",
        "DocumentRef-a:LicenseRef-b",
        "MIT AND LicenseRef-mine",
        "(MIT)",
    ],
)
def test_expressions_are_recognised(text: str) -> None:
    assert is_expression(text)


NO_EXPRESSIONS = (
    "",
    "Ours",
    "MIT Apache-2.0",
    "MIT AND",
    "AND MIT",
    "(MIT",
    "MIT)",
    "MIT AND Ours",
    "MIT, see it",
    "()",
)


@pytest.mark.parametrize("text", [*NO_EXPRESSIONS, "(" * 300 + "MIT" + ")" * 300])
def test_other_words_are_no_expressions(text: str) -> None:
    assert not is_expression(text)


def test_no_license_is_no_assertion_and_the_same_words_get_one_reference() -> None:
    licenses = Licenses()
    assert licenses.expression(()) == "NOASSERTION"
    assert licenses.expression(("Ours",)) == licenses.expression(("Ours",)) == "LicenseRef-1"


# Reading SPDX


@pytest.mark.parametrize("version", ["SPDX-2.2", "SPDX-2.3"])
def test_spdx_packages_carry_what_the_document_says(version: str) -> None:
    package = spdx_package(
        "busybox",
        "1.36.1-r29",
        "pkg:apk/alpine/busybox@1.36.1-r29?arch=x86_64&distro=alpine-3.20.3&upstream=busybox-src",
        licenseConcluded="GPL-2.0-only",
        licenseDeclared="MIT",
        sourceInfo="acquired package info from APK DB: /lib/apk/db/installed",
    )
    found = read(spdx([package], version))
    assert found.format == version
    assert found.packages == (
        Package(
            type="apk",
            name="busybox",
            version="1.36.1-r29",
            purl=package["externalRefs"][0]["referenceLocator"],
            licenses=("GPL-2.0-only",),
            location="/lib/apk/db/installed",
            source_name="busybox-src",
            arch="x86_64",
            distro="alpine-3.20.3",
        ),
    )
    assert found.distro == Distro("alpine", "3.20.3")
    assert (found.created, found.tools) == (datetime(2026, 3, 1, 12, tzinfo=UTC), ("syft-1.18.1",))


def test_the_image_its_root_and_its_system_are_no_packages_of_an_spdx_document() -> None:
    packages = [
        spdx_package("sbom", "", SPDXID="SPDXRef-DocumentRoot-Directory-sbom"),
        spdx_package("app", "1", "pkg:oci/app@sha256:0", primaryPackagePurpose="CONTAINER"),
        spdx_package("debian", "13", primaryPackagePurpose="OPERATING-SYSTEM"),
        spdx_package("curl", "8", "pkg:deb/debian/curl@8"),
        "no object",
    ]
    assert [package.name for package in read(spdx(packages)).packages] == ["curl"]  # type: ignore[arg-type]


def test_a_documents_own_license_names_replace_its_references() -> None:
    extracted = [{"licenseId": "LicenseRef-1", "name": "Ours", "extractedText": "…"}, {"licenseId": "LicenseRef-2"}]
    packages = [
        spdx_package("a", "1", licenseDeclared="LicenseRef-1"),
        spdx_package("b", "1", licenseDeclared="LicenseRef-2"),
    ]
    found = read(spdx(packages, hasExtractedLicensingInfos=extracted))
    assert [package.licenses for package in found.packages] == [("Ours",), ("LicenseRef-2",)]


def test_entries_without_a_name_are_counted_not_dropped_silently() -> None:
    packages = [spdx_package("", "1", SPDXID=f"SPDXRef-{place}") for place in range(7)]
    found = read(spdx(packages))
    assert found.packages == ()
    (gap,) = found.coverage.gaps
    assert (gap.kind, gap.count, len(gap.evidence)) == (GapKind.UNIDENTIFIED, 7, 5)
    assert not found.coverage.complete


@pytest.mark.parametrize("odd", [{"a": spdx_package("a", "1")}, "none", 7])
def test_something_else_than_a_list_of_packages_is_no_empty_list(odd: Any) -> None:
    for document in ({**spdx([]), "packages": odd}, {**cyclonedx([]), "components": odd}):
        with pytest.raises(UpstreamInvalid, match="list of packages"):
            read(document)


def test_no_list_of_packages_is_an_empty_one() -> None:
    for document in ({**spdx([]), "packages": None}, {**cyclonedx([]), "components": None}):
        assert read(document).packages == ()


def test_what_is_no_package_in_a_list_of_packages_is_counted() -> None:
    for document in ({**spdx([]), "packages": ["a", 7]}, {**cyclonedx([]), "components": ["a", 7]}):
        assert [(gap.kind, gap.count) for gap in read(document).coverage.gaps] == [(GapKind.UNIDENTIFIED, 2)]


def test_more_packages_than_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.sbom.building.MAX_PACKAGES", 2)
    found = read(spdx([spdx_package(f"p{place}", "1") for place in range(5)]))
    assert len(found.packages) == 2
    assert (found.coverage.gaps[0].kind, found.coverage.gaps[0].count) == (GapKind.LIMIT, 3)


def test_long_strings_are_cut_and_odd_types_count_as_absent() -> None:
    packages: list[dict[str, Any]] = [
        {"name": "x" * 5_000, "versionInfo": 7, "externalRefs": "none", "sourceInfo": [], "SPDXID": {}},
        {"name": "y", "externalRefs": [7, {"referenceType": "cpe23Type", "referenceLocator": "cpe"}]},
    ]
    found = read(spdx(packages, files={}, relationships=7))
    assert [(len(package.name), package.version, package.purl) for package in found.packages] == [
        (1024, "", ""),
        (1, "", ""),
    ]


# Reading CycloneDX


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6"])
def test_cyclonedx_components_carry_what_the_document_says(version: str) -> None:
    component = {
        "type": "library",
        "bom-ref": "x",
        "name": "openssl",
        "version": "3.5.1-1",
        "purl": "pkg:deb/debian/openssl@3.5.1-1?arch=amd64",
        "licenses": [{"license": {"name": "Ours"}}, {"expression": "MIT OR Apache-2.0"}, 7, {}],
        "properties": [
            {"name": "syft:location:0:path", "value": "var/lib/dpkg/status"},
            {"name": "syft:location:0:layerID", "value": LAYER},
            {"name": "aquasecurity:trivy:SrcName", "value": "openssl-src"},
            {"name": "aquasecurity:trivy:SrcVersion", "value": "3.5.1"},
        ],
        "components": [{"type": "library", "name": "inner", "version": "1"}],
    }
    tools = [{"name": "syft", "version": "1.18.1"}] if version == "1.4" else {"components": [{"name": "syft"}]}
    found = read(cyclonedx([component], version, metadata={"timestamp": "2026-03-01T12:00:00+00:00", "tools": tools}))
    assert found.packages[0] == Package(
        type="deb",
        name="openssl",
        version="3.5.1-1",
        purl=component["purl"],  # type: ignore[arg-type]
        licenses=("Ours", "MIT OR Apache-2.0"),
        location="/var/lib/dpkg/status",
        layer=LAYER,
        source_name="openssl-src",
        source_version="3.5.1",
        arch="amd64",
    )
    assert found.packages[1].name == "inner"
    assert found.tools == (("syft-1.18.1",) if version == "1.4" else ("syft",))
    assert found.created == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_files_and_systems_are_no_packages_of_a_cyclonedx_document() -> None:
    components: list[Any] = [
        {"type": "file", "name": "/etc/passwd"},
        {"type": "container", "name": "app"},
        {"type": "operating-system", "name": "alpine", "version": "3.20"},
        {"type": "application", "name": "app"},
        7,
    ]
    found = read(cyclonedx(components))
    assert [package.name for package in found.packages] == ["app"]
    assert found.distro == Distro("alpine", "3.20")


def test_what_a_cyclonedx_document_calls_incomplete_is_a_gap() -> None:
    found = read(cyclonedx([], compositions=[{"aggregate": "incomplete"}, {"aggregate": "complete"}, 7]))
    assert [(gap.kind, gap.count) for gap in found.coverage.gaps] == [(GapKind.SCOPE, 1)]


def test_components_nested_too_deeply_are_refused() -> None:
    component: dict[str, Any] = {"type": "library", "name": "leaf"}
    for _ in range(20):
        component = {"type": "library", "name": "x", "components": [component]}
    with pytest.raises(TooLarge):
        read(cyclonedx([component]))


# The package model and package URLs


def test_a_package_without_a_source_is_its_own() -> None:
    assert Package(type="deb", name="a", version="1").source == ("a", "1")
    assert Package(type="deb", name="a", version="1", source_name="s", source_version="2").source == ("s", "2")


def test_the_same_package_at_two_places_is_one_distinct_package() -> None:
    assert [package.name for package in PackageSet(packages=PACKAGES, found="syft").distinct()] == [
        "libc6",
        "@scope/left",
        "github.com/o/r",
        "ünïcode",
        "plain",
        "twice",
    ]


@pytest.mark.parametrize(
    ("purl", "name", "source"),
    [
        ("pkg:deb/debian/libssl3@3.0?upstream=openssl%403.0.1", "libssl3", ("openssl", "3.0.1")),
        ("pkg:rpm/fedora/glibc@2.38-7?upstream=glibc-2.38-7.fc39.src.rpm", "glibc", ("glibc", "2.38")),
        ("pkg:maven/org.apache/commons@1", "org.apache:commons", ("", "")),
        ("pkg:golang/github.com/o/r@v1", "github.com/o/r", ("", "")),
        ("pkg:npm/%40s/n@1", "@s/n", ("", "")),
        ("pkg:pypi/plain@1", "plain", ("", "")),
        ("not one", "", ("", "")),
        ("", "", ("", "")),
        ("pkg:generic/" + "x" * 2_000, "", ("", "")),
    ],
)
def test_package_urls_are_read_in_the_words_of_their_ecosystem(purl: str, name: str, source: tuple[str, str]) -> None:
    facts = read_purl(purl)
    assert (facts.name, facts.source) == (name, source)


@pytest.mark.parametrize(
    ("kind", "name", "more", "purl"),
    [
        (
            "deb",
            "libc6",
            {"namespace": "debian", "qualifiers": {"arch": "amd64", "upstream": ""}},
            "pkg:deb/debian/libc6@1?arch=amd64",
        ),
        ("maven", "org.apache:commons", {}, "pkg:maven/org.apache/commons@1"),
        ("npm", "@s/n", {}, "pkg:npm/%40s/n@1"),
        ("pypi", "plain", {}, "pkg:pypi/plain@1"),
        ("", "plain", {}, ""),
        ("pypi", "", {}, ""),
    ],
)
def test_package_urls_are_written_from_full_names(kind: str, name: str, more: Any, purl: str) -> None:
    assert write_purl(kind, name, "1", **more) == purl


def test_a_distribution_is_read_from_its_qualifier() -> None:
    assert distro_of("debian-13") == Distro("debian", "13")
    assert distro_of("wolfi") == Distro("wolfi")
    assert distro_of("") is None
    assert distro_of("<b>-1") is None
