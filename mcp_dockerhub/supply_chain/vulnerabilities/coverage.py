"""How far a scan can be trusted: what nobody looked at, and why absence of findings may prove nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.supply_chain.advisories.ecosystems import lacks_sources
from mcp_dockerhub.supply_chain.inventory import Inventory
from mcp_dockerhub.supply_chain.packages import Gap, GapKind, PackageSet
from mcp_dockerhub.supply_chain.vulnerabilities.matching import Matched
from mcp_dockerhub.supply_chain.vulnerabilities.model import UnmatchedPackages
from mcp_dockerhub.supply_chain.vulnerabilities.runtimes import announced, vendored

# Tools known to list programs that no package owns, as packages of type "generic" and such.
_LISTS_PROGRAMS: Final = ("syft",)
_CANNOT_TELL: Final = (
    "The list of packages does not tell whether anybody looked for programs outside of packages: there may be some."
)
_NO_SOURCES: Final = (
    "The list of packages does not name source packages, which the distribution's advisories are about."
)
_WHOLE_INDEX: Final = "The list of packages is about the whole index: it may be that of another platform's image."
_NOTHING_LISTED: Final = "The list of packages is empty, and the layers were not read."
_NO_CONFIG: Final = "The image's configuration could not be read, so programs it announces are not known."
_REASONS: Final = {
    GapKind.UNREAD: "its format is not read here",
    GapKind.UNOWNED: "no package accounts for it, and no database is asked about it",
    GapKind.UNIDENTIFIED: "it does not say what it is",
    GapKind.DAMAGED: "it could not be read",
    GapKind.LIMIT: "a bound of the scan was reached",
    GapKind.SCOPE: "the list of packages says that it covers only part of the image",
}
_MAX_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Trust:
    """What was not looked at, and what follows."""

    unmatched: tuple[UnmatchedPackages, ...]
    because: tuple[str, ...]
    """A sentence for each reason why the scan is not complete."""


def trust(inventory: Inventory, matched: Matched, image: Image | None, doubts: Sequence[str]) -> Trust:
    """``image`` is None where its configuration could not be read; ``doubts`` are sentences about the advisories."""
    found = inventory.packages
    outside = tuple(_outside(found, image))
    gaps = tuple(map(_of_gap, found.coverage.gaps))
    because = [
        *_of_packages(found, matched),
        *_of_programs((*gaps, *outside)),
        *_of_document(inventory, image),
    ]
    return Trust((*gaps, *outside, *matched.unmatched), (*because, *doubts))


def _outside(found: PackageSet, image: Image | None) -> Iterator[UnmatchedPackages]:
    """What only the configuration tells. Layers that were read tell the programs in them better."""
    if image is None:
        return
    if found.found != "catalogue":
        yield from announced(image.config.env, found.packages)
    yield from vendored(image.config.env, found.packages)


def _of_gap(gap: Gap) -> UnmatchedPackages:
    return UnmatchedPackages(gap.what, _REASONS[gap.kind], gap.count, gap.evidence)


def _of_packages(found: PackageSet, matched: Matched) -> Iterable[str]:
    total = len(found.packages)
    if matched.matched < total:
        missing = total - matched.matched
        yield f"{render.number(missing)} of {render.counted(total, 'package')} could not be matched with any database."


def _of_programs(entries: Sequence[UnmatchedPackages]) -> Iterable[str]:
    if entries:
        names = list(dict.fromkeys(entry.what for entry in entries))
        more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
        yield f"Not covered by any package: {', '.join(names[:_MAX_NAMED])}{more}."


def _may_be_anothers(inventory: Inventory) -> bool:
    """Whether a list of packages about an index can be of another image than the one that is scanned."""
    origin, target = inventory.origin, inventory.target
    if origin is None or origin.about == target.manifest:
        return False
    return target.index is None or any(child.digest != target.manifest for child in target.index.images)


def _of_document(inventory: Inventory, image: Image | None) -> Iterable[str]:
    """What a list of packages that others wrote leaves open."""
    found = inventory.packages
    if _may_be_anothers(inventory):
        yield _WHOLE_INDEX
    if found.found == "catalogue":
        return
    if not found.packages:
        yield _NOTHING_LISTED
    if found.found != "syft" and not any(tool.lower().startswith(_LISTS_PROGRAMS) for tool in found.tools):
        yield _CANNOT_TELL
    if lacks_sources(found.packages):
        yield _NO_SOURCES
    if image is None:
        yield _NO_CONFIG
