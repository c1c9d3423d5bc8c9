"""Which database is asked about a package, and by which name and version."""

from typing import Any

import pytest

from mcp_dockerhub.supply_chain.advisories.ecosystems import (
    base_of,
    canonical,
    is_foreign,
    lacks_sources,
    query_of,
    spellings,
)
from mcp_dockerhub.supply_chain.advisories.model import NotCovered, Query
from mcp_dockerhub.supply_chain.packages import MAX_TEXT, Distro, Package

DEBIAN = Distro("debian", "12", "bookworm")


def deb(name: str = "libssl3", version: str = "3.0.11-1", **values: Any) -> Package:
    return Package(type="deb", name=name, version=version, **values)


@pytest.mark.parametrize(
    ("distro", "ecosystem"),
    [
        (Distro("debian", "12"), "Debian:12"),
        (Distro("debian", "12.5"), "Debian:12"),
        (Distro("debian", "", "trixie"), "Debian:13"),
        (Distro("ubuntu", "22.04"), "Ubuntu:22.04:LTS"),
        (Distro("ubuntu", "24.04.1"), "Ubuntu:24.04:LTS"),
        (Distro("ubuntu", "23.10"), "Ubuntu:23.10"),
        (Distro("ubuntu", "23.04"), "Ubuntu:23.04"),
        (Distro("ubuntu", "", "jammy"), "Ubuntu:22.04:LTS"),
        (Distro("alpine", "3.20.3"), "Alpine:v3.20"),
        (Distro("alpine", "3.20"), "Alpine:v3.20"),
        (Distro("wolfi", "20230201"), "Wolfi"),
        (Distro("chainguard"), "Chainguard"),
    ],
)
def test_a_distribution_package_is_asked_about_by_its_release_and_source(distro: Distro, ecosystem: str) -> None:
    package = deb(source_name="openssl", source_version="3.0.11-1+b1")
    assert query_of(package, distro) == Query(ecosystem, "openssl", "3.0.11-1+b1")


def test_a_package_without_a_source_is_its_own() -> None:
    assert query_of(deb(), DEBIAN) == Query("Debian:12", "libssl3", "3.0.11-1")


@pytest.mark.parametrize(
    "package",
    [
        deb(distro="ubuntu-22.04"),
        deb(purl="pkg:deb/ubuntu/libssl3@3.0.11-1?distro=ubuntu-22.04"),
        deb(purl="pkg:deb/ubuntu/libssl3@3.0.11-1?distro=jammy"),
    ],
)
def test_what_the_package_says_of_its_release_counts_before_the_image(package: Package) -> None:
    assert query_of(package, DEBIAN) == Query("Ubuntu:22.04:LTS", "libssl3", "3.0.11-1")


def test_a_package_of_a_rolling_distribution_needs_no_release() -> None:
    package = Package(type="apk", name="glibc", version="2.38-r1", purl="pkg:apk/wolfi/glibc@2.38-r1")
    assert query_of(package, None) == Query("Wolfi", "glibc", "2.38-r1")


@pytest.mark.parametrize(
    ("package", "query"),
    [
        (Package(type="pypi", name="Zope.Interface_x", version="1"), Query("PyPI", "zope-interface-x", "1")),
        (Package(type="npm", name="@babel/Core", version="7.0.0"), Query("npm", "@babel/Core", "7.0.0")),
        (Package(type="golang", name="golang.org/x/sys", version="v0.1.0"), Query("Go", "golang.org/x/sys", "0.1.0")),
        (Package(type="golang", name="stdlib", version="go1.22.5"), Query("Go", "stdlib", "1.22.5")),
        (Package(type="golang", name="stdlib", version="1.22"), Query("Go", "stdlib", "1.22.0")),
        (Package(type="golang", name="stdlib", version="go1.21rc2"), Query("Go", "stdlib", "1.21.0-rc.2")),
        (
            Package(type="golang", name="stdlib", version="1.22.5 X:boringcrypto"),
            Query("Go", "stdlib", "1.22.5"),
        ),
        (Package(type="golang", name="stdlib", version="devel +abc"), Query("Go", "stdlib", "devel +abc")),
        (Package(type="golang", name="toolchain", version=" "), Query("Go", "toolchain", " ")),
        (Package(type="maven", name="org.a:b", version="1.0"), Query("Maven", "org.a:b", "1.0")),
        (Package(type="cargo", name="time", version="0.1.43"), Query("crates.io", "time", "0.1.43")),
        (Package(type="gem", name="nokogiri", version="1.15.4-x86_64-linux"), Query("RubyGems", "nokogiri", "1.15.4")),
        (Package(type="gem", name="rails", version="7.0.0.rc1"), Query("RubyGems", "rails", "7.0.0.rc1")),
        (Package(type="nuget", name="Newtonsoft.Json", version="12.0.1"), Query("NuGet", "Newtonsoft.Json", "12.0.1")),
        (Package(type="composer", name="Drupal/Core", version="v10.4.5"), Query("Packagist", "drupal/core", "10.4.5")),
        (Package(type="dhi", name="python", version="3.12"), Query("Docker Hardened Images", "python", "3.12")),
    ],
)
def test_a_language_package_is_asked_about_in_the_words_of_its_registry(package: Package, query: Query) -> None:
    assert query_of(package, DEBIAN) == query


@pytest.mark.parametrize(
    ("package", "distro", "reason"),
    [
        (Package(type="rpm", name="bash", version="5"), Distro("rhel", "9"), "product stream"),
        (deb(), None, "distribution it belongs to is not known"),
        (deb(), Distro("kali", "2024.1"), "does not|no database that is asked covers the distribution kali"),
        (deb(), Distro("debian"), "debian, whose release is not said"),
        (deb(), Distro("debian", "", "sid"), "debian sid"),
        (deb(), Distro("ubuntu", "unknown"), "ubuntu unknown"),
        (deb(), Distro("alpine", "edge"), "alpine edge"),
        (deb(version=""), DEBIAN, "version is not known"),
        (deb(name=""), DEBIAN, "name is not known"),
        (Package(type="pypi", name="x", version=""), None, "version is not known"),
        (Package(type="pypi", name="", version="1"), None, "name is not known"),
        (Package(type="maven", name="jar", version="1"), None, "Maven group"),
        (Package(type="conan", name="x", version="1"), None, "type conan"),
        (Package(type="", name="x", version="1"), None, "type is not said"),
    ],
)
def test_what_no_database_covers_is_said_with_its_reason(package: Package, distro: Distro | None, reason: str) -> None:
    answer = query_of(package, distro)
    assert isinstance(answer, NotCovered)
    assert any(part in answer.reason for part in reason.split("|"))
    assert not answer.covered_by


def test_a_package_that_a_distribution_package_owns_is_covered_by_its_owner() -> None:
    owner = "pkg:deb/debian/python3-six@1.16.0-4"
    answer = query_of(Package(type="pypi", name="six", version="1.16.0", owner=owner), DEBIAN)
    assert isinstance(answer, NotCovered)
    assert answer.covered_by == owner


def test_a_list_without_source_packages_is_found_out_by_packages_that_are_parts() -> None:
    named = deb(source_name="openssl")
    assert lacks_sources([deb(), deb("bash")])
    assert lacks_sources([deb("libssl3t64"), deb("bash", source_name="bash")])
    assert lacks_sources([Package(type="apk", name="ssl_client", version="1")])
    assert not lacks_sources([deb(), named])
    assert not lacks_sources([deb("base-files"), deb("netbase"), deb("tzdata")])
    assert not lacks_sources([Package(type="pypi", name="libsass", version="1"), deb(owner="pkg:deb/debian/x@1")])
    assert not lacks_sources([])


def test_an_ecosystem_is_found_by_what_osv_finds_it_by() -> None:
    assert spellings("Ubuntu:Pro:18.04:LTS") == {"Ubuntu:Pro:18.04:LTS", "Ubuntu", "Ubuntu:18.04"}
    assert spellings("Debian:12") == {"Debian:12", "Debian"}
    assert spellings("DHI") == {"DHI", "Docker Hardened Images"}
    assert base_of("DHI") == "Docker Hardened Images"
    assert canonical("PyPI", "A.b__C") == "a-b-c"
    assert canonical("npm", "A.b") == "A.b"


@pytest.mark.parametrize(
    ("version", "foreign"),
    [
        ("1.29.1-1~bookworm", True),
        ("5:27.1.1-1~debian.12~bookworm", True),
        ("20.15.1-1nodesource1", True),
        ("16.4-1.pgdg120+1", True),
        ("8.0.39-1debian12", True),
        ("1:11.4.2+maria~deb12", True),
        ("8.3.9-1+0~20240705.29+debian12~1.gbp7e9d3f", True),
        ("1.1.1f-1ubuntu2.22", False),
        ("3.0.15-1~deb12u1", False),
        ("2:8.39-13+deb12u1+b1", False),
        ("6.1.106-3~bpo12+1", False),
        ("24.0.7-0ubuntu4~22.04.1", False),
    ],
)
def test_a_package_of_another_repository_is_told_by_its_version(version: str, foreign: bool) -> None:
    assert is_foreign(Package(type="deb", name="p", version=version)) is foreign
    assert not is_foreign(Package(type="pypi", name="p", version=version))


@pytest.mark.parametrize(
    "name", ["a\0b", "a\ud800", "libx\ufffd", "jinja2\u200b", " jinja2", "jinja2 ", "a" * MAX_TEXT]
)
def test_what_can_be_no_name_is_asked_about_nowhere(name: str) -> None:
    for package in (Package(type="npm", name=name, version="1.0.0"), deb(source_name=name), deb(name)):
        answer = query_of(package, DEBIAN)
        assert answer == NotCovered("its name is none that a package can have")


def test_of_what_no_database_covers_the_kind_is_said_whatever_its_name() -> None:
    answer = query_of(Package(type="generic", name="Visual C++ Runtime", version="14.0"), DEBIAN)
    assert answer == NotCovered("no database that is asked covers packages of type generic")


def test_a_package_url_that_was_cut_may_have_lost_what_matters() -> None:
    answer = query_of(deb(purl=f"pkg:deb/debian/libssl3@3.0.11-1?arch={'a' * MAX_TEXT}"[:MAX_TEXT]), DEBIAN)
    assert answer == NotCovered("its name is none that a package can have")
