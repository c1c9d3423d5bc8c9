"""Whatever the bytes: an answer within bounds, and no exception but the one for what cannot be read."""

import gzip
import json
import tarfile

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_dockerhub.supply_chain.catalogue.binaries import read_binary
from mcp_dockerhub.supply_chain.catalogue.java import read_archive
from mcp_dockerhub.supply_chain.catalogue.layer import NotFacts, read_facts
from mcp_dockerhub.supply_chain.catalogue.overlay import Overlay
from mcp_dockerhub.supply_chain.catalogue.readers import _NAMED, reader_of
from mcp_dockerhub.supply_chain.catalogue.source import Source, Unreadable
from mcp_dockerhub.supply_chain.catalogue.tar import entries, normal_path
from mcp_dockerhub.supply_chain.catalogue.worker import read_layer
from tests.upstreams.layers import (
    INSTALLED,
    OS_RELEASE,
    STATUS,
    Member,
    chunks_of,
    content_of,
    elf_of,
    facts_of,
    go_info,
    jar_of,
    manifest,
    metadata,
    pom,
    symlink,
    tar_of,
)

JAR = jar_of(
    {**manifest(Implementation_Version="1"), **pom("g", "a", "1"), "x.jar": jar_of(pom("h", "b", "2"))}, deferred=True
)
PROGRAM = elf_of(go_info("mod\tgithub.com/o/t\tv1.0.0\ndep\ta.b/c\tv2.0.0\n"), text=b"text" * 50)
LAYER = tar_of(
    [
        Member("etc/os-release", OS_RELEASE),
        Member("var/lib/dpkg/status", STATUS),
        Member("lib/apk/db/installed", INSTALLED),
        Member("a/six-1.dist-info/METADATA", metadata("six", "1")),
        Member("a/package.json", b'{"name": "a", "version": "1"}'),
        Member("a.jar", JAR),
        Member("bin/tool", PROGRAM, mode=0o4755),
        Member("x" * 200 + "/.wh.y"),
        symlink("lib64", "usr/lib64"),
    ]
)


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """``raw`` with bytes changed, a piece cut out, or cut short."""
    result = bytearray(raw)
    for _ in range(draw(st.integers(0, 6))):
        result[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    start = draw(st.integers(0, len(raw)))
    end = start + draw(st.sampled_from([0, 0, 1, 100, 512]))
    return bytes(result[:start] + result[end:])[: draw(st.sampled_from([len(raw), len(raw), len(raw) // 2]))]


@given(damaged(LAYER) | damaged(gzip.compress(LAYER, mtime=0)) | st.binary(max_size=3000), st.integers(1, 3000))
@settings(max_examples=150, deadline=None)
def test_any_layer_gives_findings_that_are_read_back(raw: bytes, size: int) -> None:
    read_facts(read_layer(chunks_of(raw, size)))


@given(damaged(JAR), st.integers(1, 600))
@settings(max_examples=150, deadline=None)
def test_any_archive_gives_an_answer(raw: bytes, size: int) -> None:
    assert read_archive("a-1.jar", content_of(raw, size)).kind == "java"


@given(damaged(PROGRAM), st.integers(1, 600))
@settings(max_examples=150, deadline=None)
def test_any_program_gives_an_answer(raw: bytes, size: int) -> None:
    found = read_binary("bin/tool", content_of(raw, size))
    assert found is None or found.kind in ("go", "binary")


PATHS = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/info/x.list",
    "var/lib/dpkg/status.d/x.md5sums",
    "lib/apk/db/installed",
    "etc/os-release",
    "usr/share/doc/x/copyright",
    "a.dist-info/METADATA",
    "a.dist-info/RECORD",
    "a/package.json",
]
DOCUMENTS = [STATUS, INSTALLED, OS_RELEASE, metadata("a", "1", "License: MIT"), b'{"name": "a", "license": ["MIT"]}']


@given(
    st.sampled_from(PATHS),
    st.sampled_from(DOCUMENTS).flatmap(damaged) | st.binary(max_size=400) | st.text().map(str.encode),
)
@settings(max_examples=300, deadline=None)
def test_any_file_is_read_or_said_to_be_unreadable(path: str, raw: bytes) -> None:
    reader = reader_of(path)
    assert reader is not None
    try:
        found = reader(path, content_of(raw))
    except Unreadable:
        return
    json.dumps(found, ensure_ascii=False).encode()


def test_every_reader_by_name_is_among_those_tried() -> None:
    assert {path.rpartition("/")[2] for path in PATHS} >= set(_NAMED) - {"PKG-INFO"}


@given(st.text(alphabet="ab./\\\0é", max_size=40))
def test_a_path_is_within_the_root_or_none(name: str) -> None:
    path = normal_path(name)
    if path is not None:
        assert normal_path(path) == path
        assert not path.startswith("/")
        assert ".." not in path.split("/")


NAMES = st.text(alphabet="abc", min_size=1, max_size=3)
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=1500)), max_size=8)


@given(TREES, st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.integers(1, 2000))
@settings(deadline=None)
def test_honest_archives_are_read_as_they_were_written(tree: list[tuple[str, bytes]], form: int, size: int) -> None:
    raw = tar_of([Member(path, content) for path, content in tree], form)
    found = [(entry.path, b"".join(entry.content.pieces())) for entry in entries(Source(chunks_of(raw, size)))]
    assert found == tree


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    ),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_findings_of_any_other_shape_are_refused(value: object, data: st.DataObject) -> None:
    document = json.loads(read_layer(chunks_of(LAYER)))
    key = data.draw(st.sampled_from(sorted(document)))
    good = document[key]
    document[key] = value
    try:
        read_facts(json.dumps(document).encode())
    except NotFacts:
        return
    assert value in ([], good) or isinstance(value, type(good))


@given(
    st.lists(st.sampled_from(["a", "a/b", "a/b/c", "d"]), max_size=4, unique=True),
    st.lists(st.sampled_from([".wh.a", "a/.wh.b", "a/.wh..wh..opq", "d"]), max_size=3, unique=True),
)
@settings(deadline=None)
def test_what_is_left_of_a_lower_layer_is_what_unpacking_would_leave(lower: list[str], upper: list[str]) -> None:
    packages = [f"{folder}/x.egg-info" for folder in lower]
    overlay = Overlay()
    overlay.lay("1", facts_of(tar_of([Member(path, metadata("x", "1")) for path in packages])))
    overlay.lay("2", facts_of(tar_of([Member(path) for path in upper])))
    gone = set()
    for path in packages:
        if ".wh.a" in upper and path.startswith("a/"):
            gone.add(path)
        if "a/.wh.b" in upper and path.startswith("a/b/"):
            gone.add(path)
        if "a/.wh..wh..opq" in upper and path.startswith("a/"):
            gone.add(path)
        if "d" in upper and path.startswith("d/"):
            gone.add(path)
    assert set(overlay.files) == set(packages) - gone
