"""Archives: every format builders use, and what attackers make of them."""

import tarfile

import pytest

from mcp_dockerhub.supply_chain.catalogue import tar
from mcp_dockerhub.supply_chain.catalogue.source import Source, Truncated, Unreadable
from mcp_dockerhub.supply_chain.catalogue.tar import Entry, entries, normal_path
from tests.upstreams.layers import (
    BLOCK,
    Member,
    chunks_of,
    folder,
    hardlink,
    header,
    padded,
    pax_header,
    symlink,
    tar_of,
)

LONG = "very/" * 60 + "long"
END = bytes(2 * BLOCK)


def read(raw: bytes, size: int = 700) -> list[tuple[Entry, bytes]]:
    return [(entry, b"".join(entry.content.pieces())) for entry in entries(Source(chunks_of(raw, size)))]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_entry_is_read_in_every_format(form: int) -> None:
    members = [
        folder("etc"),
        Member("etc/passwd", b"root", mode=0o4755, uid=7),
        symlink("etc/mtab", "../proc/mounts"),
        hardlink("etc/shadow", "etc/passwd"),
        Member("dev/null", kind=tarfile.CHRTYPE),
        Member("pipe", kind=tarfile.FIFOTYPE),
        Member("a" * 90 + "/" + "b" * 90, b"x" * 1000),
    ]
    found = read(tar_of(members, form))
    assert [(entry.path, entry.kind) for entry, _ in found] == [
        ("etc", tar.DIRECTORY),
        ("etc/passwd", tar.FILE),
        ("etc/mtab", tar.SYMLINK),
        ("etc/shadow", tar.HARDLINK),
        ("dev/null", tar.SPECIAL),
        ("pipe", tar.SPECIAL),
        ("a" * 90 + "/" + "b" * 90, tar.FILE),
    ]
    assert [content for _, content in found if content] == [b"root", b"x" * 1000]
    assert (found[1][0].mode, found[1][0].uid) == (0o4755, 7)
    assert (found[2][0].link, found[3][0].link) == ("../proc/mounts", "etc/passwd")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_link_targets_come_from_the_headers_before(form: int) -> None:
    found = read(tar_of([Member(LONG, b"1"), symlink("link", LONG)], form))
    assert [(entry.path, entry.link) for entry, _ in found] == [(LONG, ""), ("link", LONG)]


def test_unread_content_is_left_out() -> None:
    raw = tar_of([Member("a", b"x" * 5000), Member("b", b"y")])
    assert [entry.path for entry in entries(Source(chunks_of(raw)))] == ["a", "b"]


def test_sizes_and_owners_beyond_octal_are_read_as_gnu_writes_them() -> None:
    large = b"\x80" + (5).to_bytes(11, "big")
    raw = header(b"file", fill={124: large, 108: b"\x80" + (3_000_000).to_bytes(7, "big")}) + padded(b"12345") + END
    ((entry, content),) = read(raw)
    assert (content, entry.uid) == (b"12345", 3_000_000)


def test_a_pax_size_counts_instead_of_the_headers() -> None:
    raw = pax_header({"size": "5", "path": "named"}) + header(b"other", 0) + padded(b"12345") + END
    ((entry, content),) = read(raw)
    assert (entry.path, content) == ("named", b"12345")


def test_gnus_long_name_wins_over_pax_as_it_does_when_unpacked() -> None:
    raw = header(b"L", 5, b"L") + padded(b"gnu/n") + pax_header({"path": "pax"}) + header(b"short") + END
    assert [entry.path for entry, _ in read(raw)] == ["gnu/n"]


def test_global_headers_say_nothing_about_entries() -> None:
    raw = pax_header({"path": "all"}, b"g") + header(b"one") + header(b"two") + END
    assert [entry.path for entry, _ in read(raw)] == ["one", "two"]


@pytest.mark.parametrize(
    "before",
    [
        pax_header({"path": ""}),
        pax_header({"size": ""}),
        header(b"L", 1, b"L") + padded(b"\0"),
        pax_header({"GNU.sparse.name": "elsewhere"}),
        pax_header({"GNU.sparse.name": "elsewhere", "GNU.sparse.major": "7", "GNU.sparse.map": "0,5"}),
    ],
    ids=["empty path", "empty size", "empty long name", "name of a file that is not sparse", "unknown kind of sparse"],
)
def test_headers_that_say_nothing_when_unpacked_hide_no_file(before: bytes) -> None:
    found = read(before + header(b"status", 5) + padded(b"12345") + END)
    assert [(entry.path, content) for entry, content in found] == [("status", b"12345")]


def test_an_empty_link_target_says_nothing_either() -> None:
    for before in (pax_header({"linkpath": ""}), header(b"K", 1, b"K") + padded(b"\0")):
        assert read(before + header(b"a", flag=b"2", fill={157: b"b"}) + END)[0][0].link == "b"


def test_numbers_may_begin_with_zero_bytes_and_blanks() -> None:
    raw = header(b"file", fill={124: b"\0\0 0000005 \0"}) + padded(b"12345") + header(b"next") + END
    assert [(entry.path, content) for entry, content in read(raw)] == [("file", b"12345"), ("next", b"")]


def test_what_has_no_content_is_not_followed_by_any_whatever_its_size_says() -> None:
    raw = header(b"dir/", 4096, b"5") + header(b"link", 4096, b"1", fill={157: b"dir/a"}) + header(b"next") + END
    assert [(entry.path, entry.kind) for entry, _ in read(raw)] == [
        ("dir", tar.DIRECTORY),
        ("link", tar.HARDLINK),
        ("next", tar.FILE),
    ]


def test_a_name_ending_in_a_slash_was_once_how_directories_were_written() -> None:
    assert read(header(b"old/", flag=b"\0") + END)[0][0].kind == tar.DIRECTORY


@pytest.mark.parametrize(
    ("records", "path"),
    [
        (
            {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "real", "path": "GNUSparseFile.1/x"},
            "real",
        ),
        ({"GNU.sparse.map": "0,3", "GNU.sparse.name": "real", "path": "x"}, "real"),
        ({"GNU.sparse.numblocks": "1", "path": "x"}, "x"),
    ],
)
def test_sparse_files_of_pax_are_marked(records: dict[str, str], path: str) -> None:
    entry, _ = read(pax_header(records) + header(b"name", 3) + padded(b"abc") + header(b"next") + END)[0]
    assert (entry.path, entry.sparse) == (path, True)


def test_the_continued_map_of_an_old_sparse_file_is_left_out() -> None:
    first = header(b"sparse", 3, b"S", magic=b"ustar  \0", fill={482: b"\1"})
    more, last = bytearray(BLOCK), bytes(BLOCK)
    more[504] = 1
    found = read(first + bytes(more) + last + padded(b"abc") + header(b"next") + END)
    assert [(entry.path, entry.sparse, content) for entry, content in found] == [
        ("sparse", True, b"abc"),
        ("next", False, b""),
    ]


def test_a_sparse_map_without_end_is_refused() -> None:
    more = bytearray(BLOCK)
    more[504] = 1
    with pytest.raises(Unreadable, match="sparse"):
        read(header(b"sparse", 3, b"S", fill={482: b"\1"}) + bytes(more) * 5000)


def test_file_capabilities_are_noticed() -> None:
    found = read(tar_of([Member("ping", b"x", pax={"SCHILY.xattr.security.capability": "x"}), Member("plain")]))
    assert [entry.capabilities for entry, _ in found] == [True, False]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/etc/passwd", "etc/passwd"),
        ("./etc//passwd/", "etc/passwd"),
        ("a/../b/./c", "b/c"),
        (".", ""),
        ("./", ""),
        ("a/..", ""),
        ("..a/b..", "..a/b.."),
        ("../etc/passwd", None),
        ("a/../../b", None),
        ("..", None),
    ],
)
def test_paths_are_taken_from_the_root_and_never_out_of_it(name: str, path: str | None) -> None:
    assert normal_path(name) == path


@pytest.mark.parametrize("name", ["../../etc/shadow", "x/" * 300 + "y", "y" * 5000])
def test_entries_that_no_file_system_could_hold_are_marked(name: str) -> None:
    entry, _ = read(tar_of([Member(name, b"content"), Member("after")]))[0]
    assert entry.kind == tar.OUTSIDE


def test_a_hard_link_out_of_the_root_points_nowhere() -> None:
    assert read(tar_of([hardlink("a", "../../b")]))[0][0].link == ""


def test_names_that_are_not_text_are_shown_as_far_as_they_are() -> None:
    assert read(header(b"caf\xe9") + END)[0][0].path == "caf�"


@pytest.mark.parametrize(
    "raw",
    [
        b"not a tar archive at all".ljust(BLOCK, b"!"),
        header(b"a")[:-1] + b"x",
        header(b"a", fill={124: b"9" * 11}),
        header(b"a", fill={124: b"\xff" * 12}),
        header(b"a", fill={124: b"\x80" + b"\x7f" * 11}),
        header(b"x", 2 * 1024 * 1024, b"x") + bytes(2 * 1024 * 1024),
        header(b"L", 1 << 40, b"L"),
        pax_header({"path": "a"}) * 17 + header(b"a"),
        pax_header(b"99 path=a\n") + header(b"a"),
        pax_header(b"no length\n") + header(b"a"),
        pax_header(b"9 path=ab") + header(b"a"),
        pax_header({"path": "status\0more"}) + header(b"a"),
        pax_header({"size": "-1"}) + header(b"a"),
        header(b"a", fill={124: b"-0000001000\0"}) + header(b"b") + END,
        header(b"a", fill={124: b"+0000000000\0"}) + END,
        header(b"a", fill={124: b"0_000000000\0"}) + END,
        bytes(BLOCK) + header(b"a") + END,
        pax_header({"size": "9" * 30}) + header(b"a"),
    ],
)
def test_damaged_and_abused_archives_are_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read(raw)


def test_checksums_over_signed_bytes_are_right_too() -> None:
    block = bytearray(header(b"caf\xe9"))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert len(read(bytes(block) + END)) == 1


@pytest.mark.parametrize("keep", [100, BLOCK + 10])
def test_an_archive_cut_short_is_noticed(keep: int) -> None:
    with pytest.raises(Truncated):
        read(tar_of([Member("a", b"x" * 5000)])[: BLOCK * 3][:keep])


def test_what_follows_the_end_is_not_read() -> None:
    assert [entry.path for entry, _ in read(header(b"a") + END + header(b"hidden"))] == ["a"]
