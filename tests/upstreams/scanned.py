"""A registry with images to scan and an OSV that knows what is wrong with them, both on loopback."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.upstreams.attestations import attach, spdx, spdx_package, statement
from tests.upstreams.layers import OS_RELEASE, STATUS, Member, elf_of, metadata, tar_of
from tests.upstreams.osv import OsvState, osv_settings, running_osv
from tests.upstreams.registry import InMemoryRegistry

BASE = tar_of([Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS)])
APP = tar_of(
    [
        Member(
            "app/requests-2.19.0.dist-info/METADATA", metadata("requests", "2.19.0", "License-Expression: Apache-2.0")
        ),
        Member("app/six-1.17.0.dist-info/METADATA", metadata("six", "1.17.0", "License-Expression: MIT")),
    ]
)
FIXED = tar_of([Member("app/requests-2.32.0.dist-info/METADATA", metadata("requests", "2.32.0"))])
RUNTIME = tar_of([Member("usr/local/bin/python3.13", elf_of(b"", interpreter=True), mode=0o755)])


def advisory(identifier: str, package: str, fixed: str, severity: str = "HIGH", **more: Any) -> dict[str, Any]:
    """A record about a package of PyPI that exists nowhere else."""
    return {
        "id": identifier,
        "modified": "2026-01-01T00:00:00Z",
        "summary": f"A weakness in {package}",
        "database_specific": {"severity": severity},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
        **more,
    }


RECORDS = (
    advisory("GHSA-aaaa-0000-0001", "requests", "2.20.0", "CRITICAL", aliases=["CVE-2026-0001"]),
    advisory("GHSA-aaaa-0000-0002", "requests", "2.31.0", "MODERATE", aliases=["CVE-2026-0002"]),
)


@dataclass(frozen=True)
class Scene:
    registry: InMemoryRegistry
    osv: OsvState
    osv_url: str

    def image(self, name: str) -> str:
        return f"{self.registry.host}/team/{name}"

    def environment(self, folder: Path) -> dict[str, str]:
        """Everything a process needs to reach these and nothing else."""
        return {
            **osv_settings(self.osv_url),
            "MCP_DOCKERHUB_REGISTRY_URL": self.registry.url,
            "MCP_DOCKERHUB_REGISTRIES": json.dumps([{"host": self.registry.host, "url": self.registry.url}]),
            "DOCKER_CONFIG": str(folder),
            "HOME": str(folder),
            "PATH": os.environ.get("PATH", os.defpath),
        }


@contextmanager
def running_scene() -> Iterator[Scene]:
    """``app:1`` has two weaknesses, ``app:2`` none, ``app:runtime`` an interpreter nobody lists, ``app:sbom`` an SBOM
    attached that says what ``app:1`` holds."""
    osv = OsvState.of_records(RECORDS)
    osv.kev = kev("CVE-2026-0001")
    with InMemoryRegistry() as registry, running_osv(osv) as url:
        registry.add_image("team/app", "1", layers=(BASE, APP))
        registry.add_image("team/app", "2", layers=(BASE, FIXED))
        registry.add_image("team/app", "runtime", layers=(BASE, FIXED, RUNTIME))
        _with_sbom(registry)
        yield Scene(registry, osv, url)


def _with_sbom(registry: InMemoryRegistry) -> None:
    # Another image than app:1, which would have this SBOM too: attached documents are found by digest.
    own: dict[str, Any] = {"config": {"Labels": {"sbom": "yes"}}, "layers": (BASE, APP)}
    probe = registry.add_image("team/app", **own)
    packages = [
        spdx_package("requests", "2.19.0", "pkg:pypi/requests@2.19.0"),
        spdx_package("six", "1.17.0", "pkg:pypi/six@1.17.0"),
    ]
    content = statement(probe.digest, "https://spdx.dev/Document", spdx(packages))
    _, image = attach(registry, "team/app", "sbom", [content], **own)
    assert image.digest == probe.digest


def kev(*cves: str) -> bytes:
    """CISA's catalogue with these entries."""
    entries = [
        {
            "cveID": cve,
            "vendorProject": "Example",
            "product": "Example",
            "vulnerabilityName": "Made up",
            "dateAdded": "2026-01-02",
            "shortDescription": "Made up.",
            "requiredAction": "Update.",
            "dueDate": "2026-01-23",
            "knownRansomwareCampaignUse": "Unknown",
        }
        for cve in cves
    ]
    document = {
        "title": "Made up",
        "catalogVersion": "2026.01.02",
        "dateReleased": "2026-01-02T00:00:00Z",
        "count": len(entries),
        "vulnerabilities": entries,
    }
    return json.dumps(document).encode()
