"""What the image is made of: labels, layers, size, and that building it again gives the same."""

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.image.builds import Export, build
from tests.image.engine import ROOT, docker, probe

MEBIBYTE = 1024 * 1024
# Imported where the code says so, functions included: what the image leaves out, nothing may want.
IMPORTS = """
import ast, importlib, json, pathlib, sys
sys.path.insert(0, "/app")
app = pathlib.Path("/app")
wanted = set()
for package in ("mcp_dockerhub", "mcp_dockerhub_security", "mcp_dockerhub_monitoring"):
    for path in (app / package).rglob("*.py"):
        if path.name != "__main__.py":
            wanted.add(".".join(path.relative_to(app).with_suffix("").parts).removesuffix(".__init__"))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                wanted |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                wanted.add(node.module)
missing = set()
for name in sorted(wanted):
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.add(error.name or name)
print(json.dumps([len(wanted), sorted(missing)]))
"""
EXTRAS = {"compression", "opentelemetry.exporter", "opentelemetry.sdk", "sigstore", "sigstore_models"}
"""Missing by intention: the extras, and what only a later Python has."""

LABELS = {
    "org.opencontainers.image.title": r"mcp-dockerhub",
    "org.opencontainers.image.description": r".{20,}",
    "org.opencontainers.image.version": r"\d+\.\d+\.\d+\S*",
    "org.opencontainers.image.revision": r"[0-9a-f]{40}|unknown",
    "org.opencontainers.image.created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "org.opencontainers.image.source": r"https://\S+",
    "org.opencontainers.image.url": r"https://\S+",
    "org.opencontainers.image.documentation": r"https://\S+",
    "org.opencontainers.image.authors": r".+",
    "org.opencontainers.image.vendor": r".+",
    "org.opencontainers.image.licenses": r"Apache-2\.0",
    "org.opencontainers.image.base.name": r"gcr\.io/distroless/python3-debian13:nonroot",
    "org.opencontainers.image.base.digest": r"(sha256:[0-9a-f]{64})?",
    "io.modelcontextprotocol.server.name": r"io\.github\.[^/]+/mcp-dockerhub",
}


def test_every_label_says_what_it_should(inspected: Any) -> None:
    labels = inspected["Config"]["Labels"]
    wrong = {name for name, pattern in LABELS.items() if not re.fullmatch(pattern, labels.get(name, "missing\n"))}
    assert wrong == set()


def test_the_name_in_the_image_is_the_one_in_the_registry_entry(inspected: Any) -> None:
    entry = json.loads((ROOT / "server.json").read_text())
    labels = inspected["Config"]["Labels"]
    assert entry["name"] == labels["io.modelcontextprotocol.server.name"]
    assert entry["version"] == labels["org.opencontainers.image.version"]
    assert entry["packages"][0]["identifier"] == f"{_published_name()}:{entry['version']}"


def test_everything_the_server_may_import_is_there(image: str) -> None:
    looked_for, missing = probe(image, IMPORTS, "--network=none")
    assert looked_for > 300
    assert set(missing) <= EXTRAS


def test_the_image_is_at_most_22_mebibytes_and_four_layers_over_its_base(
    exported: Export, measured: dict[str, Any]
) -> None:
    layers = exported.manifest()["layers"]
    base = _layers_of(_base())
    image = exported.document(exported.manifest()["config"]["digest"])["rootfs"]["diff_ids"]
    assert image[: len(base)] == base, "not built on the base image the engine has"
    own = layers[len(base) :]
    measured["own_layers"] = [layer["size"] for layer in own]
    measured["compressed_bytes"] = sum(layer["size"] for layer in layers)
    assert len(own) <= 4
    assert sum(layer["size"] for layer in own) <= 22 * MEBIBYTE


def test_two_builds_from_nothing_give_the_same_manifest_and_a_source_change_rebuilds_fast(
    exported: Export, context: Path, tmp_path: Path, measured: dict[str, Any]
) -> None:
    again, cold = build(tmp_path / "again.tar", "--no-cache", context=context)
    assert again.platform()["digest"] == exported.platform()["digest"]

    source = context / "mcp_dockerhub/__init__.py"
    text = source.read_text()
    try:
        rebuilds = []
        for number in (1, 2):
            source.write_text(text + "\n" * number)
            rebuilds.append(build(tmp_path / f"changed-{number}.tar", context=context))
    finally:
        source.write_text(text)
    # The faster of two: what else a machine has to do only ever adds.
    warm = min(seconds for _, seconds in rebuilds)
    changed = rebuilds[-1][0]
    before, after = (export.manifest()["layers"] for export in (exported, changed))
    differing = [new["digest"] for old, new in zip(before, after, strict=True) if old["digest"] != new["digest"]]
    assert differing == [after[-1]["digest"]], "a source change must rebuild the last layer and no other"

    measured["build_cold_seconds"] = round(cold, 1)
    measured["build_after_source_change_seconds"] = round(warm, 1)
    assert warm <= 15
    assert warm <= 0.3 * cold


def test_no_layer_holds_build_leftovers(exported: Export) -> None:
    history = exported.document(exported.manifest()["config"]["digest"])["history"]
    commands = " ".join(entry.get("created_by", "") for entry in history)
    assert "pip.conf" not in commands
    assert not any(name in commands for name in ("TOKEN", "PASSWORD", "SECRET"))


def _layers_of(image: str) -> list[str]:
    """An image's layers; a builder apart from the engine leaves the engine without the base."""
    if docker("image", "inspect", image, check=False).returncode:
        docker("pull", "--quiet", image)
    layers: list[str] = json.loads(docker("image", "inspect", image).stdout)[0]["RootFS"]["Layers"]
    return layers


def _base() -> str:
    return os.environ.get("RUNTIME_IMAGE", "gcr.io/distroless/python3-debian13:nonroot")


def _published_name() -> str:
    """What a release is called, whatever name an image is built under meanwhile."""
    found = re.search(r'variable "IMAGE" \{[^}]*default = "([^"]+)"', (ROOT / "docker-bake.hcl").read_text())
    assert found is not None
    return found[1]
