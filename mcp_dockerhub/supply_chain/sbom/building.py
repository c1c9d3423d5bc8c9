"""From the words of an SBOM to packages: what both formats have in common."""

from collections import Counter
from collections.abc import Iterable
from sys import intern
from typing import Any, Final

from mcp_dockerhub.supply_chain.packages import MAX_PACKAGES, MAX_TEXT, Distro, Gap, GapKind, Package
from mcp_dockerhub.supply_chain.purls import distro_of, read_purl

MAX_EXAMPLES: Final = 5
MAX_LICENSES: Final = 20
_NOT_SAID: Final = frozenset({"", "NOASSERTION", "NONE", "UNKNOWN"})
_LAYER_PREFIX: Final = "sha256:"


def text(value: Any) -> str:
    """A string of a document, bounded; empty for anything else."""
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def said(value: Any) -> str:
    """As ``text``; the words that SBOMs use for "not said" are empty too."""
    found = text(value).strip()
    return "" if found in _NOT_SAID else found


def listed(value: Any) -> list[Any]:
    """A list, empty for anything else."""
    return value if isinstance(value, list) else []


def layer_of(value: Any) -> str | None:
    """A layer's digest, or None."""
    found = text(value).strip()
    return intern(found) if found.startswith(_LAYER_PREFIX) and len(found) == 71 else None


class Collector:
    """Packages as they are read, with a note of what could not become one."""

    def __init__(self) -> None:
        self.packages: list[Package] = []
        self._unnamed: list[str] = []
        self._unnamed_count = 0
        self._surplus = 0
        self._distros: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return len(self.packages) >= MAX_PACKAGES

    def add(
        self,
        *,
        name: str,
        version: str,
        purl: str,
        licenses: Iterable[str],
        location: str = "",
        layer: str | None = None,
        identifier: str = "",
        source: tuple[str, str] = ("", ""),
    ) -> int | None:
        """One entry of the document; its place among ``packages``, or None where it is left out (and counted)."""
        facts = read_purl(purl)
        known = facts.name or name
        if not known:
            self.unnamed(identifier)
            return None
        if self.full:
            self._surplus += 1
            return None
        if facts.distro:
            self._distros[facts.distro] += 1
        stated = facts.source if any(facts.source) else source
        self.packages.append(
            Package(
                type=intern(facts.type),
                name=known,
                version=version or facts.version,
                purl=purl,
                licenses=tuple(intern(entry) for entry in list(licenses)[:MAX_LICENSES]),
                location=intern(location),
                layer=layer,
                source_name=_unless(stated[0], known),
                source_version=_unless(stated[1], version),
                arch=intern(facts.qualifiers.get("arch", "")),
                distro=intern(facts.distro),
            )
        )
        return len(self.packages) - 1

    def unnamed(self, identifier: str = "") -> None:
        """Count an entry that names no package, or is none at all."""
        self._unnamed_count += 1
        self._unnamed += [identifier] if identifier and len(self._unnamed) < MAX_EXAMPLES else []

    def distro(self) -> Distro | None:
        """The distribution most packages say they were built for."""
        common = self._distros.most_common(1)
        return distro_of(common[0][0]) if common else None

    def gaps(self) -> list[Gap]:
        found = []
        if self._unnamed_count:
            what = "entries of the document without a name"
            found.append(Gap(GapKind.UNIDENTIFIED, what, tuple(self._unnamed), self._unnamed_count))
        if self._surplus:
            found.append(Gap(GapKind.LIMIT, f"packages beyond the first {MAX_PACKAGES}", (), self._surplus))
        return found


def _unless(value: str, same: str) -> str:
    return "" if value == same else intern(value)
