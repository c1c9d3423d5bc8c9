"""What verifying an audit log found, and what of it is proven."""

from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal[
    "edited",
    "deleted",
    "inserted",
    "reordered",
    "truncated",
    "rewritten",
    "forged",
    "damaged",
    "torn",
    "unreadable",
]

EXPLANATIONS: Final[dict[Kind, str]] = {
    "edited": "was changed after it was written, or the one before it was",
    "deleted": "follows records that are missing",
    "inserted": "does not belong here: it, or the one before it, was put in later",
    "reordered": "is not in its place",
    "truncated": "is followed, or at a restart was followed, by records that are missing",
    "rewritten": "is not the record that was there when its hash was noted elsewhere: the log was written anew",
    "forged": "is a checkpoint whose signature is not by a given key",
    "damaged": "begins a new chain because the end of the old one was found damaged at a restart and set aside",
    "torn": "is incomplete; the next start of the server sets it aside",
    "unreadable": "cannot be read",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad record."""

    kind: Kind
    file: str
    line: int
    """Line in that file; after the last where something is missing there."""
    sequence: int | None
    detail: str = ""

    def __str__(self) -> str:
        which = f"{self.file}, line {self.line}" + (f" (sequence {self.sequence})" if self.sequence is not None else "")
        detail = f" {self.detail}" if self.detail else ""
        return f"{which} {EXPLANATIONS[self.kind]} [{self.kind}].{detail}"


@dataclass(frozen=True, slots=True)
class Proof:
    """Up to which sequence number something vouches for the records; 0 where it does for none."""

    signature: int = 0
    anchor: int = 0

    @property
    def sequence(self) -> int:
        """The farthest of both."""
        return max(self.signature, self.anchor)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found and what was proven."""

    records: int
    """Good records before the first bad one."""
    files: int
    chain: str
    first_sequence: int
    head_sequence: int
    head_digest: str
    finding: Finding | None = None
    proof: Proof = field(default_factory=Proof)
    asked: bool = False
    """Keys or anchors were given, so that something ought to be proven."""
    closed: bool = False
    """The last record is the checkpoint of a proper end."""
    pruned: int = 0
    """Records before the first that retention deleted."""
    lost: int = 0
    """Records that the server itself reported as impossible to write."""
    recovered: int = 0
    """Restarts that found a torn end and set it aside."""
    notes: tuple[str, ...] = ()
    """Further things to know."""

    @property
    def intact(self) -> bool:
        """Nothing bad was found. What is proven is another question."""
        return self.finding is None

    @property
    def satisfies(self) -> bool:
        """Nothing bad was found, and where a proof was asked for there is one."""
        return self.intact and (not self.asked or self.proof.sequence > 0)

    # The finding's parts, for those who look at one of them

    @property
    def kind(self) -> Kind | None:
        return self.finding.kind if self.finding else None

    @property
    def line(self) -> int | None:
        return self.finding.line if self.finding else None

    @property
    def sequence(self) -> int | None:
        return self.finding.sequence if self.finding else None

    @property
    def text(self) -> str:
        """The report as a person reads it: what is wrong, what is proven, what only looks right."""
        lines = [f"NOT INTACT: {self.finding}"] if self.finding else []
        if self.records:
            where = "before that" if self.finding else f"in {self.files} files" if self.files > 1 else "in one file"
            lines.append(
                f"{_counted(self.records)} {where} in an unbroken chain ({self.chain}), sequence {self.first_sequence} "
                f"to {self.head_sequence}, head {self.head_digest}."
            )
        elif self.finding is None:
            lines.append("No records.")
        return "\n".join([*lines, *self._proven(), *self._remarks()])

    def _proven(self) -> list[str]:
        lines = []
        if self.proof.signature:
            lines.append(f"PROVEN by a signed checkpoint: everything up to sequence {self.proof.signature}.")
        if self.proof.anchor:
            lines.append(f"PROVEN by the head anchored in Redis: everything up to sequence {self.proof.anchor}.")
        rest = self.head_sequence - self.proof.sequence
        if not self.records or not rest or self.finding is not None:
            return lines
        if not lines:
            lines.append(
                "NOT PROVEN, only looks right: whoever can write the files could have written all of them anew, or cut "
                "off their end. Signed checkpoints (--public-key) or anchored heads (--anchors) prove it."
            )
        else:
            lines.append(
                f"NOT PROVEN, only looks right: what follows ({_counted(rest)}). Whoever can write the files could "
                "have changed it or cut off more."
            )
        return lines

    def _remarks(self) -> list[str]:
        remarks = []
        if self.records and not self.closed and self.finding is None:
            remarks.append("It ends without a closing checkpoint: the server runs, was killed, or the end was cut off.")
        if self.pruned:
            remarks.append(f"Retention deleted what was before: {_counted(self.pruned)}.")
        if self.lost:
            remarks.append(f"The server reports {_counted(self.lost)} that it could not write.")
        if self.recovered:
            remarks.append(f"An incomplete end was found by {self.recovered} restart(s) and set aside.")
        return [*remarks, *self.notes]


def _counted(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"
