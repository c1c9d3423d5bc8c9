"""What Go's linker writes into programs: toolchain, main module and every module linked in (Go ``debug/buildinfo``).

Since Go 1.18 the information stands in one piece behind a marker in writable data, which can be read as it streams
by. Before, pointers led to it; such programs are reported, not read.
"""

import re
from collections.abc import Iterator
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.found import Found, text
from mcp_dockerhub.supply_chain.catalogue.source import Source, TooMuch, Unreadable

MAGIC: Final = b"\xff Go buildinf:"
MAX_INFO: Final = 4 * 1024 * 1024
MAX_MODULES: Final = 20_000
_HEADER: Final = 32
_INLINE: Final = 2
_SENTINEL: Final = 16
"""Bytes before and after the module information, by which the runtime finds it."""
_TOOLCHAIN: Final = re.compile(r"go(\d+\.\d+\S*)")
_LINKED: Final = re.compile(r"-X[ =]['\"]?([^\s'\"=]{1,500})=(v?\d+\.\d+[\w.+-]{0,100})")
_MAX_FLAGS: Final = 64 * 1024
_DEVELOPMENT: Final = frozenset({"", "(devel)"})
"""In a version's place: modules built from a folder, as all of a workspace are."""


def read_build_info(source: Source) -> tuple[Found, ...]:
    """The modules of a program; ``source`` stands at the marker. Raises Unreadable for programs before Go 1.18."""
    header = source.read(_HEADER)
    if not header[15] & _INLINE:
        raise Unreadable("it was built before Go 1.18")
    toolchain = _string(source).decode("utf-8", "replace")
    info = _string(source)
    if len(info) > 2 * _SENTINEL and info[-_SENTINEL - 1 : -_SENTINEL] == b"\n":
        info = info[_SENTINEL:-_SENTINEL]
    found = list(_modules(info.decode("utf-8", "replace")))
    version = _TOOLCHAIN.search(toolchain)
    if version:
        found.append(Found("golang", "stdlib", text(version[1])))
    return tuple(found)


def _string(source: Source) -> bytes:
    """A length of seven bits per byte, lowest first, and as many bytes."""
    length = shift = 0
    while True:
        byte = source.read(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 28:
            raise Unreadable("its build information is damaged")
    if length > MAX_INFO:
        raise TooMuch("its build information is beyond all bounds")
    return source.read(length)


def _modules(info: str) -> Iterator[Found]:
    """Main module first, then what it depends on; a replaced module is what it was replaced with.

    A program built without modules has the path of its main package only.
    """
    lines = [line.split("\t") for line in info.splitlines()]
    settings = [line[1] for line in lines if line[0] == "build" and len(line) > 1]
    modules = [(at, line) for at, line in enumerate(lines) if line[0] in ("mod", "dep") and len(line) > 1]
    if not any(line[0] == "mod" for _, line in modules):
        yield from (Found("golang", text(line[1]), "") for line in lines if line[0] == "path" and len(line) > 1)
    for at, line in modules[:MAX_MODULES]:
        following = lines[at + 1] if at + 1 < len(lines) else [""]
        name, version = _named(line)
        if following[0] == "=>" and len(following) > 1:
            name, version = _replaced(name, following)
        if version in _DEVELOPMENT:
            version = _linked_version(settings) if line[0] == "mod" else ""
        if name:
            yield Found("golang", text(name), text(version))


def _named(line: list[str]) -> tuple[str, str]:
    return line[1], line[2] if len(line) > 2 else ""


def _replaced(name: str, line: list[str]) -> tuple[str, str]:
    """A module replaced by a folder keeps its name and has no version any more."""
    other, version = _named(line)
    return (other, version) if version and not other.startswith((".", "/")) else (name, "")


def _linked_version(settings: list[str]) -> str:
    """The version a build gave its program by linker flags, where the module has none of its own."""
    for setting in settings:
        if setting.startswith("-ldflags="):
            for name, version in _LINKED.findall(setting[:_MAX_FLAGS]):
                if name.lower().endswith("version"):
                    return f"v{version.removeprefix('v')}"
    return ""
