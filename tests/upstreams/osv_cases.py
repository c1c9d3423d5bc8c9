"""Packages and versions to hold two databases against each other with: those of the real records themselves."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mcp_dockerhub.supply_chain.advisories.ecosystems import base_of
from mcp_dockerhub.supply_chain.advisories.model import Matches, Query

ECOSYSTEMS = ("PyPI", "Go", "Docker Hardened Images", "Wolfi", "Alpine", "Ubuntu", "Debian", "npm")
"""Of the real records at hand."""


def queries_of(records: Iterable[Mapping[str, Any]], *, listed: int | None = None) -> list[Query]:
    """Every package at every boundary of its ranges, just beside each, and at the versions listed for it.

    ``listed`` bounds how many of the listed versions of one entry are taken, evenly spread; None takes all.
    """
    found: dict[Query, None] = {}
    for record in records:
        for entry in record["affected"]:
            ecosystem = entry["package"]["ecosystem"].replace("DHI", "Docker Hardened Images")
            for version in _versions(entry, base_of(ecosystem), listed):
                found[Query(ecosystem, entry["package"]["name"], version)] = None
    return list(found)


def _versions(entry: Mapping[str, Any], base: str, listed: int | None) -> Iterator[str]:
    versions = entry.get("versions", [])
    step = 1 if listed is None else max(1, len(versions) // listed)
    yield from versions[::step]
    for event in (event for found in entry.get("ranges", ()) for event in found["events"]):
        for version in event.values():
            yield from (version, *_beside(version, base))
    yield from ("0.0.1", "99999.0.0")


def _beside(version: str, base: str) -> Iterator[str]:
    """Just before and just after, as the ecosystem writes it."""
    if base in ("Debian", "Ubuntu"):
        yield from (f"{version}~", f"{version}+b1")
    elif base == "PyPI":
        yield from (f"{version}.dev1", f"{version}.post1")
    elif base in ("Alpine", "Wolfi"):
        yield f"{version.partition('-r')[0]}_rc1-r0"
    elif "-" not in version:
        yield f"{version}-0"


Answers = dict[tuple[Query, str], tuple[Any, ...]]


def answers(found: Matches) -> Answers:
    """What two databases must agree on about each package and vulnerability."""
    return {
        (hit.query, hit.advisory.id): (hit.advisory, hit.fixed, hit.rating)
        for hit in found.hits
    }  # fmt: skip


def by_ecosystem(queries: Iterable[Query]) -> Counter[str]:
    return Counter(base_of(query.ecosystem) for query in queries)


def vulnerable(name: str, package: str = "p", ecosystem: str = "PyPI", **fields: Any) -> dict[str, Any]:
    """A record about a package whose versions before 2.0 are affected."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    entry = {"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}
    return {"id": name, "modified": "2024-01-01T00:00:00Z", "affected": [entry], **fields}


def python(name: str = "p", version: str = "1.0") -> Query:
    return Query("PyPI", name, version)
