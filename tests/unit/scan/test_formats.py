"""Each format says the same, validly, whatever publishers wrote."""

import json
import lzma
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.scan.formats import written
from mcp_dockerhub.scan.ignoring import Entry, IgnoreFile
from mcp_dockerhub.scan.judging import Disagreement, Rules, Verdict, judge
from mcp_dockerhub.scan.vocabulary import FORMATS, Format
from mcp_dockerhub.supply_chain.advisories.model import DatabaseFacts
from mcp_dockerhub.supply_chain.inventory import Origin
from mcp_dockerhub.supply_chain.packages import Distro
from mcp_dockerhub.supply_chain.vulnerabilities.model import SbomSource
from tests.upstreams import scan_parts as parts

ASKED = "registry.test/team/app:1"
SCHEMA = json.loads(lzma.decompress((Path(__file__).parent / "fixtures" / "sarif-2.1.0.json.xz").read_bytes()))
SPDX_SCHEMA = json.loads(
    (Path(__file__).parents[1] / "supply_chain" / "fixtures" / "spdx-2.3.schema.json").read_text(encoding="utf-8")
)
HOSTILE = (
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m\x07\r\n## x",
    "| a | [x](javascript:alert(1)) ![i](http://e.invalid/) `code` @everyone",
    "\u202eevil\u200b\ud800",
    "[link](1) {0} {{1}} \\",
    "",
)


def everything() -> Verdict:
    """A verdict that uses every part of the model."""
    ignore = IgnoreFile("ignore.toml", (Entry("CVE-2024-0001", "not reachable", date(2027, 1, 1)),), date(2026, 1, 1))
    rules = Rules("medium", ignore=ignore, ignore_unfixed=True, deny_licenses=("Apache-*",))
    baseline = parts.report(parts.finding("CVE-2020-9999"), parts.UNRATED)
    report = parts.report(*parts.EVERYTHING, complete=False, warnings=("Something was odd.",))
    verdict = judge(ASKED, report, rules, ("app:0", baseline))
    other = Disagreement("CVE-2021-1", "zlib", "1.2", "trivy", "high", "not in the package list")
    return replace(verdict, disagreements=(other,), second_scanner="trivy")


def validate_sarif(text: str) -> dict[str, Any]:
    document = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    run = document["runs"][0]
    assert isinstance(run, dict)
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    # SARIF 3.27.24: all results have a baseline state, or none has.
    assert len({("baselineState" in result) for result in run["results"]}) <= 1
    return run


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_format_lets_what_publishers_wrote_do_anything(name: Format, text: str) -> None:
    hostile = parts.hostile(text)
    report = parts.report(hostile, packages=(hostile.package,), complete=False)
    shown = written(judge(ASKED, report, Rules()), name)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]", shown)
    if name == "sarif":
        validate_sarif(shown)
    elif name == "cyclonedx":
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(shown) is None
    elif name == "markdown":
        shown = re.sub("`[^`\n]*`", "", shown)  # code is shown as it is
        assert "<script" not in shown
        assert "](javascript" not in shown
        assert "\n## x" not in shown
    elif name != "table":
        json.loads(shown)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_everything_is_valid_and_names_what_fails(name: Format) -> None:
    shown = written(everything(), name)
    assert shown.endswith("\n")
    assert "CVE-2024-6345" in shown.replace("\\", "")
    if name == "cyclonedx":
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(shown) is None


@pytest.mark.parametrize("name", FORMATS)
def test_an_incomplete_scan_says_so_in_every_format(name: Format) -> None:
    shown = written(judge(ASKED, parts.report(complete=False), Rules()), name)
    assert "CPython" in shown
    assert re.search('NOT COMPLETE|Not complete|"complete": false', shown)
    assert "CLEAN" not in shown


@pytest.mark.parametrize("name", FORMATS)
def test_a_clean_scan_says_so_in_every_format(name: Format) -> None:
    shown = written(judge(ASKED, parts.report(), Rules()), name)
    assert re.search("CLEAN: no known vulnerability", shown)
    if name == "sarif":
        run = validate_sarif(shown)
        assert run["results"] == []
        assert run["invocations"][0]["exitCode"] == 0


def test_sarif_of_everything_is_valid_against_its_schema() -> None:
    run = validate_sarif(written(everything(), "sarif"))
    results = {result["ruleId"]: result for result in run["results"]}
    assert results["CVE-2024-6345"]["baselineState"] == "new"
    assert results["GHSA-aaaa-bbbb-cccc"]["baselineState"] == "unchanged"
    assert results["CVE-2020-9999"]["baselineState"] == "absent"
    assert results["CVE-2024-0001"]["suppressions"][0]["justification"] == "not reachable (until 2027-01-01)"
    assert results["CVE-2022-0003"]["suppressions"][0]["justification"] == "not affected: vulnerable code not present"
    assert results["denied-license"]["level"] == "error"
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["CVE-2024-6345"]["properties"]["security-severity"] == "9.8"
    assert rules["CVE-2024-6345"]["helpUri"] == "https://example.org/CVE-2024-6345"
    assert "security-severity" not in rules["GHSA-aaaa-bbbb-cccc"]["properties"]
    place = results["CVE-2024-6345"]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "usr/lib/python3.11/site-packages/setuptools-65.5.1.dist-info/METADATA"
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert any("CPython" in note["message"]["text"] for note in notes)
    assert run["properties"]["complete"] is False


def test_the_sarif_schema_at_hand_refuses_what_is_wrong() -> None:
    document = json.loads(written(everything(), "sarif"))
    document["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        validate_sarif(json.dumps(document))


def test_a_finding_keeps_its_fingerprint_when_the_package_is_updated_without_a_fix() -> None:
    def fingerprint(version: str, image: str = ASKED) -> str:
        package = replace(parts.OPENSSL, version=version)
        report = parts.report(parts.finding(package=package), image=Reference.parse(image))
        run = validate_sarif(written(judge(image, report, Rules()), "sarif"))
        return str(run["results"][0]["partialFingerprints"]["finding/v1"])

    assert fingerprint("1") == fingerprint("2")
    assert fingerprint("1") != fingerprint("1", "registry.test/other/app:1")


def test_a_result_without_a_place_is_at_the_image() -> None:
    package = replace(parts.OPENSSL, location="", purl="")
    run = validate_sarif(written(judge(ASKED, parts.report(parts.finding(package=package)), Rules()), "sarif"))
    location = run["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "team/app"}
    assert "fullyQualifiedName" not in location["logicalLocations"][0]


def test_cyclonedx_links_each_vulnerability_to_its_package_with_its_analysis() -> None:
    document = json.loads(written(everything(), "cyclonedx"))
    found = {entry["id"]: entry for entry in document["vulnerabilities"]}
    assert len(found) == len(parts.EVERYTHING)
    components = {entry["bom-ref"]: entry["name"] for entry in document["components"]}
    assert components[found["CVE-2024-6345"]["affects"][0]["ref"]] == "setuptools"
    assert found["CVE-2022-0003"]["analysis"]["state"] == "not_affected"
    assert found["CVE-2022-0003"]["analysis"]["justification"] == "code_not_present"
    assert found["CVE-2022-0003"]["ratings"][0]["severity"] == "info"
    assert found["CVE-2024-6345"]["ratings"][0] == {
        "method": "CVSSv31",
        "score": 9.8,
        "severity": "critical",
        "vector": "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    }


@pytest.mark.parametrize("text", ["", *HOSTILE])
def test_spdx_has_the_form_of_the_sbom_tool_and_references_beside_it(text: str) -> None:
    hostile = parts.hostile(text)
    verdict = judge(ASKED, parts.report(hostile, packages=(hostile.package,)), Rules()) if text else everything()
    document = json.loads(written(verdict, "spdx"))
    added = []
    for package in document["packages"]:
        references = package.get("externalRefs", [])
        added += [ref for ref in references if ref["referenceCategory"] == "SECURITY"]
        package["externalRefs"] = [ref for ref in references if ref["referenceCategory"] != "SECURITY"]
    assert added
    for reference in added:
        # SPDX 2.3, clause 7.21 and annex F.1: an advisory is referenced by a URI.
        assert set(reference) == {"referenceCategory", "referenceType", "referenceLocator", "comment"}
        assert reference["referenceType"] == "advisory"
        assert re.fullmatch(r"https://[!-~]+", reference["referenceLocator"])
    jsonschema.validate(document, SPDX_SCHEMA)


def test_spdx_has_each_vulnerability_as_a_reference_of_its_package() -> None:
    document = json.loads(written(everything(), "spdx"))
    found = {entry["name"]: entry.get("externalRefs", []) for entry in document["packages"]}
    advisories = [ref for ref in found["setuptools"] if ref["referenceCategory"] == "SECURITY"]
    assert advisories == [
        {
            "referenceCategory": "SECURITY",
            "referenceType": "advisory",
            "referenceLocator": "https://example.org/CVE-2024-6345",
            "comment": "CVE-2024-6345, critical, fixed in 70.0.0, fails",
        }
    ]
    unlinked = [ref["referenceLocator"] for ref in found["@scope/lodash"] if ref["referenceCategory"] == "SECURITY"]
    assert "https://osv.dev/vulnerability/GHSA-aaaa-bbbb-cccc" in unlinked
    assert all(ref["referenceCategory"] != "SECURITY" for ref in found["example.com/quiet"])


def test_json_has_everything_that_is_known() -> None:
    document = json.loads(written(everything(), "json"))
    assert document["schema"] == 1
    assert document["verdict"]["exit"] == 1
    assert document["verdict"]["set_aside"] == {"file": 1, "unfixed": 1, "baseline": 1, "vex": 1}
    first = document["findings"][0]
    assert (first["id"], first["fails"], first["new"], first["set_aside"]) == ("CVE-2024-6345", True, True, None)
    assert first["known_exploited"] == {"added": "2024-08-01", "due": "2024-08-22", "ransomware": True}
    assert first["published"] == "2026-03-01T12:00:00+00:00"
    assert [gone["id"] for gone in document["baseline"]["gone"]] == ["CVE-2020-9999"]
    assert document["coverage"]["unmatched"][0]["what"] == "CPython"
    assert document["licenses"]["denied"][0]["license"] == "Apache-2.0"
    assert document["cross_check"]["disagreements"][0]["only"] == "trivy"
    assert document["base"]["image"] == "debian:12"
    plain = json.loads(written(judge(ASKED, parts.report(base=None), Rules()), "json"))
    assert (plain["baseline"], plain["licenses"], plain["cross_check"], plain["base"]) == (None, None, None, None)


def test_the_table_says_what_fails_what_was_set_aside_and_what_is_missing() -> None:
    shown = written(everything(), "table")
    lines = shown.splitlines()
    assert lines[0] == "registry.test/team/app:1 (linux/amd64) sha256:aaaaaaaaaaaa"
    assert "packages read from the image's layers" in lines[1]
    assert lines[2] == (
        "5 findings: 1 critical, 1 high, 1 medium, 1 negligible, 1 unknown; 4 set aside: 1 by the ignore file, "
        "1 without a fix, 1 in the baseline too, 1 by VEX"
    )
    assert re.search(r"\* +EXPLOITED critical +CVE-2024-6345 +setuptools +65.5.1 +70.0.0 +yours +94.1%", shown)
    assert "set aside, by VEX: not affected: vulnerable code not present" in shown
    assert "Against app:0: 4 new, 1 known, 1 gone" in shown
    assert "NOT COMPLETE: 3 of 4 packages" in shown
    assert "- 1 x CPython: No package database lists it. (/usr/local/bin/python3.13)" in shown
    assert "Cross-check with trivy: 1 disagreement" in shown
    assert "! Something was odd." in shown
    assert lines[-1] == "FAILED: 1 finding at the threshold medium and 1 package under denied licenses."


def test_two_scanners_that_agree_are_said_to() -> None:
    verdict = replace(judge(ASKED, parts.report(), Rules()), disagreements=(), second_scanner="trivy")
    assert "both say the same" in written(verdict, "table")


def test_where_the_packages_and_the_advisories_are_from_is_said() -> None:
    document = Digest(f"sha256:{'d' * 64}")
    origin = Origin("index", document, document, 10, "https://spdx.dev/Document", document, enveloped=False)
    sbom = SbomSource("attestation", origin, "spdx", ("syft-v1",))
    database = DatabaseFacts("local database", parts.WHEN, local=True)
    verdict = judge(ASKED, parts.report(sbom=sbom, database=database, distro=None), Rules())
    shown = written(verdict, "table")
    assert "packages from the attached SBOM sha256:dddddddddddd (spdx by syft-v1)" in shown
    assert "local database of 2026-03-01" in shown
    assert json.loads(written(verdict, "json"))["sbom"]["document"] == document
    by_tool = judge(ASKED, parts.report(sbom=SbomSource("trivy")), Rules())
    assert "packages read from trivy" in written(by_tool, "table")


def test_markdown_fits_a_comment_and_mentions_nobody() -> None:
    findings = [parts.finding(f"CVE-2024-{number}", parts.LODASH) for number in range(300)]
    shown = written(judge(ASKED, parts.report(*findings), Rules()), "markdown")
    assert "100 more findings" in shown
    assert "`@scope/lodash`" in shown
    assert shown.startswith("### ❌ FAILED")
    shown = written(everything(), "markdown")
    assert "<details><summary>Set aside (4)</summary>" in shown
    assert "Gone since" in shown
    assert "[CVE\\-2024\\-6345](https://example.org/CVE-2024-6345)" in shown


COMMANDS = (
    "::error file=x::y",
    "##[add-mask]a",
    "##vso[task.prependpath]/tmp",
    "###teamcity[x]",
    "a\n::set-env name=x::y",
)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", COMMANDS)
def test_nothing_that_is_printed_is_a_command_of_a_build_system(name: Format, text: str) -> None:
    hostile = parts.hostile(text)
    report = parts.report(
        hostile, packages=(hostile.package,), complete=False, warnings=(text,), distro=Distro("x", name=text)
    )
    verdict = judge(text, report, Rules(deny_licenses=("*",)))
    verdict = replace(verdict, disagreements=(Disagreement(text, text, text, "trivy", "high", text),))
    shown = written(verdict, name)
    assert not re.search(r"##\w*\[", shown)
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    if name not in ("table", "markdown"):
        assert "##" in json.dumps(json.loads(shown)) or "##" not in text


def test_a_finding_without_a_summary_is_named_without_what_is_hidden_in_its_name() -> None:
    verdict = judge(ASKED, parts.report(replace(parts.PLAIN, id="X-\x001\u202e", summary="\x00")), Rules())
    (found,) = json.loads(written(verdict, "sarif"))["runs"][0]["results"]
    assert found["message"]["text"].startswith("libssl3 3.0.11-1~deb12u2: X-1 in libssl3 ")
