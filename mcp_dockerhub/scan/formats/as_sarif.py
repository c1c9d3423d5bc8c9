"""For code scanning (OASIS SARIF 2.1.0, and what GitHub reads of it).

One rule for each vulnerability, one result for each finding. What does not count is there with a suppression, what
could not be looked at is a notification of the invocation.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from mcp_dockerhub import __version__
from mcp_dockerhub.scan.formats import words
from mcp_dockerhub.scan.judging import Exit, Judged, Verdict
from mcp_dockerhub.scan.licenses import Denied
from mcp_dockerhub.supply_chain.advisories.model import Severity
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding

Json = dict[str, Any]

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final[dict[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "negligible": "note",
    "unknown": "warning",
}
_SCORES: Final[dict[Severity, str]] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""Where a word is all there is: the middle of what GitHub calls by that word."""
_HOME: Final = "https://github.com/mcp-dockerhub/mcp-dockerhub"
_DENIED: Final = "denied-license"
_ROOT: Final = "IMAGE"
_SPECIAL: Final = re.compile(r"([\\\[\]])")
_PLACEHOLDER: Final = re.compile(r"\{(\d+)\}")


def write(verdict: Verdict) -> str:
    """The document, in ASCII."""
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(verdict)]}, indent=1) + "\n"


def _run(verdict: Verdict) -> Json:
    report = verdict.report
    rules = list(_rules(verdict))
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    name = words.clean(verdict.asked, 1024)
    return {
        "tool": {
            "driver": {
                "name": "mcp-dockerhub",
                "informationUri": _HOME,
                "version": __version__,
                "semanticVersion": __version__,
                "rules": rules,
            }
        },
        "automationDetails": {"id": f"mcp-dockerhub/{quote(name, safe='')}/{report.platform}/"},
        "invocations": [_invocation(verdict)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the image's file system."}}},
        "results": list(_results(verdict, places)),
        "columnKind": "unicodeCodePoints",
        "properties": {
            "image": name,
            "platform": str(report.platform),
            "digest": report.manifest,
            "database": report.database.name,
            "complete": report.complete,
            "packages": len(report.packages),
            "matched": report.matched,
        },
    }


def _rules(verdict: Verdict) -> Iterator[Json]:
    gone = verdict.baseline.gone if verdict.baseline else ()
    shown: dict[str, Finding] = {}
    for finding in (*(judged.finding for judged in verdict.findings), *gone):
        shown.setdefault(finding.id, finding)
    yield from map(_rule, shown.values())
    if verdict.licenses and verdict.licenses.denied:
        text = "A package is under a license that is not wanted here."
        yield {"id": _DENIED, "shortDescription": {"text": text}, "defaultConfiguration": {"level": "error"}}


def _rule(finding: Finding) -> Json:
    score = finding.rating.score if finding.rating else None
    scored = _SCORES.get(finding.severity) if score is None else f"{score:.1f}"
    text = words.summary(finding)
    rule: Json = {
        "id": words.clean(finding.id),
        "shortDescription": {"text": _text(text)},
        "fullDescription": {"text": _text(text)},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {"tags": ["security", "vulnerability", finding.severity], "precision": "very-high"},
    }
    if scored is not None:
        rule["properties"]["security-severity"] = scored
    if url := words.link(finding):
        rule["helpUri"] = url
        rule["help"] = {"text": _text(f"See {url}")}
    return rule


def _results(verdict: Verdict, places: dict[str, int]) -> Iterator[Json]:
    with_baseline = verdict.baseline is not None
    for judged in verdict.findings:
        state = ("new" if judged.new else "unchanged") if with_baseline else ""
        yield _result(verdict, judged, places, state)
    if verdict.baseline is not None:
        for finding in verdict.baseline.gone:
            yield _result(verdict, Judged(finding, None, fails=False), places, "absent")
    for denied in verdict.licenses.denied if verdict.licenses else ():
        found = _denied(verdict, denied, places)
        # "new" where all results must say something: nothing is known about the baseline's licenses.
        yield {**found, "baselineState": "new"} if with_baseline else found


def _result(verdict: Verdict, judged: Judged, places: dict[str, int], state: str) -> Json:
    finding = judged.finding
    identifier, package = words.clean(finding.id), finding.package
    remedy = f"fixed in {words.fixed(finding)}" if finding.fixable else "no fix is known"
    message = f"{words.package_name(package)} {words.clean(package.version)}: {words.summary(finding)} ({remedy})"
    if finding.why:
        message += f". {words.clean(finding.why)}"
    result: Json = {
        "ruleId": identifier,
        "ruleIndex": places[identifier],
        "level": _LEVELS[finding.severity],
        "message": {"text": _text(message)},
        "locations": [_location(verdict, one) for one in finding.packages],
        "partialFingerprints": {"finding/v1": _fingerprint(verdict, identifier, package)},
        "suppressions": _suppressions(judged),
        "properties": _properties(judged),
    }
    return {**result, "baselineState": state} if state else result


def _denied(verdict: Verdict, denied: Denied, places: dict[str, int]) -> Json:
    package = denied.package
    text = f"{words.package_name(package)} {words.clean(package.version)} is under {words.clean(denied.license)}"
    return {
        "ruleId": _DENIED,
        "ruleIndex": places[_DENIED],
        "level": "error",
        "message": {"text": _text(text)},
        "locations": [_location(verdict, package)],
        "partialFingerprints": {"finding/v1": _fingerprint(verdict, _DENIED, package)},
        "suppressions": [],
    }


def _location(verdict: Verdict, package: Package) -> Json:
    path = words.clean(package.location, 1024).lstrip("/")
    artifact: Json = {"uri": quote(path), "uriBaseId": _ROOT} if path else {"uri": quote(_image(verdict))}
    logical = {"name": words.package_name(package), "kind": "package"}
    if package.purl:
        logical["fullyQualifiedName"] = words.clean(package.purl, 1024)
    return {
        # GitHub shows no result without a line.
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}},
        "logicalLocations": [logical],
    }


def _image(verdict: Verdict) -> str:
    """A relative path that stands for the image, where the place in it is not known."""
    return words.clean(verdict.report.image.repository.path, 512)


def _fingerprint(verdict: Verdict, rule: str, package: Package) -> str:
    """The same after an update that did not help; other for another image, package or place."""
    repository = verdict.report.image.repository
    facts = (str(repository), str(verdict.report.platform), rule, package.type, package.name, package.location)
    return hashlib.sha256("\0".join(facts).encode("utf-8", "surrogatepass")).hexdigest()


def _suppressions(judged: Judged) -> list[Json]:
    aside = judged.aside
    if aside is None or aside.by == "baseline":  # its baselineState says so
        return []
    return [{"kind": "external", "status": "accepted", "justification": words.clean(aside.reason)}]


def _properties(judged: Judged) -> Json:
    finding = judged.finding
    found: Json = {"fails": judged.fails, "severity": finding.severity, "fixed": list(map(words.clean, finding.fixed))}
    found["knownExploited"] = finding.known_exploited is not None
    if finding.epss:
        found["epss"] = finding.epss.score
    if finding.in_base is not None:
        found["inBase"] = finding.in_base
    if finding.layer:
        found["layer"] = finding.layer
    if finding.rating:
        found["rating"] = words.clean(f"{finding.rating.by} {finding.rating.vector}".strip())
    return found


def _invocation(verdict: Verdict) -> Json:
    report = verdict.report
    notes = [("warning", note) for note in (*report.warnings, *verdict.notes)]
    notes += [("error", reason) for reason in report.incomplete_because]
    notes += [("error", f"{gap.count} x {gap.what}: {gap.reason}") for gap in report.unmatched]
    notes += [("error", verdict.unjudged)] if verdict.unjudged else []
    return {
        "executionSuccessful": verdict.exit is not Exit.UNSCANNED,
        "exitCode": int(verdict.exit),
        "exitCodeDescription": _text(words.conclusion(verdict)),
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": _text(words.clean(note))}} for level, note in notes
        ],
    }


def _text(text: str) -> str:
    """Plain text of a message: brackets would begin a link, braces a placeholder (SARIF 3.11.5, 3.11.6)."""
    return _PLACEHOLDER.sub(r"{{\1}}", _SPECIAL.sub(r"\\\1", text))
