"""SBOM, provenance and signatures through the whole HTTP stack, from the stand-in registry and from Debian's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.provenances import image_provenance
from mcp_dockerhub.supply_chain.sboms import Wanted, image_sbom
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.verification import verify_signature
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from tests.upstreams.any_registry import AnyRegistry, connected, make_registry
from tests.upstreams.app_client import AppClient
from tests.upstreams.attestations import (
    SBOM,
    SPDX,
    V02,
    Key,
    attest_image,
    buildkit_v02,
    legacy_attestation,
    refer,
    sign_image,
    statement,
)
from tests.upstreams.callers import Caller
from tests.upstreams.docker_registry import BINARY, MISSING
from tests.upstreams.golden_images import load_golden
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

OWNER = Caller(private=True)
KEY = Key.make()
_DEBIAN = [pytest.mark.registry, pytest.mark.skipif(BINARY is None, reason=MISSING)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("in-memory", "token"), id="in-memory"),
        pytest.param(("debian", "anonymous"), id="debian", marks=_DEBIAN),
        pytest.param(("debian", "token"), id="debian-token", marks=_DEBIAN),
    ],
)
def registry(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    with make_registry(*request.param) as running:
        yield running


@asynccontextmanager
async def chain_for(registry: AnyRegistry) -> AsyncIterator[SupplyChain]:
    nowhere = InMemoryRegistry()
    hub = HubClient(AppClient(nowhere), Cache(), "https://hub.test", ANONYMOUS_CREDENTIAL)
    try:
        async with connected(registry) as client:
            yield SupplyChain(Sources(client, hub))
    finally:
        nowhere.close()


def reference(registry: AnyRegistry, rest: str) -> Reference:
    return Reference.parse(f"{registry.host}/{rest}")


@pytest.mark.parametrize("legacy", [False, True])
async def test_buildkits_attestations_are_read(registry: AnyRegistry, legacy: bool) -> None:
    name = f"chain/buildkit{int(legacy)}"
    image = registry.add_image(name)
    statements = [statement(image.digest, SPDX, SBOM), statement(image.digest, V02, buildkit_v02())]
    child = (legacy_attestation if legacy else type(registry).add_attestation)(registry, name, image, statements)
    registry.add_index(name, "v1", [image, child])
    async with chain_for(registry) as chain:
        ref = reference(registry, f"{name}:v1")
        sbom = await image_sbom(chain, OWNER, ref, None, Wanted("packages"))
        built = await image_provenance(chain, OWNER, ref, None)
    assert [row.name for row in sbom.packages] == ["libssl3t64", "anyio"]
    assert (built.level, built.statements[0].mode) == (1, "min")


async def test_what_refers_to_an_image_is_found_without_the_referrers_api(registry: AnyRegistry) -> None:
    image = registry.add_image("chain/referrers", "v1")
    carrier = refer(registry, image, statement(image.digest, SPDX, SBOM), "application/vnd.in-toto+json")
    registry.add_index("chain/referrers", image.digest.replace(":", "-"), [carrier])
    async with chain_for(registry) as chain:
        found = await image_sbom(chain, OWNER, reference(registry, "chain/referrers:v1"), None, Wanted())
    assert found.document is not None
    assert (found.document.where, found.total) == ("referrers", 2)


async def test_cosigns_tags_are_verified(registry: AnyRegistry) -> None:
    image = registry.add_image("chain/cosign", "v1")
    sign_image(registry, image, KEY)
    attest_image(registry, image, statement(image.digest, SPDX, SBOM), KEY)
    async with chain_for(registry) as chain:
        ref = reference(registry, "chain/cosign:v1")
        found = await verify_signature(chain, OWNER, ref, Policy.asked(KEY.pem, None, None))
        other = await verify_signature(chain, OWNER, ref, Policy.asked(Key.make().pem, None, None))
        sbom = await image_sbom(chain, OWNER, ref, None, Wanted())
    assert (found.status, {row.kind for row in found.signatures}) == ("verified", {"signature", "attestation"})
    assert other.status == "signed_by_someone_else"
    assert sbom.total == 2


async def test_an_unsigned_image_is_unsigned(registry: AnyRegistry) -> None:
    registry.add_image("chain/plain", "v1")
    async with chain_for(registry) as chain:
        ref = reference(registry, "chain/plain:v1")
        assert (await verify_signature(chain, OWNER, ref, Policy.asked(KEY.pem, None, None))).status == "no_signature"


async def test_what_real_tools_made_is_verified() -> None:
    with InMemoryRegistry(referrers="404") as running:
        key = load_golden(running, "attested")["key"]
        async with chain_for(running) as chain:
            ref = reference(running, "example/app:1")
            found = await verify_signature(chain, OWNER, ref, Policy.asked(key, None, None))
    assert found.status == "verified"
