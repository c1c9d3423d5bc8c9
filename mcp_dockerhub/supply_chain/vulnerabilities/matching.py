"""From an image's packages to what a database knows about each: who is asked about what, and what nobody could say."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mcp_dockerhub.supply_chain.advisories.ecosystems import is_foreign, query_of
from mcp_dockerhub.supply_chain.advisories.model import Hit, Matches, NotCovered, Query
from mcp_dockerhub.supply_chain.packages import Package, PackageSet
from mcp_dockerhub.supply_chain.vulnerabilities.model import UnmatchedPackages

EXAMPLES: Final = 5
_NO_VERSION: Final = "it does not say its version"
_FOREIGN: Final = "it is of another repository than the distribution's, whose advisories are not about it"
_LOST_OWNER: Final = "it belongs to a distribution package that is not among the packages"
_OWNER_UNMATCHED: Final = "it belongs to a distribution package that could not be matched"
# Folders only a distribution's own packages install into (Debian Python Policy; Debian's Javascript Policy): where
# a document does not tell whose a library is, the package of the same name and version is.
_OWNED_FOLDERS: Final = (
    (re.compile(r"^/usr/lib/python3/dist-packages/"), "pypi", "python3-"),
    (re.compile(r"^/usr/share/nodejs/"), "npm", "node-"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask."""

    asked: Mapping[Query, tuple[Package, ...]]
    owned: tuple[Package, ...]
    """Tracked by the distribution package that installed them."""
    refused: tuple[tuple[Package, str], ...]
    """Packages no database is asked about, and why."""
    foreign: frozenset[Query] = frozenset()
    """Asked about, but no answer says that there is nothing."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What came of it."""

    hits: tuple[tuple[Hit, tuple[Package, ...]], ...]
    matched: int
    """Packages that were compared."""
    unmatched: tuple[UnmatchedPackages, ...]


def plan(found: PackageSet) -> Plan:
    """The question for every package; those with the same one are asked about once."""
    asked: dict[Query, list[Package]] = {}
    owned: list[Package] = []
    refused: list[tuple[Package, str]] = []
    foreign: set[Query] = set()
    for package in with_owners(found.packages):
        if package.owner:
            owned.append(package)
            continue
        query = query_of(package, found.distro) if package.version else NotCovered(_NO_VERSION)
        if isinstance(query, NotCovered):
            refused.append((package, query.reason))
        else:
            asked.setdefault(query, []).append(package)
            if is_foreign(package):
                foreign.add(query)
    told = {query: tuple(packages) for query, packages in asked.items()}
    return Plan(told, tuple(owned), tuple(refused), frozenset(foreign))


def with_owners(packages: Sequence[Package]) -> list[Package]:
    """Packages with the owner that only their place tells, where a document does not say it."""
    by_name = {package.name: package for package in packages if package.type == "deb" and package.purl}
    owners = ((package, _owner(package, by_name)) for package in packages)
    return [package if owner == package.owner else replace(package, owner=owner) for package, owner in owners]


def _owner(package: Package, by_name: Mapping[str, Package]) -> str | None:
    if package.owner or not package.location:
        return package.owner
    for folder, kind, prefix in _OWNED_FOLDERS:
        if package.type == kind and folder.match(package.location):
            owner = by_name.get(prefix + re.sub(r"[-_.]+", "-", package.name).lower())
            if owner is not None and _upstream(owner.version) == package.version:
                return owner.purl
    return None


def _upstream(version: str) -> str:
    """A Debian version without its epoch and revision (deb-version(7))."""
    return version.partition(":")[2].rpartition("-")[0] if ":" in version else version.rpartition("-")[0] or version


def judged(planned: Plan, answer: Matches) -> Matched:
    """Every package of the plan as matched or not, hits with the packages they are about."""
    reasons = dict.fromkeys(planned.foreign, _FOREIGN) | {entry.query: entry.reason for entry in answer.unmatched}
    refused = list(planned.refused)
    matched = [package for query, packages in planned.asked.items() if query not in reasons for package in packages]
    refused += [
        (package, reasons[query])
        for query, packages in planned.asked.items()
        if query in reasons
        for package in packages
    ]
    count = len(matched)
    known = {package.purl for package in matched if package.purl}
    listed = known | {package.purl for package, _ in refused if package.purl}
    for package in planned.owned:
        if package.owner in known:
            count += 1
        else:
            refused.append((package, _OWNER_UNMATCHED if package.owner in listed else _LOST_OWNER))
    hits = tuple((hit, planned.asked[hit.query]) for hit in answer.hits if hit.query in planned.asked)
    return Matched(hits, count, grouped(refused))


def grouped(refused: Sequence[tuple[Package, str]]) -> tuple[UnmatchedPackages, ...]:
    """Packages that were not matched for the same reason as one entry, the largest first."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], list[str]] = {}
    for package, reason in refused:
        key = (package.type, reason)
        counts[key] += 1
        shown = examples.setdefault(key, [])
        if len(shown) < EXAMPLES:
            shown.append(_named(package))
    return tuple(
        UnmatchedPackages(f"{kind or 'untyped'} packages", reason, count, tuple(examples[kind, reason]))
        for (kind, reason), count in counts.most_common()
    )


def _named(package: Package) -> str:
    where = f" ({package.location})" if package.location else ""
    return f"{package.name} {package.version or '?'}{where}"
