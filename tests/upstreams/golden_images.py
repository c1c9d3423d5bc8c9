"""Images as real tools made them, recorded by ``scripts/record_attestations.py``: BuildKit 0.13 built, syft 1.18
listed, cosign signed with a throw-away key. ``attested.json`` is the application, ``base.json`` what it stands on."""

import json
from pathlib import Path
from typing import Any

from tests.upstreams.content import Seeder

GOLDEN = Path(__file__).parent / "golden"


def load_golden(registry: Seeder, name: str) -> dict[str, Any]:
    """Push everything of a recording; returns it."""
    recording: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    repository = recording["repository"]
    for text in recording["blobs"].values():
        registry.put_blob(repository, text.encode())
    for digest, manifest in recording["manifests"].items():
        pushed = registry.put_manifest(repository, digest, manifest["text"].encode(), manifest["type"])
        assert pushed == digest
    for tag, digest in recording["tags"].items():
        manifest = recording["manifests"][digest]
        registry.put_manifest(repository, tag, manifest["text"].encode(), manifest["type"])
    return recording
