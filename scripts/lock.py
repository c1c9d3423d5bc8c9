"""Write or check the requirement locks.

    python scripts/lock.py              write requirements/*.lock, keeping what is still allowed
    python scripts/lock.py --upgrade    write them with the newest versions allowed
    python scripts/lock.py --check      fail unless they belong to pyproject.toml and name no index

A lock says in its head which requirements it was made from, so the check needs no network and does not
turn red because an index gained a file.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "requirements"
INPUTS: Final = re.compile(r"^# inputs: (sha256:[0-9a-f]{64})$", re.MULTILINE)
ADDRESS: Final = re.compile(r"://|^\s*-{1,2}(?!hash=)[a-z]", re.MULTILINE)
# Indexes of the machine at hand would put hashes of their own files into the lock.
LOCAL_INDEXES: Final = frozenset({"UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE"})


@dataclass(frozen=True, slots=True)
class Lock:
    name: str
    groups: tuple[str, ...] = ()
    """Dependency groups of pyproject.toml it holds besides the server's own dependencies."""

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.lock"


LOCKS: Final = (Lock("runtime"), Lock("dev", groups=("dev",)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Write or check the requirement locks.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a lock is out of date")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if options.check:
        problems = [problem for lock in LOCKS for problem in check(lock, project)]
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    for lock in LOCKS:
        write(lock, project, upgrade=options.upgrade)
    return 0


def check(lock: Lock, project: dict[str, Any]) -> list[str]:
    """What is wrong with a lock, one sentence each."""
    name = lock.path.relative_to(ROOT)
    if not lock.path.exists():
        return [f"{name} is missing: run `make lock`."]
    text = lock.path.read_text()
    problems = []
    stated = INPUTS.search(text)
    if stated is None or stated[1] != fingerprint(lock, project):
        problems.append(f"{name} was made from other requirements than pyproject.toml has: run `make lock`.")
    if ADDRESS.search(text):
        problems.append(f"{name} names an index or carries an option: it must hold packages and hashes only.")
    return problems


def fingerprint(lock: Lock, project: dict[str, Any]) -> str:
    """A digest of everything in pyproject.toml that decides what the lock holds."""
    inputs = {
        "requires-python": project["project"]["requires-python"],
        "dependencies": sorted(project["project"]["dependencies"]),
        "groups": {group: sorted(project["dependency-groups"][group]) for group in lock.groups},
    }
    return "sha256:" + hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def write(lock: Lock, project: dict[str, Any], *, upgrade: bool) -> None:
    FOLDER.mkdir(exist_ok=True)
    command = [
        str(Path(sys.executable).with_name("uv")),
        *("pip", "compile", "pyproject.toml", "--quiet", "--no-config"),
        *("--universal", "--python-version", "3.11", "--generate-hashes"),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        *(f"--group={group}" for group in lock.groups),
        *(["--upgrade"] if upgrade else []),
        *("--output-file", str(lock.path)),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in LOCAL_INDEXES}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    head = [
        "# Written by scripts/lock.py: after a change of pyproject.toml, `make lock`.",
        f"# inputs: {fingerprint(lock, project)}",
        lock.path.read_text(),
    ]
    lock.path.write_text("\n".join(head))


if __name__ == "__main__":
    sys.exit(main())
