"""Programs: Go's are read, others are named for what they are, so that nobody takes them for covered."""

import re
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.elf import Program, read_program
from mcp_dockerhub.supply_chain.catalogue.found import Evidence, Found
from mcp_dockerhub.supply_chain.catalogue.golang import MAGIC as GO_MAGIC
from mcp_dockerhub.supply_chain.catalogue.golang import read_build_info
from mcp_dockerhub.supply_chain.catalogue.source import Content, Source, Unreadable

_RUST: Final = b"/rustc/"
"""Of the paths of the standard library's sources in every program that can panic."""
_OVERLAP: Final = len(GO_MAGIC) - 1
_LIBRARY: Final = re.compile(r"\.so(?:\.[0-9.]+)?$")
_RUNTIMES: Final = (
    (re.compile(r"^(?:lib)?python\d+\.\d+t?(?:\.so[\d.]*)?$"), "CPython"),
    (re.compile(r"^(?:node|nodejs)$"), "Node.js"),
    (re.compile(r"^(?:java|libjvm\.so)$"), "Java runtime"),
    (re.compile(r"^(?:ruby[\d.]*|libruby[\w.-]*\.so[\d.]*)$"), "Ruby"),
    (re.compile(r"^php(?:-fpm|-cgi)?[\d.]*$"), "PHP"),
    (re.compile(r"^perl[\d.]*$"), "Perl"),
    (re.compile(r"^(?:dotnet|libcoreclr\.so)$"), ".NET"),
    (re.compile(r"^(?:deno|bun)$"), "JavaScript runtime"),
)


def read_binary(path: str, content: Content) -> Evidence | None:
    """What a file with ELF's first bytes tells; None for libraries that tell nothing.

    Kinds: ``go`` with its modules; ``binary`` with ``facts["what"]``.
    """
    name = path.rpartition("/")[2]
    source = Source(content.pieces())
    try:
        program = read_program(source)
    except Unreadable:
        return None
    library = _LIBRARY.search(name) is not None
    runtime = next((what for pattern, what in _RUNTIMES if pattern.match(name)), "")
    try:
        seen = _Scan(program, whole=not library and not runtime).run(source)
    except Unreadable as problem:
        return _binary(f"Go program whose build information cannot be read ({problem})")
    if seen.modules:
        return Evidence("go", seen.modules)
    if library and not runtime:
        return None
    return _binary(runtime or seen.what(program))


def _binary(what: str) -> Evidence:
    return Evidence("binary", facts={"what": what})


class _Scan:
    """One pass over a program, looking for marks."""

    def __init__(self, program: Program, *, whole: bool) -> None:
        self._data = list(program.data())
        self._end = max((part.offset + part.size for part in self._data), default=0)
        self._at = program.header_end
        self._whole = whole
        self.modules: tuple[Found, ...] = ()
        self.rust = False

    def run(self, source: Source) -> "_Scan":
        tail = b""
        for piece in source.rest():
            window = tail + piece if tail else piece
            start = self._at - len(tail)
            self._at += len(piece)
            self.rust = self.rust or (self._whole and _RUST in window)
            mark = self._go_mark(window, start)
            if mark >= 0:
                source.push_back(window[mark:])
                self.modules = read_build_info(source)
                break
            if not self._whole and self._at > self._end + _OVERLAP:
                break
            tail = window[-_OVERLAP:]
        return self

    def what(self, program: Program) -> str:
        if self.rust:
            return "Rust program"
        return "program" if program.interpreted else "static program"

    def _go_mark(self, window: bytes, start: int) -> int:
        for part in self._data:
            first, last = part.offset - start, part.offset + part.size - start
            if last > 0 and first < len(window):
                found = window.find(GO_MAGIC, max(first, 0), last)
                if found >= 0:
                    return found
        return -1
