"""The parts of signature verification on their own: odd certificates, records, bundles, keys and publishers."""

import base64
import importlib.resources
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.reference import Digest, Repository
from mcp_dockerhub.supply_chain.signatures import bundles
from mcp_dockerhub.supply_chain.signatures.bundles import Bundle
from mcp_dockerhub.supply_chain.signatures.certificates import Certificate
from mcp_dockerhub.supply_chain.signatures.chains import chain_of, may_sign
from mcp_dockerhub.supply_chain.signatures.keys import PublicKey
from mcp_dockerhub.supply_chain.signatures.log_entries import LogEntry
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.publishers import publisher_of, publishers
from mcp_dockerhub.supply_chain.signatures.trust_root import TrustRoot, load_trust_root
from mcp_dockerhub.supply_chain.signatures.verdicts import Finding, Outcome, Signer, Verdict, overall
from tests.upstreams.attestations import BUNDLE, V1, Key, statement
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

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = Digest("sha256:" + hashes.Hash(hashes.SHA256()).finalize().hex())
BY_WORKFLOW = Policy(identity=WORKFLOW, issuer=GITHUB)


@pytest.fixture(scope="module")
def root(sigstore: FakeSigstore) -> TrustRoot:
    return TrustRoot.parse(sigstore.trusted_root())


# Keys


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.mark.parametrize(
    "key",
    [dsa.generate_private_key(1024), rsa.generate_private_key(65537, 1024)],
    ids=["dsa", "short rsa"],
)
def test_keys_that_prove_nothing_are_refused(key: Any) -> None:
    with pytest.raises(InvalidInput):
        PublicKey.parse(pem(key))


def test_a_signature_is_of_one_key_and_one_message() -> None:
    key, other = Key.make(), Key.make()
    public = PublicKey.parse(key.pem)
    signature = key.sign(b"message")
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    assert not public.verifies(b"", b"message")
    assert not PublicKey.parse(other.pem).verifies(signature, b"message")
    assert public.fingerprint != PublicKey.parse(other.pem).fingerprint


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_digest_is_verified_by_keys_that_sign_digests(kind: str) -> None:
    key = Key.make(kind)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"message")
    verified = PublicKey.parse(key.pem).verifies_digest(key.sign(b"message"), digest.finalize())
    assert verified == (kind == "rsa")


# Certificates


def odd_certificate(*names: x509.GeneralName, key: Any = None, issuer: bytes | None = None) -> x509.Certificate:
    private = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    if issuer is not None:
        raw = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), issuer)
        builder = builder.add_extension(raw, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


MAIL = x509.RFC822Name("a@example.com")


@pytest.mark.parametrize(
    "names", [(), (MAIL, x509.RFC822Name("b@example.com")), (x509.DNSName("a.example.com"),), (MAIL, x509.DNSName("b"))]
)
def test_a_certificate_may_not_name_one_signer(names: tuple[x509.GeneralName, ...]) -> None:
    assert Certificate.of(odd_certificate(*names)).signer is None


def test_a_bundle_by_a_certificate_of_no_signer_is_not_called_bad(sigstore: FakeSigstore, root: TrustRoot) -> None:
    document = made(sigstore)
    der = odd_certificate(x509.DNSName("a.example.com")).public_bytes(Encoding.DER)
    document["verificationMaterial"]["certificate"] = {"rawBytes": base64.b64encode(der).decode()}
    assert bundles.assess(parsed(document), DIGEST, BY_WORKFLOW, root).outcome is Outcome.UNVERIFIABLE


def test_the_key_asked_for_proves_a_bundle_whatever_certificate_came_with_it(sigstore: FakeSigstore) -> None:
    key, other = Key.make(), Key.make()
    document = sigstore.bundle(json.dumps(statement(DIGEST, V1, {})).encode(), key, sigstore.certificate(key))
    assert (
        bundles.assess(parsed(document), DIGEST, Policy(key=PublicKey.parse(key.pem)), None).outcome is Outcome.VERIFIED
    )
    assert (
        bundles.assess(parsed(document), DIGEST, Policy(key=PublicKey.parse(other.pem)), None).outcome
        is Outcome.OTHER_SIGNER
    )


def test_the_older_form_of_the_issuer_is_read() -> None:
    certificate = Certificate.of(odd_certificate(MAIL, issuer=b"https://accounts.example.com"))
    assert certificate.signer == Signer("a@example.com", "https://accounts.example.com")
    assert str(Certificate.of(odd_certificate(MAIL)).signer) == "a@example.com"


@pytest.mark.parametrize("issuer", ["https://i.example.com/" + "x" * 100, "https://i.example.com/" + "x" * 150])
def test_long_issuers_are_read(issuer: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    said = issuer.encode()
    length = bytes([len(said)]) if len(said) < 128 else bytes([0x81, len(said)])
    made = odd_certificate(MAIL, key=private)
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c" + length + said)
    again = (
        x509.CertificateBuilder()
        .subject_name(made.subject)
        .issuer_name(made.issuer)
        .public_key(private.public_key())
        .serial_number(2)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([MAIL]), critical=True)
        .add_extension(extension, critical=False)
        .sign(private, hashes.SHA256())
    )
    assert Certificate.of(again).signer == Signer("a@example.com", issuer)


def test_text_that_is_no_certificate_is_none() -> None:
    assert Certificate.parse("nothing") is None
    assert Certificate.parse("x" * 100_000) is None


def test_a_certificate_with_a_key_of_another_kind_has_none() -> None:
    assert Certificate.of(odd_certificate(MAIL, key=rsa.generate_private_key(65537, 1024))).key is None


def test_a_certificate_without_a_purpose_may_not_sign() -> None:
    assert not may_sign(odd_certificate(MAIL))


def test_outside_the_authoritys_time_there_is_no_chain(sigstore: FakeSigstore, root: TrustRoot) -> None:
    leaf = sigstore.certificate(Key.make())
    assert chain_of(leaf, root, NOW)
    assert chain_of(leaf, root, NOW - timedelta(days=3_000)) is None
    assert chain_of(leaf, root, NOW + timedelta(days=1)) is None


# Records of the log


@pytest.mark.parametrize(
    "change",
    [
        {"integratedTime": "1"},
        {"integratedTime": True},
        {"integratedTime": -1},
        {"integratedTime": 2**40},
        {"logIndex": None},
        {"body": 7},
        {"logID": 7},
    ],
)
def test_a_promise_of_the_wrong_form_is_none(sigstore: FakeSigstore, change: dict[str, Any]) -> None:
    promise = sigstore.promise(record_entry(b"x", b"y", "z"))
    promise["Payload"] = {**promise["Payload"], **change}
    assert LogEntry.parse(json.dumps(promise)) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Payload": {}, "SignedEntryTimestamp": "%"}', "x" * 3_000_000])
def test_text_that_is_no_promise_is_none(text: str) -> None:
    assert LogEntry.parse(text) is None


def entry_of(sigstore: FakeSigstore, record: dict[str, Any]) -> LogEntry:
    entry = LogEntry.parse(json.dumps(sigstore.promise(record)))
    assert entry is not None
    return entry


def test_a_record_is_of_one_signature_one_message_and_one_signer(sigstore: FakeSigstore) -> None:
    for kind in ("hashedrekord", "rekord"):
        entry = entry_of(sigstore, record_entry(b"message", b"signature", "signer\n", kind))
        assert entry.records(b"message", b"signature", {b"signer"})
        assert not entry.records(b"other", b"signature", {b"signer"})
        assert not entry.records(b"message", b"other", {b"signer"})
        assert not entry.records(b"message", b"signature", {b"other"})
        assert not entry.records_envelope(b"message", (b"signature",), {b"signer"})


@pytest.mark.parametrize("make", [dsse_entry, intoto_entry])
def test_a_record_of_an_envelope_is_of_that_envelope(sigstore: FakeSigstore, make: Any) -> None:
    entry = entry_of(sigstore, make(b"payload", b"signature", "signer"))
    assert entry.records_envelope(b"payload", (b"signature",), {b"signer"})
    assert not entry.records_envelope(b"other", (b"signature",), {b"signer"})
    assert not entry.records_envelope(b"payload", (b"other",), {b"signer"})
    assert not entry.records_envelope(b"payload", (), {b"signer"})
    assert not entry.records_envelope(b"payload", (b"signature",), {b"other"})
    assert not entry.records(b"payload", b"signature", {b"signer"})


@pytest.mark.parametrize(
    "record",
    [{}, {"kind": "dsse"}, {"kind": "intoto", "apiVersion": "0.0.1"}, {"kind": "hashedrekord", "spec": {"data": 7}}],
)
def test_a_record_that_says_nothing_records_nothing(sigstore: FakeSigstore, record: dict[str, Any]) -> None:
    entry = entry_of(sigstore, record)
    assert not entry.records(b"", b"", {b""})
    assert not entry.records_envelope(b"", (b"",), {b""})


def test_a_body_that_is_unreadable_records_nothing() -> None:
    assert LogEntry(b"", "%%%", 1, 1, "00").document() == {}
    assert LogEntry(b"", base64.b64encode(b"[]").decode(), 1, 1, "00").document() == {}


def test_a_log_named_by_no_number_is_unknown(root: TrustRoot) -> None:
    forged, problem = LogEntry(b"", "", 1_772_366_400, 1, "not hex").problem(root)
    assert (forged, "not one the trusted root knows" in problem) == (False, True)


# Bundles


def parsed(document: dict[str, Any]) -> Bundle:
    return Bundle.parse(json.dumps(document).encode(), "The bundle")


def made(sigstore: FakeSigstore) -> dict[str, Any]:
    key = Key.make()
    payload = json.dumps(statement(DIGEST, V1, {})).encode()
    return sigstore.bundle(payload, key, sigstore.certificate(key))


def test_a_bundle_may_sign_a_manifest_with_a_certificate(sigstore: FakeSigstore, root: TrustRoot) -> None:
    key = Key.make()
    document = sigstore.message_bundle(MANIFEST, key, sigstore.certificate(key))
    hashed = hashes.Hash(hashes.SHA256())
    hashed.update(MANIFEST)
    digest = Digest(f"sha256:{hashed.finalize().hex()}")
    assert bundles.assess(parsed(document), digest, BY_WORKFLOW, root).outcome is Outcome.VERIFIED
    assert bundles.assess(parsed(document), DIGEST, BY_WORKFLOW, root).outcome is Outcome.BAD


def test_without_a_root_a_bundle_names_its_signer_and_is_not_verifiable(sigstore: FakeSigstore) -> None:
    verdict = bundles.assess(parsed(made(sigstore)), DIGEST, BY_WORKFLOW, None)
    assert (verdict.outcome, verdict.signer) == (Outcome.UNVERIFIABLE, Signer(WORKFLOW, GITHUB))


@pytest.mark.parametrize("media_type", ["application/vnd.dev.sigstore.bundle.v9+json", "", 7])
def test_bundles_of_other_versions_are_not_verifiable(sigstore: FakeSigstore, root: TrustRoot, media_type: Any) -> None:
    document = {**made(sigstore), "mediaType": media_type}
    verdict = bundles.assess(parsed(document), DIGEST, BY_WORKFLOW, root)
    assert (verdict.outcome, "version" in verdict.reason) == (Outcome.UNVERIFIABLE, True)


@pytest.mark.parametrize("certificate", [{"rawBytes": "AAAA"}, {"rawBytes": 7}, {"rawBytes": "%"}, {}])
def test_a_bundle_with_an_unreadable_certificate_is_bad(
    sigstore: FakeSigstore, root: TrustRoot, certificate: dict[str, Any]
) -> None:
    document = made(sigstore)
    document["verificationMaterial"]["certificate"] = certificate
    assert bundles.assess(parsed(document), DIGEST, BY_WORKFLOW, root).outcome is Outcome.BAD


def test_the_certificate_may_be_the_first_of_a_chain(sigstore: FakeSigstore, root: TrustRoot) -> None:
    document = made(sigstore)
    material = document["verificationMaterial"]
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    assert bundles.assess(parsed(document), DIGEST, BY_WORKFLOW, root).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("entries", [None, [], [7]])
def test_a_bundle_without_a_log_entry_is_not_verifiable(sigstore: FakeSigstore, root: TrustRoot, entries: Any) -> None:
    document = made(sigstore)
    document["verificationMaterial"]["tlogEntries"] = entries
    assert bundles.assess(parsed(document), DIGEST, BY_WORKFLOW, root).outcome is Outcome.UNVERIFIABLE


def test_a_bundle_that_signs_nothing_is_by_nobody() -> None:
    bundle = parsed({"mediaType": BUNDLE, "messageSignature": {"signature": "%"}})
    assert bundles.assess(bundle, DIGEST, Policy(), None).outcome is Outcome.UNVERIFIABLE


# Roots, publishers, verdicts


def test_without_the_extra_and_without_a_file_there_is_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> Path:
        raise ModuleNotFoundError

    monkeypatch.setattr("mcp_dockerhub.supply_chain.signatures.trust_root.files", missing)
    assert load_trust_root(None) is None


def test_the_root_of_the_extra_knows_sigstores_own_services() -> None:
    root = load_trust_root(None)
    assert root is not None
    assert root.authorities
    assert root.logs
    assert root.ct_logs
    assert importlib.resources.files("sigstore").is_dir()


def test_an_authority_without_certificates_is_left_out(sigstore: FakeSigstore) -> None:
    document = json.loads(sigstore.trusted_root())
    document["certificateAuthorities"].append({"certChain": {"certificates": []}})
    assert len(TrustRoot.parse(json.dumps(document).encode()).authorities) == 1


@pytest.mark.parametrize(
    ("name", "publisher"),
    [
        ("gcr.io/distroless/static", "Distroless"),
        ("gcr.io/distroless/a/b", "Distroless"),
        ("gcr.io/distroless-evil/static", None),
        ("cgr.dev/chainguard/nginx", "Chainguard"),
        ("dhi.io/python", "Docker Hardened Images"),
        ("ghcr.io/sigstore/cosign/cosign", "Sigstore"),
        ("registry.k8s.io/pause", "Kubernetes"),
        ("nginx", None),
    ],
)
def test_publishers_are_known_by_their_repositories(name: str, publisher: str | None) -> None:
    found = publisher_of(Repository.parse(name))
    assert (found.name if found else None) == publisher


def test_every_publisher_has_a_source_and_exactly_one_way_of_signing() -> None:
    for publisher in publishers():
        assert publisher.source
        assert bool(publisher.identity) == bool(publisher.issuer)
        assert bool(publisher.identity) != bool(publisher.key_fingerprints)
        assert not publisher.policy.is_open
        assert publisher.name in str(publisher.policy) or publisher.identity in str(publisher.policy)


def test_the_best_signature_is_the_answer_and_statements_count_without_one() -> None:
    def finding(outcome: Outcome, kind: Any = "signature") -> Finding:
        return Finding(kind, "referrers", DIGEST, Verdict(outcome, ""))

    assert overall([]).outcome is Outcome.NO_SIGNATURE
    every = [finding(outcome) for outcome in Outcome]
    assert overall(every).outcome is Outcome.VERIFIED
    assert overall([finding(Outcome.BAD), finding(Outcome.UNVERIFIABLE)]).outcome is Outcome.BAD
    mixed = [finding(Outcome.BAD), finding(Outcome.VERIFIED, "attestation")]
    assert overall(mixed).outcome is Outcome.BAD
    assert overall(mixed[1:]).outcome is Outcome.VERIFIED


def test_policies_say_whose_signature_is_wanted() -> None:
    key = Key.make()
    asked = Policy.asked(key.pem, None, None)
    assert str(asked) == f"key {PublicKey.parse(key.pem).fingerprint}"
    assert str(Policy()) == "any signer"
    assert str(BY_WORKFLOW) == f"{WORKFLOW} (by {GITHUB})"
    assert Policy.asked(None, None, None) is None
    assert Policy.asked(None, WORKFLOW, GITHUB) == BY_WORKFLOW


def test_the_certificate_of_a_signature_is_told_by_its_text(sigstore: FakeSigstore) -> None:
    certificate = Certificate.parse(pem_of(sigstore.certificate(Key.make())))
    assert certificate is not None
    assert certificate.signer == Signer(WORKFLOW, GITHUB)
