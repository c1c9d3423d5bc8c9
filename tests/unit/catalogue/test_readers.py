"""What each ecosystem writes about what it installed."""

import json

import pytest

from mcp_dockerhub.supply_chain.catalogue import readers
from mcp_dockerhub.supply_chain.catalogue.apk import read_installed
from mcp_dockerhub.supply_chain.catalogue.dpkg import read_copyright, read_list, read_md5sums, read_single, read_status
from mcp_dockerhub.supply_chain.catalogue.found import MAX_TEXT, Found
from mcp_dockerhub.supply_chain.catalogue.npm import read_package_json
from mcp_dockerhub.supply_chain.catalogue.osrelease import read_os_release
from mcp_dockerhub.supply_chain.catalogue.python_packages import read_metadata, read_record
from mcp_dockerhub.supply_chain.catalogue.readers import may_be_asked_for, reader_of, unread_kind
from mcp_dockerhub.supply_chain.catalogue.source import TooMuch, Unreadable
from tests.upstreams.layers import INSTALLED, OS_RELEASE, STATUS, content_of, metadata


def package(**document: object) -> tuple[Found, ...]:
    return read_package_json("", content_of(json.dumps(document).encode())).packages


def test_dpkgs_database_lists_what_is_installed_with_its_source() -> None:
    assert read_status("", content_of(STATUS)).packages == (
        Found("deb", "libc6", "2.36-9+deb12u9", source_name="glibc", arch="amd64"),
        Found("deb", "openssl", "3.0.15-1~deb12u1", arch="amd64"),
        Found("deb", "libssl3", "3.0.15-1~deb12u1", source_name="openssl", source_version="3.0.15-1", arch="amd64"),
    )


def test_a_file_of_a_distroless_image_has_no_status() -> None:
    raw = b"Package: tzdata\r\nVersion: 2024a-0+deb12u1\r\nArchitecture: all\r\n"
    assert read_single("", content_of(raw)).packages == (Found("deb", "tzdata", "2024a-0+deb12u1", arch="all"),)


@pytest.mark.parametrize("raw", [b"", b"\n\n\n", b"Package: x\n\nVersion: 1\n", b" continued\nnothing\n"])
def test_paragraphs_without_name_or_version_are_no_packages(raw: bytes) -> None:
    assert read_status("", content_of(raw)).packages == ()


def test_the_first_of_two_fields_of_one_name_counts() -> None:
    raw = b"Package: a\nVersion: 1\nVersion: 2\n"
    assert read_status("", content_of(raw)).packages[0].version == "1"


def test_a_million_lines_that_continue_a_field_take_no_longer_than_others() -> None:
    raw = b"Package: a\nVersion: 1\nDescription: x\n" + b" y\n" * 1_000_000
    assert len(read_status("", content_of(raw, 65536)).packages) == 1


def test_the_files_of_a_package_come_from_either_list() -> None:
    listed = read_list("var/lib/dpkg/info/libc6:amd64.list", content_of(b"/.\n/lib\n/lib/x86_64/libc.so.6\n"))
    assert listed.facts == {"package": "libc6"}
    assert "lib/x86_64/libc.so.6" in listed.paths
    sums = read_md5sums("var/lib/dpkg/status.d/base.md5sums", content_of(b"d" * 32 + b"  ./etc/issue\nnonsense\n"))
    assert (sums.paths, sums.facts) == (("etc/issue",), {"package": "base"})


@pytest.mark.parametrize(
    ("raw", "licenses"),
    [
        (b"Format: x\n\nFiles: *\nLicense: GPL-2+\n text\n\nLicense: MIT\n\nLicense: GPL-2+\n", "GPL-2+\nMIT"),
        (b"... see /usr/share/common-licenses/GPL-3.", "GPL-3"),
        (b"All rights reserved.", ""),
    ],
)
def test_licences_of_a_debian_package_are_named_in_its_copyright_file(raw: bytes, licenses: str) -> None:
    found = read_copyright("usr/share/doc/openssl/copyright", content_of(raw))
    assert found.facts == {"package": "openssl", "licenses": licenses}


def test_alpines_database_lists_packages_origins_and_files() -> None:
    found = read_installed("", content_of(INSTALLED))
    assert found.packages == (
        Found("apk", "musl", "1.2.5-r1", ("MIT",), source_name="musl", arch="x86_64"),
        Found("apk", "libssl3", "3.3.2-r0", ("Apache-2.0",), source_name="openssl", arch="x86_64"),
    )
    assert "0:lib/ld-musl-x86_64.so.1" in found.paths
    assert "1:usr/bin/tool" in found.paths


def test_a_letter_means_something_else_once_files_are_listed() -> None:
    raw = b"P:a\nF:bin\nV:not a version\n\nP:b\nV:1\nF:\nR:top\n"
    found = read_installed("", content_of(raw))
    assert [package.name for package in found.packages] == ["b"]
    assert found.paths == ("0:top",)


@pytest.mark.parametrize(
    ("lines", "licenses"),
    [
        (("License-Expression: MIT OR Apache-2.0", "License: old"), ("MIT OR Apache-2.0",)),
        (("License: BSD-3-Clause",), ("BSD-3-Clause",)),
        (("License: Permission is hereby granted", "        free of charge"), ()),
        (("License: UNKNOWN", "Classifier: License :: OSI Approved :: MIT License"), ("MIT License",)),
        (("Classifier: License :: OSI Approved", "Classifier: Topic :: Software"), ()),
        ((), ()),
    ],
)
def test_python_distributions_say_name_version_and_licence(lines: tuple[str, ...], licenses: tuple[str, ...]) -> None:
    found = read_metadata("", content_of(metadata("Typing_Extensions", "4.16.0", *lines)))
    assert found.packages == (Found("pypi", "Typing_Extensions", "4.16.0", licenses),)


def test_what_follows_a_licences_full_text_is_read_too() -> None:
    text = "License: The terms\n        \n        of page one\x0c\n        \x0c\n        and of page two"
    lines = (text, "Classifier: License :: OSI Approved :: MIT License")
    (found,) = read_metadata("", content_of(metadata("six", "1", *lines))).packages
    assert (found.version, found.licenses) == ("1", ("MIT License",))


def test_a_python_distribution_without_a_name_is_no_package() -> None:
    assert read_metadata("", content_of(b"Metadata-Version: 2.1\n\nName: in the text\n")).packages == ()


def test_files_outside_the_library_folder_are_taken_from_the_record() -> None:
    record = b'ruff/__init__.py,sha256=x,1\n../../../bin/ruff,sha256=x,1\n"../../../bin/a,b",,\n/etc/ruff.toml,,\n'
    found = read_record("usr/lib/python3/site-packages/ruff-1.dist-info/RECORD", content_of(record))
    assert found.paths == ("usr/bin/ruff", "usr/bin/a", "etc/ruff.toml")


@pytest.mark.parametrize(
    ("document", "licenses"),
    [
        ({"license": "MIT"}, ("MIT",)),
        ({"license": {"type": "ISC", "url": "x"}}, ("ISC",)),
        ({"licenses": [{"type": "MIT"}, "BSD", 7]}, ("MIT", "BSD")),
        ({"license": None}, ()),
    ],
)
def test_node_packages_say_name_version_and_licence(document: dict[str, object], licenses: tuple[str, ...]) -> None:
    assert package(name="@scope/name", version="1.0.0", **document) == (Found("npm", "@scope/name", "1.0.0", licenses),)


def test_a_node_package_may_not_say_its_version() -> None:
    assert package(name="bundled") == (Found("npm", "bundled", ""),)


@pytest.mark.parametrize("raw", [b'{"type": "module"}', b'["name"]', b'{"name": 7}', b'{"name": " "}'])
def test_files_of_that_name_that_name_nothing_are_no_packages(raw: bytes) -> None:
    assert read_package_json("", content_of(raw)).packages == ()


@pytest.mark.parametrize("raw", [b'{"name": ', b'{"name":' + b"[" * 100_000, b'"name"\xff'])
def test_what_is_not_json_is_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read_package_json("", content_of(raw))


def test_text_is_bounded_and_can_be_encoded() -> None:
    (found,) = package(name="x" * 5000, version="1\ud800")
    assert len(found.name) == MAX_TEXT
    assert found.version == "1?"


def test_a_byte_order_mark_is_forgiven() -> None:
    assert read_package_json("", content_of(b'\xef\xbb\xbf{"name": "a"}')).packages[0].name == "a"


def test_a_file_beyond_its_bound_is_not_read() -> None:
    with pytest.raises(TooMuch):
        read_package_json("", content_of(b'{"name": "' + b"x" * 5_000_000 + b'"}', 65536))


def test_the_distribution_is_unquoted_as_by_a_shell() -> None:
    raw = OS_RELEASE + b"# comment\nHOME_URL=x\nID_LIKE='a b'\nNAME=\"unbalanced\n"
    assert read_os_release("", content_of(raw)).facts == {
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "ID": "debian",
        "VERSION_ID": "12",
        "VERSION_CODENAME": "bookworm",
        "ID_LIKE": "a b",
        "NAME": '"unbalanced',
    }


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("var/lib/dpkg/status", read_status),
        ("chroot/var/lib/dpkg/status", read_status),
        ("var/lib/dpkg/status.d/tzdata", read_single),
        ("var/lib/dpkg/status.d/tzdata.md5sums", read_md5sums),
        ("var/lib/dpkg/info/base.list", read_list),
        ("var/lib/dpkg/info/base.postinst", None),
        ("var/lib/dpkg/diversions", None),
        ("lib/apk/db/installed", read_installed),
        ("usr/lib/apk/db/installed", read_installed),
        ("srv/installed", None),
        ("etc/os-release", read_os_release),
        ("opt/x/etc/os-release", None),
        ("usr/share/doc/bash/copyright", read_copyright),
        ("usr/share/doc/bash/deep/copyright", None),
        ("app/six-1.17.0.dist-info/METADATA", read_metadata),
        ("app/six-1.17.0.dist-info/RECORD", read_record),
        ("app/six.egg-info/PKG-INFO", read_metadata),
        ("usr/lib/python3/dist-packages/six-1.egg-info", read_metadata),
        ("app/METADATA", None),
        ("app/package.json", read_package_json),
        ("app/package-lock.json", None),
        ("opt/app.JAR", None),
    ],
)
def test_each_path_has_its_reader(path: str, reader: object) -> None:
    assert reader_of(path) is reader


LEFT_BY_OTHERS = [
    ("var/lib/rpm/rpmdb.sqlite", "rpm database"),
    ("usr/lib/sysimage/rpm/Packages.db", "rpm database"),
    ("var/lib/rpmmanifest/container-manifest-2", "rpm manifest"),
    ("var/lib/pacman/local/bash-5.2-1/desc", "pacman package"),
    ("var/db/pkg/app-shells/bash-5.2/CONTENTS", "Portage package"),
    ("usr/lib/opkg/status", "opkg database"),
    ("nix/var/nix/db/db.sqlite", "Nix store"),
    ("snap/core/1/meta/snap.yaml", "snap package"),
    ("usr/lib/ruby/gems/3.3.0/specifications/default/json-2.7.gemspec", "Ruby gem"),
    ("srv/vendor/composer/installed.json", "PHP packages installed by Composer"),
    ("opt/conda/conda-meta/numpy-2.json", "Conda package"),
    ("app/server.deps.json", ".NET dependencies"),
    ("usr/lib/R/library/stats/DESCRIPTION", "R package"),
    ("usr/lib/perl5/auto/JSON/.packlist", "Perl distribution"),
    ("var/www/wp-includes/version.php", "WordPress"),
    ("usr/lib/erlang/lib/ssl-11/ebin/ssl.app", "Erlang application"),
    ("opt/homebrew/Cellar/jq/1.7/INSTALL_RECEIPT.json", "Homebrew package"),
]


@pytest.mark.parametrize(("path", "what"), [*LEFT_BY_OTHERS, ("srv/status", ""), ("srv/data.json", "")])
def test_what_other_package_managers_leave_is_named(path: str, what: str) -> None:
    assert unread_kind(path) == what


def test_no_kind_of_unread_record_is_beyond_reach() -> None:
    assert {unread_kind(path) for path, _ in LEFT_BY_OTHERS} == {what for _, what in readers.UNREAD}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("usr/bin/mkfs.ext4", True),
        ("usr/libexec/tool", True),
        ("usr/lib/python3/dist-packages/six-1.egg-info", True),
        ("usr/lib/python3/dist-packages/six.py", False),
        ("usr/lib/libc.so.6", False),
    ],
)
def test_owners_are_kept_for_what_may_be_asked_for(path: str, wanted: bool) -> None:
    assert may_be_asked_for(path) is wanted
