"""`python -m benchmarks.scan`: what `mcp-dockerhub scan` moves for an image with an SBOM, beside `trivy image`.

The image is made here of what this machine has: the Debian packages that every system has, with their files, and the
packages of this virtual environment. Its SBOM is what Syft writes of it, attached as BuildKit attaches it. Both
scanners read it from the same registry on loopback, which counts what it sends; ours asks a stand-in OSV, whose bytes
are counted too. Trivy needs a database at hand (`TRIVY_CACHE_DIR`), as its own is not fetched here: what that would
cost is not in the figures.

Needs Debian, and `syft` and `trivy` on the path; says so and measures nothing without them.
"""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.upstreams.attestations import statement
from tests.upstreams.content import (
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_LAYER,
    OCI_MANIFEST,
    Seeded,
    digest_of,
    encode,
    platform_object,
)
from tests.upstreams.osv import OsvState, osv_settings, real_records, running_osv
from tests.upstreams.registry import InMemoryRegistry

IN_TOTO: Final = "application/vnd.in-toto+json"
BAR: Final = 0.01
"""Of the bytes that Trivy moves."""
_STATUS: Final = Path("/var/lib/dpkg/status")
_INFO: Final = Path("/var/lib/dpkg/info")
_PRIORITIES: Final = re.compile(r"^Priority: (?:required|important|standard)$", re.MULTILINE)
_TOOLS: Final = frozenset(
    {
        "binutils-x86-64-linux-gnu",
        "cpp-12",
        "g++-12",
        "gcc-12",
        "git",
        "libbinutils",
        "libc6-dev",
        "libgcc-12-dev",
        "libicu-dev",
        "libicu72",
        "libllvm14",
        "libperl5.36",
        "libpython3.11-dev",
        "libpython3.11-stdlib",
        "libssl-dev",
        "libstdc++-12-dev",
        "linux-libc-dev",
        "openssh-client",
        "perl",
        "perl-modules-5.36",
        "python3.11",
    }
)
"""What images that compile something stand on, as far as it is installed here."""
_JAVA: Final = (".jar", ".war", ".ear", ".par")
"""Left out: for these Trivy wants a second database."""
_IDENTITY: Final = ("etc/os-release", "etc/debian_version")


class Meter:
    """Bytes and requests of a registry since the last look."""

    def __init__(self, registry: InMemoryRegistry) -> None:
        self.sent = 0
        self.requests = 0
        answer = registry.app.answer

        def counted(request: Any, body: bytes) -> Any:
            reply = answer(request, body)
            self.requests += 1
            self.sent += 0 if request.method == "HEAD" else len(reply.body)
            return reply

        registry.app.answer = counted  # type: ignore[method-assign]

    def take(self) -> tuple[int, int]:
        found = self.sent, self.requests
        self.sent = self.requests = 0
        return found


@dataclass(frozen=True, slots=True)
class Cost:
    """What one scan took."""

    bytes: int
    requests: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.bytes:>13,} bytes {self.requests:>4} requests {self.seconds:>7.1f} s"


def main() -> int:
    """Exit code 0 within the bar, 1 beyond it, 2 where it cannot be measured."""
    missing = [name for name in ("syft", "trivy") if shutil.which(name) is None]
    missing += [] if _STATUS.exists() else ["Debian"]
    if missing or "TRIVY_CACHE_DIR" not in os.environ:
        wanted = [*(f"{name} on the path" for name in missing), "TRIVY_CACHE_DIR with a database"]
        sys.stderr.write(f"benchmarks.scan: not measured: needs {' and '.join(wanted)}.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder, InMemoryRegistry() as registry:
        osv = OsvState.of_records(real_records())
        with running_osv(osv) as url:
            return _measure(registry, osv, url, Path(folder))


def _measure(registry: InMemoryRegistry, osv: OsvState, osv_url: str, folder: Path) -> int:
    environment = {
        **os.environ,
        **osv_settings(osv_url),
        "MCP_DOCKERHUB_REGISTRIES": json.dumps([{"host": registry.host, "url": registry.url}]),
        "DOCKER_CONFIG": str(folder),
    }
    shares = []
    meter, asked = Meter(registry), _OsvMeter(osv)
    for name, tools in (("small", frozenset[str]()), ("with a compiler", _TOOLS)):
        image, packages, document = _push(registry, folder, tools)
        meter.take()
        asked.sent = asked.requests = 0
        theirs = _timed(_trivy(image), meter, {**os.environ, "TRIVY_CACHE_DIR": str(_fresh_cache(folder, name))})
        ours = _timed([sys.executable, "-m", "mcp_dockerhub", "scan", "--fail-on", "none", image], meter, environment)
        shares.append(ours.bytes / theirs.bytes)
        print(f"{name}: {packages} packages in the SBOM, {document:,} bytes as attached")
        print(f"  trivy image              {theirs}")
        print(f"  mcp-dockerhub scan       {ours}")
        print(f"    beside it from OSV     {asked.sent:>13,} bytes {asked.requests:>4} requests")
        print(f"  registry bytes: {shares[-1]:.2%} of Trivy's", flush=True)
    print(f"bar: {BAR:.0%} for the larger one; an SBOM grows with the packages, an image with what is in them")
    return 0 if shares[-1] <= BAR else 1


class _OsvMeter:
    def __init__(self, osv: OsvState) -> None:
        self.sent = self.requests = 0
        answer = osv.answer

        def counted(method: str, path: str, body: bytes = b"", etag: str = "") -> tuple[int, bytes, str]:
            reply = answer(method, path, body, etag)
            self.requests += 1
            self.sent += len(reply[1])
            return reply

        osv.answer = counted  # type: ignore[method-assign]


def _trivy(image: str) -> list[str]:
    command = ["trivy", "image", "--quiet", "--insecure", "--image-src", "remote", "--scanners", "vuln"]
    command += ["--format", "json"]
    return [*command, "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--offline-scan", image]


def _fresh_cache(folder: Path, name: str) -> Path:
    """The database alone: what Trivy remembers of layers it has seen would not be fetched again."""
    cache = folder / f"cache {name}"
    shutil.copytree(Path(os.environ["TRIVY_CACHE_DIR"], "db"), cache / "db")
    return cache


def _timed(command: list[str], meter: Meter, environment: Mapping[str, str]) -> Cost:
    started = time.monotonic()
    done = subprocess.run(command, env={"TRIVY_NON_SSL": "true", **environment}, capture_output=True, check=False)
    if done.returncode not in (0, 2) or (done.returncode == 2 and b"cannot scan" in done.stderr):
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode()[-500:]}")
    return Cost(*meter.take(), time.monotonic() - started)


def _push(registry: InMemoryRegistry, folder: Path, tools: frozenset[str]) -> tuple[str, int, int]:
    """The image's reference, the packages in its SBOM and the bytes of that."""
    pushed = _image(registry, [_tar(_debian(tools)), _tar(_site_packages())])
    written = folder / "sbom.json"
    command = ["syft", "scan", f"registry:{registry.host}/team/app:plain", "--quiet", "-o", f"spdx-json={written}"]
    subprocess.run(
        command, env={**os.environ, "SYFT_REGISTRY_INSECURE_USE_HTTP": "true"}, check=True, capture_output=True
    )
    document = json.loads(written.read_text())
    # As BuildKit's scanner has it: packages and their relations, without an entry for every file.
    document.pop("files", None)
    kept = {entry["SPDXID"] for entry in document["packages"]} | {document["SPDXID"]}
    document["relationships"] = [
        one for one in document["relationships"] if {one["spdxElementId"], one["relatedSpdxElement"]} <= kept
    ]
    content = statement(pushed.digest, "https://spdx.dev/Document", document)
    raw = json.dumps(content).encode()
    layer = registry.blob("team/app", raw, IN_TOTO)
    layer["annotations"] = {"in-toto.io/predicate-type": "https://spdx.dev/Document"}
    registry.add_index("team/app", "1", [pushed, _attestation(registry, pushed, layer)])
    return f"{registry.host}/team/app:1", len(document["packages"]), len(raw)


def _attestation(registry: InMemoryRegistry, image: Seeded, layer: dict[str, Any]) -> dict[str, Any]:
    """What an index lists for a manifest with one document."""
    subject = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
        "config": registry.blob("team/app", b"{}", OCI_EMPTY),
        "layers": [layer],
        "subject": subject,
    }
    raw = encode(manifest)
    registry.put_manifest("team/app", digest_of(raw), raw, OCI_MANIFEST)
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest}
    nobody = {"architecture": "unknown", "os": "unknown"}
    named = {"mediaType": OCI_MANIFEST, "digest": digest_of(raw), "size": len(raw)}
    return {**named, "platform": nobody, "annotations": about}


def _image(registry: InMemoryRegistry, layers: list[bytes]) -> Seeded:
    """Compressed as engines do it."""
    config = {
        **platform_object("linux/amd64"),
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": registry.blob("team/app", encode(config), OCI_CONFIG),
        "layers": [registry.blob("team/app", gzip.compress(layer, 6, mtime=0), OCI_LAYER) for layer in layers],
    }
    raw = encode(manifest)
    digest = registry.put_manifest("team/app", "plain", raw, OCI_MANIFEST)
    return Seeded("team/app", digest, OCI_MANIFEST, raw, "linux/amd64")


def _debian(tools: frozenset[str]) -> dict[str, bytes]:
    """The files of the packages every Debian has and of ``tools``, and the list of these packages."""
    every = _STATUS.read_text().split("\n\n")
    names = {entry: entry.partition("\n")[0].removeprefix("Package: ") for entry in every}
    chosen = [entry for entry in every if _PRIORITIES.search(entry) or names[entry] in tools]
    files = {name: Path("/", name).read_bytes() for name in _IDENTITY if Path("/", name).exists()}
    for entry in chosen:
        said = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and line[0] != " ")
        lists = (_INFO / f"{said['Package']}.list", _INFO / f"{said['Package']}:{said['Architecture']}.list")
        for listed in filter(Path.exists, lists):
            found = (Path(line) for line in listed.read_text().splitlines())
            files |= {str(path)[1:]: path.read_bytes() for path in found if path.is_file() and not path.is_symlink()}
    return {**files, "var/lib/dpkg/status": "\n\n".join(chosen).encode() + b"\n"}


def _site_packages() -> dict[str, bytes]:
    root = Path(sysconfig.get_paths()["purelib"])
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".pyc")
    return {f"usr/lib/python3/site-packages/{path.relative_to(root)}": path.read_bytes() for path in found}


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            if name.endswith(_JAVA):
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
