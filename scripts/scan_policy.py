"""Check the accepted findings: each needs a reason and an end, and stops to count when the end is past.

    python scripts/scan_policy.py [--write FILE]

Reads ``security/vex/*.json`` (OpenVEX) and ``security/trivyignore.yaml``. OpenVEX has no expiry of its own,
so a statement that silences scanners (``not_affected``, ``fixed``) carries ``expires: YYYY-MM-DD`` in its
``status_notes``. With ``--write`` the statements that still count are written to FILE, for scanners to read.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = ROOT / "security/vex"
IGNORED: Final = ROOT / "security/trivyignore.yaml"
EXPIRES: Final = re.compile(r"\bexpires: (\d{4}-\d\d-\d\d)\b")
LONGEST: Final = 366
"""Days an entry may last before somebody looks at it again."""
SILENCING: Final = ("not_affected", "fixed")
"""Statuses for which scanners leave a finding out."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the accepted findings.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the statements that still count")
    options = parser.parse_args()
    today = datetime.now(UTC).date()
    problems = []
    current: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    for path in sorted(DOCUMENTS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for statement in document["statements"]:
            found = list(wrong_with(statement, today))
            problems += [f"{path.name}: {problem}" for problem in found]
            current += [] if found else [statement]
    problems += [f"{IGNORED.name}: {problem}" for problem in wrong_with_ignored(IGNORED.read_text(encoding="utf-8"))]
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(json.dumps({**document, "statements": current}, indent=2) + "\n", encoding="utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def wrong_with(statement: dict[str, Any], today: date) -> Iterator[str]:
    """What keeps an OpenVEX statement from counting, one sentence each."""
    name = statement.get("vulnerability", {}).get("name", "a statement without a vulnerability")
    if statement.get("status") not in (*SILENCING, "under_investigation", "affected"):
        yield f"{name} has no status"
    if statement.get("status") not in SILENCING:
        return
    # The specification has justifications for what is not affected alone.
    if statement["status"] == "not_affected" and not statement.get("justification"):
        yield f"{name} has no justification"
    if len(statement.get("impact_statement", "")) < 20:
        yield f"{name} has no impact statement that says why"
    end = EXPIRES.search(statement.get("status_notes", ""))
    if end is None:
        yield f"{name} has no end: write «expires: YYYY-MM-DD» into its status_notes"
        return
    days = (date.fromisoformat(end[1]) - today).days
    if days < 0:
        yield f"{name} has expired on {end[1]}"
    elif days > LONGEST:
        yield f"{name} ends on {end[1]}, more than a year from now"


def wrong_with_ignored(text: str) -> Iterator[str]:
    """Entries of Trivy's ignore file without a statement; Trivy itself honours ``expired_at``."""
    entries = re.split(r"^\s*- id:", text, flags=re.MULTILINE)[1:]
    for entry in entries:
        if not re.search(r"^\s+statement: \S.{19,}", entry, flags=re.MULTILINE):
            yield f"{entry.split()[0]} has no statement"


if __name__ == "__main__":
    sys.exit(main())
