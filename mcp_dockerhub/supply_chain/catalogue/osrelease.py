"""``os-release`` (freedesktop.org os-release(5)): which distribution it is."""

import shlex
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.found import Evidence, text
from mcp_dockerhub.supply_chain.catalogue.source import Content

MAX_FILE: Final = 64 * 1024
_WANTED: Final = frozenset({"ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME", "NAME", "ID_LIKE"})


def read_os_release(path: str, content: Content) -> Evidence:
    """The assignments that identify a distribution, unquoted as a shell would."""
    facts: dict[str, str] = {}
    for line in content.read(MAX_FILE).decode("utf-8", "replace").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name in _WANTED:
            facts[name] = text(_unquoted(value))
    return Evidence("os-release", facts=facts)


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value
