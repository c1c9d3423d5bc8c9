"""Debian packages: dpkg's database, and what images without dpkg carry in its place (``status.d``)."""

import re
from collections.abc import Iterator
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.found import MAX_LICENSES, Evidence, Found, text
from mcp_dockerhub.supply_chain.catalogue.source import Content
from mcp_dockerhub.supply_chain.catalogue.stanzas import control_stanzas

MAX_DATABASE: Final = 16 * 1024 * 1024
MAX_COPYRIGHT: Final = 1024 * 1024
MAX_LIST: Final = 8 * 1024 * 1024
_SOURCE: Final = re.compile(r"(\S+)(?:\s+\(([^)]*)\))?")
_LICENSE: Final = re.compile(rb"^License:[ \t]*(\S[^\n]*)", re.MULTILINE)
_COMMON: Final = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
_GONE: Final = frozenset({"not-installed", "config-files"})


def read_status(path: str, content: Content) -> Evidence:
    """``/var/lib/dpkg/status`` (deb-control(5)): every package whose files are there."""
    return Evidence("dpkg", tuple(_packages(content.read(MAX_DATABASE))))


def read_single(path: str, content: Content) -> Evidence:
    """One file of ``/var/lib/dpkg/status.d``: the same fields, without a status."""
    return Evidence("dpkg-single", tuple(_packages(content.read(MAX_DATABASE))))


def _packages(raw: bytes) -> Iterator[Found]:
    for stanza in control_stanzas(raw):
        state = stanza.get("status", "").rpartition(" ")[2]
        name, version = text(stanza.get("package")), text(stanza.get("version"))
        if name and version and state not in _GONE:
            source = _SOURCE.match(stanza.get("source", ""))
            yield Found(
                "deb",
                name,
                version,
                source_name=text(source[1]) if source else "",
                source_version=text(source[2] or "") if source else "",
                arch=text(stanza.get("architecture")),
            )


def read_list(path: str, content: Content) -> Evidence:
    """``info/NAME.list``: the files of a package, one absolute path on each line."""
    lines = content.read(MAX_LIST).decode("utf-8", "replace").splitlines()
    return Evidence("dpkg-files", paths=tuple(line.strip("/") for line in lines), facts={"package": _stem(path)})


def read_md5sums(path: str, content: Content) -> Evidence:
    """``NAME.md5sums``: a digest, two spaces and a path from the root on each line; no directories."""
    lines = content.read(MAX_LIST).decode("utf-8", "replace").splitlines()
    paths = tuple(line[34:].removeprefix("./") for line in lines if line[32:34] == "  ")
    return Evidence("dpkg-files", paths=paths, facts={"package": _stem(path)})


def _stem(path: str) -> str:
    """The package a file is named for: ``libc6:amd64.list`` is about ``libc6``."""
    return path.rpartition("/")[2].rpartition(".")[0].partition(":")[0]


def read_copyright(path: str, content: Content) -> Evidence:
    """``/usr/share/doc/NAME/copyright``: short names of licences where it is machine-readable (DEP 5), else the
    common licences it refers to."""
    raw = content.read(MAX_COPYRIGHT)
    found = _LICENSE.findall(raw) or _COMMON.findall(raw)
    names = dict.fromkeys(text(name.decode("utf-8", "replace")) for name in found)
    return Evidence("copyright", facts={"package": path.split("/")[-2], "licenses": "\n".join([*names][:MAX_LICENSES])})
