"""What counts, what does not, and how the command ends."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.scan.formats.words import conclusion
from mcp_dockerhub.scan.ignoring import Entry, IgnoreFile, read_ignore_file
from mcp_dockerhub.scan.judging import Exit, Rules, Verdict, judge, reaches
from mcp_dockerhub.scan.licenses import check_licenses
from mcp_dockerhub.scan.vocabulary import THRESHOLDS, Threshold
from mcp_dockerhub.supply_chain.advisories.model import SEVERITIES
from mcp_dockerhub.supply_chain.vocabulary import VexStatus
from mcp_dockerhub.supply_chain.vulnerabilities.model import FeedFacts, ScanReport, VexMark
from tests.upstreams import scan_parts as parts

TODAY = date(2026, 3, 1)


def verdict(report: ScanReport, rules: Rules | None = None, baseline: ScanReport | None = None) -> Verdict:
    return judge("app:1", report, rules or Rules(), None if baseline is None else ("app:0", baseline))


def ignoring(*entries: Entry) -> Rules:
    return Rules(ignore=IgnoreFile("ignore.toml", entries, TODAY))


def entry(identifier: str, expires: date = date(2026, 12, 31), package: str = "") -> Entry:
    return Entry(identifier, "accepted", expires, package)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_finding_reaches_its_threshold_and_those_below(threshold: Threshold, severity: str) -> None:
    finding = parts.finding(rating=next(parts.rating(name) for name in SEVERITIES if name == severity))
    expected = {
        "any": True,
        "low": severity in ("critical", "high", "medium", "low", "unknown"),
        "medium": severity in ("critical", "high", "medium"),
        "high": severity in ("critical", "high"),
        "critical": severity == "critical",
        "kev": False,
        "none": False,
    }
    assert reaches(finding, threshold) is expected[threshold]


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_what_is_known_to_be_exploited_reaches_every_threshold_but_none(threshold: Threshold) -> None:
    finding = replace(parts.EXPLOITED, rating=None)
    assert reaches(finding, threshold) is (threshold != "none")


def test_nothing_found_and_everything_looked_at_is_clean() -> None:
    found = verdict(parts.report())
    assert found.exit is Exit.CLEAN
    assert conclusion(found) == "CLEAN: no known vulnerability."


def test_nothing_found_and_not_everything_looked_at_is_not_clean() -> None:
    found = verdict(parts.report(complete=False))
    assert found.exit is Exit.UNSCANNED
    assert conclusion(found).startswith("NOT KNOWN: nothing at the threshold in what could be compared")
    assert "--allow-incomplete" in conclusion(found)


def test_who_accepts_half_an_answer_gets_it_said_as_half() -> None:
    found = verdict(parts.report(complete=False), Rules(allow_incomplete=True))
    assert found.exit is Exit.CLEAN
    assert "not everything" in conclusion(found)


def test_a_finding_counts_whether_or_not_everything_was_looked_at() -> None:
    assert verdict(parts.report(parts.PLAIN, complete=False)).exit is Exit.FINDINGS


def test_findings_below_the_threshold_pass() -> None:
    found = verdict(parts.report(parts.UNFIXED), Rules("high"))
    assert found.exit is Exit.CLEAN
    assert conclusion(found) == "PASSED: nothing at the threshold."
    assert conclusion(verdict(parts.report(parts.UNFIXED), Rules("none"))) == "PASSED: nothing."


def test_unrated_findings_below_the_threshold_are_said() -> None:
    found = verdict(parts.report(parts.UNRATED), Rules("high"))
    assert found.exit is Exit.CLEAN
    assert found.notes == ("Nobody has rated 1 finding: the threshold does not count them.",)


@pytest.mark.parametrize("feeds", [(), (FeedFacts("CISA KEV", False),), (FeedFacts("EPSS", True),)])
def test_a_list_of_exploited_ones_that_cannot_be_read_is_never_a_pass(feeds: tuple[FeedFacts, ...]) -> None:
    rules = Rules("kev", allow_incomplete=True)
    found = verdict(parts.report(parts.PLAIN, feeds=feeds), rules)
    assert found.exit is Exit.UNSCANNED
    assert "cannot be judged" in conclusion(found)
    assert verdict(parts.report(parts.PLAIN), rules).exit is Exit.CLEAN


STATUSES: tuple[tuple[VexStatus, int], ...] = (
    ("not_affected", 0),
    ("fixed", 0),
    ("affected", 1),
    ("under_investigation", 1),
)


@pytest.mark.parametrize(("status", "counts"), STATUSES)
def test_vex_sets_aside_what_it_calls_harmless_and_nothing_else(status: VexStatus, counts: int) -> None:
    mark = next(
        VexMark(word) for word in ("not_affected", "fixed", "affected", "under_investigation") if word == status
    )
    found = verdict(parts.report(parts.finding(vex=mark)))
    assert len(list(found.failing)) == counts
    assert len(found.findings) == 1


def test_what_has_no_fix_is_set_aside_on_request() -> None:
    report = parts.report(parts.PLAIN, parts.UNFIXED)
    assert len(list(verdict(report).failing)) == 2
    found = verdict(report, Rules(ignore_unfixed=True))
    assert [judged.finding.id for judged in found.failing] == [parts.PLAIN.id]
    assert found.set_aside == {"unfixed": 1}


def test_the_ignore_file_sets_aside_by_any_name() -> None:
    for identifier in ("CVE-2024-6345", "ghsa-cx63-2mw6-8hw5"):
        found = verdict(parts.report(parts.EXPLOITED), ignoring(entry(identifier)))
        assert found.exit is Exit.CLEAN
        assert found.set_aside == {"file": 1}


@pytest.mark.parametrize(("package", "counts"), [("openssl", 0), ("libssl3", 0), ("zlib", 1)])
def test_an_entry_for_a_package_is_for_that_package_only(package: str, counts: int) -> None:
    found = verdict(parts.report(parts.PLAIN), ignoring(entry(parts.PLAIN.id, package=package)))
    assert len(list(found.failing)) == counts


def test_an_entry_counts_until_its_last_day_and_is_said_to_have_expired_after_it() -> None:
    assert verdict(parts.report(parts.PLAIN), ignoring(entry(parts.PLAIN.id, TODAY))).exit is Exit.CLEAN
    found = verdict(parts.report(parts.PLAIN), ignoring(entry(parts.PLAIN.id, date(2026, 2, 28))))
    assert found.exit is Exit.FINDINGS
    assert found.notes == (f"ignore.toml: {parts.PLAIN.id} is no longer ignored: its entry expired on 2026-02-28.",)


def test_an_entry_that_meets_nothing_is_said_to_be_needless() -> None:
    found = verdict(parts.report(parts.PLAIN), ignoring(entry("CVE-1999-1", package="zlib")))
    assert found.notes == ("ignore.toml: CVE-1999-1 (zlib) is ignored there and not found here; the entry can go.",)


def test_the_baseline_sets_aside_what_it_has_too_and_tells_what_is_gone() -> None:
    older = replace(parts.OPENSSL, version="3.0.1")
    baseline = parts.report(parts.finding(package=older), parts.finding("CVE-2020-1"))
    found = verdict(parts.report(parts.EXPLOITED, parts.PLAIN), baseline=baseline)
    assert [judged.new for judged in found.findings] == [True, False]
    assert [judged.finding.id for judged in found.failing] == [parts.EXPLOITED.id]
    assert found.baseline is not None
    assert [finding.id for finding in found.baseline.gone] == ["CVE-2020-1"]


def test_a_finding_of_the_baseline_under_another_name_is_the_same() -> None:
    baseline = parts.report(parts.finding("GHSA-cx63-2mw6-8hw5", parts.SETUPTOOLS))
    assert verdict(parts.report(parts.EXPLOITED), baseline=baseline).exit is Exit.CLEAN


def test_a_baseline_that_was_not_scanned_whole_excuses_nothing_and_is_said() -> None:
    found = verdict(parts.report(parts.PLAIN), baseline=parts.report(complete=False))
    assert found.exit is Exit.FINDINGS
    assert "baseline could not be scanned completely" in found.notes[0]


def test_a_denied_license_fails_whatever_the_threshold() -> None:
    found = verdict(parts.report(), Rules("none", deny_licenses=("mit",)))
    assert found.exit is Exit.FINDINGS
    assert found.licenses is not None
    assert [denied.package.name for denied in found.licenses.denied] == ["setuptools"]
    assert conclusion(found) == "FAILED: 1 package under denied licenses."
    assert found.notes == ("1 package state no license: --deny-license cannot tell.",)


@pytest.mark.parametrize(
    ("expression", "denied"),
    [
        ("GPL-3.0-only", True),
        ("gpl-3.0-ONLY", True),
        ("GPL-3.0-only OR MIT", False),
        ("GPL-3.0-only OR AGPL-3.0-only", True),
        ("GPL-3.0-only AND MIT", True),
        ("MIT AND (BSD-3-Clause OR GPL-3.0-only)", False),
        ("MIT AND (AGPL-3.0-only OR GPL-3.0-only)", True),
        ("(GPL-3.0-only)", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", True),
        ("MIT", False),
        ("GPL-3.0-only OR", False),
        ("(MIT", False),
        ("GNU General Public License", False),
        ("Secret Licence v1", True),
        ("OR", False),
        ("", False),
    ],
)
def test_license_expressions_are_read_by_their_operators(expression: str, denied: bool) -> None:
    package = replace(parts.OPENSSL, licenses=(expression,))
    patterns = ("GPL-3.0-only", "AGPL-*", "Secret Licence*")
    assert bool(check_licenses([package], patterns).denied) is denied


@given(st.text(alphabet="()ANDORWITHMIT -.+", max_size=60))
def test_no_license_text_breaks_the_reader(text: str) -> None:
    package = replace(parts.OPENSSL, licenses=(text,))
    assert check_licenses([package], ("*",)).denied != () or not text.strip()


def test_a_long_license_text_is_one_name() -> None:
    package = replace(parts.OPENSSL, licenses=("MIT OR " * 200 + "MIT",))
    assert check_licenses([package], ("MIT",)).denied == ()


def read(tmp_path: Path, text: str) -> IgnoreFile:
    path = tmp_path / "ignore.toml"
    path.write_bytes(text.encode("latin-1"))
    return read_ignore_file(path, TODAY)


def test_an_ignore_file_is_read_with_its_reasons_and_dates(tmp_path: Path) -> None:
    text = """
[[ignore]]
id = "CVE-2024-1"
reason = "no foreign input"
expires = 2027-01-31

[[ignore]]
id = "GHSA-1"
package = "pkg:pypi/x@1"
reason = "vendored"
expires = "2026-06-01"

[[ignore]]
id = "CVE-2024-2"
reason = "x"
expires = 2026-06-01T12:00:00Z
"""
    assert read(tmp_path, text).entries == (
        Entry("CVE-2024-1", "no foreign input", date(2027, 1, 31)),
        Entry("GHSA-1", "vendored", date(2026, 6, 1), "pkg:pypi/x@1"),
        Entry("CVE-2024-2", "x", date(2026, 6, 1)),
    )
    assert read(tmp_path, "").entries == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[ignore]]\nreason='x'\nexpires=2027-01-01", "Entry 1 .* needs id"),
        ("[[ignore]]\nid='x'\nexpires=2027-01-01", "needs reason"),
        ("[[ignore]]\nid='x'\nreason=' '\nexpires=2027-01-01", "needs reason"),
        ("[[ignore]]\nid='x'\nreason='x'", "needs expires"),
        ("[[ignore]]\nid='x'\nreason='x'\nexpires='soon'", "needs expires"),
        ("[[ignore]]\nid='x'\nreason='x'\nexpires=2027-01-01\npackage=1", "needs package"),
        ("[[ignore]]\nid='x'\nreason='x'\nexpire=2027-01-01", "unknown keys: expire"),
        ("ignore=['CVE-1']", "Entry 1 .* not a table"),
        ("ignore='CVE-1'", "something else"),
        ("[[ignored]]\nid='x'", "something else"),
        ("[[", "not TOML"),
        ("# \xff", "not TOML in UTF-8"),
    ],
)
def test_an_ignore_file_with_a_mistake_is_refused_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        read(tmp_path, text)


def test_an_ignore_file_that_is_not_there_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_ignore_file(tmp_path / "none.toml", TODAY)
    monkeypatch.setattr("mcp_dockerhub.scan.ignoring.MAX_BYTES", 3)
    with pytest.raises(InvalidInput, match="larger than 3"):
        read(tmp_path, "# long")


NOTICE = parts.finding("USN-7000-1", aliases=("CVE-2026-1", "CVE-2026-2", "LSN-1"), about=("CVE-2026-1", "CVE-2026-2"))


@pytest.mark.parametrize(
    ("ids", "counts"),
    [
        (("CVE-2026-1",), 1),
        (("CVE-2026-1", "CVE-2026-2"), 0),
        (("USN-7000-1",), 0),
        (("LSN-1",), 0),
    ],
)
def test_a_notice_is_ignored_by_its_name_or_with_everything_it_is_about(ids: tuple[str, ...], counts: int) -> None:
    found = verdict(parts.report(NOTICE), ignoring(*map(entry, ids)))
    assert len(list(found.failing)) == counts
    assert found.notes == ()


def test_a_notice_counts_again_when_the_first_of_its_entries_ends() -> None:
    rules = ignoring(entry("CVE-2026-1", date(2026, 2, 1)), entry("CVE-2026-2"))
    found = verdict(parts.report(NOTICE), rules)
    assert found.exit == Exit.FINDINGS
    assert "no longer ignored" in found.notes[0]


@pytest.mark.parametrize(("known", "new"), [(("CVE-2026-1",), True), (("CVE-2026-1", "CVE-2026-2"), False)])
def test_a_notice_is_old_when_the_baseline_has_all_it_is_about(known: tuple[str, ...], new: bool) -> None:
    found = verdict(parts.report(NOTICE), baseline=parts.report(*map(parts.finding, known)))
    assert [judged.new for judged in found.findings] == [new]
    assert verdict(parts.report(NOTICE), baseline=parts.report(NOTICE)).exit == Exit.CLEAN
