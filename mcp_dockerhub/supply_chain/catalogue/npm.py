"""Node packages as installed: the ``package.json`` of each (npm, package.json(5))."""

import json
from collections.abc import Iterator
from typing import Any, Final

from mcp_dockerhub.supply_chain.catalogue.found import MAX_LICENSES, Evidence, Found, text
from mcp_dockerhub.supply_chain.catalogue.source import Content, Unreadable

MAX_MANIFEST: Final = 4 * 1024 * 1024


def read_package_json(path: str, content: Content) -> Evidence:
    """One package; none for the many of these files that only set the kind of modules in a folder."""
    raw = content.read(MAX_MANIFEST)
    if b'"name"' not in raw:
        return Evidence("npm")
    try:
        said = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    name = text(said.get("name")) if isinstance(said, dict) else ""
    if not name:
        return Evidence("npm")
    licenses = dict.fromkeys(filter(None, _licenses(said)))
    return Evidence("npm", (Found("npm", name, text(said.get("version")), tuple(licenses)[:MAX_LICENSES]),))


def _licenses(said: dict[str, Any]) -> Iterator[str]:
    for value in (said.get("license"), said.get("licenses")):
        for one in value if isinstance(value, list) else (value,):
            yield text(one.get("type") if isinstance(one, dict) else one)
