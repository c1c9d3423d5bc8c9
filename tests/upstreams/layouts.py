"""Images written to disk as other tools leave them there: OCI layouts, and what ``docker save`` writes."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.upstreams.content import OCI_INDEX, Seeder, digest_of, encode

NAME = "org.opencontainers.image.ref.name"


class LayoutSeeder(Seeder):
    """Writes an OCI image layout; the repository is only a word, as a layout has none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listed: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._write_index()

    def put_blob(self, repository: str, data: bytes) -> str:
        digest = digest_of(data)
        self.path(digest).parent.mkdir(parents=True, exist_ok=True)
        self.path(digest).write_bytes(data)
        return digest

    def put_manifest(self, repository: str, reference: str, raw: bytes, media_type: str) -> str:
        digest = self.put_blob(repository, raw)
        document = json.loads(raw)
        if not reference.startswith("sha256:"):
            self.list(digest, len(raw), media_type, {NAME: reference})
        elif "subject" in document and "attestation" not in document.get("artifactType", ""):
            # Referrers are listed beside what they are about (image-layout.md, as ORAS writes it).
            self.list(digest, len(raw), media_type, artifact_type=document.get("artifactType", ""))
        return digest

    def list(
        self,
        digest: str,
        size: int,
        media_type: str,
        annotations: Mapping[str, str] | None = None,
        *,
        artifact_type: str = "",
        platform: Mapping[str, str] | None = None,
    ) -> None:
        """Put an entry into ``index.json``."""
        entry: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": size}
        entry |= {"annotations": dict(annotations)} if annotations else {}
        entry |= {"artifactType": artifact_type} if artifact_type else {}
        entry |= {"platform": dict(platform)} if platform else {}
        self.listed.append(entry)
        self._write_index()

    def path(self, digest: str) -> Path:
        """Where a blob lies."""
        algorithm, _, value = digest.partition(":")
        return self.folder / "blobs" / algorithm / value

    def archive(self) -> bytes:
        """The layout as a tar, as newer engines save images."""
        return tar_of_folder(self.folder)

    def _write_index(self) -> None:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.listed}
        (self.folder / "index.json").write_bytes(encode(index))


def tar_of_folder(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def saved_image(
    layers: Sequence[bytes],
    *,
    tags: Sequence[str] = ("app:1",),
    compressed: bool = False,
    config: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Files of an archive as ``docker save`` wrote it before it had layouts; layers are plain tars."""
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        "history": [{"created_by": f"COPY file{place} /"} for place in range(len(layers))],
        **(config or {}),
    }
    raw = encode(image)
    name = f"{digest_of(raw).removeprefix('sha256:')}.json"
    suffix = "tar.gz" if compressed else "tar"
    paths = [f"layer{place}/layer.{suffix}" for place in range(len(layers))]
    files = {
        path: gzip.compress(layer, mtime=0) if compressed else layer for path, layer in zip(paths, layers, strict=True)
    }
    manifest = [{"Config": name, "RepoTags": list(tags), "Layers": paths}]
    return {**files, name: raw, "manifest.json": encode(manifest)}


def write_tar(path: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    """An archive of ``files``; ``links`` are symbolic."""
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path
