"""Python distributions as installed: ``*.dist-info`` and ``*.egg-info`` (PyPA: core metadata; recording installed
projects)."""

from typing import Final

from mcp_dockerhub.supply_chain.catalogue.found import MAX_LICENSES, Evidence, Found, text
from mcp_dockerhub.supply_chain.catalogue.source import Content
from mcp_dockerhub.supply_chain.catalogue.stanzas import headers

MAX_METADATA: Final = 4 * 1024 * 1024
MAX_RECORD: Final = 16 * 1024 * 1024
_LONGEST_LICENSE: Final = 100
"""Characters; a longer ``License`` is the licence's text, not its name."""
_OUTSIDE: Final = ("../", '"../', "/")
_CLASSIFIER: Final = "License :: "


def read_metadata(path: str, content: Content) -> Evidence:
    """``METADATA``, ``PKG-INFO`` or an egg-info that is one file."""
    said = headers(content.read(MAX_METADATA))
    name, version = _first(said, "name"), _first(said, "version")
    return Evidence("python", (Found("pypi", name, version, _licenses(said)),) if name else ())


def read_record(path: str, content: Content) -> Evidence:
    """``RECORD``: of the files a distribution installed, those outside of its library folder, such as programs."""
    folder = path.split("/")[:-2]
    lines = content.read(MAX_RECORD).decode("utf-8", "replace").splitlines()
    outside = (line.strip('"').partition(",")[0].rstrip('"') for line in lines if line.startswith(_OUTSIDE))
    return Evidence("record", paths=tuple(_resolved(folder, name) for name in outside))


def _resolved(folder: list[str], relative: str) -> str:
    parts = [] if relative.startswith("/") else folder[:]
    for part in relative.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _first(said: dict[str, list[str]], name: str) -> str:
    return text(said.get(name, [""])[0])


def _licenses(said: dict[str, list[str]]) -> tuple[str, ...]:
    """An SPDX expression where there is one (PEP 639), else a short name, else the classifiers' last parts."""
    expression = _first(said, "license-expression")
    if expression:
        return (expression,)
    name = _first(said, "license")
    if name and "\n" not in name and len(name) <= _LONGEST_LICENSE and name.upper() != "UNKNOWN":
        return (name,)
    classified = (line.rpartition(" :: ")[2] for line in said.get("classifier", ()) if line.startswith(_CLASSIFIER))
    return tuple(dict.fromkeys(text(name) for name in classified if name != "OSI Approved"))[:MAX_LICENSES]
