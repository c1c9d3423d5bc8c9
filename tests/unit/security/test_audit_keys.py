"""Keys are made, read and refused; a signature is good for one record and one purpose."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mcp_dockerhub_security.audit_keys import AuditKeyError, PublicKeys, Signer, generate_key
from tests.upstreams.audit_parts import key, public_keys, signer


def test_a_generated_pair_signs_and_proves(tmp_path: Path) -> None:
    public = generate_key(tmp_path / "audit.pem")
    assert public == tmp_path / "audit.pem.pub"
    assert stat.S_IMODE((tmp_path / "audit.pem").stat().st_mode) == 0o600
    record = {"event": "checkpoint", "sequence": 1}
    Signer.load((tmp_path / "audit.pem").read_text()).sign(record)
    assert PublicKeys.load([public]).signed(record)
    assert not PublicKeys.load([public]).signed({**record, "sequence": 2})
    assert not public_keys().signed(record)


@pytest.mark.parametrize("existing", ["audit.pem", "audit.pem.pub"])
def test_an_existing_key_is_never_overwritten(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("precious")
    with pytest.raises(FileExistsError):
        generate_key(tmp_path / "audit.pem")
    assert [file.name for file in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "precious"


def test_what_is_no_private_key_is_refused_without_repeating_it() -> None:
    encrypted = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for pem, message in (("s3cret", "unencrypted"), (encrypted, "unencrypted"), (rsa, "not an Ed25519")):
        with pytest.raises(AuditKeyError, match=message) as caught:
            Signer.load(pem)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_what_is_no_public_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.pub"
    rsa = generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content, message in ((b"nonsense", "some.pub is not a public key"), (rsa, "some.pub is not an Ed25519")):
        path.write_bytes(content)
        with pytest.raises(AuditKeyError, match=message):
            PublicKeys.load([path])
    with pytest.raises(FileNotFoundError):
        PublicKeys.load([tmp_path / "missing"])


def test_a_signature_is_over_a_purpose_too() -> None:
    record = {"event": "checkpoint", "sequence": 1}
    signer().sign(record)
    # The bare record, as some other program might get it signed, is not what was signed.
    plain = {"event": "checkpoint", "sequence": 1, "key": signer().key_id}
    from base64 import b64encode

    from mcp_dockerhub_security.audit_chain import canonical

    plain["signature"] = b64encode(key().sign(canonical(plain))).decode()
    assert public_keys().signed(record)
    assert not public_keys().signed(plain)


def test_no_keys_are_false_and_some_are_true() -> None:
    assert not PublicKeys()
    assert public_keys()
