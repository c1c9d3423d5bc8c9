"""From an image to its vulnerabilities: what is found, whose it is, what it costs, and what is not known."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mcp_dockerhub.cache import Cache, Cached, Kind
from mcp_dockerhub.errors import NotFound, PolicyDenied, Unsupported, UpstreamUnavailable
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.advisories.model import DatabaseFacts
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.packages import Coverage, Distro, Gap, GapKind, Package, PackageSet
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanOptions, ScanReport, VexSource
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image
from tests.upstreams.advisory_fakes import Known, advisory
from tests.upstreams.attestations import IN_TOTO, SPDX, refer, spdx, spdx_package, statement
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
JINJA = spdx_package("Jinja2", "3.1.2", "pkg:pypi/jinja2@3.1.2")
SSL = spdx_package(
    "libssl3",
    "3.0.15-1~deb12u1",
    "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl%403.0.15-1",
)
CRYPTO = spdx_package("openssl", "3.0.15-1", "pkg:deb/debian/openssl@3.0.15-1?arch=amd64&distro=debian-12")


def push(registry: InMemoryRegistry, packages: list[Any], **image: Any) -> Seeded:
    """An image with an SBOM in its index, of which the image is returned."""
    pushed = registry.add_image("o/app", **image)
    child = registry.add_attestation("o/app", pushed, [statement(pushed.digest, SPDX, spdx(packages))])
    registry.add_index("o/app", "v1", [pushed, child])
    return pushed


async def scanned(chain: SupplyChain, **more: Any) -> ScanReport:
    return await scan_image(chain, Caller(), APP, None, **more)


def ids(report: ScanReport) -> list[str]:
    return [finding.id for finding in report.findings]


async def test_a_vulnerable_package_of_an_attached_sbom_is_found(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    image = push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", advisory("CVE-2024-22195", "GHSA-h5c8-rqwp-cp95"), "medium", "3.1.3")
    report = await scanned(chain)
    (finding,) = report.findings
    assert (finding.id, finding.aliases, finding.severity) == ("CVE-2024-22195", ("GHSA-h5c8-rqwp-cp95",), "medium")
    assert (finding.package.name, finding.package.version, finding.fixed) == ("jinja2", "3.1.2", ("3.1.3",))
    assert finding.ecosystem == "PyPI"
    assert report.manifest == image.digest
    assert report.sbom.document is not None
    assert (report.matched, report.unmatched, report.complete) == (1, (), True)


async def test_binaries_of_one_source_package_share_its_finding(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [SSL, CRYPTO])
    known.database.add("openssl", "3.0.15-1", "CVE-2025-1", "high")
    (finding,) = (await scanned(chain)).findings
    assert [package.name for package in finding.packages] == ["libssl3", "openssl"]
    assert finding.source_package == "openssl"


async def test_a_warm_scan_asks_nobody(chain: SupplyChain, registry: InMemoryRegistry, known: Known) -> None:
    push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    first = await scanned(chain)
    registry.clear()
    again = await scanned(chain)
    assert (registry.requests, len(known.database.asked)) == ([], 1)
    assert (again.requests, again.source) == (0, "cache")
    assert replace(again, requests=first.requests, source=first.source) == first


async def test_what_a_list_could_not_rank_is_not_kept(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    known.kev.warning = "CISA's list could not be read."
    blind = await scanned(chain)
    assert [feed.available for feed in blind.feeds] == [False, True]
    assert "CISA's list could not be read." in blind.warnings
    known.kev.warning, known.kev.listed = "", frozenset({"CVE-2024-22195"})
    (finding,) = (await scanned(chain)).findings
    assert finding.known_exploited


async def test_reports_of_one_image_under_two_names_are_kept_apart(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    push(registry, [JINJA])
    report = await scan_image(
        chain, Caller(), Reference.parse(f"ghcr.io/o/app@{(await scanned(chain)).manifest}"), None
    )
    assert report.image.digest


async def test_a_database_that_cannot_be_asked_is_an_error(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    known.database.fails = UpstreamUnavailable("OSV cannot be reached.")
    with pytest.raises(UpstreamUnavailable):
        await scanned(chain)


async def test_without_a_database_there_is_no_answer(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    push(registry, [JINJA])
    with pytest.raises(Unsupported, match="No vulnerability database"):
        await scanned(replace(chain, advisories=None))


async def test_without_packages_there_is_no_answer(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1")
    with pytest.raises(NotFound, match="No SBOM"):
        await scanned(chain)


async def test_packages_nobody_could_match_are_named_and_make_it_incomplete(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    versionless = spdx_package("mystery", "", "pkg:pypi/mystery")
    runtime = spdx_package("python", "3.13.1", "pkg:generic/python@3.13.1")
    push(registry, [JINJA, versionless, runtime])
    known.database.unanswered["jinja2"] = "the version cannot be compared"
    report = await scanned(chain)
    said = {entry.what: (entry.reason, entry.evidence) for entry in report.unmatched}
    assert report.matched == 0
    assert not report.complete
    assert {entry.count for entry in report.unmatched} == {1}
    assert [evidence for _, (evidence,) in said.values()]
    reasons = [entry.reason for entry in report.unmatched]
    assert "the version cannot be compared" in reasons
    assert "it does not say its version" in reasons
    assert any("generic" in entry.what and entry.evidence == ("python 3.13.1",) for entry in report.unmatched)
    assert report.incomplete_because[0] == "3 of 3 packages could not be matched with any database."


async def test_a_runtime_that_only_the_environment_tells_of_makes_it_incomplete(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    push(registry, [JINJA], config={"Env": ["PATH=/bin", "PYTHON_VERSION=3.13.1"]})
    report = await scanned(chain)
    (entry,) = report.unmatched
    assert (entry.what, entry.evidence) == ("CPython", ("PYTHON_VERSION=3.13.1",))
    assert report.incomplete_because == ("Not covered by any package: CPython.",)


async def test_a_package_that_accounts_for_the_runtime_is_enough(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    package = spdx_package("nodejs", "22.1.0-1", "pkg:deb/debian/nodejs@22.1.0-1?distro=debian-12")
    push(registry, [package], config={"Env": ["NODE_VERSION=22.1.0", "malformed"]})
    assert (await scanned(chain)).complete


async def test_an_sbom_that_cannot_tell_is_said_so(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    pushed = registry.add_image("o/app")
    document = spdx([JINJA], creationInfo={"creators": ["Tool: acme-lister-1"]})
    child = registry.add_attestation("o/app", pushed, [statement(pushed.digest, SPDX, document)])
    registry.add_index("o/app", "v1", [pushed, child])
    report = await scanned(chain)
    assert "does not tell whether anybody looked for programs" in report.incomplete_because[0]


async def test_an_empty_sbom_is_no_clean_image(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    push(registry, [])
    report = await scanned(chain)
    assert report.findings == ()
    assert report.incomplete_because == ("The list of packages is empty, and the layers were not read.",)


async def test_a_release_past_its_end_is_said_first(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    push(registry, [spdx_package("bash", "5.0-4", "pkg:deb/debian/bash@5.0-4?distro=debian-9")])
    report = await scanned(chain)
    assert "Debian" in report.warnings[0]
    assert report.warnings[0] in report.incomplete_because


async def test_an_unreadable_configuration_costs_completeness(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    image = push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    registry.script(503, path=f"/blobs/{image.config_digest}")
    report = await scanned(chain)
    assert ids(report) == ["CVE-2024-22195"]
    assert not report.complete
    assert report.layers == ()
    assert any("configuration could not be read" in warning for warning in report.warnings)


class Layers:
    """Satisfies ``Cataloguer``."""

    def __init__(self, found: PackageSet) -> None:
        self.found = found

    async def catalogue(self, *_: Any) -> Cached[PackageSet]:
        return Cached(self.found, "live", datetime.now(UTC))


async def test_what_the_layers_hold_besides_packages_is_named_with_its_evidence(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    registry.add_image("o/app", "v1", config={"Env": ["PYTHON_VERSION=3.13.1"]})
    gap = Gap(GapKind.UNOWNED, "CPython", ("/usr/local/bin/python3.13",))
    found = PackageSet(
        packages=(Package(type="pypi", name="six", version="1.17.0", purl="pkg:pypi/six@1.17.0"),),
        found="catalogue",
        coverage=Coverage((gap,), ("pypi",)),
    )
    report = await scanned(replace(chain, cataloguer=Layers(found)))
    (entry,) = report.unmatched
    assert (entry.what, entry.evidence) == ("CPython", ("/usr/local/bin/python3.13",))
    assert report.incomplete_because == ("Not covered by any package: CPython.",)
    assert report.sbom.found == "catalogue"


async def test_an_owned_library_is_matched_by_its_owner_only(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    registry.add_image("o/app", "v1")
    deb = "pkg:deb/debian/python3-yaml@6.0-3?distro=debian-12"
    found = PackageSet(
        packages=(
            Package(type="deb", name="python3-yaml", version="6.0-3", purl=deb, source_name="pyyaml"),
            Package(type="pypi", name="PyYAML", version="6.0", purl="pkg:pypi/pyyaml@6.0", owner=deb),
            Package(type="pypi", name="lost", version="1", purl="pkg:pypi/lost@1", owner="pkg:deb/debian/gone@1"),
        ),
        found="catalogue",
        distro=Distro("debian", "12"),
    )
    report = await scanned(replace(chain, cataloguer=Layers(found)))
    assert [query.name for query in known.database.asked[0]] == ["pyyaml"]
    assert report.matched == 2
    (entry,) = report.unmatched
    assert entry.evidence == ("lost 1",)
    known.database.unanswered["pyyaml"] = "no advisories of this release"
    again = await scanned(replace(chain, cataloguer=Layers(found), cache=None))
    assert again.matched == 0


async def test_progress_tells_how_many_ids_were_found(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195").add("jinja2", "3.1.2", "CVE-2024-34064")
    told: list[int] = []

    async def hear(count: int) -> None:
        told.append(count)

    await scanned(chain, progress=hear)
    assert told == [2]


async def test_each_platform_is_scanned_for_itself(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    arm = registry.add_image("o/app", platform="linux/arm64")
    child = registry.add_attestation("o/app", arm, [statement(arm.digest, SPDX, spdx([SSL]))])
    amd = registry.add_image("o/app", platform="linux/amd64")
    other = registry.add_attestation("o/app", amd, [statement(amd.digest, SPDX, spdx([JINJA]))])
    registry.add_index("o/app", "v1", [amd, other, arm, child])
    known.database.add("jinja2", "3.1.2", "CVE-1").add("openssl", "3.0.15-1", "CVE-2")
    assert ids(await scanned(chain)) == ["CVE-1"]
    report = await scan_image(chain, Caller(), APP, Platform.parse("linux/arm64"))
    assert (ids(report), report.manifest) == (["CVE-2"], arm.digest)


async def test_a_local_database_tells_its_age(chain: SupplyChain, registry: InMemoryRegistry, known: Known) -> None:
    push(registry, [JINJA])
    known.database.facts = DatabaseFacts("local database", local=True, warnings=("It is 40 days old.",))
    report = await scanned(chain)
    assert report.database.local
    assert "It is 40 days old." in report.warnings


async def test_exploited_and_likely_vulnerabilities_come_first(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    for name, severity, fixed in (
        ("CVE-2026-1", "critical", "9"),
        ("CVE-2026-2", "low", ""),
        ("CVE-2026-3", "medium", ""),
        ("CVE-2026-4", "critical", ""),
        ("CVE-2026-5", "unknown", ""),
    ):
        known.database.add("jinja2", "3.1.2", name, severity, *([fixed] if fixed else []))  # type: ignore[arg-type]
    known.kev.listed = frozenset({"CVE-2026-2"})
    known.epss.scores = {"CVE-2026-3": 0.62, "CVE-2026-1": 0.003}
    report = await scanned(chain)
    assert ids(report) == ["CVE-2026-2", "CVE-2026-3", "CVE-2026-1", "CVE-2026-4", "CVE-2026-5"]
    assert [finding.why for finding in report.findings] == [
        "known to be exploited since 2026-02-03, in ransomware; low (2.0, CVSS:3.1); no fix known",
        "EPSS 62 %; medium (5.3, CVSS:3.1); no fix known",
        "EPSS 0.3 %; critical (9.8, CVSS:3.1); fixed in 9",
        "critical (9.8, CVSS:3.1); no fix known",
        "not rated; no fix known",
    ]


async def test_lists_that_are_switched_off_are_not_known(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    report = await scanned(replace(chain, advisories=replace(known.advisories, kev=None, epss=None)))
    assert [feed.available for feed in report.feeds] == [False, False]
    assert report.warnings == ()


async def test_options_make_a_report_of_its_own(chain: SupplyChain, registry: InMemoryRegistry, known: Known) -> None:
    push(registry, [JINJA])
    await scanned(chain)
    await scanned(chain, options=ScanOptions(find_base=False, attached_vex=False))
    assert len(known.database.asked) == 2


async def test_a_scan_is_shared_and_outlives_whoever_asked_first(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: int) -> None:
        begun.set()
        await go_on.wait()

    first = asyncio.create_task(scanned(chain, progress=wait))
    async with asyncio.timeout(10):
        await begun.wait()
        second = asyncio.create_task(scanned(chain))
        while chain.cache is not None and not chain.cache.stats().kinds[Kind.VULNERABILITIES].joins:
            await asyncio.sleep(0)
        first.cancel()
        go_on.set()
        report = await second
    assert ids(report) == ["CVE-2024-22195"]
    assert len(known.database.asked) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_tenants_do_not_share_reports(chain: SupplyChain, registry: InMemoryRegistry, known: Known) -> None:
    push(registry, [JINJA])
    for partition in ("one", "two"):
        await scan_image(chain, Caller(partition=partition), APP, None)
    assert len(known.database.asked) == 2


async def test_a_kept_report_is_for_those_who_may_read_the_image(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    push(registry, [JINJA])
    await scanned(chain)
    with pytest.raises(PolicyDenied):
        await scan_image(chain, Caller(denied=frozenset({"ghcr.io/o/app"})), APP, None)


async def test_a_database_that_may_lack_something_makes_no_scan_complete(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [JINJA])
    known.database.facts = DatabaseFacts("local database", local=True, warnings=("It is 40 days old.",))
    report = await scanned(chain)
    assert report.findings == ()
    assert (report.complete, report.incomplete_because) == (False, ("It is 40 days old.",))


async def test_packages_of_a_release_past_its_end_are_said_whatever_the_document_calls_the_image(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    old = spdx_package("openssl", "1.1.0l-1", "pkg:deb/debian/openssl@1.1.0l-1?arch=amd64&distro=debian-9")
    push(registry, [JINJA, CRYPTO, old])
    report = await scanned(chain)
    assert report.complete is False
    assert any("Debian 9 is past its end of life" in reason for reason in report.incomplete_because)
    assert any("Debian 9 is past its end of life" in warning for warning in report.warnings)


async def test_a_replaced_database_is_asked_anew(chain: SupplyChain, registry: InMemoryRegistry, known: Known) -> None:
    push(registry, [JINJA])
    assert ids(await scanned(chain)) == []
    known.database.add("jinja2", "3.1.2", "CVE-2024-22195")
    assert ids(await scanned(chain)) == []
    known.database.replaced += 1
    assert ids(await scanned(chain)) == ["CVE-2024-22195"]


async def test_a_report_that_cannot_be_made_anew_is_no_longer_complete(
    sources: Sources, registry: InMemoryRegistry, known: Known
) -> None:
    elapsed = [0.0]
    cache = Cache(clock=lambda: elapsed[0])
    chain = SupplyChain(sources, advisories=known.advisories, cache=cache)
    push(registry, [JINJA])
    assert (await scanned(chain)).complete
    elapsed[0] = 3 * 3600.0
    known.database.fails = UpstreamUnavailable("OSV cannot be reached.")
    report = await scanned(chain)
    await cache.aclose()
    assert (report.source, report.complete) == ("stale", False)
    assert "cannot be found out anew now" in report.incomplete_because[0]
    assert report.incomplete_because[0] == report.warnings[0]


async def test_a_list_about_the_whole_index_may_be_that_of_another_platform(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app")
    arm = registry.add_image("o/app", platform="linux/arm64")
    index = registry.add_index("o/app", "v1", [image, arm])
    refer(registry, index, statement(index.digest, SPDX, spdx([JINJA])), IN_TOTO, predicateType=SPDX)
    report = await scanned(chain)
    assert report.matched == 1
    assert report.incomplete_because == (
        "The list of packages is about the whole index: it may be that of another platform's image.",
    )


async def test_a_list_about_an_index_of_one_image_is_about_that_image(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app")
    record = registry.add_attestation("o/app", image, [statement(image.digest, "https://slsa.dev/provenance/v1", {})])
    index = registry.add_index("o/app", "v1", [image, record])
    refer(registry, index, statement(index.digest, SPDX, spdx([JINJA])), IN_TOTO, predicateType=SPDX)
    report = await scanned(chain)
    assert (report.matched, report.complete) == (1, True)


NOTICE = replace(advisory("USN-7000-1"), upstream=("CVE-2026-1", "CVE-2026-2", "UBUNTU-CVE-2026-1"))


async def test_a_notice_about_several_vulnerabilities_is_not_excused_by_what_is_said_of_one(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    push(registry, [CRYPTO])
    known.database.add("openssl", "3.0.15-1", NOTICE)

    async def mark(*statements: tuple[str, str]) -> str:
        said = [
            {
                "vulnerability": {"name": name},
                "products": [{"@id": "pkg:deb/debian/openssl"}],
                "status": status,
                "justification": "vulnerable_code_not_present",
            }
            for name, status in statements
        ]
        document = json.dumps({"@context": "https://openvex.dev/ns/v0.2.0", "statements": said}).encode()
        (finding,) = (await scanned(chain, options=ScanOptions(vex=(VexSource("v.json", document),)))).findings
        assert finding.about == ("CVE-2026-1", "CVE-2026-2")
        return finding.vex.status if finding.vex else ""

    assert await mark(("CVE-2026-1", "not_affected")) == ""
    assert await mark(("CVE-2026-1", "not_affected"), ("CVE-2026-2", "fixed")) == "not_affected"
    assert await mark(("CVE-2026-1", "not_affected"), ("CVE-2026-2", "affected")) == "affected"
    assert await mark(("USN-7000-1", "fixed")) == "fixed"


async def test_a_package_of_another_repository_keeps_its_findings_and_is_not_called_matched(
    chain: SupplyChain, registry: InMemoryRegistry, known: Known
) -> None:
    version = "1.29.1-1~bookworm"
    push(registry, [JINJA, spdx_package("nginx", version, f"pkg:deb/debian/nginx@{version}?distro=debian-12")])
    known.database.add("nginx", version, "CVE-2009-4487")
    report = await scanned(chain)
    assert ids(report) == ["CVE-2009-4487"]
    assert (report.matched, report.complete) == (1, False)
    (gap,) = report.unmatched
    assert gap.evidence == (f"nginx {version}",)
    assert gap.reason.startswith("it is of another repository than the distribution's")


async def test_a_makers_own_package_is_said_whoever_listed_it(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    nginx = spdx_package("nginx", "1.27.3-r1", "pkg:apk/alpine/nginx@1.27.3-r1?arch=x86_64&distro=alpine-3.23.0")
    push(registry, [nginx], config={"Env": ["NGINX_VERSION=1.27.3"]})
    report = await scanned(chain)
    assert [gap.what for gap in report.unmatched] == ["nginx"]
    assert report.incomplete_because == ("Not covered by any package: nginx.",)


async def test_a_list_without_source_packages_is_not_complete(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    purl = "pkg:deb/debian/libssl3@3.0.15-1?arch=amd64&distro=debian-12"
    push(registry, [spdx_package("libssl3", "3.0.15-1", purl)])
    report = await scanned(chain)
    assert report.incomplete_because == (
        "The list of packages does not name source packages, which the distribution's advisories are about.",
    )
