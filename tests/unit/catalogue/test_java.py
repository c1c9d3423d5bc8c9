"""Java archives as they stream by."""

import io
import struct
import zipfile

import pytest

from mcp_dockerhub.supply_chain.catalogue import java
from mcp_dockerhub.supply_chain.catalogue.archive import Budget, members
from mcp_dockerhub.supply_chain.catalogue.found import Evidence
from mcp_dockerhub.supply_chain.catalogue.java import read_archive
from mcp_dockerhub.supply_chain.catalogue.source import Source, Truncated, Unreadable
from tests.upstreams.layers import chunks_of, content_of, jar_of, manifest, pom

CLASSES = {f"org/example/C{number}.class": bytes(range(200)) * number for number in range(20)}


def read(raw: bytes, path: str = "opt/app.jar", size: int = 1000) -> Evidence:
    return read_archive(path, content_of(raw, size))


def names(raw: bytes, path: str = "opt/app.jar") -> list[tuple[str, str, str]]:
    return [(found.name, found.version, found.inner) for found in read(raw, path).packages]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("deferred", [True, False])
def test_maven_says_what_an_archive_is(deferred: bool, size: int) -> None:
    raw = jar_of({**manifest(Bundle_License="MIT;x"), **CLASSES, **pom("org.example", "app", "1.2")}, deferred=deferred)
    found = read(raw, "opt/app-1.2.jar", size)
    assert [(one.name, one.version, one.licenses) for one in found.packages] == [("org.example:app", "1.2", ("MIT",))]
    assert found.facts == {}


def test_what_was_built_into_an_archive_is_listed_beside_it() -> None:
    raw = jar_of({**pom("org.example", "app", "1.2"), **pom("com.google.guava", "guava", "33.0")})
    assert names(raw) == [("org.example:app", "1.2", ""), ("com.google.guava:guava", "33.0", "")]


def test_archives_within_archives_are_read_at_any_place() -> None:
    inner = jar_of(pom("org.inner", "inner", "2.0"))
    middle = jar_of({"lib/inner-2.0.jar": inner}, stored=["lib/inner-2.0.jar"])
    raw = jar_of({"WEB-INF/lib/middle-1.0.jar": middle, **manifest(Implementation_Version="3")}, deferred=True)
    assert names(raw, "opt/outer.war") == [
        ("outer", "3", ""),
        ("middle", "1.0", "!/WEB-INF/lib/middle-1.0.jar"),
        ("org.inner:inner", "2.0", "!/WEB-INF/lib/middle-1.0.jar!/lib/inner-2.0.jar"),
    ]


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        (
            "scala-library-2.13.18.jar",
            {"Bundle_SymbolicName": "org.scala-lang.scala-library"},
            "org.scala-lang:scala-library",
        ),
        ("objenesis-3.5.jar", {"Bundle_SymbolicName": "org.objenesis;singleton:=true"}, "org.objenesis:objenesis"),
        ("fansi-0.5.jar", {"Implementation_Vendor_Id": "com.lihaoyi"}, "com.lihaoyi:fansi"),
        ("plain-1.0.jar", {"Implementation_Vendor": "The Plain Company"}, "plain"),
        ("plain-1.0.jar", {}, "plain"),
    ],
)
def test_without_maven_the_manifest_may_say_the_group(path: str, fields: dict[str, str], expected: str) -> None:
    assert names(jar_of(manifest(**fields)), path)[0][0] == expected


@pytest.mark.parametrize(
    ("path", "fields", "version"),
    [
        ("a-1.0-rc2.jar", {"Implementation_Version": "9"}, "1.0-rc2"),
        ("a.jar", {"Implementation_Version": "9", "Bundle_Version": "8"}, "9"),
        ("a.jar", {"Bundle_Version": "8.0.0"}, "8.0.0"),
        ("a.jar", {}, ""),
    ],
)
def test_a_version_comes_from_the_files_name_or_the_manifest(path: str, fields: dict[str, str], version: str) -> None:
    assert names(jar_of(manifest(**fields)), path)[0][1] == version


def test_the_archives_own_properties_are_found_by_name() -> None:
    both = {**pom("g", "log4j-1.2-api", "2.20.0"), **pom("g", "log4j", "1.2")}
    assert {name for name, _, _ in names(jar_of(both), "log4j-1.2-api-2.20.0.jar")} == {"g:log4j-1.2-api", "g:log4j"}
    shaded = jar_of({**manifest(Bundle_SymbolicName="g.core"), **pom("g", "core", "1")})
    assert names(shaded, "renamed.jar") == [("g:core", "1", "")]
    foreign = jar_of(pom("g", "other", "1"))
    assert names(foreign, "mine-2.jar") == [("mine", "2", ""), ("g:other", "1", "")]


def test_a_folded_manifest_line_is_one_line() -> None:
    raw = jar_of({"META-INF/MANIFEST.MF": b"Implementation-Vendor-Id: org.exa\r\n mple\r\n\r\nName: x\r\n"})
    assert names(raw, "a-1.jar")[0][0] == "org.example:a"


def test_properties_that_were_never_filled_in_name_nothing() -> None:
    assert names(jar_of(pom("g", "a", "${project.version}")), "x-1.jar") == [("x", "1", "")]
    assert names(jar_of({"META-INF/maven/g/a/pom.properties": b"groupId=\nversion=1\n"}), "x-1.jar") == [("x", "1", "")]


def test_a_script_in_front_does_not_hide_an_executable_archive() -> None:
    raw = b"#!/bin/sh\nexec java -jar $0\n" + jar_of(pom("g", "app", "1"))
    assert names(raw) == [("g:app", "1", "")]


def test_an_empty_directory_entry_written_with_a_descriptor_is_passed_over() -> None:
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 8, 0, 0, 0, 0, 0, 0, 4, 0) + b"dir/"
    descriptor = b"PK\x07\x08" + bytes(12)
    assert names(local + descriptor + jar_of(pom("g", "app", "1"))) == [("g:app", "1", "")]


def test_sizes_of_eight_bytes_are_understood() -> None:
    content = b"groupId=g\nartifactId=app\nversion=1\n"
    name = b"META-INF/maven/g/app/pom.properties"
    extra = struct.pack("<HHQQ", 1, 16, len(content), len(content))
    local = struct.pack(
        "<4sHHHHHIIIHH", b"PK\x03\x04", 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra)
    )
    assert names(local + name + extra + content + b"PK\x01\x02") == [("g:app", "1", "")]


def test_descriptors_with_sizes_of_eight_bytes_are_passed_over() -> None:
    buffer = io.BytesIO()
    packed = zipfile.zlib.compressobj(9, 8, -15)  # type: ignore[attr-defined]
    body = packed.compress(b"x" * 1000) + packed.flush()
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 45, 8, 8, 0, 0, 0, 0, 0, 1, 0) + b"a"
    buffer.write(local + body + struct.pack("<4sIQQ", b"PK\x07\x08", 0, len(body), 1000))
    buffer.write(jar_of(pom("g", "app", "1")))
    assert names(buffer.getvalue()) == [("g:app", "1", "")]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"no archive", "not a zip"),
        (jar_of(pom("g", "app", "1"))[:60], "ends in the middle"),
        (struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 9, 0, 0, 0, 0, 0, 0, 1, 0) + b"a", "encryption"),
        (struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 8, 0, 0, 0, 0, 0, 0, 1, 0) + b"abcd", "how large"),
        (
            struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 8, 8, 0, 0, 0, 0, 0, 1, 0) + b"a\xff\xff\xff\xff\xff",
            "damaged",
        ),
        (struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0, 1, 0) + b"a", "how large"),
    ],
)
def test_an_archive_that_cannot_be_read_is_a_package_by_its_name_and_says_so(raw: bytes, problem: str) -> None:
    found = read(raw, "opt/a-1.0.jar")
    assert problem in found.facts["problem"]
    assert [(one.name, one.version) for one in found.packages] == [("a", "1.0")]


def test_entries_of_an_unusual_compression_are_left_out() -> None:
    raw = jar_of(
        {"big.bin": b"x" * 1000, **pom("g", "app", "1")}, compress=zipfile.ZIP_BZIP2, stored=[*pom("g", "app", "1")]
    )
    assert names(raw) == [("g:app", "1", "")]


def test_a_damaged_descriptor_ends_the_reading() -> None:
    raw = bytearray(jar_of({"a": b"x" * 1000, **pom("g", "app", "1")}, deferred=True))
    at = raw.index(b"PK\x07\x08")
    raw[at + 8 : at + 16] = b"\x77" * 8
    assert read(bytes(raw)).facts["problem"] == "it is damaged"


def test_an_archive_that_unpacks_to_too_much_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "MAX_UNPACKED", 100_000)
    bomb = jar_of({"zeros": bytes(1_000_000)}, deferred=True)
    nested = jar_of({f"{number}.jar": bomb for number in range(3)})
    assert "unpacks to more" in read(nested).facts["problem"]


def test_what_says_where_it_ends_and_is_not_asked_for_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "MAX_UNPACKED", 100_000)
    bomb = jar_of({"zeros": bytes(1_000_000), **pom("g", "app", "1")})
    found = read(bomb)
    assert found.facts == {}
    assert [one.name for one in found.packages] == ["g:app"]


def test_entries_are_counted_over_all_archives_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "MAX_ENTRIES", 30)
    inner = jar_of(CLASSES)
    assert "more entries" in read(jar_of({"a.jar": inner, "b.jar": inner})).facts["problem"]


def test_nesting_is_followed_to_a_depth() -> None:
    raw = jar_of(pom("g", "deepest", "1"))
    for level in range(10):
        raw = jar_of({f"level{level}.jar": raw})
    found = read(raw)
    assert "nested more than 6" in found.facts["problem"]
    assert len(found.packages) == 7


def test_a_manifest_beyond_all_bounds_is_not_read() -> None:
    assert "larger than" in read(jar_of({"META-INF/MANIFEST.MF": b"x" * 2_000_000})).facts["problem"]


def test_content_that_nobody_asks_for_is_passed_over() -> None:
    raw = jar_of(CLASSES, deferred=True)
    assert [member.name for member in members(Source(chunks_of(raw, 11)), Budget(10**9, 100))] == list(CLASSES)


def test_a_stored_entry_cut_short_is_noticed() -> None:
    raw = jar_of({"a": b"x" * 500}, stored=["a"])
    with pytest.raises(Truncated):
        [member.read(1000) for member in members(Source([raw[:300]]), Budget(10**9, 100))]
    with pytest.raises(Unreadable):
        [member.read(100) for member in members(Source([raw]), Budget(10**9, 100))]
