"""Layers on top of each other, and what is installed in the end."""

import pytest

from mcp_dockerhub.supply_chain.catalogue import inventory as module
from mcp_dockerhub.supply_chain.catalogue import overlay as overlays
from mcp_dockerhub.supply_chain.catalogue.inventory import ECOSYSTEMS, Gaps, inventory
from mcp_dockerhub.supply_chain.catalogue.overlay import Overlay
from mcp_dockerhub.supply_chain.packages import Distro, Gap, GapKind, Package, PackageSet
from tests.upstreams.layers import (
    ALPINE,
    INSTALLED,
    OS_RELEASE,
    STATUS,
    Member,
    elf_of,
    facts_of,
    folder,
    go_info,
    jar_of,
    layer_of,
    metadata,
    pom,
    symlink,
)

SITE = "usr/lib/python3/dist-packages"
SIX = f"{SITE}/six-1.17.0.dist-info/METADATA"
DEBIAN = (Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS))


def stack(*layers: tuple[Member, ...]) -> Overlay:
    overlay = Overlay()
    for number, members in enumerate(layers, 1):
        overlay.lay(f"sha256:{number}", facts_of(layer_of(*members)))
    return overlay


def catalogue(*layers: tuple[Member, ...]) -> PackageSet:
    return inventory(stack(*layers), Gaps())


def find(found: PackageSet, name: str) -> Package:
    (package,) = [package for package in found.packages if package.name == name]
    return package


def names(*layers: tuple[Member, ...]) -> set[str]:
    return {package.name for package in catalogue(*layers).packages}


def gaps(*layers: tuple[Member, ...]) -> list[tuple[GapKind, str, int]]:
    return [(gap.kind, gap.what, gap.count) for gap in catalogue(*layers).coverage.gaps]


def dist(name: str, folder: str = SITE) -> Member:
    return Member(f"{folder}/{name}-1.dist-info/METADATA", metadata(name, "1"))


def test_a_distribution_package_says_all_that_advisories_ask_for() -> None:
    copyright_file = Member("usr/share/doc/libssl3/copyright", b"License: Apache-2.0\n")
    found = catalogue((*DEBIAN, copyright_file))
    assert found.distro == Distro("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)")
    assert find(found, "libssl3") == Package(
        type="deb",
        name="libssl3",
        version="3.0.15-1~deb12u1",
        purl="pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl%403.0.15-1",
        licenses=("Apache-2.0",),
        location="/var/lib/dpkg/status",
        layer="sha256:1",
        source_name="openssl",
        source_version="3.0.15-1",
        arch="amd64",
        distro="debian-12",
    )
    assert find(found, "openssl").purl == "pkg:deb/debian/openssl@3.0.15-1~deb12u1?arch=amd64&distro=debian-12"
    assert find(found, "libc6").purl.endswith("&upstream=glibc")
    assert found.coverage.ecosystems == ECOSYSTEMS
    assert found.coverage.complete


def test_alpines_packages_are_its_own() -> None:
    found = catalogue((Member("etc/os-release", ALPINE), Member("lib/apk/db/installed", INSTALLED)))
    assert (
        find(found, "libssl3").purl
        == "pkg:apk/alpine/libssl3@3.3.2-r0?arch=x86_64&distro=alpine-3.20.3&upstream=openssl"
    )
    assert find(found, "musl").purl == "pkg:apk/alpine/musl@1.2.5-r1?arch=x86_64&distro=alpine-3.20.3"


def test_without_os_release_the_databases_own_distribution_is_taken() -> None:
    found = catalogue((Member("lib/apk/db/installed", INSTALLED),))
    assert find(found, "musl").purl == "pkg:apk/alpine/musl@1.2.5-r1?arch=x86_64"
    assert found.distro is None


def test_language_packages_say_where_they_are() -> None:
    found = catalogue(
        (),
        (
            dist("six"),
            Member("app/node_modules/@a/b/package.json", b'{"name": "@a/b", "version": "2"}'),
            Member("app/x.jar", jar_of({**pom("g", "x", "1"), "y-2.jar": jar_of(pom("h", "y", "2"))})),
            Member("tool", elf_of(go_info("mod\tgithub.com/o/t\tv1.0.0\n"))),
        ),
    )
    assert [(one.purl, one.location, one.layer) for one in found.packages] == [
        ("pkg:pypi/six@1", f"/{SITE}/six-1.dist-info/METADATA", "sha256:2"),
        ("pkg:npm/%40a/b@2", "/app/node_modules/@a/b/package.json", "sha256:2"),
        ("pkg:maven/g/x@1", "/app/x.jar", "sha256:2"),
        ("pkg:maven/h/y@2", "/app/x.jar!/y-2.jar", "sha256:2"),
        ("pkg:golang/github.com/o/t@v1.0.0", "/tool", "sha256:2"),
        ("pkg:golang/stdlib@1.24.4", "/tool", "sha256:2"),
    ]


@pytest.mark.parametrize(
    ("upper", "left"),
    [
        ((Member(f"{SITE}/a-1.dist-info/.wh.METADATA"),), {"b"}),
        ((Member(f"{SITE}/.wh.a-1.dist-info"),), {"b"}),
        ((Member(".wh.usr"),), set()),
        ((Member(f"{SITE}/.wh..wh..opq"), dist("c")), {"c"}),
        ((Member(".wh..wh..opq"),), set()),
        ((symlink(SITE, "elsewhere"),), set()),
        ((Member("usr", b"a file now"),), set()),
        ((Member(f"{SITE}/a-1.dist-info/METADATA", metadata("a2", "1")),), {"a2", "b"}),
        ((Member(f"{SITE}/a-1.dist-info/METADATA", b"damaged"),), {"b"}),
        ((folder(SITE),), {"a", "b"}),
        ((Member(f"{SITE}/.wh.other"),), {"a", "b"}),
        ((Member(f"{SITE}/a-1.dist-info/.wh..wh..opq"),), {"b"}),
    ],
)
def test_upper_layers_hide_what_they_replace_or_remove(upper: tuple[Member, ...], left: set[str]) -> None:
    assert names((dist("a"), dist("b")), upper) == left


def test_what_a_layer_removes_it_may_bring_again() -> None:
    assert names((dist("a"),), (Member(f"{SITE}/.wh.a-1.dist-info"), dist("a"))) == {"a"}


def test_a_removed_file_may_come_back_in_a_later_layer() -> None:
    assert names((dist("a"),), (Member(".wh.usr"),), (dist("a"),)) == {"a"}


def test_a_database_is_what_the_topmost_layer_says() -> None:
    small = b"Package: openssl\nStatus: install ok installed\nVersion: 9\n"
    found = catalogue(DEBIAN, (Member("var/lib/dpkg/status", small),))
    assert [(one.name, one.version, one.layer) for one in found.packages] == [("openssl", "9", "sha256:2")]


def test_folders_reached_by_links_are_the_same_folders() -> None:
    links = symlink("lib", "usr/lib"), symlink("opt/py", "/lib/python3")
    found = catalogue((*links, dist("a", "lib/python3"), dist("a", "opt/py")))
    assert [one.location for one in found.packages] == ["/usr/lib/python3/a-1.dist-info/METADATA"]


def test_a_folder_in_the_place_of_a_lower_layers_link_hides_the_link_and_nothing_behind_it() -> None:
    below = (symlink("lib", "usr/lib"), dist("a", "usr/lib/python3"))
    both = ["/lib/python3/a-1.dist-info/METADATA", "/usr/lib/python3/a-1.dist-info/METADATA"]
    assert sorted(one.location for one in catalogue(below, (dist("a", "lib/python3"),)).packages) == both
    for above in ("lib/python3/.wh.a-1.dist-info", "lib/python3/.wh..wh..opq", "lib/.wh..wh..opq"):
        overlay = stack(below, (Member(above),))
        assert [f"/{path}" for path in overlay.files] == both[1:]
        assert overlay.resolve("lib/x") == "lib/x"


def test_a_link_that_is_removed_leads_nowhere() -> None:
    overlay = stack((symlink("a", "b"),), (Member(".wh.a"),))
    assert overlay.resolve("a/x") == "a/x"


@pytest.mark.parametrize(
    ("links", "path", "resolved"),
    [
        ({"a": "../../b"}, "a/x", "b/x"),
        ({"a": "a"}, "a/x", "a/x"),
        ({"a": "b", "b": "a"}, "a/x", "a/x"),
        ({"a": "/"}, "a/x", "x"),
        ({"a": "b"}, "a", "a"),
        ({"d/a": "../e"}, "d/a/x", "e/x"),
        ({"a": "b/" * 600}, "a/x", "a/x"),
    ],
)
def test_links_are_followed_within_the_image_and_never_for_ever(
    links: dict[str, str], path: str, resolved: str
) -> None:
    overlay = stack(tuple(symlink(name, target) for name, target in links.items()))
    assert overlay.resolve(path) == resolved


def test_following_links_has_a_budget_for_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlays, "_MAX_STEPS", 3)
    overlay = stack((symlink("a", "b"),))
    assert [overlay.resolve("a/x/y/z") for _ in range(2)] == ["b/x/y/z", "a/x/y/z"]


def test_a_library_from_a_distribution_package_says_its_owner() -> None:
    listed = b"/.\n/usr/lib/python3/dist-packages/six-1.dist-info/METADATA\n/bin/tool\n"
    found = catalogue(
        (
            *DEBIAN,
            symlink("bin", "usr/bin"),
            dist("six"),
            dist("other"),
            Member("usr/bin/tool", elf_of(b"data")),
            Member("var/lib/dpkg/info/openssl.list", listed),
            Member("var/lib/dpkg/info/unheard.list", b"/usr/lib/python3/dist-packages/other-1.dist-info/METADATA\n"),
        )
    )
    assert find(found, "six").owner == find(found, "openssl").purl
    assert find(found, "other").owner is None
    assert found.coverage.complete


def test_alpines_database_says_the_owner_itself() -> None:
    site = "usr/lib/python3.12/site-packages"
    six = Member(f"{site}/six-1.17.0.dist-info/METADATA", metadata("six", "1.17.0"))
    found = catalogue((Member("lib/apk/db/installed", INSTALLED), six, Member("usr/bin/tool", elf_of(b"data"))))
    assert find(found, "six").owner == find(found, "libssl3").purl
    assert found.coverage.complete


def test_programs_no_package_accounts_for_are_named() -> None:
    program = elf_of(b"data", interpreter=True)
    rust = elf_of(b"data", text=b"/rustc/abc")
    found = catalogue(
        (
            Member("usr/local/bin/python3.13", program),
            Member("usr/local/bin/node", program),
            *(Member(f"opt/tool{number}", elf_of(b"data")) for number in range(8)),
            Member("usr/local/bin/ruff", rust),
            Member("usr/local/bin/helper", program),
            Member("app/node_modules/x/bin/x", program),
            Member(f"{SITE}/ruff-1.dist-info/METADATA", metadata("ruff", "1")),
            Member(f"{SITE}/ruff-1.dist-info/RECORD", b"../../../local/bin/helper,,\n"),
            Member("old", elf_of(go_info("", flags=0))),
            Member("var/lib/rpm/rpmdb.sqlite", b"x"),
        )
    )
    assert found.coverage.gaps == (
        Gap(GapKind.UNOWNED, "CPython", ("/usr/local/bin/python3.13",)),
        Gap(GapKind.UNOWNED, "Node.js", ("/usr/local/bin/node",)),
        Gap(GapKind.UNOWNED, "static program", tuple(f"/opt/tool{number}" for number in range(5)), 8),
        Gap(GapKind.UNREAD, "Rust program", ("/usr/local/bin/ruff",)),
        Gap(
            GapKind.UNREAD, "Go program whose build information cannot be read (it was built before Go 1.18)", ("/old",)
        ),
        Gap(GapKind.UNREAD, "rpm database", ("/var/lib/rpm/rpmdb.sqlite",)),
    )


def test_packages_without_a_name_or_version_are_gaps() -> None:
    assert gaps(
        (
            Member(f"{SITE}/x.egg-info", b"Metadata-Version: 1.0\n"),
            Member("a/package.json", b'{"name": "a"}'),
            Member("b.jar", jar_of({})),
            Member("c-1.jar", b"damaged"),
        )
    ) == [
        (GapKind.UNIDENTIFIED, "Python distribution that does not say its name", 1),
        (GapKind.UNIDENTIFIED, "npm package that does not say its version", 1),
        (GapKind.UNIDENTIFIED, "maven package that does not say its version", 1),
        (GapKind.DAMAGED, "Java archive that is not read to its end: it is not a zip archive", 1),
    ]


def test_a_distribution_without_its_database_is_a_gap() -> None:
    assert gaps((DEBIAN[0],)) == [
        (GapKind.UNOWNED, "files of Debian GNU/Linux 12 (bookworm) without its package database", 1)
    ]
    assert gaps((DEBIAN[0], Member("var/lib/rpm/rpmdb.sqlite", b"x"))) == [(GapKind.UNREAD, "rpm database", 1)]
    assert gaps((Member("etc/os-release", b"NAME=unheard of\n"),)) == []


def test_packages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PACKAGES", 2)
    found = catalogue(DEBIAN)
    assert len(found.packages) == 2
    assert [(gap.kind, gap.count) for gap in found.coverage.gaps] == [(GapKind.LIMIT, 1)]


def test_nothing_installed_is_nothing_and_complete() -> None:
    found = catalogue((Member("data", b"x"),))
    assert (found.packages, found.coverage.complete, found.found) == ((), True, "catalogue")


def test_a_package_is_from_the_layer_that_brought_it_though_later_ones_list_it_again() -> None:
    one = b"Package: one\nStatus: install ok installed\nVersion: 1-1\nArchitecture: amd64\n"
    two = one + b"\nPackage: two\nStatus: install ok installed\nVersion: 2-1\nArchitecture: amd64\n"
    newer = two.replace(b"1-1", b"1-2")
    path = "var/lib/dpkg/status"
    found = catalogue((Member(path, one),), (Member(path, two),), (Member("x", b""),), (Member(path, two + b"\n"),))
    assert (find(found, "one").layer, find(found, "two").layer) == ("sha256:1", "sha256:2")
    found = catalogue((Member(path, two),), (Member(path, newer),))
    assert (find(found, "one").layer, find(found, "two").layer) == ("sha256:2", "sha256:1")
    found = catalogue((Member(path, two),), (Member("var/lib/dpkg/.wh.status", b""),), (Member(path, two),))
    assert find(found, "one").layer == "sha256:3"
