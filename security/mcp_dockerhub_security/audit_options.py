"""How an audit log is kept, and what is said about it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mcp_dockerhub_security.audit_chain import GENESIS

if TYPE_CHECKING:
    from mcp_dockerhub_security.audit_keys import Signer

FsyncPolicy = Literal["intent", "always", "interval"]


class AuditUnavailableError(Exception):
    """A record could not be written, or not be brought to the disk."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where a chain ends: note it elsewhere, and a cut-off tail can be proven."""

    sequence: int
    digest: str


BEGINNING: Final = AuditHead(0, GENESIS)
"""Of a chain without records."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """How a log is kept."""

    fsync: FsyncPolicy = "intent"
    """What is on the disk when a call is answered: ``intent``: what precedes effects; ``always``: every record;
    ``interval``: as ``intent``, and everything within a second."""
    max_bytes: int = 64 * 1024 * 1024
    """A file that is longer is rotated; so is one from another day."""
    checkpoint_records: int = 1_000
    checkpoint_seconds: float = 60.0
    """A checkpoint is due after so many records, and after so much time if there are any."""
    signer: "Signer | None" = None
