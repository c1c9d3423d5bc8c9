"""What real BuildKit, syft and cosign write is read and verified."""

import pytest

from mcp_dockerhub.images.base_updates import base_updates
from mcp_dockerhub.images.dockerfile import image_dockerfile
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.provenances import image_provenance
from mcp_dockerhub.supply_chain.sbom.reading import sbom_of_statement
from mcp_dockerhub.supply_chain.sboms import Wanted, image_sbom
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.statements import unwrap
from mcp_dockerhub.supply_chain.verification import verify_signature
from tests.upstreams.attestations import Key
from tests.upstreams.callers import Caller
from tests.upstreams.golden_images import load_golden
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("127.0.0.1:5000/example/app:1")
BASE = "127.0.0.1:5000/example/base:1"


async def test_cosigns_signature_and_attestations_are_verified(
    chain: SupplyChain, access: Caller, registry: InMemoryRegistry
) -> None:
    key = load_golden(registry, "attested")["key"]
    found = await verify_signature(chain, access, APP, Policy.asked(key, None, None))
    assert found.status == "verified"
    assert [(row.kind, row.status) for row in found.signatures] == [
        ("signature", "verified"),
        ("attestation", "verified"),
        ("attestation", "verified"),
    ]
    other = await verify_signature(chain, access, APP, Policy.asked(Key.make().pem, None, None))
    assert {row.status for row in other.signatures} == {"signed_by_someone_else"}


async def test_syfts_sbom_is_read(chain: SupplyChain, access: Caller, registry: InMemoryRegistry) -> None:
    load_golden(registry, "attested")
    found = await image_sbom(chain, access, APP, None, Wanted("packages"))
    assert [(row.type, row.name, row.version) for row in found.packages] == [
        ("pypi", "example", "1.2.3"),
        ("deb", "tzdata", "2025b-4"),
    ]
    assert found.packages[0].location == "/usr/lib/python3/dist-packages/example-1.2.3.dist-info/METADATA"
    assert found.packages[0].layer is not None
    assert (found.tools, found.distribution) == (["syft-1.18.1"], "debian 13")
    assert found.document is not None
    assert (found.document.where, found.document.format, found.document.signed) == ("cosign tag", "CycloneDX 1.6", True)


def test_syfts_two_formats_say_the_same(registry: InMemoryRegistry) -> None:
    recording = load_golden(registry, "attested")
    texts = [text for text in recording["blobs"].values() if '"payloadType"' in text]
    sets = [sbom_of_statement(unwrap(text.encode(), "The SBOM")[0]) for text in texts]
    assert [found.format for found in sets] == ["SPDX-2.3", "CycloneDX 1.6"]
    spdx, cyclonedx = ({package.identity for package in found.packages} for found in sets)
    assert spdx == cyclonedx == {("deb", "tzdata", "2025b-4"), ("pypi", "example", "1.2.3")}
    assert [found.distro.id for found in sets if found.distro] == ["debian", "debian"]


async def test_buildkits_provenance_and_dockerfile_are_read(
    chain: SupplyChain, access: Caller, registry: InMemoryRegistry
) -> None:
    load_golden(registry, "attested")
    built = await image_provenance(chain, access, APP, None)
    statement = built.statements[0]
    assert (built.level, statement.mode, statement.has_dockerfile) == (1, "max", True)
    assert statement.parameters["build-arg:API_TOKEN"] == "[withheld]"
    assert "not-a-real-secret" not in built.model_dump_json() + built.render()
    dockerfile = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert (dockerfile.origin, dockerfile.name, dockerfile.base) == ("provenance", "Dockerfile", BASE)
    assert dockerfile.content.startswith("# The application on its base\nARG BASE=127.0.0.1:5000/example/base:1\n")


async def test_the_base_is_found_in_the_build_record(
    chain: SupplyChain, access: Caller, registry: InMemoryRegistry
) -> None:
    load_golden(registry, "attested")
    load_golden(registry, "base")
    found = await base_updates(chain.sources, access, APP, None, None, chain.bases(access))
    assert (found.status, found.base, found.base_from, found.base_confidence) == (
        "current",
        BASE,
        "provenance",
        "high",
    )
    assert found.built_on == found.latest
