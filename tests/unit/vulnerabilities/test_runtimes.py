"""What an image's environment announces, and which packages account for it."""

import pytest

from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.matching import grouped, with_owners
from mcp_dockerhub.supply_chain.vulnerabilities.runtimes import announced, vendored


def package(kind: str, name: str, version: str, location: str = "") -> Package:
    return Package(type=kind, name=name, version=version, purl=f"pkg:{kind}/{name}@{version}", location=location)


def missing(variable: str, *packages: Package) -> list[str]:
    return [entry.what for entry in announced(["HOME=/root", variable], packages)]


@pytest.mark.parametrize(
    ("variable", "what"),
    [
        ("PYTHON_VERSION=3.13.1", "CPython"),
        ("NODE_VERSION=22.1.0", "Node.js"),
        ("GOLANG_VERSION=1.24.1", "Go toolchain"),
        ("JAVA_VERSION=jdk-21.0.5+11", "Java runtime"),
        ("REDIS_VERSION=7.4.1", "Redis"),
        ("GOSU_VERSION=1.17", "gosu"),
        ("RUBY_VERSION=unnumbered", "Ruby"),
    ],
)
def test_what_is_announced_and_not_listed_is_missing(variable: str, what: str) -> None:
    assert missing(variable) == [what]
    assert missing(variable, package("deb", "bash", "5.2-1")) == [what]


@pytest.mark.parametrize(
    ("variable", "kind", "name", "version"),
    [
        ("PYTHON_VERSION=3.13.1", "generic", "python", "3.13.1"),
        ("PYTHON_VERSION=3.11.2", "deb", "python3.11", "1:3.11.2-6+deb12u4"),
        ("NODE_VERSION=22.1.0", "apk", "nodejs", "22.1.0-r0"),
        ("GOLANG_VERSION=1.24.1", "golang", "stdlib", "v1.24.1"),
        ("JAVA_VERSION=jdk-21.0.5+11", "generic", "jdk", "21.0.5+11-LTS"),
        ("NGINX_VERSION=1.27.3", "deb", "nginx", "1.27.3-1~bookworm"),
        ("GOSU_VERSION=1.17", "golang", "github.com/tianon/gosu", "v1.17"),
    ],
)
def test_a_package_of_that_name_and_version_accounts_for_it(variable: str, kind: str, name: str, version: str) -> None:
    assert missing(variable, package(kind, name, version)) == []


@pytest.mark.parametrize(
    "other",
    [
        package("generic", "python", "3.12.1"),
        package("pypi", "python-dotenv", "3.13.1"),
        package("npm", "node-fetch", "3.13.1"),
        package("deb", "libssl3", "3.13.1"),
    ],
)
def test_libraries_and_other_versions_do_not(other: Package) -> None:
    assert missing("PYTHON_VERSION=3.13.1", other) == ["CPython"]


def test_nothing_announced_is_nothing_missing() -> None:
    assert list(announced(["PYTHON_VERSION=", "OTHER_VERSION=1", "PYTHON_PIP_VERSION=24.0"], [])) == []


YAML = package("pypi", "PyYAML", "6.0", "/usr/lib/python3/dist-packages/PyYAML-6.0.egg-info/PKG-INFO")


@pytest.mark.parametrize(
    ("owner", "library"),
    [
        (package("deb", "python3-pyyaml", "6.0-3+b2"), YAML),
        (package("deb", "python3-pyyaml", "1:6.0-3"), YAML),
        (
            package("deb", "node-semver", "7.3.4-1"),
            package("npm", "semver", "7.3.4", "/usr/share/nodejs/semver/package.json"),
        ),
    ],
)
def test_the_place_of_a_library_tells_its_owner(owner: Package, library: Package) -> None:
    assert with_owners([library, owner])[0].owner == owner.purl


@pytest.mark.parametrize(
    ("owner", "location"),
    [
        (package("deb", "python3-pyyaml", "6.1-3"), YAML.location),
        (package("deb", "python3-yaml", "6.0-3"), YAML.location),
        (package("rpm", "python3-pyyaml", "6.0-3"), YAML.location),
        (package("deb", "python3-pyyaml", "6.0-3"), "/usr/local/lib/python3.11/dist-packages/PyYAML/METADATA"),
        (package("deb", "python3-pyyaml", "6.0-3"), ""),
    ],
)
def test_anything_less_than_name_version_and_place_tells_nothing(owner: Package, location: str) -> None:
    library = package("pypi", "PyYAML", "6.0", location)
    assert with_owners([library, owner])[0].owner is None


def test_packages_with_one_reason_are_one_entry_with_a_few_examples() -> None:
    many = [(package("generic", f"tool{place}", "1"), "nobody knows it") for place in range(9)]
    other = (package("", "mystery", "", "/opt/x"), "nobody knows it")
    first, second = grouped([*many, other])
    assert (first.what, first.count, len(first.evidence)) == ("generic packages", 9, 5)
    assert (second.what, second.evidence) == ("untyped packages", ("mystery ? (/opt/x)",))


NGINX = package("apk", "nginx", "1.27.3-r1")


@pytest.mark.parametrize(
    ("env", "held", "told"),
    [
        ("NGINX_VERSION=1.27.3", NGINX, ["nginx 1.27.3-r1", "NGINX_VERSION=1.27.3"]),
        ("NGINX_VERSION=1.26.2", NGINX, []),
        ("NGINX_VERSION=", NGINX, []),
        ("PATH=/bin", NGINX, []),
        ("NGINX_VERSION=1.27.3", package("deb", "nginx", "1.27.3-1~bookworm"), []),
        ("NGINX_VERSION=1.27.3", package("apk", "nginx-module-njs", "1.27.3-r1"), []),
    ],
)
def test_a_makers_own_package_is_not_the_distributions(env: str, held: Package, told: list[str]) -> None:
    found = [place for entry in vendored([env], [held]) for place in entry.evidence]
    assert found == told
