"""Vulnerabilities through the whole server: a registry and an OSV service over HTTP below, the protocol above."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_dockerhub.settings import RegistrySetting
from tests.clients.inprocess import connected, content, settings
from tests.upstreams.attestations import SPDX, spdx, spdx_package, statement
from tests.upstreams.layers import OS_RELEASE, STATUS, Member, elf_of, metadata, tar_of
from tests.upstreams.osv import OsvState, osv_settings, running_osv
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

SYSTEM = tar_of((Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS)))
SITE = "usr/local/lib/python3.13/site-packages"
APP = tar_of(
    (
        Member(f"{SITE}/jinja2-2.10.dist-info/METADATA", metadata("Jinja2", "2.10")),
        Member("usr/local/bin/python3.13", elf_of(b"x" * 100)),
    )
)


def record(name: str, cve: str, ecosystem: str, package: str, fixed: str, **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": fixed}]
    return {
        "id": name,
        "aliases": [cve],
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "summary": "Made up for a test.",
        "affected": [
            {"package": {"ecosystem": ecosystem, "name": package}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        ],
        **more,
    }


CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
RECORDS = [
    record("GHSA-462w-v97r-4m45", "CVE-2019-10906", "PyPI", "jinja2", "2.10.1", severity=CRITICAL),
    record("PYSEC-0000-1", "CVE-2026-0001", "PyPI", "jinja2", "2.11"),
    record("DEBIAN-CVE-2026-0002", "CVE-2026-0002", "Debian:12", "openssl", "3.0.16-1"),
]
EXPLOITED = {
    "title": "made up",
    "catalogVersion": "2026.03.01",
    "dateReleased": "2026-03-01T00:00:00Z",
    "count": 1,
    "vulnerabilities": [
        {
            "cveID": "CVE-2026-0001",
            "dateAdded": "2026-02-03",
            "knownRansomwareCampaignUse": "Known",
            "dueDate": "2026-02-24",
        }
    ],
}


@dataclass(frozen=True)
class Below:
    registry: InMemoryRegistry
    osv: OsvState
    environment: dict[str, str]

    def image(self, name: str) -> str:
        return f"{self.registry.host}/{name}"

    def settings(self, folder: Path) -> Any:
        return settings(folder, registries=(RegistrySetting(host=self.registry.host, url=self.registry.url),))


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Iterator[Below]:
    state = OsvState.of_records(RECORDS)
    state.kev = json.dumps(EXPLOITED).encode()
    with InMemoryRegistry() as registry, running_osv(state) as url:
        for name, value in osv_settings(url).items():
            monkeypatch.setenv(name, value)
        seed(registry)
        yield Below(registry, state, osv_settings(url))


def seed(registry: InMemoryRegistry) -> None:
    """Two images with an SBOM attached, one without."""
    for tag, version in (("1", "2.10"), ("2", "2.10.1")):
        image = registry.add_image("o/sbom", layers=(version.encode(),))
        packages = [spdx_package("Jinja2", version, f"pkg:pypi/jinja2@{version}")]
        child = registry.add_attestation("o/sbom", image, [statement(image.digest, SPDX, spdx(packages))])
        registry.add_index("o/sbom", tag, [image, child])
    base = registry.add_image("o/base", "3", layers=(SYSTEM,))
    said = {"name": f"{registry.host}/o/base:3", "digest": base.digest}
    annotations = {f"org.opencontainers.image.base.{key}": value for key, value in said.items()}
    registry.add_image("o/layers", "1", layers=(SYSTEM, APP), annotations=annotations)


async def vulnerabilities(client: Client, image: str, **more: Any) -> dict[str, Any]:
    return await content(client, "docker_get_vulnerabilities", {"image": image, **more})


async def test_an_attached_sbom_is_matched_and_ranked(below: Below, tmp_path: Path) -> None:
    async with connected(below.settings(tmp_path)) as client:
        answer = await vulnerabilities(client, below.image("o/sbom:1"))
    assert [row["id"] for row in answer["findings"]] == ["CVE-2026-0001", "CVE-2019-10906"]
    first, second = answer["findings"]
    assert (first["exploited_since"], first["fixed"]) == ("2026-02-03", ["2.11"])
    assert (second["severity"], second["score"], second["rated_by"]) == ("critical", 9.8, "CVSS:3.1")
    assert second["aliases"] == ["GHSA-462w-v97r-4m45"]
    assert answer["complete"] is True
    assert answer["coverage"]["matched"] == 1
    assert not any("layers" in request.path for request in below.registry.requests)


async def test_what_the_layers_hold_is_matched_and_the_runtime_in_them_makes_it_incomplete(
    below: Below, tmp_path: Path
) -> None:
    async with connected(below.settings(tmp_path)) as client:
        result = await client.call_tool("docker_get_vulnerabilities", {"image": below.image("o/layers:1")})
    answer = result.structured_content
    assert answer is not None
    assert {row["id"]: row["in_base"] for row in answer["findings"]} == {
        "CVE-2026-0001": False,
        "CVE-2019-10906": False,
        "CVE-2026-0002": True,
    }
    assert answer["complete"] is False
    (gap,) = [row for row in answer["coverage"]["unmatched"] if row["what"] == "CPython"]
    assert gap["evidence"] == ["/usr/local/bin/python3.13"]
    (part,) = result.content
    assert "NOT COMPLETE" in getattr(part, "text", "")


async def test_a_warm_answer_asks_nobody_and_pages_are_of_one_scan(below: Below, tmp_path: Path) -> None:
    async with connected(below.settings(tmp_path)) as client:
        first = await vulnerabilities(client, below.image("o/sbom:1"), limit=1)
        batches, details = below.osv.count("/v1/querybatch"), below.osv.count("/v1/vulns/")
        below.registry.clear()
        below.osv.requests.clear()
        second = await vulnerabilities(client, below.image("o/sbom:1"), limit=1, page=2)
    assert (below.registry.requests, below.osv.requests) == ([], [])
    assert (batches, details) == (1, 2)
    assert (first["pages"], second["source"]) == (2, "cache")
    assert [first["findings"][0]["id"], second["findings"][0]["id"]] == ["CVE-2026-0001", "CVE-2019-10906"]


async def test_progress_grows_from_bytes_read_to_ids_found(below: Below, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message or ""))

    async with connected(below.settings(tmp_path)) as client:
        arguments = {"image": below.image("o/layers:1")}
        await client.call_tool("docker_get_vulnerabilities", arguments, progress_callback=hear)
    assert told == sorted(told, key=lambda entry: entry[0])
    assert "of the layers read" in told[0][1]
    assert told[-1][1] == "3 advisory ids found so far"


async def test_a_database_out_of_reach_is_an_error_and_no_empty_list(below: Below, tmp_path: Path) -> None:
    below.osv.broken["/v1/"] = (400, b"no")
    async with connected(below.settings(tmp_path)) as client:
        answer = await vulnerabilities(client, below.image("o/sbom:1"))
    assert answer["code"].startswith("UPSTREAM_")
    assert answer["message"].startswith("The vulnerability database could not be asked")


async def test_a_comparison_says_what_an_update_fixes(below: Below, tmp_path: Path) -> None:
    arguments = {"image1": below.image("o/sbom:1"), "image2": below.image("o/sbom:2")}
    async with connected(below.settings(tmp_path)) as client:
        plain = await content(client, "docker_compare_images", arguments)
        asked = below.osv.count("/v1/")
        result = await client.call_tool("docker_compare_images", {**arguments, "vulnerabilities": True})
    assert "vulnerabilities" not in plain
    assert asked == 0
    assert result.structured_content is not None
    found = result.structured_content["vulnerabilities"]
    assert [row["id"] for row in found["only_image1"]] == ["CVE-2019-10906"]
    assert (found["only_image2"], found["both"], found["complete"]) == ([], 1, True)
    (part,) = result.content
    assert "1 only in the first, 0 only in the second, 1 in both" in getattr(part, "text", "")


async def test_the_prompt_leads_through_the_tools(below: Below, tmp_path: Path) -> None:
    async with connected(below.settings(tmp_path)) as client:
        found = await client.get_prompt("triage_vulnerabilities", {"image": "nginx", "context": "faces the internet"})
    text = getattr(found.messages[0].content, "text", "")
    assert text.startswith("Triage the known vulnerabilities of nginx:")
    assert "faces the internet" in text
    for tool in ("docker_get_vulnerabilities", "docker_track_base_updates", "docker_compare_images"):
        assert tool in text


def test_a_process_of_its_own_answers_a_call_from_the_command_line(below: Below, tmp_path: Path) -> None:
    registries = json.dumps([{"host": below.registry.host, "url": below.registry.url}])
    environment = {
        **os.environ,
        **below.environment,
        "DOCKER_CONFIG": str(tmp_path),
        "MCP_DOCKERHUB_REGISTRIES": registries,
    }
    arguments = json.dumps({"image": below.image("o/sbom:1")})
    command = [sys.executable, "-m", "mcp_dockerhub", "call", "docker_get_vulnerabilities", arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "2 findings (1 critical, 1 not rated); 1 KNOWN TO BE EXPLOITED" in ended.stdout
    assert "complete: 1 package, each of them matched" in ended.stdout
