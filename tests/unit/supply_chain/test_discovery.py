"""Where attached documents are looked for, and the bounds of the look."""

from typing import Any

import pytest

from mcp_dockerhub.errors import DockerHubError, TooLarge
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.attachments import CYCLONEDX, SPDX, Attachment, Form, form_of, predicate_of
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.discovery import Discovery, find_target
from tests.upstreams.attestations import SBOM, cosign_tag, refer, statement
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
ANY = Digest("sha256:" + "0" * 64)


async def look(chain: SupplyChain) -> tuple[Discovery, list[Attachment]]:
    seen = Provenance()
    target = await find_target(chain.sources, Caller(), APP, None, seen)
    discovery = Discovery(chain.sources, Caller(), target, seen)
    return discovery, await discovery.everything(("att", "sbom", "sig"))


@pytest.fixture
def image(registry: InMemoryRegistry) -> Seeded:
    return registry.add_image("o/app", "v1")


async def test_more_carriers_than_the_bound_are_counted_and_not_read(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.discovery.MAX_CARRIERS", 2)
    for place in range(4):
        refer(registry, image, statement(image.digest, f"x{place}", {}), "application/vnd.in-toto+json")
    discovery, found = await look(chain)
    assert (len(found), discovery.incomplete) == (2, True)
    assert any("More than 2 manifests" in warning for warning in discovery.seen.warnings)


async def test_a_carrier_with_too_many_files_is_refused(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    layers = [("application/vnd.in-toto+json", b"x")] * 300
    registry.add_artifact("o/app", cosign_tag(image.digest, "att"), layers=layers)
    with pytest.raises(TooLarge):
        await look(chain)


async def test_files_of_other_kinds_are_ignored(chain: SupplyChain, registry: InMemoryRegistry, image: Seeded) -> None:
    refer(registry, image, b"{}", "application/vnd.cncf.helm.chart.v1+json")
    registry.add_artifact(
        "o/app",
        artifact_type="application/vnd.in-toto+json",
        layers=[("text/plain", b"x"), ("application/octet-stream", b"{}")],
        subject=image,
    )
    registry.add_index("o/app", cosign_tag(image.digest, "att"), [image])
    _, found = await look(chain)
    assert [(entry.form, entry.blob.media_type) for entry in found] == [(Form.STATEMENT, "application/octet-stream")], (
        "the manifest's type tells what a blob without a type of its own is"
    )


async def test_a_carrier_that_is_listed_twice_is_read_once(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    child = registry.add_attestation("o/app", image, [statement(image.digest, SPDX, SBOM)])
    registry.add_index("o/app", "v1", [image, child, child])
    _, found = await look(chain)
    assert len(found) == 1, "in the index twice, and by the referrers API once more"


async def test_a_carrier_that_is_gone_makes_the_look_incomplete(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    child = registry.add_attestation("o/app", image, [statement(image.digest, SPDX, SBOM)])
    registry.add_index("o/app", "v1", [image, child])
    del registry.app.repositories["o/app"].manifests[child["digest"]]
    discovery, found = await look(chain)
    assert (found, discovery.incomplete) == ([], True)


async def test_attestations_of_other_platforms_are_left_alone(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    children: list[Any] = []
    for platform in ("linux/amd64", "linux/arm64"):
        image = registry.add_image("o/app", platform=platform, layers=(platform.encode(),))
        children += [image, registry.add_attestation("o/app", image, [statement(image.digest, SPDX, SBOM)])]
    registry.add_index("o/app", "v1", children)
    discovery, found = await look(chain)
    assert {entry.subject for entry in found} == {discovery.target.manifest}


async def test_policy_is_asked_before_anything_is_looked_for(chain: SupplyChain, image: Seeded) -> None:
    caller = Caller(denied=frozenset({"ghcr.io/o/app"}))
    with pytest.raises(DockerHubError, match="not allowed"):
        await find_target(chain.sources, caller, APP, None, Provenance())


# Kinds


@pytest.mark.parametrize(
    ("media_type", "form"),
    [
        ("application/vnd.in-toto+json", Form.STATEMENT),
        ("application/vnd.in-toto.provenance+dsse", Form.STATEMENT),
        ("application/vnd.dsse.envelope.v1+json", Form.STATEMENT),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", Form.BUNDLE),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", Form.BUNDLE),
        ("application/vnd.dev.cosign.simplesigning.v1+json", Form.SIGNATURE),
        ("text/spdx+json", Form.SBOM),
        ("application/spdx+json", Form.SBOM),
        ("application/vnd.cyclonedx+json", Form.SBOM),
        ("application/json", None),
    ],
)
def test_a_blobs_type_tells_its_form(media_type: str, form: Form | None) -> None:
    assert form_of(media_type) is form


def attachment(form: Form, predicate_type: str = "") -> Attachment:
    return Attachment("referrers", ANY, ANY, Descriptor("x", ANY, 1), form, predicate_type)


def test_only_what_may_hold_the_predicate_is_worth_fetching() -> None:
    assert attachment(Form.STATEMENT, SPDX).may_hold(SPDX)
    assert attachment(Form.STATEMENT, f"{CYCLONEDX}/v1.6").may_hold(SPDX, CYCLONEDX)
    assert attachment(Form.STATEMENT).may_hold(SPDX), "what it does not say is read"
    assert attachment(Form.SBOM).may_hold(SPDX)
    assert not attachment(Form.STATEMENT, "https://openvex.dev/ns/v0.2.0").may_hold(SPDX)
    assert not attachment(Form.SIGNATURE).may_hold(SPDX)
    assert not attachment(Form.SBOM).may_hold("https://slsa.dev/provenance/")


@pytest.mark.parametrize(
    ("form", "predicate_type", "is_signature"),
    [
        (Form.SIGNATURE, "", True),
        (Form.BUNDLE, "", True),
        (Form.BUNDLE, "https://sigstore.dev/cosign/sign/v1", True),
        (Form.BUNDLE, SPDX, False),
        (Form.STATEMENT, "", False),
    ],
)
def test_signatures_of_the_image_are_told_from_statements(form: Form, predicate_type: str, is_signature: bool) -> None:
    assert attachment(form, predicate_type).is_signature == is_signature


def test_the_nearest_annotation_names_the_predicate() -> None:
    near = Descriptor("x", ANY, 1, annotations={"predicateType": "near"})
    far = Descriptor("x", ANY, 1, annotations={"in-toto.io/predicate-type": "far"})
    assert (predicate_of(near, far), predicate_of(far), predicate_of()) == ("near", "far", "")
