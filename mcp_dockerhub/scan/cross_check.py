"""Where two scanners do not say the same of one image."""

from collections.abc import Iterable, Iterator
from typing import Final

from mcp_dockerhub.scan.judging import Disagreement
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding, ScanReport

OURS: Final = "builtin"
OTHER: Final = "trivy"

_Key = tuple[str, str]


def disagreements(ours: ScanReport, other: ScanReport) -> tuple[Disagreement, ...]:
    """What only one of the two reports, ours first; the same vulnerability may go by any of its names, and a
    distribution's by its source package or by those made of it."""
    return (*_only(ours, other, OURS, OTHER), *_only(other, ours, OTHER, OURS))


def _only(one: ScanReport, two: ScanReport, name: str, silent: str) -> Iterator[Disagreement]:
    known = {key for finding in two.findings for key in _keys(finding)}
    listed = {word for package in two.packages for word in _words(package)}
    for finding in one.findings:
        if known.isdisjoint(_keys(finding)):
            package = finding.package
            seen = not listed.isdisjoint(word for entry in finding.packages for word in _words(entry))
            note = f"{silent} lists the package" if seen else f"{silent} does not list the package"
            yield Disagreement(finding.id, package.name, package.version, name, finding.severity, note)


def _keys(finding: Finding) -> Iterator[_Key]:
    words = _all_words(finding.packages)
    for identifier in (finding.id, *finding.aliases):
        for word in words:
            yield identifier, word


def _all_words(packages: Iterable[Package]) -> set[str]:
    return {word for package in packages for word in _words(package)}


def _words(package: Package) -> tuple[str, str]:
    return package.name.lower(), package.source[0].lower()
