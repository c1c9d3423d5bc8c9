"""docker_verify_signature: the five answers, and that no byte can be changed without being noticed."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.answers import SignatureVerification
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.verification import verify_signature
from tests.upstreams.attestations import (
    BUNDLE,
    SBOM,
    SPDX,
    V1,
    Key,
    attest_image,
    cosign_tag,
    envelope,
    pae,
    payload_for,
    refer,
    sign_image,
    signature_annotations,
    statement,
)
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.fake_sigstore import (
    GITHUB,
    NOW,
    WORKFLOW,
    FakeSigstore,
    dsse_entry,
    intoto_entry,
    pem_of,
    record_entry,
)
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
KEY = Key.make()
OTHER = Key.make()
BY_WORKFLOW = Policy(identity=WORKFLOW, issuer=GITHUB)


def by(key: Key) -> Policy | None:
    return Policy.asked(key.pem, None, None)


@pytest.fixture
def image(registry: InMemoryRegistry) -> Seeded:
    return registry.add_image("o/app", "v1")


async def verified(chain: SupplyChain, policy: Policy | None) -> SignatureVerification:
    return await verify_signature(chain, Caller(), APP, policy)


async def test_an_image_nobody_signed_is_not_signed(chain: SupplyChain, image: Seeded) -> None:
    found = await verified(chain, by(KEY))
    assert (found.status, found.verified_by, found.signatures) == ("no_signature", None, [])
    assert found.digest == image.digest
    assert "not signed" in found.render()


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "rsa"])
async def test_a_signature_by_the_key_is_verified(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded, kind: str
) -> None:
    key = Key.make(kind)
    sign_image(registry, image, key)
    found = await verified(chain, by(key))
    assert (found.status, found.signatures[0].kind, found.signatures[0].where) == (
        "verified",
        "signature",
        "cosign tag",
    )
    assert found.verified_by is not None
    assert found.verified_by.startswith("key sha256:")
    assert "verified by key sha256:" in found.render()


async def test_larger_curves_may_use_the_hash_of_their_size(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    key = Key.make("p384")
    payload = payload_for(image.digest)
    sign_image(registry, image, key, payload=payload)
    registry.add_artifact(
        "o/app",
        cosign_tag(image.digest, "sig"),
        layers=[("application/vnd.dev.cosign.simplesigning.v1+json", payload)],
        layer_annotations=signature_annotations(key.sign(payload, hashes.SHA384())),
    )
    assert (await verified(chain, by(key))).status == "verified"


async def test_a_signature_by_another_key_is_by_someone_else(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    sign_image(registry, image, OTHER)
    found = await verified(chain, by(KEY))
    assert (found.status, found.verified_by) == ("signed_by_someone_else", None)


async def test_without_the_key_a_signature_cannot_be_verified_here(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    sign_image(registry, image, KEY)
    found = await verified(chain, None)
    assert found.status == "not_verifiable_here"
    assert "key" in found.reason
    assert any("anyone can sign as themselves" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "payload",
    [
        payload_for("sha256:" + "0" * 64),
        payload_for("sha256:" + "0" * 64, type="something else"),
        b"not JSON",
        b'{"critical": []}',
        b'{"critical": {"type": "cosign container image signature", "image": {}}}',
    ],
)
async def test_a_signature_of_something_else_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded, payload: bytes
) -> None:
    sign_image(registry, image, KEY, payload=payload)
    assert (await verified(chain, by(KEY))).status == "bad_signature"


async def test_two_digests_in_one_payload_are_bad(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    named = {"docker-manifest-digest": image.digest, "Docker-manifest-digest": "sha256:" + "0" * 64}
    sign_image(registry, image, KEY, payload=payload_for(image.digest, image=named))
    assert (await verified(chain, by(KEY))).status == "bad_signature"


async def test_a_missing_signature_beside_a_payload_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    payload = payload_for(image.digest)
    registry.add_artifact(
        "o/app",
        cosign_tag(image.digest, "sig"),
        layers=[("application/vnd.dev.cosign.simplesigning.v1+json", payload)],
        layer_annotations={"dev.cosignproject.cosign/signature": "%%%"},
    )
    assert (await verified(chain, by(KEY))).status == "bad_signature"


async def test_no_byte_of_a_signed_payload_can_be_changed(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    sign_image(registry, image, KEY)
    payload = payload_for(image.digest)
    blobs = registry.app.repositories["o/app"].blobs
    digest = next(name for name, content in blobs.items() if content == payload)
    for place in range(len(payload)):
        blobs[digest] = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
        assert (await verified(chain, by(KEY))).status == "bad_signature", place


async def test_no_byte_of_a_signature_can_be_changed(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    payload = payload_for(image.digest)
    signature = KEY.sign(payload)
    for place in range(len(signature)):
        changed = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        registry.add_artifact(
            "o/app",
            cosign_tag(image.digest, "sig"),
            layers=[("application/vnd.dev.cosign.simplesigning.v1+json", payload)],
            layer_annotations=signature_annotations(changed),
        )
        chain.sources.registry._wire.cache.clear()
        found = await verified(chain, by(KEY))
        assert found.status in ("bad_signature", "signed_by_someone_else"), place


async def test_a_good_signature_counts_whatever_else_was_pushed_beside_it(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    sign_image(registry, image, KEY)
    forged = registry.add_artifact(
        "o/app",
        artifact_type="application/vnd.dev.cosign.artifact.sig.v1+json",
        layers=[("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")],
        layer_annotations=signature_annotations(b"x"),
        subject=image,
    )
    found = await verified(chain, by(KEY))
    assert found.status == "verified"
    assert {row.status for row in found.signatures} == {"verified", "bad_signature"}
    assert forged.digest


# Attestations


async def test_an_attestation_by_the_key_is_verified_and_called_one(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    attest_image(registry, image, statement(image.digest, SPDX, SBOM), KEY)
    found = await verified(chain, by(KEY))
    assert (found.status, found.signatures[0].kind, found.signatures[0].predicate_type) == (
        "verified",
        "attestation",
        SPDX,
    )


async def test_an_attestation_about_another_image_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    attest_image(registry, image, statement("sha256:" + "0" * 64, SPDX, SBOM), KEY)
    assert (await verified(chain, by(KEY))).status == "bad_signature"


async def test_an_envelope_around_no_statement_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    wrapped = {**envelope({"predicateType": SPDX}, KEY), "payloadType": "text/plain"}
    refer(registry, image, wrapped, "application/vnd.dsse.envelope.v1+json")
    assert (await verified(chain, by(KEY))).status == "bad_signature"


async def test_an_unsigned_statement_is_no_signature(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    refer(registry, image, statement(image.digest, SPDX, SBOM), "application/vnd.in-toto+json")
    refer(registry, image, envelope(statement(image.digest, SPDX, SBOM)), "application/vnd.dsse.envelope.v1+json")
    assert (await verified(chain, by(KEY))).status == "no_signature"


async def test_a_signature_of_the_image_decides_before_statements_about_it(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    sign_image(registry, image, OTHER)
    attest_image(registry, image, statement(image.digest, SPDX, SBOM), KEY)
    assert (await verified(chain, by(KEY))).status == "signed_by_someone_else"


# Keyless, with the log's promise beside the signature


class Keyless:
    """A keyless signature, and ways to spoil it."""

    def __init__(self, sigstore: FakeSigstore, digest: str, **certificate: Any) -> None:
        self.key = Key.make()
        self.payload = payload_for(digest)
        self.certificate = pem_of(sigstore.certificate(self.key, **certificate))
        self.signature = self.key.sign(self.payload)
        self.promise = sigstore.promise(record_entry(self.payload, self.signature, self.certificate))

    def push(self, registry: InMemoryRegistry, digest: str) -> None:
        notes = signature_annotations(self.signature, certificate=self.certificate)
        if self.promise:
            notes["dev.sigstore.cosign/bundle"] = json.dumps(self.promise)
        registry.add_artifact(
            "o/app",
            cosign_tag(digest, "sig"),
            layers=[("application/vnd.dev.cosign.simplesigning.v1+json", self.payload)],
            layer_annotations=notes,
        )


async def test_a_keyless_signature_is_verified_by_identity_and_issuer(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    Keyless(sigstore, image.digest).push(registry, image.digest)
    found = await verified(chain, BY_WORKFLOW)
    assert (found.status, found.verified_by, found.issuer) == ("verified", WORKFLOW, GITHUB)
    assert found.signatures[0].logged_at == NOW


@pytest.mark.parametrize(
    "policy",
    [
        Policy(identity="https://github.com/o/*", issuer=GITHUB),
        Policy(identity="*@refs/heads/main", issuer=GITHUB),
        None,
    ],
)
async def test_an_asterisk_stands_for_anything_and_no_policy_names_the_signer(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, policy: Policy | None
) -> None:
    Keyless(sigstore, image.digest).push(registry, image.digest)
    found = await verified(chain, policy)
    assert (found.status, found.verified_by) == ("verified", WORKFLOW)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(identity=WORKFLOW, issuer="https://accounts.google.com"),
        Policy(identity=WORKFLOW[:-1], issuer=GITHUB),
        Policy(identity="https://github.com/evil/*", issuer=GITHUB),
        by(KEY),
    ],
)
async def test_a_valid_signature_by_another_identity_is_by_someone_else(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, policy: Policy
) -> None:
    Keyless(sigstore, image.digest).push(registry, image.digest)
    found = await verified(chain, policy)
    assert (found.status, found.signatures[0].signer) == ("signed_by_someone_else", WORKFLOW)


@pytest.mark.parametrize("certificate", ["", "-----BEGIN CERTIFICATE-----"])
async def test_the_key_asked_for_proves_a_signature_whatever_certificate_came_with_it(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, certificate: str
) -> None:
    signed = Keyless(sigstore, image.digest)
    signed.certificate = certificate or signed.certificate
    signed.push(registry, image.digest)
    assert (await verified(chain, by(signed.key))).status == "verified"
    assert (await verified(chain, by(KEY))).status == ("bad_signature" if certificate else "signed_by_someone_else")


async def test_a_certificate_that_names_no_signer_leaves_a_signature_unverifiable(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    signed = Keyless(sigstore, image.digest, identity="")
    signed.push(registry, image.digest)
    found = await verified(chain, BY_WORKFLOW)
    assert (found.status, "names no signer" in found.reason) == ("not_verifiable_here", True)


async def test_a_mail_address_is_an_identity_too(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    Keyless(sigstore, image.digest, identity="dev@example.com", issuer="https://accounts.example.com").push(
        registry, image.digest
    )
    policy = Policy(identity="dev@example.com", issuer="https://accounts.example.com")
    assert (await verified(chain, policy)).status == "verified"


async def test_without_a_trusted_root_a_keyless_signature_is_not_verifiable_here(
    sources: Sources,
    registry: InMemoryRegistry,
    sigstore: FakeSigstore,
    image: Seeded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.verification.load_trust_root", lambda _: None)
    Keyless(sigstore, image.digest).push(registry, image.digest)
    found = await verified(SupplyChain(sources), BY_WORKFLOW)
    assert (found.status, found.verified_by) == ("not_verifiable_here", None)
    assert "sigstore" in found.reason


async def test_the_root_that_ships_with_the_extra_knows_nothing_of_other_instances(
    sources: Sources, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    Keyless(sigstore, image.digest).push(registry, image.digest)
    assert (await verified(SupplyChain(sources), BY_WORKFLOW)).status == "not_verifiable_here"


async def test_without_the_logs_record_a_keyless_signature_is_not_verifiable_here(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    spoiled = Keyless(sigstore, image.digest)
    spoiled.promise = {}
    spoiled.push(registry, image.digest)
    assert (await verified(chain, BY_WORKFLOW)).status == "not_verifiable_here"


def forged_certificate(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.certificate = pem_of(sigstore.certificate(keyless.key, signer=Key.make("p384")))
    keyless.promise = sigstore.promise(record_entry(keyless.payload, keyless.signature, keyless.certificate))


def expired_certificate(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.certificate = pem_of(sigstore.certificate(keyless.key, lifetime=timedelta(seconds=-5)))
    keyless.promise = sigstore.promise(record_entry(keyless.payload, keyless.signature, keyless.certificate))


def certificate_for_tls(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.certificate = pem_of(sigstore.certificate(keyless.key, code_signing=False))
    keyless.promise = sigstore.promise(record_entry(keyless.payload, keyless.signature, keyless.certificate))


def another_certificate(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.certificate = pem_of(sigstore.certificate(Key.make()))


def unreadable_certificate(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def another_signature(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.signature = Key.make().sign(keyless.payload)


def record_of_another_signature(keyless: Keyless, sigstore: FakeSigstore) -> None:
    other = keyless.key.sign(b"something else")
    keyless.promise = sigstore.promise(record_entry(b"something else", other, keyless.certificate))


def forged_promise(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.promise["SignedEntryTimestamp"] = base64.b64encode(Key.make().sign(b"x")).decode()


def changed_time(keyless: Keyless, sigstore: FakeSigstore) -> None:
    keyless.promise["Payload"]["integratedTime"] += 1


SPOILED = [
    forged_certificate,
    expired_certificate,
    certificate_for_tls,
    another_certificate,
    unreadable_certificate,
    another_signature,
    record_of_another_signature,
    forged_promise,
    changed_time,
]


@pytest.mark.parametrize("spoil", SPOILED)
async def test_every_forgery_of_a_keyless_signature_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, spoil: Any
) -> None:
    keyless = Keyless(sigstore, image.digest)
    spoil(keyless, sigstore)
    keyless.push(registry, image.digest)
    assert (await verified(chain, BY_WORKFLOW)).status == "bad_signature"


async def test_a_certificate_no_log_vouches_for_is_not_verifiable_here(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    Keyless(sigstore, image.digest, logged=False).push(registry, image.digest)
    assert (await verified(chain, BY_WORKFLOW)).status == "not_verifiable_here"


async def test_a_log_the_root_does_not_know_is_not_verifiable_here(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    keyless = Keyless(sigstore, image.digest)
    private = FakeSigstore()
    keyless.promise = private.promise(record_entry(keyless.payload, keyless.signature, keyless.certificate))
    keyless.push(registry, image.digest)
    assert (await verified(chain, BY_WORKFLOW)).status == "not_verifiable_here"


@pytest.mark.parametrize("entry", [dsse_entry, intoto_entry])
async def test_keyless_attestations_are_verified_by_either_kind_of_record(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, entry: Any
) -> None:
    key = Key.make()
    content = statement(image.digest, V1, {})
    payload = base64.b64decode(envelope(content, key)["payload"])
    pem = pem_of(sigstore.certificate(key))
    wrapped = envelope(content, key)
    signature = base64.b64decode(wrapped["signatures"][0]["sig"])
    registry.add_artifact(
        "o/app",
        cosign_tag(image.digest, "att"),
        layers=[("application/vnd.dsse.envelope.v1+json", json.dumps(wrapped).encode())],
        layer_annotations={
            "dev.sigstore.cosign/certificate": pem,
            "dev.sigstore.cosign/bundle": json.dumps(sigstore.promise(entry(payload, signature, pem))),
        },
    )
    found = await verified(chain, BY_WORKFLOW)
    assert (found.status, found.signatures[0].kind) == ("verified", "attestation")


# Sigstore bundles


def bundle_of(sigstore: FakeSigstore, digest: str, predicate_type: str, **certificate: Any) -> dict[str, Any]:
    key = Key.make()
    payload = json.dumps(statement(digest, predicate_type, {})).encode()
    return sigstore.bundle(payload, key, sigstore.certificate(key, **certificate))


@pytest.mark.parametrize(
    ("predicate_type", "kind"),
    [("https://sigstore.dev/cosign/sign/v1", "signature"), (V1, "attestation")],
)
async def test_a_bundle_is_verified_and_called_what_it_is(
    chain: SupplyChain,
    registry: InMemoryRegistry,
    sigstore: FakeSigstore,
    image: Seeded,
    predicate_type: str,
    kind: str,
) -> None:
    refer(registry, image, bundle_of(sigstore, image.digest, predicate_type), BUNDLE)
    found = await verified(chain, BY_WORKFLOW)
    assert (found.status, found.verified_by, found.signatures[0].kind) == ("verified", WORKFLOW, kind)
    assert found.signatures[0].logged_at == NOW


@pytest.mark.parametrize("behaviour", ["404", "on"])
async def test_bundles_are_found_by_the_api_and_by_the_fallback_tag(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, behaviour: Any
) -> None:
    registry.behaviour.referrers = behaviour
    carrier = refer(registry, image, bundle_of(sigstore, image.digest, V1), BUNDLE)
    if behaviour == "404":
        registry.add_index("o/app", image.digest.replace(":", "-"), [carrier])
    assert (await verified(chain, BY_WORKFLOW)).status == "verified"


async def test_a_bundle_by_someone_else_is_by_someone_else(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    refer(registry, image, bundle_of(sigstore, image.digest, V1, identity="https://github.com/evil/x"), BUNDLE)
    found = await verified(chain, BY_WORKFLOW)
    assert (found.status, found.signatures[0].signer) == ("signed_by_someone_else", "https://github.com/evil/x")
    assert (await verified(chain, by(KEY))).status == "signed_by_someone_else"


async def test_a_bundle_copied_from_another_image_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    refer(registry, image, bundle_of(sigstore, "sha256:" + "0" * 64, V1), BUNDLE)
    assert (await verified(chain, BY_WORKFLOW)).status == "bad_signature"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("dsseEnvelope.payload", "bad_signature"),
        ("dsseEnvelope.signatures.0.sig", "bad_signature"),
        ("verificationMaterial.tlogEntries.0.inclusionPromise.signedEntryTimestamp", "bad_signature"),
        ("verificationMaterial.tlogEntries.0.inclusionProof.rootHash", "bad_signature"),
        ("verificationMaterial.tlogEntries.0.canonicalizedBody", "bad_signature"),
        ("verificationMaterial.tlogEntries.0.logId.keyId", "not_verifiable_here"),
        # Depending on where it hits, the certificate is unreadable, another one, or names another log.
        ("verificationMaterial.certificate.rawBytes", "bad_signature|not_verifiable_here"),
    ],
)
async def test_no_part_of_a_bundle_can_be_changed(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, path: str, status: str
) -> None:
    bundle: Any = bundle_of(sigstore, image.digest, V1)
    *parents, last = path.split(".")
    holder = bundle
    for part in parents:
        holder = holder[int(part)] if part.isdigit() else holder[part]
    raw = bytearray(base64.b64decode(holder[last]))
    raw[len(raw) // 2] ^= 1
    holder[last] = base64.b64encode(raw).decode()
    refer(registry, image, bundle, BUNDLE)
    assert (await verified(chain, BY_WORKFLOW)).status in status.split("|")


@pytest.mark.parametrize("change", [{"signer": Key.make("p384")}, {"lifetime": timedelta(seconds=-5)}])
async def test_a_bundle_with_a_forged_or_expired_certificate_is_bad(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded, change: Any
) -> None:
    refer(registry, image, bundle_of(sigstore, image.digest, V1, **change), BUNDLE)
    assert (await verified(chain, BY_WORKFLOW)).status == "bad_signature"


async def test_a_bundle_of_a_private_instance_is_not_verifiable_here(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    private = FakeSigstore()
    private.ca_key = Key.make("p384")
    refer(registry, image, bundle_of(private, image.digest, V1), BUNDLE)
    found = await verified(chain, BY_WORKFLOW)
    assert found.status in ("not_verifiable_here", "bad_signature")


async def test_without_the_extra_a_bundle_is_not_verifiable_here(
    chain: SupplyChain,
    registry: InMemoryRegistry,
    sigstore: FakeSigstore,
    image: Seeded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sigstore.models", None)
    refer(registry, image, bundle_of(sigstore, image.digest, V1), BUNDLE)
    found = await verified(chain, BY_WORKFLOW)
    assert (found.status, found.signatures[0].signer) == ("not_verifiable_here", WORKFLOW)
    assert "extra" in found.reason


async def test_a_bundle_signed_with_a_key_needs_no_extra(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    content = statement(image.digest, "https://sigstore.dev/cosign/sign/v1", {})
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": envelope(content, KEY),
    }
    refer(registry, image, bundle, BUNDLE)
    assert (await verified(chain, by(KEY))).status == "verified"
    assert (await verified(chain, by(OTHER))).status == "signed_by_someone_else"
    assert (await verified(chain, BY_WORKFLOW)).status == "signed_by_someone_else"
    assert (await verified(chain, None)).status == "not_verifiable_here"


async def test_a_bundle_may_sign_the_manifest_itself(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "messageSignature": {"signature": base64.b64encode(KEY.sign(image.raw)).decode()},
    }
    refer(registry, image, bundle, BUNDLE)
    assert (await verified(chain, by(KEY))).status == "verified"
    assert (await verified(chain, by(OTHER))).status == "signed_by_someone_else"


async def test_what_is_no_bundle_is_bad(chain: SupplyChain, registry: InMemoryRegistry, image: Seeded) -> None:
    refer(registry, image, b"[]", BUNDLE)
    assert (await verified(chain, BY_WORKFLOW)).status == "bad_signature"


# Keys named by the log, publishers, policies


async def test_the_logs_record_tells_another_key_from_a_damaged_signature(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    payload = payload_for(image.digest)
    good = OTHER.sign(payload)
    promise = json.dumps(sigstore.promise(record_entry(payload, good, OTHER.pem)))
    sign_image(registry, image, OTHER, bundle=promise)
    found = await verified(chain, by(KEY))
    assert found.status == "signed_by_someone_else"
    assert found.signatures[0].signer is not None
    assert (await verified(chain, None)).status == "not_verifiable_here"
    registry.add_artifact(
        "o/app",
        cosign_tag(image.digest, "sig"),
        layers=[("application/vnd.dev.cosign.simplesigning.v1+json", payload)],
        layer_annotations=signature_annotations(b"damaged", bundle=promise),
    )
    chain.sources.registry._wire.cache.clear()
    assert (await verified(chain, by(KEY))).status == "bad_signature"
    assert (await verified(chain, by(OTHER))).status == "bad_signature"
    assert (await verified(chain, None)).status == "bad_signature"


async def test_a_publisher_known_by_a_fingerprint_needs_the_key_in_the_logs_record(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore, image: Seeded
) -> None:
    from mcp_dockerhub.supply_chain.signatures.keys import PublicKey

    policy = Policy(fingerprints=frozenset({PublicKey.parse(KEY.pem).fingerprint}), publisher="Example")
    sign_image(registry, image, KEY)
    found = await verified(chain, policy)
    assert (found.status, found.policy) == ("not_verifiable_here", "one of Example's keys")
    assert "Example's key" in found.reason
    payload = payload_for(image.digest)
    promise = json.dumps(sigstore.promise(record_entry(payload, KEY.sign(payload), KEY.pem)))
    sign_image(registry, image, KEY, bundle=promise)
    chain.sources.registry._wire.cache.clear()
    assert (await verified(chain, policy)).status == "verified"


async def test_the_policy_of_a_known_publisher_is_used_and_named(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore
) -> None:
    image = registry.add_image("distroless/static", "nonroot")
    key = Key.make()
    payload = payload_for(image.digest)
    pem = pem_of(sigstore.certificate(key, "keyless@distroless.iam.gserviceaccount.com", "https://accounts.google.com"))
    signature = key.sign(payload)
    registry.add_artifact(
        "distroless/static",
        cosign_tag(image.digest, "sig"),
        layers=[("application/vnd.dev.cosign.simplesigning.v1+json", payload)],
        layer_annotations=signature_annotations(
            signature, certificate=pem, bundle=json.dumps(sigstore.promise(record_entry(payload, signature, pem)))
        ),
    )
    ref = Reference.parse("gcr.io/distroless/static:nonroot")
    found = await verify_signature(chain, Caller(), ref, None)
    assert (found.status, found.publisher) == ("verified", "Distroless")
    assert found.policy_source is not None
    assert "GoogleContainerTools/distroless" in found.policy_source


@pytest.mark.parametrize(
    ("key", "identity", "issuer"),
    [
        (KEY.pem, "a", "b"),
        (None, "only@example.com", None),
        (None, None, "https://only.example.com"),
        ("not a key", None, None),
        ("-----BEGIN PRIVATE KEY-----", None, None),
        ("x" * 20_000, None, None),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(key: str | None, identity: str | None, issuer: str | None) -> None:
    with pytest.raises(InvalidInput):
        Policy.asked(key, identity, issuer)


async def test_what_could_not_be_reached_is_not_called_unsigned(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded
) -> None:
    registry.script(503, path=r"\.sig$")
    found = await verified(chain, by(KEY))
    assert (found.status, found.signatures) == ("not_verifiable_here", [])
    assert any("not fully known" in warning for warning in found.warnings)


async def test_an_index_without_signatures_says_that_its_images_may_have_some(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    registry.add_multi_platform("o/app", "v1", ["linux/amd64", "linux/arm64"])
    found = await verified(chain, by(KEY))
    assert found.status == "no_signature"
    assert any("by its digest" in warning for warning in found.warnings)


async def test_documents_beyond_the_bounds_are_named_and_not_fetched(
    chain: SupplyChain, registry: InMemoryRegistry, image: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.verification.MAX_BYTES", 10)
    sign_image(registry, image, KEY)
    found = await verified(chain, by(KEY))
    assert (found.status, found.signatures[0].reason) == (
        "not_verifiable_here",
        "It was not fetched: too much is attached to the image.",
    )


def test_the_encoding_that_is_signed_is_the_specifications() -> None:
    assert pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_root_that_is_none_is_refused(tmp_path: Path) -> None:
    from mcp_dockerhub.errors import Internal
    from mcp_dockerhub.supply_chain.signatures.trust_root import load_trust_root

    broken = tmp_path / "root.json"
    for content in (b"[]", b"{}", b'{"certificateAuthorities": [{}]}'):
        broken.write_bytes(content)
        with pytest.raises(Internal):
            load_trust_root(broken)
    with pytest.raises(Internal):
        load_trust_root(tmp_path / "missing.json")
