"""Any record survives the round trip; any change to a log is found; any crash leaves a log that continues."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.audit import AuditLog, AuditOptions, AuditUnavailableError
from mcp_dockerhub_security.audit_chain import seal, unseal
from mcp_dockerhub_security.audit_segments import checkpoints_path
from mcp_dockerhub_security.audit_verify import Anchor, verify
from tests.upstreams.audit_parts import fragile, public_keys, signer, written

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.text(max_size=8).filter(lambda name: name not in {"hash", "sequence"}), VALUES, max_size=5)


@given(FIELDS, st.integers(1, 10**9))
def test_what_is_sealed_is_unsealed_unchanged(fields: dict[str, Any], sequence: int) -> None:
    record = {**fields, "sequence": sequence}
    line, digest = seal(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert unseal(line) == (record, digest)


@given(FIELDS, st.data())
def test_any_changed_byte_of_a_line_is_found(fields: dict[str, Any], data: st.DataObject) -> None:
    line, _ = seal({**fields, "sequence": 1})
    position = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[position]))
    with pytest.raises(ValueError, match=r"is not|does not"):
        unseal(line[:position] + bytes([byte]) + line[position + 1 :])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"is not|does not"):
        unseal(line)


# What somebody does to the lines of a closed log: each step is (what, where, with what).
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["delete", "swap", "repeat", "edit", "reseal", "cut", "tear", "move", "recompute"]),
        st.integers(0, 200),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=4,
)
OPTIONS = AuditOptions(max_bytes=3_000, checkpoint_records=5, signer=signer())


def _recompute(lines: list[bytes], at: int) -> None:
    """Change a record and give everything after it the hashes that follow."""
    record = json.loads(lines[at])
    record["number"] = -1
    for position in range(at, len(lines)):
        record.pop("hash", None)
        lines[position], digest = seal(record)
        if position + 1 < len(lines):
            record = {**json.loads(lines[position + 1]), "previous": digest}


def _apply(lines: list[bytes], what: str, one: int, other: int) -> None:
    if not lines:
        return
    at, to = one % len(lines), other % len(lines)
    if what == "delete":
        del lines[at]
    elif what == "swap":
        lines[at], lines[to] = lines[to], lines[at]
    elif what == "repeat":
        lines.insert(to, lines[at])
    elif what == "move":
        lines.insert(to, lines.pop(at))
    elif what == "edit":
        position = other % len(lines[at])
        lines[at] = lines[at][:position] + bytes([lines[at][position] ^ 1]) + lines[at][position + 1 :]
    elif what == "cut":
        del lines[at:]
    elif what == "tear":
        lines[at:] = [lines[at][: 1 + other % (len(lines[at]) - 1)]] if len(lines[at]) > 2 else []
    else:
        try:
            if what == "recompute":
                _recompute(lines, at)
            else:
                record = {**json.loads(lines[at]), "number": -1}
                record.pop("hash", None)
                lines[at] = seal(record)[0]
        except ValueError:
            # A line that an earlier step broke.
            lines[at] = b"{}\n"


def _logs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        written(path, 25, options=OPTIONS)
        yield path


@pytest.fixture(scope="module")
def log() -> Iterator[Path]:
    """A closed log of several files, signed; whoever changes it puts it back."""
    yield from _logs()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
@pytest.mark.parametrize("told", ["notes", "key", "anchor"])
def test_whatever_is_done_to_a_closed_log_is_found(log: Path, told: str, steps: list[tuple[str, int, int]]) -> None:
    """``told``: what the one who verifies has. With the key or the anchor alone, even the notes are gone."""
    original = {file: file.read_bytes() for file in log.parent.iterdir()}
    files = segments.files(log)
    whole = b"".join(original[file] for file in files)
    head = verify(log)
    try:
        lines = whole.splitlines(keepends=True)
        for step in steps:
            _apply(lines, *step)
        _spread(files, lines)
        if told != "notes":
            checkpoints_path(log).unlink()
        keys = public_keys() if told == "key" else None
        anchors = {head.chain: Anchor(head.head_sequence, head.head_digest)} if told == "anchor" else None
        report = verify(log, keys=keys, anchors=anchors)
        if b"".join(lines) == whole:
            assert report.satisfies
        elif told == "key" and report.satisfies:
            # A key cannot tell of what was cut off, nor of what follows the last signature that is left; so what is
            # said to be proven is as it was written, and the end is said not to be one.
            assert lines[: report.proof.signature] == whole.splitlines(keepends=True)[: report.proof.signature]
            assert not report.closed
        else:
            assert not report.satisfies
            assert report.records <= len(lines)
    finally:
        for file, content in original.items():
            file.write_bytes(content)


def _spread(files: list[Path], lines: list[bytes]) -> None:
    """Write lines over as many files as there were, with as many in each."""
    sizes = [file.read_bytes().count(b"\n") for file in files]
    for file, size in zip(files[:-1], sizes, strict=False):
        file.write_bytes(b"".join(lines[:size]))
        lines = lines[size:]
    files[-1].write_bytes(b"".join(lines))


@given(st.integers(0, 1_200))
def test_after_a_crash_at_any_byte_the_log_continues_and_proves_itself(kept: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        log = AuditLog.open(path)
        for number in range(3):
            log.append("outcome", {"number": number})
        content = path.read_bytes()
        log.close()
        # A process that was killed has left no closing checkpoint.
        checkpoints_path(path).unlink()
        path.write_bytes(content[: min(kept, len(content))])
        again = AuditLog.open(path)
        again.append("outcome", {})
        report = verify(path)
        again.close()
        assert report.intact
        whole = content[:kept].count(b"\n")
        torn = not content[:kept].endswith(b"\n") and kept > 0
        assert report.records == whole + torn + 1
        assert verify(path).intact


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 900)), max_size=25))
def test_a_disk_that_comes_and_goes_loses_nothing_that_was_acknowledged(steps: list[tuple[int, bool, int]]) -> None:
    asyncio.run(_fill(steps))


async def _fill(steps: list[tuple[int, bool, int]]) -> None:
    """Each step: so many records at once, on a disk that is full or not and has that much room left."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        log, sink = fragile(path, max_bytes=2_000, checkpoint_records=4)
        acknowledged: list[int] = []
        appended = 0
        for count, full, room in steps:
            sink.full, sink.room = full, room
            batch = list(range(appended, appended + count))
            for number in batch:
                log.append("outcome", {"number": number})
            appended += count
            with suppress(AuditUnavailableError):
                await log.settle()
                acknowledged += batch
        sink.full = False
        log.close()
        found = [
            record["number"]
            for file in segments.files(path)
            for line in file.read_bytes().splitlines()
            if "number" in (record := json.loads(line))
        ]
        assert set(acknowledged) <= set(found)
        # Nothing waited too long here, so nothing at all is missing, and nothing is there twice.
        assert found == list(range(appended))
        assert verify(path).intact
