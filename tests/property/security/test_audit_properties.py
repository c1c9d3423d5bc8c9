"""Any record survives the round trip; any change to a log is found; any crash leaves a log that continues."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_security.audit import AuditLog, verify
from mcp_dockerhub_security.audit_chain import seal, unseal

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


OPERATIONS = st.lists(
    st.one_of(st.tuples(st.just("delete"), st.integers(0, 7)), st.tuples(st.just("swap"), st.integers(0, 6)),
              st.tuples(st.just("repeat"), st.integers(0, 7))),
    min_size=1,
    max_size=4,
)  # fmt: skip


@given(OPERATIONS)
def test_a_log_is_intact_only_as_a_prefix_of_what_was_written(operations: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        log = AuditLog.open(path)
        for number in range(8):
            log.append("outcome", {"number": number})
        log.close()
        original = path.read_bytes().splitlines(keepends=True)
        lines = list(original)
        for operation, position in operations:
            at = position % len(lines) if lines else 0
            if operation == "delete" and lines:
                del lines[at]
            elif operation == "repeat" and lines:
                lines.insert(at, lines[at])
            elif len(lines) > 1:
                other = (at + 1) % len(lines)
                lines[at], lines[other] = lines[other], lines[at]
        path.write_bytes(b"".join(lines))
        report = verify(path)
        good = 0
        while good < len(lines) and lines[good] == original[min(good, 7)] and good < 8:
            good += 1
        assert report.records == good
        assert report.intact == (good == len(lines))


@given(st.integers(0, 400))
def test_after_a_crash_at_any_byte_the_log_continues_and_proves_itself(kept: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.log"
        log = AuditLog.open(path)
        for number in range(3):
            log.append("outcome", {"number": number})
        log.close()
        content = path.read_bytes()
        path.write_bytes(content[: min(kept, len(content))])
        again = AuditLog.open(path)
        again.append("outcome", {})
        again.close()
        report = verify(path)
        assert report.intact
        whole = content[:kept].count(b"\n")
        torn = not content[:kept].endswith(b"\n") and kept > 0
        assert report.records == whole + torn + 1
