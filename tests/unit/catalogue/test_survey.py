"""One layer: what is found in it, and what hostile ones get."""

import gzip
import json
import tarfile
from collections.abc import Iterator

import pytest

from mcp_dockerhub.supply_chain.catalogue import survey, worker
from mcp_dockerhub.supply_chain.catalogue.layer import LeftCache, NotFacts, PrivilegedFile, read_facts
from mcp_dockerhub.supply_chain.catalogue.survey import Survey
from mcp_dockerhub.supply_chain.catalogue.worker import read_layer
from mcp_dockerhub.supply_chain.packages import GapKind
from tests.upstreams.layers import (
    STATUS,
    Member,
    chunks_of,
    elf_of,
    facts_of,
    folder,
    hardlink,
    header,
    jar_of,
    layer_of,
    metadata,
    padded,
    pax_header,
    pom,
    symlink,
    tar_of,
)

SIX = "usr/lib/python3/site-packages/six-1.17.0.dist-info/METADATA"
STATUS_PATH = "var/lib/dpkg/status"


def gaps_of(raw: bytes) -> list[tuple[GapKind, str, int]]:
    return [(gap.kind, gap.what, gap.count) for gap in facts_of(raw).gaps]


def test_a_layer_tells_what_its_files_do() -> None:
    facts = facts_of(
        layer_of(
            folder("var"),
            Member(STATUS_PATH, STATUS),
            Member(SIX, metadata("six", "1.17.0")),
            Member("app/package.json", b'{"name": "app", "version": "1.0.0"}'),
            Member("app/lib.jar", jar_of(pom("g", "lib", "1"))),
            Member("bin/tool", elf_of(b"data"), mode=0o755),
            Member("README", b"nothing"),
            Member("var/lib/rpm/rpmdb.sqlite", b"binary"),
        )
    )
    assert {path: (evidence.kind, len(evidence.packages)) for path, evidence in facts.evidence.items()} == {
        STATUS_PATH: ("dpkg", 3),
        SIX: ("python", 1),
        "app/package.json": ("npm", 1),
        "app/lib.jar": ("java", 1),
        "bin/tool": ("binary", 0),
        "var/lib/rpm/rpmdb.sqlite": ("unread", 0),
    }
    assert (facts.compression, facts.entries, facts.gaps) == ("gzip", 8, ())


def test_what_a_layer_takes_away_is_noted() -> None:
    facts = facts_of(
        layer_of(
            Member("app/.wh.old"),
            Member(".wh.top"),
            Member("opt/.wh..wh..opq"),
            Member("x/.wh..wh.plnk"),
            Member("x/.wh."),
            Member("x/.wh..."),
            Member("x/.wh.."),
        )
    )
    assert facts.removed == {"app/old", "top"}
    assert facts.emptied == {"opt"}
    assert not facts.evidence


def test_what_may_hide_lower_layers_is_noted() -> None:
    facts = facts_of(
        layer_of(
            symlink("lib", "usr/lib"),
            Member("dev/null", kind=tarfile.CHRTYPE),
            Member("usr/bin/script", b"#!/bin/sh", mode=0o755),
            Member("app", b"a file"),
            Member("deep/down/there/data", b"x"),
            hardlink("bin/other", "usr/bin/script"),
        )
    )
    assert facts.links == {"lib": "usr/lib"}
    assert facts.replaced == {"dev/null", "usr/bin/script", "app", "bin/other"}


def test_another_name_of_a_file_tells_the_same() -> None:
    facts = facts_of(
        layer_of(
            Member("cache/six-1.dist-info/METADATA", metadata("six", "1")),
            hardlink(SIX, "cache/six-1.dist-info/METADATA"),
        )
    )
    assert facts.evidence[SIX] == facts.evidence["cache/six-1.dist-info/METADATA"]


@pytest.mark.parametrize("target", ["store/ab/cdef", "missing", "../outside"])
def test_another_name_of_a_file_nobody_read_is_a_gap(target: str) -> None:
    raw = layer_of(Member("store/ab/cdef", metadata("six", "1")), hardlink(SIX, target))
    assert gaps_of(raw) == [(GapKind.UNREAD, "hard link to a file that was not read under its other name", 1)]


def test_programs_with_more_rights_are_listed() -> None:
    facts = facts_of(
        layer_of(
            Member("usr/bin/su", b"x", mode=0o4755),
            Member("usr/bin/wall", b"x", mode=0o2755, uid=5),
            Member("var/mail", b"x", mode=0o2644),
            Member("usr/bin/ping", b"x", mode=0o755, pax={"SCHILY.xattr.security.capability": "v"}),
        )
    )
    assert facts.privileged == (
        PrivilegedFile("usr/bin/su", 0o4755, 0, False),
        PrivilegedFile("usr/bin/wall", 0o2755, 5, False),
        PrivilegedFile("usr/bin/ping", 0o755, 0, True),
    )


def test_caches_left_behind_are_summed_up() -> None:
    facts = facts_of(
        layer_of(
            Member("var/lib/apt/lists/deb.example_Packages", b"x" * 100),
            Member("var/lib/apt/lists/lock", b""),
            Member("var/cache/apt/archives/bash.deb", b"x" * 10),
            Member("var/cache/apt/pkgcache.bin", b"x"),
            *(Member(f"root/.cache/pip/http/{number}", b"xx") for number in range(9)),
            Member("home/.npm/_cacache/x", b"1"),
            Member("var/cache/ldconfig/aux-cache", b"1"),
        )
    )
    assert facts.caches == (
        LeftCache("apt package lists", 1, 100, ("var/lib/apt/lists/deb.example_Packages",)),
        LeftCache("apt packages", 1, 10, ("var/cache/apt/archives/bash.deb",)),
        LeftCache("apt index cache", 1, 1, ("var/cache/apt/pkgcache.bin",)),
        LeftCache("pip cache", 9, 18, tuple(f"root/.cache/pip/http/{number}" for number in range(5))),
        LeftCache("npm cache", 1, 1, ("home/.npm/_cacache/x",)),
    )


def test_paths_out_of_the_image_are_reported_and_nothing_of_them_is_kept() -> None:
    facts = facts_of(
        gzip.compress(tar_of([Member("../../" + SIX, metadata("evil", "1")), Member("/" + SIX, metadata("six", "1"))]))
    )
    assert [found.name for evidence in facts.evidence.values() for found in evidence.packages] == ["six"]
    (gap,) = facts.gaps
    assert (gap.kind, gap.count, gap.examples) == (GapKind.DAMAGED, 1, ("../../" + SIX,))


def test_the_last_of_two_entries_counts_and_the_doubling_is_reported() -> None:
    raw = layer_of(Member(SIX, metadata("six", "1")), Member(SIX, metadata("six", "2")))
    assert [found.version for found in facts_of(raw).evidence[SIX].packages] == ["2"]
    assert gaps_of(raw) == [(GapKind.DAMAGED, "entry that occurs twice", 1)]


def test_a_link_in_the_place_of_a_file_takes_its_evidence_away() -> None:
    assert SIX not in facts_of(layer_of(Member(SIX, metadata("six", "1")), symlink(SIX, "x"))).evidence
    assert SIX not in facts_of(layer_of(Member(SIX, metadata("six", "1")), Member(SIX, kind=tarfile.FIFOTYPE))).evidence
    assert SIX not in facts_of(layer_of(symlink(SIX, "x"), Member(SIX, metadata("six", "1")))).links


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (STATUS_PATH, "/opt/status"),
        (STATUS_PATH, "../../../../../../x"),
        ("var/lib/dpkg", "/opt/dpkg"),
        ("var/lib", "/opt"),
        ("lib/apk/db", "../../srv"),
        ("app/node_modules/a/package.json", "a.json"),
        ("opt/a.jar", "blob"),
    ],
)
def test_a_link_from_what_lists_packages_to_another_name_is_a_gap(path: str, target: str) -> None:
    assert gaps_of(layer_of(symlink(path, target))) == [
        (GapKind.UNREAD, "symbolic link to what is not read at its own place", 1)
    ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("lib", "usr/lib"),
        ("lib", "../usr/lib"),
        ("opt/a.jar", "../../../srv/a.jar"),
        ("lib/apk", "../usr/lib/apk"),
        ("var", "srv/var"),
        ("var/lib/dpkg", "/srv/var/lib/dpkg"),
        ("usr/share/java/a.jar", "a-1.jar"),
        ("app/node_modules/a", "../../store/a"),
        ("app/node_modules/a/package.json", "/store/a/package.json"),
        ("usr/share/doc/a/copyright", "../b/text"),
        ("etc/os-release", "../usr/lib/os-release"),
    ],
)
def test_a_link_to_what_is_read_there_or_lists_nothing_is_none(path: str, target: str) -> None:
    assert gaps_of(layer_of(symlink(path, target))) == []


def test_a_sparse_file_is_not_read_and_said_so() -> None:
    raw = (
        pax_header({"GNU.sparse.name": SIX, "GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
        + header(b"x", 3)
        + padded(b"abc")
    )
    assert gaps_of(raw) == [(GapKind.UNREAD, "sparse file", 1)]


def test_a_file_that_cannot_be_read_is_a_gap_and_hides_what_was_there() -> None:
    facts = facts_of(layer_of(Member("app/package.json", b'{"name":')))
    assert facts.evidence["app/package.json"].kind == "void"
    assert [(gap.kind, gap.what) for gap in facts.gaps] == [(GapKind.DAMAGED, "file that is not read: it is not JSON")]


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (layer_of(Member(SIX, b"x" * 2000))[:60], "ends in the middle"),
        (gzip.compress(tar_of([Member(SIX, b"x" * 9000)])[:4096]), "ends in the middle"),
        (b"this is no layer " * 100, "number that is none"),
    ],
)
def test_a_damaged_layer_gives_what_came_before_and_says_so(raw: bytes, what: str) -> None:
    ((kind, text, count),) = [gap for gap in gaps_of(raw) if gap[1].startswith("layer")]
    assert (kind, count) == (GapKind.DAMAGED, 1)
    assert what in text


def test_an_empty_layer_is_read_to_its_end() -> None:
    assert facts_of(layer_of()).gaps == ()
    assert facts_of(b"").gaps == ()


def test_entries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAX_ENTRIES", 5)
    ((kind, text, _),) = gaps_of(layer_of(*(Member(f"{number}", b"") for number in range(9))))
    assert kind is GapKind.LIMIT
    assert "more than 5 entries" in text


def test_a_bomb_is_left_once_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAX_UNPACKED", 10_000_000)
    taken: list[int] = []
    raw = gzip.compress(header(b"zeros", 1 << 33) + bytes(50_000_000))

    def counted() -> Iterator[bytes]:
        for chunk in chunks_of(raw):
            taken.append(len(chunk))
            yield chunk

    result = json.loads(read_layer(counted()))
    assert "unpacks to more than" in result["gaps"][0][1]
    assert sum(taken) == len(raw)


def test_findings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_RESULT", 3000)
    raw = layer_of(
        *(Member(f"app/{number}/package.json", b'{"name": "%d", "version": "1"}' % number) for number in range(99))
    )
    facts = facts_of(raw)
    assert 0 < len(facts.evidence) < 30
    ((kind, _, count),) = gaps_of(raw)
    assert (kind, count) == (GapKind.LIMIT, 99 - len(facts.evidence))


@pytest.mark.parametrize(
    ("bound", "members", "what"),
    [
        ("MAX_PATHS", [Member(f".wh.{number}") for number in range(9)], "entry that hides others"),
        ("MAX_PATHS", [symlink(f"l{number}", "x") for number in range(9)], "entry that hides others"),
        ("MAX_NOTABLE", [Member(f"s{number}", b"", mode=0o4755) for number in range(9)], "privileged file"),
    ],
)
def test_each_list_is_bounded(monkeypatch: pytest.MonkeyPatch, bound: str, members: list[Member], what: str) -> None:
    monkeypatch.setattr(survey, bound, 4)
    counted = [gap for gap in gaps_of(layer_of(*members)) if gap[1].startswith(what)]
    assert [(kind, count) for kind, _, count in counted] == [(GapKind.LIMIT, 5)]


def test_files_that_need_too_much_memory_are_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausting(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(survey, "reader_of", lambda path: exhausting)
    assert gaps_of(layer_of(Member("a", b"x"))) == [
        (GapKind.LIMIT, "file that is not read: it needs too much memory", 1)
    ]


def test_of_a_packages_files_only_those_are_kept_that_anyone_asks_for() -> None:
    listed = b"/.\n/usr\n/usr/bin/tool.sh\n/usr/share/doc/x/README.gz\n/usr/lib/python3/dist-packages/six-1.egg-info\n"
    facts = facts_of(layer_of(Member("var/lib/dpkg/info/x.list", listed)))
    assert facts.evidence["var/lib/dpkg/info/x.list"].paths == (
        "usr",
        "usr/bin/tool.sh",
        "usr/lib/python3/dist-packages/six-1.egg-info",
    )


def document(**changes: object) -> bytes:
    return json.dumps({**json.loads(Survey().to_json("gzip")), **changes}).encode()


def test_an_empty_survey_is_read_back() -> None:
    assert read_facts(document()).entries == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        document(format=0),
        document(entries=-1),
        document(entries=True),
        document(compression=7),
        document(compression="x" * 2000),
        document(evidence=[]),
        document(evidence={"p": ["npm", [], []]}),
        document(evidence={"p": ["npm", [["npm", "a"]], [], {}]}),
        document(evidence={"p": ["npm", [["npm", "a", "1", "MIT"]], [], {}]}),
        document(evidence={"p" * 5000: ["npm", [], [], {}]}),
        document(removed={}),
        document(links={"a": 1}),
        document(notable=[["a", 1]]),
        document(caches=[["a", 1, 2, 3]]),
        document(gaps=[["unheard of", "x", 1, []]]),
    ],
)
def test_a_document_no_worker_writes_is_refused(raw: bytes) -> None:
    with pytest.raises(NotFacts):
        read_facts(raw)
