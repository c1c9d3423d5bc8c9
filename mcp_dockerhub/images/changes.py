"""How the known vulnerabilities of two images differ. What finds them is composed above this package."""

from typing import Literal, Protocol

from mcp_dockerhub import render
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Remark

_SHOWN = 10


class ChangedVulnerability(OutputModel):
    id: Identifier
    severity: Literal["critical", "high", "medium", "low", "negligible", "unknown"]
    packages: list[Identifier]
    """With their versions."""
    exploited: bool
    """Known to be."""


class VulnerabilityChanges(OutputModel):
    only_image1: list[ChangedVulnerability]
    only_image2: list[ChangedVulnerability]
    total1: int
    """Vulnerabilities only the first has; the list may be shorter."""
    total2: int
    both: int
    complete: bool
    """False: what is missing from either side proves nothing."""
    incomplete_because: list[Remark]

    def lines(self) -> list[str]:
        """As a person reads it."""
        said = [
            f"vulnerabilities: {self.total1} only in the first, {self.total2} only in the second, {self.both} in both",
            *(f"  NOT COMPLETE: {reason}" for reason in self.incomplete_because),
        ]
        for which, total, rows in (("first", self.total1, self.only_image1), ("second", self.total2, self.only_image2)):
            said += [f"  only {which}: {_shown(row)}" for row in rows[:_SHOWN]]
            more = total - min(len(rows), _SHOWN)
            said += [f"  only {which}: {render.ELLIPSIS} {more} more"] if more > 0 else []
        return said


class ChangeFinder(Protocol):
    """Finds them."""

    async def __call__(
        self, ref1: Reference, ref2: Reference, platform: Platform | None, seen: Provenance
    ) -> VulnerabilityChanges:
        """Raises where either image cannot be scanned: half a difference is none."""


def _shown(row: ChangedVulnerability) -> str:
    exploited = ", known to be exploited" if row.exploited else ""
    return render.clip(f"{row.id} ({row.severity}{exploited}) in {', '.join(row.packages)}", 140)
