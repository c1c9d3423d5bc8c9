"""Programs: what Go's say about themselves, and what others are called."""

import pytest

from mcp_dockerhub.supply_chain.catalogue.binaries import read_binary
from mcp_dockerhub.supply_chain.catalogue.elf import read_program
from mcp_dockerhub.supply_chain.catalogue.found import Evidence
from mcp_dockerhub.supply_chain.catalogue.source import Source, Unreadable
from tests.upstreams.layers import content_of, elf_of, go_info

MODULES = (
    "path\tgithub.com/o/tool/cmd\nmod\tgithub.com/o/tool\tv1.4.0\th1:x=\n"
    "dep\tgolang.org/x/net\tv0.30.0\th1:x=\ndep\tgithub.com/a/b\tv1.0.0\n=>\tgithub.com/c/b\tv1.1.0\th1:x=\n"
    "dep\tgithub.com/d/e\tv2.0.0\n=>\t./local\t\nbuild\tCGO_ENABLED=0\n"
)


def read(raw: bytes, name: str = "usr/local/bin/tool", size: int = 1000) -> Evidence | None:
    return read_binary(name, content_of(raw, size))


def packages(raw: bytes) -> list[tuple[str, str]]:
    found = read(raw)
    assert found is not None
    assert found.kind == "go"
    return [(package.name, package.version) for package in found.packages]


def what(raw: bytes, name: str = "usr/local/bin/tool") -> str:
    found = read(raw, name)
    assert found is not None
    return found.facts["what"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("size", [13, 1000, 100_000])
def test_a_go_program_lists_its_modules_whatever_the_machine(order: str, wide: bool, size: int) -> None:
    found = read(elf_of(go_info(MODULES), order=order, wide=wide, text=b"t" * 3000), size=size)
    assert found is not None
    assert [(package.name, package.version) for package in found.packages] == [
        ("github.com/o/tool", "v1.4.0"),
        ("golang.org/x/net", "v0.30.0"),
        ("github.com/c/b", "v1.1.0"),
        ("github.com/d/e", ""),
        ("stdlib", "1.24.4"),
    ]


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('build\t-ldflags="-s -w -X main.version=1.18.1 -X main.commit=abc"\n', "v1.18.1"),
        ("build\t-ldflags=-X 'github.com/o/tool/internal.Version=v2.0.0-rc.1'\n", "v2.0.0-rc.1"),
        ("build\t-ldflags=-X main.date=2024\n", ""),
        ("build\t-tags=x\n", ""),
    ],
)
def test_a_program_without_a_version_of_its_own_may_have_been_given_one(line: str, version: str) -> None:
    assert packages(elf_of(go_info("mod\tgithub.com/o/tool\t(devel)\t\n" + line)))[0] == ("github.com/o/tool", version)


def test_a_program_built_without_modules_has_the_path_of_its_main_package() -> None:
    assert packages(elf_of(go_info("path\tgithub.com/o/old\n", "go1.19.8 X:boringcrypto"))) == [
        ("github.com/o/old", ""),
        ("stdlib", "1.19.8"),
    ]


def test_a_module_of_a_workspace_has_no_version() -> None:
    modules = "mod\ta.b/c\tv1.0.0\ndep\tk8s.io/api\t(devel)\ndep\td.e/f\tv1.0.0\n=>\tg.h/i\t(devel)\n"
    assert packages(elf_of(go_info(modules)))[1:3] == [("k8s.io/api", ""), ("g.h/i", "")]


def test_a_development_toolchain_has_no_release() -> None:
    assert packages(elf_of(go_info("mod\ta.b/c\tv1.0.0\n", "devel +abc"))) == [("a.b/c", "v1.0.0")]


def test_the_marker_counts_in_writable_data_only() -> None:
    assert what(elf_of(b"data" * 50, text=go_info(MODULES))) == "static program"


@pytest.mark.parametrize(
    "data",
    [
        go_info(MODULES, flags=0),
        go_info(MODULES)[:120],
        bytes(64) + b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\xff" * 9,
        bytes(64) + b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\xff\xff\xff\x7f",
    ],
)
def test_build_information_that_cannot_be_read_is_said_so(data: bytes) -> None:
    assert what(elf_of(data)).startswith("Go program whose build information cannot be read")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("usr/local/bin/python3.13", "CPython"),
        ("usr/local/lib/libpython3.13.so.1.0", "CPython"),
        ("opt/node/bin/node", "Node.js"),
        ("opt/java/bin/java", "Java runtime"),
        ("usr/local/bin/ruby", "Ruby"),
        ("usr/local/bin/php", "PHP"),
        ("usr/local/bin/tool", "program"),
    ],
)
def test_language_runtimes_are_called_by_their_names(name: str, said: str) -> None:
    assert what(elf_of(b"data", kind=3, interpreter=True), name) == said


def test_rust_and_static_programs_are_told_apart() -> None:
    assert what(elf_of(b"data", text=b"x" * 995 + b"/rustc/90b35a6/library/core", interpreter=True)) == "Rust program"
    assert what(elf_of(b"data")) == "static program"


def test_a_library_tells_nothing_unless_it_is_gos() -> None:
    assert read(elf_of(b"data", kind=3), "usr/lib/libx.so.1.2") is None
    found = read(elf_of(go_info(MODULES), kind=3), "usr/lib/libx.so")
    assert found is not None
    assert found.kind == "go"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x7fELF",
        b"\x7fELF\x03\x01" + bytes(100),
        elf_of(b"", kind=1),
        elf_of(b"")[:80],
        elf_of(b"").replace(b"\x02\x00\x3e", b"\x04\x00\x3e"),
    ],
)
def test_objects_core_dumps_and_damaged_headers_are_no_programs(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read_program(Source([raw]))
    assert read(raw) is None
