"""The file that says which findings a team has decided to live with, why, and until when.

    [[ignore]]
    id = "CVE-2024-0001"          # or any alias
    package = "openssl"           # optional: a package or source package; without it every package
    reason = "the parser is never given foreign input"
    expires = 2027-01-31          # the last day it counts

An entry without a reason or an end is refused: what is ignored for good is forgotten.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.supply_chain.vulnerabilities.model import Finding

MAX_BYTES: Final = 4 * 1024 * 1024
_KEYS: Final = frozenset({"id", "package", "reason", "expires"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision."""

    id: str
    reason: str
    expires: date
    package: str = ""

    def fits(self, finding: Finding) -> bool:
        """Whether it is about this package; entries are found by their ids."""
        packages = {name for package in finding.packages for name in (package.name, package.source[0], package.purl)}
        return not self.package or self.package in packages


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """All decisions, and what became of them on one day."""

    name: str
    entries: tuple[Entry, ...]
    today: date
    _by_id: dict[str, list[Entry]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        index: dict[str, list[Entry]] = {}
        for entry in self.entries:
            index.setdefault(entry.id.upper(), []).append(entry)
        object.__setattr__(self, "_by_id", index)

    def find(self, finding: Finding) -> Entry | None:
        """The entry in force that covers a finding; of one about several vulnerabilities each needs its own."""
        own = self._in_force(finding, finding.names)
        each = [self._in_force(finding, (name,)) for name in finding.about]
        entries = [entry for entry in each if entry is not None]
        if own is not None or len(entries) < len(each):
            return own
        return min(entries, key=lambda entry: entry.expires, default=None)

    def _in_force(self, finding: Finding, names: Iterable[str]) -> Entry | None:
        return next((entry for entry in self._candidates(finding, names) if entry.expires >= self.today), None)

    def notes(self, findings: Iterable[Finding]) -> list[str]:
        """What its owner must know: entries that ended and would have counted, entries that meet nothing."""
        used = {entry for one in findings for entry in self._candidates(one, (one.id, *one.aliases))}
        found = []
        for entry in self.entries:
            label = f"{entry.id} ({entry.package})" if entry.package else entry.id
            if entry not in used:
                found.append(f"{self.name}: {label} is ignored there and not found here; the entry can go.")
            elif entry.expires < self.today:
                found.append(f"{self.name}: {label} is no longer ignored: its entry expired on {entry.expires}.")
        return found

    def _candidates(self, finding: Finding, names: Iterable[str]) -> list[Entry]:
        wanted = dict.fromkeys(name.upper() for name in names)
        return [entry for name in wanted for entry in self._by_id.get(name, ()) if entry.fits(finding)]


def read_ignore_file(path: Path, today: date) -> IgnoreFile:
    """Raises InvalidInput naming what is wrong: a file that cannot be read must not look like one that is empty."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"The ignore file {path} cannot be read ({error.strerror or 'it failed'}).") from None
    if len(raw) > MAX_BYTES:
        raise InvalidInput(f"The ignore file {path} is larger than {MAX_BYTES} bytes.")
    try:
        document = tomllib.loads(raw.decode())
    except (ValueError, RecursionError):
        raise InvalidInput(f"The ignore file {path} is not TOML in UTF-8.") from None
    entries = document.get("ignore", [])
    if set(document) - {"ignore"} or not isinstance(entries, list):
        raise InvalidInput(f"The ignore file {path} has something else than [[ignore]] tables.")
    return IgnoreFile(
        str(path), tuple(_entry(entry, f"Entry {at} of {path}") for at, entry in enumerate(entries, 1)), today
    )


def _entry(entry: Any, what: str) -> Entry:
    if not isinstance(entry, dict):
        raise InvalidInput(f"{what} is not a table.")
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise InvalidInput(f"{what} has unknown keys: {', '.join(unknown)[:200]}.")
    return Entry(
        _word(entry, "id", what),
        _word(entry, "reason", what),
        _day(entry.get("expires"), what),
        _word(entry, "package", what) if "package" in entry else "",
    )


def _word(entry: dict[str, Any], key: str, what: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{what} needs {key}, a text.")
    return value.strip()


def _day(value: Any, what: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"{what} needs expires, a date such as 2027-01-31.") from None
