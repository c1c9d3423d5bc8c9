"""Every tool's schema as a client sees it, pinned: a change is a decision, seen in review.

``UPDATE_SNAPSHOTS=1 pytest tests/unit/tools/test_snapshots.py`` writes them anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.tools.catalogue import Catalogue

SNAPSHOTS = Path(__file__).parent / "snapshots"
TOOLS = Catalogue.of_everything().tools


def _shown(name: str) -> str:
    spec = TOOLS[name]
    shown: dict[str, Any] = {
        "title": spec.title,
        "description": spec.description,
        "level": spec.operation.level,
        "heavy": spec.operation.heavy,
        "readOnly": spec.read_only,
        "openWorld": spec.open_world,
        "inputSchema": spec.input_schema,
        "outputSchema": spec.output_schema,
    }
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", list(TOOLS))
def test_a_tool_is_what_its_snapshot_says(name: str) -> None:
    path = SNAPSHOTS / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(_shown(name), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == _shown(name)


def test_no_snapshot_is_of_a_tool_that_is_gone() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == set(TOOLS)
