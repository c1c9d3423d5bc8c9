"""Packages with what is known against them, as SPDX 2.3.

SPDX 2.3 has no vulnerabilities of its own: each is an external reference of its package, category SECURITY, type
``advisory`` (annex F.1). What a VEX document or an ignore file says is in the reference's comment.
"""

import json
from typing import Any, Final
from urllib.parse import quote

from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.formats.documents import Place, place_of, subject
from mcp_dockerhub.scan.judging import Judged, Verdict
from mcp_dockerhub.supply_chain.sbom.spdx_writer import write_spdx

_PREFIX: Final = "SPDXRef-Package-"
_NO_PAGE: Final = "https://osv.dev/vulnerability/"


def write(verdict: Verdict) -> str:
    """The document, in ASCII."""
    document = json.loads(write_spdx(subject(verdict)))
    against: dict[Place, list[Judged]] = {}
    for judged in verdict.findings:
        for package in judged.finding.packages:
            against.setdefault(place_of(package), []).append(judged)
    for entry in document["packages"]:
        place = entry["SPDXID"].removeprefix(_PREFIX)
        if place.isdigit():
            references = [
                _reference(judged) for judged in against.get(place_of(verdict.report.packages[int(place)]), ())
            ]
            if references:
                entry["externalRefs"] = [*entry.get("externalRefs", ()), *references]
    return json.dumps(document, indent=1) + "\n"


def _reference(judged: Judged) -> dict[str, Any]:
    finding = judged.finding
    remedy = f"fixed in {words.fixed(finding)}" if finding.fixable else "no fix is known"
    return {
        "referenceCategory": "SECURITY",
        "referenceType": "advisory",
        "referenceLocator": words.link(finding) or f"{_NO_PAGE}{quote(words.clean(finding.id), safe='')}",
        "comment": f"{words.clean(finding.id)}, {finding.severity}, {remedy}, {words.state(judged)}",
    }
