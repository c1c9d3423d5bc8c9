"""Check rendered manifests and everything in deploy/ for what no schema says. Needs PyYAML.

    python scripts/scan_deploy.py [--rules FILE] RENDERED...

RENDERED are files of Kubernetes objects. With ``--rules`` the alerts of the PrometheusRules among them are
written to FILE in Prometheus' own form, for promtool.
"""

import argparse
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

# Only the scanners' environment has it, so no type checker finds it.
yaml: Any = importlib.import_module("yaml")

ROOT: Final = Path(__file__).resolve().parent.parent
DEPLOY: Final = ROOT / "deploy"
OURS: Final = re.compile(r"(?:ghcr\.io|docker\.pkg\.dev/PROJECT/ghcr)/mcp-dockerhub/mcp-dockerhub(?::([^\s\"'@}]+))?")
PINNED: Final = re.compile(r".+(:[^:/@]*\d[^:/@]*|@sha256:[0-9a-f]{64})$")
SECRET_VALUES: Final = re.compile(
    r"(?i)^\s*-?\s*\"?\w*(token|password|secret)\w*\"?\s*[:=]\s*[\"']?(?!/)[A-Za-z0-9+/_-]{20,}"
)
TEXT: Final = {".yaml", ".yml", ".json", ".md", ".conf", ".tpl", ".txt", ".example", ""}
WORKLOADS: Final = {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Check rendered manifests and everything in deploy/.")
    parser.add_argument("--rules", type=Path, metavar="FILE")
    parser.add_argument("rendered", type=Path, nargs="*", metavar="RENDERED")
    options = parser.parse_args()
    problems = list(wrong_in_files())
    groups: list[Any] = []
    for path in options.rendered:
        for document in filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8"))):
            problems += [f"{path.name}: {problem}" for problem in wrong_with_object(document)]
            if document["kind"] == "PrometheusRule":
                groups += document["spec"]["groups"]
    if options.rules:
        distinct = [group for number, group in enumerate(groups) if group not in groups[:number]]
        options.rules.write_text(yaml.safe_dump({"groups": distinct}), encoding="utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def wrong_in_files() -> Iterator[str]:
    """Versions that differ, floating tags and what looks like a secret, in any file under deploy/."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for path in sorted(DEPLOY.rglob("*")):
        if not path.is_file() or path.suffix not in TEXT or "secrets" in path.parts:
            continue
        name = path.relative_to(ROOT)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for found in OURS.finditer(line):
                if found[1] and found[1] != version:
                    yield f"{name}:{number}: names version {found[1]}, the project is at {version}"
            if re.search(r"image\S*\s.*:latest\b", line):
                yield f"{name}:{number}: a floating tag"
            if SECRET_VALUES.search(line):
                yield f"{name}:{number}: looks like a secret in plain text"


def wrong_with_object(document: dict[str, Any]) -> Iterator[str]:
    """What a hardened object must not have, one sentence each."""
    name = f"{document['kind']}/{document['metadata']['name']}"
    if document["kind"] == "Secret":
        yield f"{name}: secrets are the operator's; a manifest holds none"
    if document["kind"] not in WORKLOADS:
        return
    pod = document["spec"] if document["kind"] == "Pod" else document["spec"]["template"]["spec"]
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{name}: mounts a service account token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{name}: {key}"
    security = pod.get("securityContext", {})
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{name}: no seccomp profile"
    for container in [*pod["containers"], *pod.get("initContainers", ())]:
        yield from (f"{name}/{container['name']}: {problem}" for problem in wrong_with_container(container))


def wrong_with_container(container: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    wanted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    yield from (f"{key} is not {value}" for key, value in wanted.items() if security.get(key) != value)
    if security.get("privileged"):
        yield "privileged"
    if not PINNED.match(container["image"]):
        yield f"{container['image']} is not pinned"
    if not {"limits", "requests"} <= set(container.get("resources", ())):
        yield "no resource requests or limits"


if __name__ == "__main__":
    sys.exit(main())
