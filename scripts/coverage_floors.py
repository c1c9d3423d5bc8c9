"""Fail when an area that others rely on is tested less than its floor.

Reads the data of the last `coverage combine`; the floor of the whole project is coverage's own `fail_under`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

FLOOR: Final = 95.0
AREAS: Final = {
    "references": ("mcp_dockerhub/reference.py", "mcp_dockerhub/platform.py"),
    "transport": ("mcp_dockerhub/transport/",),
    "registry": ("mcp_dockerhub/registry/",),
    "security": ("security/mcp_dockerhub_security/",),
}


def main() -> int:
    files = measured_files()
    below = 0
    for area, prefixes in AREAS.items():
        summaries = [file["summary"] for name, file in files.items() if name.startswith(prefixes)]
        lines, branches = share(summaries, "statements", "lines"), share(summaries, "branches", "branches")
        low = not summaries or min(lines, branches) < FLOOR
        below += low
        print(f"{area:<12} lines {lines:6.2f} %  branches {branches:6.2f} %{f'  below {FLOOR:g} %' if low else ''}")
    return 1 if below else 0


def measured_files() -> dict[str, Any]:
    """Coverage's JSON report: relative path -> figures."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "--fail-under=0", "-o", str(report)]
        subprocess.run(command, check=True)
        files: dict[str, Any] = json.loads(report.read_text())["files"]
        return files


def share(summaries: list[dict[str, int]], total: str, covered: str) -> float:
    """Per cent covered over several files; 100 where there is nothing to cover."""
    whole = sum(summary[f"num_{total}"] for summary in summaries)
    done = sum(summary[f"covered_{covered}"] for summary in summaries)
    return 100.0 * done / whole if whole else 100.0


if __name__ == "__main__":
    sys.exit(main())
