"""Proving that an audit log is as it was written, or naming the first record that is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mcp_dockerhub_security.audit_chain import GENESIS, MAX_LINE, unseal

Kind = Literal["edited", "deleted", "inserted", "reordered", "torn", "unreadable"]

_EXPLANATIONS: Final[dict[Kind, str]] = {
    "edited": "was changed after it was written, or the one before it was",
    "deleted": "follows records that are missing",
    "inserted": "does not belong here: it, or the one before it, was put in later",
    "reordered": "is not in its place",
    "torn": "is incomplete; the next start of the server sets it aside",
    "unreadable": "cannot be read",
}
_UNPROVEN: Final = (
    "A chain alone cannot prove that nothing is missing after its last record, nor that the whole file was not "
    "written anew: compare the head with one kept elsewhere."
)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was proven. ``line`` and ``sequence`` are of the first bad record; None when there is none."""

    intact: bool
    records: int
    """Good records before the first bad one."""
    head_sequence: int
    head_digest: str
    kind: Kind | None = None
    line: int | None = None
    sequence: int | None = None
    lost: int = 0
    """Records that the server itself reported as impossible to write."""
    recovered: int = 0
    """Restarts that found a torn or damaged end and set it aside."""

    @property
    def text(self) -> str:
        """The report as a person reads it."""
        lines = [
            f"{self.records} records in an unbroken chain; head: sequence {self.head_sequence}, {self.head_digest}."
        ]
        if self.kind is not None:
            which = f" (sequence {self.sequence})" if self.sequence is not None else ""
            lines.insert(0, f"NOT INTACT: line {self.line}{which} {_EXPLANATIONS[self.kind]} [{self.kind}].")
        if self.lost:
            lines.append(f"The server reports {self.lost} records that it could not write.")
        if self.recovered:
            lines.append(f"{self.recovered} restart(s) found an incomplete or damaged end and set it aside.")
        return "\n".join([*lines, _UNPROVEN])


class _Walk:
    """The state of one pass over the file."""

    def __init__(self) -> None:
        self.records = 0
        self.sequence = 0
        self.digest = GENESIS
        self.before = GENESIS
        """The hash before ``digest``: what a record that was pushed back by an insertion continues."""
        self.lost = 0
        self.recovered = 0

    def accept(self, record: dict[str, Any], digest: str) -> None:
        self.records += 1
        self.sequence, self.before, self.digest = record["sequence"], self.digest, digest
        self.lost += record.get("lost", 0)
        self.recovered += record.get("event") == "recovered"

    def report(self, kind: Kind | None = None, line: int | None = None, sequence: int | None = None) -> VerifyReport:
        return VerifyReport(
            kind is None, self.records, self.sequence, self.digest, kind, line, sequence, self.lost, self.recovered
        )


def verify(path: str | Path) -> VerifyReport:
    """Check every record of a log against its hash and its predecessor, in constant memory.

    Raises OSError when the file cannot be read.
    """
    walk = _Walk()
    for number, line in _lines(Path(path)):
        if len(line) > MAX_LINE:
            return walk.report("unreadable", number)
        if not line.endswith(b"\n"):
            return walk.report("torn", number)
        try:
            record, digest = unseal(line)
        except ValueError:
            return walk.report("edited", number)
        sequence = record["sequence"]
        if sequence != walk.sequence + 1 or record.get("previous") != walk.digest:
            return walk.report(_broken_link(walk, record, Path(path), number), number, sequence)
        walk.accept(record, digest)
    return walk.report()


def _broken_link(walk: _Walk, record: dict[str, Any], path: Path, number: int) -> Kind:
    """Why a record that is in itself good does not continue the one before it."""
    expected = walk.sequence + 1
    if record["sequence"] == expected:
        return "edited"
    if record["sequence"] < expected:
        return "inserted"
    for later, line in _lines(path):
        if later > number and _sequence(line) == expected:
            return "reordered"
    return "deleted"


def _sequence(line: bytes) -> int | None:
    try:
        sequence: int = unseal(line)[0]["sequence"]
    except ValueError:
        return None
    return sequence


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines; one that is too long is cut, and recognised by its length."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            yield number, line
