"""Each kind of tampering is found and the first bad record named; what is proven is told from what looks right."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.audit import AuditHead, AuditLog, AuditOptions
from mcp_dockerhub_security.audit_chain import GENESIS, MAX_LINE, seal
from mcp_dockerhub_security.audit_verify import Anchor, verify
from tests.upstreams.audit_parts import lines, public_keys, records, signer, write, written

SIGNED = AuditOptions(signer=signer(), checkpoint_records=3)
Tamper = Callable[[list[bytes]], list[bytes]]


def resealed(line: bytes, **changes: Any) -> bytes:
    """A record changed by someone who knows how hashes are made."""
    record = {**json.loads(line), **changes}
    del record["hash"]
    return seal(record)[0]


def recomputed(content: list[bytes], start: int, **changes: Any) -> list[bytes]:
    """A log whose record at ``start`` is changed, and everything after it computed anew."""
    forged = [*content[:start], resealed(content[start], **changes)]
    for line in content[start + 1 :]:
        forged.append(resealed(line, previous=json.loads(forged[-1])["hash"]))
    return forged


def _insert(content: list[bytes]) -> list[bytes]:
    record = json.loads(content[2])
    forged = seal({"event": "outcome", "sequence": 4, "previous": record["hash"], "chain": record["chain"]})[0]
    return [*content[:3], forged, *content[3:]]


def _renumbered_insert(content: list[bytes]) -> list[bytes]:
    """Everything after it renumbered, but not what the hashes say."""
    return [*content[:3], content[3], *(resealed(line, sequence=5 + at) for at, line in enumerate(content[3:]))]


TAMPERINGS: dict[str, tuple[Tamper, str, int]] = {
    "a value changed": (lambda c: [*c[:2], c[2].replace(b'"number":2', b'"number":7'), *c[3:]], "edited", 3),
    "a value and its hash changed": (lambda c: [*c[:2], resealed(c[2], number=7), *c[3:]], "edited", 4),
    "another spelling": (lambda c: [*c[:2], c[2].replace(b'"number":2', b'"number": 2'), *c[3:]], "edited", 3),
    "a duplicate key": (lambda c: [*c[:2], c[2].replace(b"{", b'{"number":2,', 1), *c[3:]], "edited", 3),
    "a line of garbage": (lambda c: [*c[:2], b"garbage\n", *c[3:]], "edited", 3),
    "a record of another chain": (
        lambda c: [*c[:2], resealed(c[2], chain="0" * 16), *c[3:]],
        "inserted",
        3,
    ),
    "a record removed": (lambda c: [*c[:2], *c[3:]], "deleted", 3),
    "the first record removed": (lambda c: c[1:], "deleted", 1),
    "a forged record put in": (_insert, "inserted", 5),
    "a forged record put in and the rest renumbered": (_renumbered_insert, "edited", 5),
    "a record repeated": (lambda c: [*c[:3], c[2], *c[3:]], "inserted", 4),
    "two records swapped": (lambda c: [c[0], c[2], c[1], *c[3:]], "reordered", 2),
    "two swapped around noise": (lambda c: [c[0], c[2], b"noise\n", c[1], *c[3:]], "reordered", 2),
    "the last line cut": (lambda c: [*c[:5], c[5][:-10]], "torn", 6),
    "a line too long": (lambda c: [*c[:2], b"x" * (MAX_LINE + 1) + b"\n", *c[2:]], "unreadable", 3),
    "the end cut off": (lambda c: c[:3], "truncated", 4),
    "everything cut off": (lambda c: [], "truncated", 1),
    "the end computed anew": (lambda c: recomputed(c, 2, number=7), "rewritten", 6),
    "the whole log computed anew": (lambda c: recomputed(c, 0, number=7), "rewritten", 6),
    "the whole log under another name": (
        lambda c: [seal({"event": "outcome", "sequence": 1, "previous": GENESIS, "chain": "f" * 16})[0]],
        "rewritten",
        1,
    ),
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_tampering_is_found_and_the_first_bad_record_named(tmp_path: Path, how: str) -> None:
    tamper, kind, line = TAMPERINGS[how]
    path = written(tmp_path / "audit.log", 5)
    path.write_bytes(b"".join(tamper(lines(path))))
    report = verify(path)
    assert not report.intact
    assert (report.kind, report.line) == (kind, line)
    assert f"NOT INTACT: audit.log, line {line}" in report.text
    assert not report.satisfies


def test_an_intact_log_reports_its_head_and_what_no_chain_can_prove(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 5)
    log.close()
    report = verify(path)
    assert (report.records, report.head_sequence, report.head_digest) == (6, 6, log.head.digest)
    assert log.head.digest in report.text
    assert "NOT PROVEN, only looks right" in report.text
    assert "without a closing checkpoint" not in report.text
    assert report.satisfies


def test_a_log_that_is_still_written_to_has_no_proper_end(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", 2)
    assert "It ends without a closing checkpoint" in verify(tmp_path / "audit.log").text
    log.close()


def test_an_empty_log_is_intact_and_one_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with pytest.raises(FileNotFoundError):
        verify(path)
    path.touch()
    report = verify(path)
    assert report.satisfies
    assert report.text == "No records."
    # It may have been emptied, so as a proof it is none.
    assert not verify(path, keys=public_keys()).satisfies
    assert not verify(path, anchors={}).satisfies


# Signatures


def test_signed_checkpoints_prove_what_is_before_them(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 4, options=SIGNED)
    report = verify(path, keys=public_keys())
    assert report.proof.signature == 4
    assert "PROVEN by a signed checkpoint: everything up to sequence 4." in report.text
    assert "only looks right: what follows (1 record)" in report.text
    log.close()
    report = verify(path, keys=public_keys())
    assert (report.proof.signature, report.head_sequence) == (6, 6)
    assert "NOT PROVEN" not in report.text
    assert report.satisfies


def test_without_the_key_a_signed_log_proves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 4, options=SIGNED)
    report = verify(path)
    assert report.intact
    assert report.proof.sequence == 0
    assert "NOT PROVEN" in report.text


def test_a_log_computed_anew_carries_no_good_signature(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 4, options=SIGNED)
    path.write_bytes(b"".join(recomputed(lines(path), 0, number=7)))
    (tmp_path / "audit.log.checkpoints").unlink()
    assert verify(path).intact
    report = verify(path, keys=public_keys())
    assert (report.kind, report.line) == ("forged", 4)


def test_signatures_left_out_of_a_log_computed_anew_leave_it_unproven(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 4)
    (tmp_path / "audit.log.checkpoints").unlink()
    report = verify(path, keys=public_keys())
    assert report.intact
    assert not report.satisfies
    assert "No checkpoint is signed by a given key." in report.text


def test_a_signature_by_another_key_is_none(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 2, options=AuditOptions(signer=signer(1)))
    assert verify(path, keys=public_keys(0)).kind == "forged"
    assert verify(path, keys=public_keys(0, 1)).satisfies


@pytest.mark.parametrize("signature", ["", "!!!", 7, None, "AAAA"])
def test_what_is_no_signature_is_forged(tmp_path: Path, signature: object) -> None:
    path = written(tmp_path / "audit.log", 1, options=SIGNED)
    content = lines(path)
    path.write_bytes(content[0] + resealed(content[1], signature=signature))
    (tmp_path / "audit.log.checkpoints").unlink()
    assert verify(path, keys=public_keys()).kind == "forged"


def test_a_signed_checkpoint_cannot_be_used_for_another_log(tmp_path: Path) -> None:
    one = written(tmp_path / "one.log", 4, options=SIGNED)
    other = written(tmp_path / "other.log", 4, options=SIGNED)
    content = lines(other)
    other.write_bytes(b"".join([*content[:3], lines(one)[3], *content[4:]]))
    assert verify(other, keys=public_keys()).line == 4


# Anchors


def anchored(log: AuditLog) -> dict[str, Anchor]:
    return {log.chain: Anchor(log.head.sequence, log.head.digest, "2026-11-21T09:00:00Z", "one", "audit.log")}


def test_an_anchored_head_proves_what_is_before_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 4)
    anchors = anchored(log)
    log.append("outcome", {})
    report = verify(path, anchors=anchors)
    assert (report.proof.anchor, report.satisfies) == (4, True)
    assert "PROVEN by the head anchored in Redis: everything up to sequence 4." in report.text
    assert "what follows (1 record)" in report.text
    log.close()


@pytest.mark.parametrize(
    ("tamper", "kind", "line"),
    [
        (lambda c: c[:2], "truncated", 3),
        (lambda c: recomputed(c, 1, number=7), "rewritten", 4),
    ],
)
def test_anchors_find_what_was_cut_off_or_computed_anew(tmp_path: Path, tamper: Tamper, kind: str, line: int) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 4)
    anchors = anchored(log)
    path.write_bytes(b"".join(tamper(lines(path))))
    assert verify(path).intact
    report = verify(path, anchors=anchors)
    assert (report.kind, report.line) == (kind, line)
    log.close()


def test_a_log_without_an_anchor_is_not_proven_by_anchors(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 2)
    report = verify(path, anchors={"another": Anchor(5, "x")})
    assert report.intact
    assert not report.satisfies
    assert "No head of this chain is anchored." in report.text


# Several files


def rotated_log(path: Path) -> list[Path]:
    written(path, 40, options=AuditOptions(max_bytes=4_000, signer=signer()))
    found = segments.files(path)
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("gone", [0, 1, -1])
def test_a_file_that_is_gone_is_missed(tmp_path: Path, gone: int) -> None:
    path = tmp_path / "audit.log"
    files = rotated_log(path)
    files[gone].unlink()
    report = verify(path, keys=public_keys())
    assert report.kind == ("truncated" if gone == -1 else "deleted")
    assert report.finding is not None
    assert report.finding.file == files[1 if gone == 0 else gone + 1 if gone > 0 else -2].name


def test_a_record_changed_in_a_rotated_file_is_named_with_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    files = rotated_log(path)
    content = lines(files[1])
    files[1].write_bytes(b"".join([content[0], *content[2:]]))
    report = verify(path)
    assert (report.kind, report.line) == ("deleted", 2)
    assert report.text.startswith(f"NOT INTACT: {files[1].name}, line 2 (sequence ")


def test_a_forged_word_of_retention_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    files = rotated_log(path)
    first = records(files[1])[0]
    log = AuditLog.open(path)
    log.append("pruned", {"last": first["sequence"] - 1, "digest": "0" * 64})
    log.append("pruned", {"last": ["nonsense"]})
    log.close()
    files[0].unlink()
    report = verify(path)
    assert report.kind == "deleted"
    assert "Retention deleted" not in report.text


# What a start finds


def test_a_restart_after_the_end_was_cut_off_says_so_in_the_chain(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 5)
    path.write_bytes(b"".join(lines(path)[:3]))
    written(path, 2)
    missing = records(path)[3]
    assert (missing["event"], missing["last"], missing["found"]) == ("missing", 6, 3)
    report = verify(path)
    assert (report.kind, report.line, report.sequence) == ("truncated", 4, 4)
    assert "The checkpoints knew of sequence 6" in report.text
    assert report.records == 7


def test_a_restart_after_the_log_was_removed_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 5)
    chain = verify(path).chain
    path.unlink()
    written(path, 1)
    missing = records(path)[0]
    assert (missing["event"], missing["of"], missing["found"]) == ("missing", chain, 0)
    assert verify(path).kind == "truncated"


def test_what_an_anchor_knows_better_is_said_in_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 1)
    log.report_missing(log.chain, AuditHead(9, "d" * 64), "anchor")
    log.close()
    assert "The anchor knew of sequence 9" in verify(path).text


def test_a_log_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "audit.log", 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    real = segments.numbered_lines

    def read(file: Path) -> object:
        found = list(real(file))
        path.write_bytes(whole)
        return iter(found)

    monkeypatch.setattr(segments, "numbered_lines", read)
    assert verify(path).intact
