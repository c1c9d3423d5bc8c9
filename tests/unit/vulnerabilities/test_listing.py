"""What is shown of a report: filters, pages, the text a model reads, and that nothing reads better than it is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.advisories.model import Reference as Link
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.packages import Distro
from mcp_dockerhub.supply_chain.vulnerabilities.difference import Changes, changes
from mcp_dockerhub.supply_chain.vulnerabilities.listing import MAX_GAPS, Wanted, image_vulnerabilities, listed
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScannedBase, UnmatchedPackages, VexMark
from tests.upstreams.advisory_fakes import Known
from tests.upstreams.attestations import SPDX, spdx, spdx_package, statement
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.scan_reports import EXPLOITED, LIKELY, finding, package, report

HIGH = finding("CVE-2026-1", "high", fixed=("3.1.3", "4.0"))
LOW = finding("CVE-2026-2", "low")
UNRATED = finding("CVE-2026-3", "unknown")
EXPLOITED_LOW = finding("CVE-2026-4", "low", known_exploited=EXPLOITED, epss=LIKELY, in_base=True, layer="sha256:1")
OTHER = finding(
    "CVE-2026-5", "medium", packages=(package("libssl3", source_name="openssl"), package("openssl", location="/x"))
)
ALL = report(EXPLOITED_LOW, HIGH, OTHER, UNRATED, LOW)


def shown(wanted: Wanted) -> list[str]:
    return [row.id[-1] for row in listed(ALL, wanted).findings]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), "41532"),
        (Wanted("low"), "4152"),
        (Wanted("medium"), "415"),
        (Wanted("high"), "41"),
        (Wanted("critical"), "4"),
        (Wanted(only_fixable=True), "1"),
        (Wanted("critical", only_fixable=True), ""),
        (Wanted(package="OPENSSL"), "5"),
        (Wanted(package="ssl3"), "5"),
        (Wanted(package="jinja"), "4132"),
        (Wanted(limit=2), "41"),
        (Wanted(limit=2, page=2), "53"),
        (Wanted(limit=2, page=4), ""),
    ],
)
def test_filters_and_pages(wanted: Wanted, expected: str) -> None:
    assert "".join(shown(wanted)) == expected


def test_counts_are_of_everything_whatever_the_filters() -> None:
    answer = listed(ALL, Wanted("high", limit=1))
    assert answer.counts == {"high": 1, "medium": 1, "low": 2, "unknown": 1}
    assert (answer.total, answer.pages, answer.exploited) == (2, 2, 1)


def test_a_filter_never_hides_what_nobody_rated_without_a_word() -> None:
    answer = listed(ALL, Wanted("high"))
    assert answer.warnings == ["1 finding that nobody has rated may be as severe, and not listed here."]
    assert listed(ALL, Wanted()).warnings == []


def test_the_text_says_first_what_matters() -> None:
    text = listed(ALL, Wanted()).render().splitlines()
    assert text[0] == (
        "ghcr.io/o/app:v1 (linux/amd64): 5 findings (1 high, 1 medium, 2 low, 1 not rated); 1 KNOWN TO BE EXPLOITED"
    )
    assert text[1] == "complete: 1 package, each of them matched"
    assert text[2].split() == ["id", "package", "installed", "why"]
    assert text[3].split(maxsplit=3)[3] == (
        "known to be exploited since 2026-02-03; EPSS 50 %; low (2.0, CVSS:3.1); no fix known; in the base image"
    )
    assert text[5].split()[:3] == ["CVE-2026-5", "libssl3", "+1"]
    assert "packages   1 of 1 matched, from layers (catalogue)" in text
    assert "database   made-up database of 2026-03-01" in text
    assert "not known  EPSS" in text


def test_no_findings_read_as_clean_only_where_complete() -> None:
    clean = listed(report(), Wanted()).render().splitlines()
    assert clean[:2] == [
        "ghcr.io/o/app:v1 (linux/amd64): no known vulnerability",
        "complete: 1 package, each of them matched",
    ]
    gap = UnmatchedPackages("CPython", "no package accounts for it", 2, ("/usr/local/bin/python3",))
    partial = report(unmatched=(gap,), incomplete_because=("Not covered by any package: CPython.",))
    answer = listed(partial, Wanted())
    assert not answer.complete
    lines = answer.render().splitlines()
    assert lines[:3] == [
        "ghcr.io/o/app:v1 (linux/amd64): none found in what could be matched",
        "NOT COMPLETE, more may be there:",
        "- Not covered by any package: CPython.",
    ]
    assert "? not matched: CPython (2) [/usr/local/bin/python3]: no package accounts for it" in lines


def test_nothing_as_asked_for_is_told_from_nothing_found() -> None:
    assert "5 findings" in listed(ALL, Wanted(package="nobody")).render()
    assert "; 0 as asked for" in listed(ALL, Wanted(package="nobody")).render()


def test_a_vex_mark_is_shown_counted_and_somebodys_word() -> None:
    mark = VexMark("not_affected", "vulnerable_code_not_present", "Never called.", "", "file.json")
    answer = listed(report(replace(HIGH, vex=mark)), Wanted())
    assert (answer.vex, answer.findings[0].vex) == (1, "not_affected")
    assert answer.findings[0].vex_reason == (
        "vulnerable code not present: Never called. (unnamed author, file.json; signature not checked)"
    )
    assert "VEX" in answer.render()
    assert answer.counts == {"high": 1}


def test_what_is_known_of_the_image_is_said() -> None:
    made = report(
        HIGH,
        base=ScannedBase("debian:12", "", 1, sure=True),
        distro=Distro("debian", "12"),
        fetched_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    answer = listed(made, Wanted())
    assert (answer.base, answer.distribution) == ("debian:12", "debian 12")


def test_references_say_the_advisory_first_and_stay_few() -> None:
    links = [Link("WEB", f"https://example.com/{place}") for place in range(9)]
    row = listed(
        report(replace(HIGH, references=(*links, Link("FIX", "https://f"), Link("ADVISORY", "https://a")))), Wanted()
    )
    assert row.findings[0].references[:2] == ["https://a", "https://f"]
    assert len(row.findings[0].references) == 4


def test_many_gaps_are_cut_with_a_word() -> None:
    gaps = tuple(UnmatchedPackages(f"thing {place}", "why") for place in range(MAX_GAPS + 3))
    answer = listed(report(unmatched=gaps, incomplete_because=("x",)), Wanted())
    assert len(answer.coverage.unmatched) == MAX_GAPS
    assert "3 more kinds of things that could not be matched are not listed." in answer.warnings


def test_text_by_strangers_is_made_harmless() -> None:
    nasty = finding("CVE-2026-9", summary="![x](https://evil/x.png)<script>\x1b[31m", packages=(package("a\u202eb"),))
    answer = listed(report(nasty), Wanted())
    assert "<script>" not in answer.model_dump_json()
    assert "\u202e" not in answer.render()


def test_a_difference_is_by_vulnerability() -> None:
    older = report(HIGH, EXPLOITED_LOW, image=Reference.parse("app:1"), incomplete_because=("No idea.",))
    moved = replace(HIGH, packages=(package(version="3.1.3"),))
    newer = report(moved, UNRATED, replace(UNRATED, packages=(package("other"),)), image=Reference.parse("app:2"))
    found = changes(older, newer)
    assert [row.id for row in found.only_image1] == ["CVE-2026-4"]
    assert found.only_image1[0].exploited
    assert found.only_image2[0].packages == ["jinja2 3.1.2", "other 3.1.2"]
    assert (found.total1, found.total2, found.both, found.complete) == (1, 1, 1, False)
    assert found.lines() == [
        "vulnerabilities: 1 only in the first, 1 only in the second, 1 in both",
        "  NOT COMPLETE: app:1: No idea.",
        "  only first: CVE-2026-4 (low, known to be exploited) in jinja2 3.1.2",
        "  only second: CVE-2026-3 (unknown) in jinja2 3.1.2, other 3.1.2",
    ]


def test_a_long_difference_is_cut_with_a_word() -> None:
    many = report(*(finding(f"CVE-2026-{place}") for place in range(60)))
    found = changes(many, report())
    assert (len(found.only_image1), found.total1) == (50, 60)
    assert found.lines()[-1] == "  only first: … 50 more"


def push(registry: InMemoryRegistry, tag: str, version: str) -> None:
    image = registry.add_image("o/app", layers=(version.encode(),))
    content = spdx([spdx_package("jinja2", version, f"pkg:pypi/jinja2@{version}")])
    child = registry.add_attestation("o/app", image, [statement(image.digest, SPDX, content)])
    registry.add_index("o/app", tag, [image, child])


@pytest.mark.anyio
async def test_two_images_are_scanned_for_their_difference(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, "v1", "3.1.2")
    push(registry, "v2", "3.1.3")
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    known.kev.warning = "CISA's list could not be read."
    seen = Provenance()
    one, two = Reference.parse("ghcr.io/o/app:v1"), Reference.parse("ghcr.io/o/app:v2")
    found = await Changes(chain, Caller())(one, two, None, seen)
    assert ([row.id for row in found.only_image1], found.only_image2) == (["CVE-2024-22195"], [])
    assert seen.warnings == ["CISA's list could not be read."]


@pytest.mark.anyio
async def test_the_tools_answer_is_the_report(chain: SupplyChain, registry: InMemoryRegistry, known: Known) -> None:
    push(registry, "v1", "3.1.2")
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    answer = await image_vulnerabilities(chain, Caller(), Reference.parse("ghcr.io/o/app:v1"), None, Wanted())
    assert [row.id for row in answer.findings] == ["CVE-2024-22195"]
    assert answer.coverage.document
    assert "from SBOM sha256:" in answer.render()


@pytest.mark.anyio
async def test_scans_are_counted_by_source_and_coverage(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    push(registry, "v1", "3.1.2")
    counted: list[tuple[str, str]] = []
    counting = replace(chain, count_scan=lambda source, coverage: counted.append((source, coverage)))
    for _ in range(2):
        await image_vulnerabilities(counting, Caller(), Reference.parse("ghcr.io/o/app:v1"), None, Wanted())
    assert counted == [("attestation", "full")]


def test_a_filter_that_fits_no_package_of_the_image_is_said() -> None:
    packages = (package("libssl3", source_name="openssl"),)
    held = replace(report(), packages=packages)
    assert listed(held, Wanted(package="OpenSSL")).warnings == []
    (warning,) = listed(held, Wanted(package="opensll")).warnings
    assert "No package that was found in the image has that in its name" in warning
