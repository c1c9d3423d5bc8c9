"""Proving that an audit log is as it was written, or naming the first record that is not.

A chain alone shows any change inside, but can be cut off at its end or computed anew. What proves more:

* signatures: a checkpoint signed with a key that whoever writes the files does not have vouches for every record
  before it;
* anchors: heads kept elsewhere (Redis) vouch for every record up to them, and for their being there;
* the checkpoints beside the log find a cut-off end too, unless they were cut off with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub_security import audit_segments as segments
from mcp_dockerhub_security.audit_chain import GENESIS, MAX_LINE, unseal
from mcp_dockerhub_security.audit_keys import PublicKeys
from mcp_dockerhub_security.audit_notes import CheckpointNotes
from mcp_dockerhub_security.audit_report import Finding, Kind, Proof, VerifyReport

__all__ = ["Anchor", "VerifyReport", "verify"]

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that was kept elsewhere."""

    sequence: int
    digest: str
    time: str = ""
    instance: str = ""
    file: str = ""


@dataclass(slots=True)
class _Line:
    """One line of the log."""

    file: Path
    number: int
    content: bytes


class _Bad(Exception):
    """Ends a walk at the first bad record."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__()


@dataclass(slots=True)
class _Walk:
    """The state of one pass over the files."""

    path: Path
    keys: PublicKeys
    anchors: Mapping[str, Anchor] | None
    noted: dict[int, str] = field(default_factory=dict)
    """Hashes of checkpoints of this chain that are kept beside the log."""
    foreign: bool = False
    """Checkpoints of another chain are kept beside it too."""
    records: int = 0
    first: int = 0
    chain: str = ""
    sequence: int = 0
    digest: str = GENESIS
    event: str = ""
    reason: str = ""
    signature: int = 0
    anchor: int = 0
    lost: int = 0
    recovered: int = 0
    start: tuple[int, str] | None = None
    """Where records before the first must have ended, if there are to have been any."""
    pruned: dict[int, str] = field(default_factory=dict)
    """Where retention says that it stopped deleting."""
    incident: Finding | None = None
    """Something the server itself found and reported; the walk goes on after it."""

    # One record

    def take(self, line: _Line) -> None:
        if len(line.content) > MAX_LINE:
            raise self._bad("unreadable", line)
        if not line.content.endswith(b"\n"):
            raise self._bad("torn", line)
        try:
            record, digest = unseal(line.content)
        except ValueError:
            raise self._bad("edited", line) from None
        if not self.records:
            self._begin(record)
        if record["sequence"] != self.sequence + 1 or record.get("previous") != self.digest:
            raise self._bad(self._broken_link(record, line), line, record["sequence"])
        self._compare(record, digest, line)
        self._accept(record, digest, line)

    def _begin(self, record: dict[str, Any]) -> None:
        self.chain = str(record.get("chain", ""))
        self.first = record["sequence"]
        for note, digest in CheckpointNotes(self.path).read():
            if note.get("chain", "") == self.chain:
                self.noted[note["sequence"]] = digest
            else:
                self.foreign = True
        if self.first > 1:
            self.sequence, self.digest = self.first - 1, str(record.get("previous"))
            self.start = (self.sequence, self.digest)

    def _compare(self, record: dict[str, Any], digest: str, line: _Line) -> None:
        """With what was noted elsewhere about this very record."""
        sequence = record["sequence"]
        if record.get("chain", "") != self.chain:
            raise self._bad("inserted", line, sequence, "It is of another chain.")
        known = self.noted.pop(sequence, digest)
        anchor = self.anchors.get(self.chain) if self.anchors is not None else None
        if known != digest or (anchor is not None and anchor.sequence == sequence and anchor.digest != digest):
            raise self._bad("rewritten", line, sequence)
        if anchor is not None and anchor.sequence == sequence:
            self.anchor = sequence
        if record.get("event") == "checkpoint" and self.keys and "signature" in record:
            if not self.keys.signed(record):
                raise self._bad("forged", line, sequence)
            self.signature = sequence

    def _accept(self, record: dict[str, Any], digest: str, line: _Line) -> None:
        self.records += 1
        self.sequence, self.digest = record["sequence"], digest
        self.event, self.reason = str(record.get("event")), str(record.get("reason", ""))
        lost = record.get("lost", 0)
        self.lost += lost if isinstance(lost, int) else 0
        last = record.get("last")
        if self.event == "pruned" and isinstance(last, int):
            self.pruned[last] = str(record.get("digest"))
        elif self.event == "recovered" and record.get("kind") == "torn":
            self.recovered += 1
        elif self.event == "recovered":
            self._incident("damaged", line, f"Verify {record.get('aside')} too.")
        elif self.event == "missing":
            self._missing(record, line)

    def _missing(self, record: dict[str, Any], line: _Line) -> None:
        last, found = record.get("last"), record.get("found")
        detail = (
            f"The {record.get('source')} knew of sequence {last} of chain {record.get('of')}; the log ended at {found}."
        )
        self._incident("truncated", line, detail)
        if isinstance(last, int) and isinstance(found, int):
            # These are reported; what has their numbers now was written after the restart.
            self.noted = {at: digest for at, digest in self.noted.items() if not found < at <= last}

    def _incident(self, kind: Kind, line: _Line, detail: str) -> None:
        if self.incident is None:
            self.incident = Finding(kind, line.file.name, line.number, self.sequence, detail)

    # The end

    def finish(self, last: _Line | None) -> None:
        """What is known of records before the first one, of those after the last, and of this chain as a whole."""
        beginning = _Line(segments.files(self.path)[0], 1, b"")
        end = _Line(last.file, last.number + 1, b"") if last else beginning
        if self.first > 1 and not self._was_pruned():
            raise self._bad("deleted", beginning, self.first, "Nothing says that retention deleted what was before.")
        if self.incident is not None:
            raise _Bad(self.incident)
        anchor = self.anchors.get(self.chain) if self.anchors is not None else None
        known = max([*self.noted, anchor.sequence if anchor else 0], default=0)
        if known > self.sequence:
            raise self._bad("truncated", end, self.sequence + 1, f"There were records up to sequence {known}.")
        if self.foreign:
            raise self._bad("rewritten", beginning, None, "The checkpoints beside the log are of another chain.")
        if not self.records and CheckpointNotes(self.path).read():
            raise self._bad("truncated", beginning, None, "The checkpoints beside the log are of records.")

    def _was_pruned(self) -> bool:
        """Whether a later record says that retention deleted everything before the first one."""
        return self.start is not None and self.pruned.get(self.start[0]) == self.start[1]

    def _broken_link(self, record: dict[str, Any], line: _Line) -> Kind:
        """Why a record that is in itself good does not continue the one before it."""
        expected = self.sequence + 1
        if record["sequence"] == expected:
            return "edited"
        if record["sequence"] < expected:
            return "inserted"
        later = False
        for other in _lines(self.path):
            if later and _sequence(other.content) == expected:
                return "reordered"
            later = later or (other.file == line.file and other.number == line.number)
        return "deleted"

    def _bad(self, kind: Kind, line: _Line, sequence: int | None = None, detail: str = "") -> _Bad:
        return _Bad(Finding(kind, line.file.name, line.number, sequence, detail))

    def report(self, finding: Finding | None) -> VerifyReport:
        return VerifyReport(
            records=self.records,
            files=len(segments.files(self.path)),
            chain=self.chain,
            first_sequence=self.first,
            head_sequence=self.sequence,
            head_digest=self.digest,
            finding=finding,
            proof=Proof(self.signature, self.anchor),
            asked=bool(self.keys) or self.anchors is not None,
            closed=self.event == "checkpoint" and self.reason == "close",
            pruned=self.first - 1 if self._was_pruned() else 0,
            lost=self.lost,
            recovered=self.recovered,
            notes=tuple(self._notes()) if finding is None else (),
        )

    def _notes(self) -> Iterator[str]:
        if self.records and self.anchors is not None and self.chain not in self.anchors:
            yield "No head of this chain is anchored."
        if self.records and self.keys and not self.signature:
            yield "No checkpoint is signed by a given key."


def verify(
    path: str | Path, *, keys: PublicKeys | None = None, anchors: Mapping[str, Anchor] | None = None
) -> VerifyReport:
    """Check every record of a log, rotated files included, against its hash, its predecessor and what vouches for it.

    Reads line by line. Raises OSError when a file cannot be read, FileNotFoundError when there is none.
    """
    for _ in range(_TRIES - 1):
        files = segments.files(Path(path))
        report = _walked(_Walk(Path(path), keys or PublicKeys(), anchors))
        if report.intact or (report.kind != "torn" and segments.files(Path(path)) == files):
            return report
        # The server may have been in the middle of a line, or have rotated the log under our eyes.
    return _walked(_Walk(Path(path), keys or PublicKeys(), anchors))


def _walked(walk: _Walk) -> VerifyReport:
    line = None
    try:
        for line in _lines(walk.path):
            walk.take(line)
        walk.finish(line)
    except _Bad as bad:
        return walk.report(bad.finding)
    return walk.report(None)


def _lines(path: Path) -> Iterator[_Line]:
    for file in segments.files(path):
        for number, content in segments.numbered_lines(file):
            yield _Line(file, number, content)


def _sequence(line: bytes) -> int | None:
    try:
        sequence: int = unseal(line)[0]["sequence"]
    except ValueError:
        return None
    return sequence
