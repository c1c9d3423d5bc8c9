"""What cosign signs with a key is verified, where cosign is installed; elsewhere its recorded work stands in."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.answers import SignatureVerification
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.sboms import Wanted, image_sbom
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.verification import verify_signature
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from tests.upstreams.any_registry import connected
from tests.upstreams.app_client import AppClient
from tests.upstreams.attestations import SBOM
from tests.upstreams.callers import Caller
from tests.upstreams.docker_registry import BINARY, MISSING, DockerRegistry
from tests.upstreams.registry import InMemoryRegistry

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.registry,
    pytest.mark.skipif(BINARY is None, reason=MISSING),
    pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not installed"),
]
OWNER = Caller(private=True)
OCI = "application/vnd.oci.image.manifest.v1+json"
OPTIONS = ("--allow-insecure-registry", "--tlog-upload=false", "--yes")


@dataclass(frozen=True)
class Signer:
    """cosign with a key pair of its own, and a registry to sign in."""

    registry: DockerRegistry
    folder: Path

    def run(self, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "COSIGN_PASSWORD": ""}
        subprocess.run(
            ["cosign", *arguments], cwd=self.folder, env=environment, check=True, capture_output=True, timeout=60
        )

    def image(self, name: str) -> str:
        """A new image, as cosign is to name it."""
        pushed = self.registry.add_image(name, "v1")
        return f"{self.registry.host}/{name}@{pushed.digest}"

    @property
    def key(self) -> str:
        return (self.folder / "cosign.pub").read_text(encoding="utf-8")

    async def ask(self, name: str, key: str | None = None) -> SignatureVerification:
        async with self.chain() as chain:
            policy = Policy.asked(key or self.key, None, None)
            return await verify_signature(chain, OWNER, Reference.parse(name), policy)

    @asynccontextmanager
    async def chain(self) -> AsyncIterator[SupplyChain]:
        nowhere = InMemoryRegistry()
        hub = HubClient(AppClient(nowhere), Cache(), "https://hub.test", ANONYMOUS_CREDENTIAL)
        try:
            async with connected(self.registry) as client:
                yield SupplyChain(Sources(client, hub))
        finally:
            nowhere.close()


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    with DockerRegistry() as registry:
        found = Signer(registry, tmp_path_factory.mktemp("cosign"))
        found.run("generate-key-pair")
        yield found


async def test_an_image_signed_with_a_key_is_verified_by_that_key_alone(signer: Signer, tmp_path: Path) -> None:
    name = signer.image("cosign/signed")
    signer.run("sign", "--key", "cosign.key", *OPTIONS, name)
    other = Signer(signer.registry, tmp_path)
    other.run("generate-key-pair")
    assert (await signer.ask(name)).status == "verified"
    assert (await signer.ask(name, other.key)).status == "signed_by_someone_else"


async def test_an_image_nobody_signed_is_not(signer: Signer) -> None:
    assert (await signer.ask(signer.image("cosign/unsigned"))).status == "no_signature"


async def test_a_signature_moved_to_another_image_is_bad(signer: Signer) -> None:
    signed, other = signer.image("cosign/moved"), signer.registry.add_image("cosign/moved", "v2", layers=[b"other"])
    signer.run("sign", "--key", "cosign.key", *OPTIONS, signed)
    tag = signed.partition("@")[2].replace(":", "-") + ".sig"
    request = urllib.request.Request(f"{signer.registry.url}/v2/cosign/moved/manifests/{tag}", headers={"accept": OCI})
    with urllib.request.urlopen(request, timeout=10) as answer:
        raw = answer.read()
    signer.registry.put_manifest("cosign/moved", other.digest.replace(":", "-") + ".sig", raw, OCI)
    found = await signer.ask(f"{signer.registry.host}/cosign/moved@{other.digest}")
    assert found.status == "bad_signature"


async def test_an_sbom_attested_with_a_key_is_read_and_verified(signer: Signer) -> None:
    name = signer.image("cosign/attested")
    (signer.folder / "sbom.json").write_text(json.dumps(SBOM), encoding="utf-8")
    signer.run("attest", "--key", "cosign.key", "--type", "spdxjson", "--predicate", "sbom.json", *OPTIONS, name)
    found = await signer.ask(name)
    assert (found.status, [row.kind for row in found.signatures]) == ("verified", ["attestation"])
    async with signer.chain() as chain:
        sbom = await image_sbom(chain, OWNER, Reference.parse(name), None, Wanted("packages"))
    assert sbom.document is not None
    assert (sbom.document.where, sbom.document.signed, len(sbom.packages)) == ("cosign tag", True, 2)
