"""Alpine's packages: ``lib/apk/db/installed`` (apk-installed format, apk-package(5))."""

from typing import Final

from mcp_dockerhub.supply_chain.catalogue.found import Evidence, Found, text
from mcp_dockerhub.supply_chain.catalogue.source import Content

MAX_DATABASE: Final = 32 * 1024 * 1024


def read_installed(path: str, content: Content) -> Evidence:
    """Packages with their origins, and every file of each: ``paths`` are ``NUMBER:PATH``, by the package's place."""
    packages: list[Found] = []
    owned: list[str] = []
    for block in content.read(MAX_DATABASE).decode("utf-8", "replace").split("\n\n"):
        found = _package(block)
        if found is not None:
            owned += (f"{len(packages)}:{name}" for name in _files(block))
            packages.append(found)
    return Evidence("apk", tuple(packages), tuple(owned))


def _package(block: str) -> Found | None:
    values: dict[str, str] = {}
    for line in block.splitlines():
        # What comes after the first directory is about files, where letters mean other things.
        if line.startswith("F:"):
            break
        key, _, value = line.partition(":")
        values.setdefault(key, text(value))
    name, version = values.get("P", ""), values.get("V", "")
    if not name or not version:
        return None
    licenses = values.get("L", "")
    return Found(
        "apk",
        name,
        version,
        (licenses,) if licenses else (),
        source_name=values.get("o", ""),
        arch=values.get("A", ""),
    )


def _files(block: str) -> list[str]:
    found, directory = [], ""
    for line in block.splitlines():
        if line.startswith("F:"):
            directory = line[2:].strip("/")
        elif line.startswith("R:"):
            found.append(f"{directory}/{line[2:]}".lstrip("/"))
    return found
