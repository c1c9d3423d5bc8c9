"""What docker_get_vulnerabilities answers. Kept apart from the services, which are loaded with the first call."""

from datetime import date, datetime
from typing import Annotated, Final

from pydantic import WithJsonSchema

from mcp_dockerhub import render
from mcp_dockerhub.results import Result
from mcp_dockerhub.supply_chain.packages import Found
from mcp_dockerhub.supply_chain.vocabulary import Severity, VexStatus
from mcp_dockerhub_security.sanitize import Code, Identifier, OutputModel, Prose, Remark

_ROWS: Final = 25
_GAPS: Final = 8
_WORDS: Final = {"unknown": "not rated"}


# The parts of this answer have so many fields that their types would cost every conversation more than all else the
# toolset says; their names and values show what they are.
_LIST: Final = WithJsonSchema({"type": "array"})
_OBJECT: Final = WithJsonSchema({"type": "object"})


class VulnerabilityRow(OutputModel):
    id: Identifier
    aliases: list[Identifier]
    packages: list[Identifier]
    """Names; several where one source package made several."""
    version: Identifier
    source_package: Identifier | None
    location: Code
    severity: Severity
    score: float | None
    rated_by: Identifier
    """Scale of the rating; empty where there is none."""
    fixed: list[Identifier]
    """Best first; empty where no fix is known."""
    exploited_since: date | None
    """When CISA listed it as exploited; null where it is not listed."""
    epss: float | None
    """Probability of exploitation within 30 days."""
    in_base: bool | None
    layer: Identifier | None
    vex: VexStatus | None
    vex_reason: Prose | None
    why: Remark
    """What decided its place."""
    summary: Prose
    references: list[Identifier]


class UnmatchedRow(OutputModel):
    what: Remark
    reason: Remark
    count: int
    evidence: list[Code]


class ScanCoverage(OutputModel):
    found: Found
    document: Identifier | None
    """The attached SBOM; null where the layers were read."""
    packages: int
    matched: int
    """Packages compared with advisories that cover them."""
    unmatched: list[UnmatchedRow]
    """What was not looked at."""
    database: Identifier
    updated: datetime | None
    """Of the database; null: it is always current."""
    not_known: list[Identifier]
    """Lists that could not be read."""


class Vulnerabilities(Result):
    image: Identifier
    platform: Identifier
    manifest: Identifier
    complete: bool
    """False: absence of a finding proves nothing."""
    incomplete_because: list[Remark]
    distribution: Identifier | None
    base: Identifier | None
    counts: Annotated[dict[Severity, int], _OBJECT]
    """Of everything found, whatever the filters."""
    exploited: int
    """Findings known to be exploited, of everything found."""
    total: int
    """Findings that fit the filters."""
    vex: int
    """Findings of all that a VEX document calls not affected or fixed."""
    page: int
    pages: int
    findings: Annotated[list[VulnerabilityRow], _LIST]
    """Most urgent first."""
    coverage: Annotated[ScanCoverage, _OBJECT]

    def render(self) -> str:
        lines = [self._headline(), *self._trust()]
        rows = [(row.id, _named(row), render.clip(row.version, 28), render.clip(row.why, 140)) for row in self.findings]
        table = render.table(("id", "package", "installed", "why"), rows)
        lines += render.head(table, _ROWS + 1, "vulnerability on this page")
        if self.pages > 1:
            lines.append(f"page {self.page} of {self.pages}")
        return self.text([*lines, *self._about()])

    def _headline(self) -> str:
        found = sum(self.counts.values())
        name = f"{self.image} ({self.platform})"
        if not found:
            return f"{name}: {'no known vulnerability' if self.complete else 'none found in what could be matched'}"
        said = ", ".join(f"{count} {_WORDS.get(severity, severity)}" for severity, count in self.counts.items())
        shown = "" if self.total == found else f"; {self.total} as asked for"
        exploited = f"; {self.exploited} KNOWN TO BE EXPLOITED" if self.exploited else ""
        return f"{name}: {render.counted(found, 'finding')} ({said}){exploited}{shown}"

    def _trust(self) -> list[str]:
        if self.complete:
            return [f"complete: {render.counted(self.coverage.packages, 'package')}, each of them matched"]
        return ["NOT COMPLETE, more may be there:", *(f"- {reason}" for reason in self.incomplete_because)]

    def _about(self) -> list[str]:
        coverage = self.coverage
        missed = [_gap(row) for row in coverage.unmatched]
        database = coverage.database + (f" of {render.day(coverage.updated)}" if coverage.updated else "")
        source = (
            f"SBOM {render.short(coverage.document)} attached" if coverage.document else f"layers ({coverage.found})"
        )
        pairs = [
            ("packages", f"{coverage.matched} of {coverage.packages} matched, from {source}"),
            ("system", self.distribution or ""),
            ("base", self.base or ""),
            ("database", database),
            ("not known", ", ".join(coverage.not_known)),
            ("VEX", f"{self.vex} called not affected or fixed" if self.vex else ""),
        ]
        return [*render.head(missed, _GAPS, "gap"), *render.fields(pairs)]


def _named(row: VulnerabilityRow) -> str:
    more = f" +{len(row.packages) - 1}" if len(row.packages) > 1 else ""
    return render.clip(row.packages[0], 40) + more


def _gap(row: UnmatchedRow) -> str:
    count = f" ({row.count})" if row.count > 1 else ""
    evidence = f" [{render.clip(', '.join(row.evidence), 80)}]" if row.evidence else ""
    return f"? not matched: {row.what}{count}{evidence}: {render.clip(row.reason, 120)}"
