"""Images, indexes and artifacts made up for tests, pushed to any registry by one seeding API.

``Seeder`` is implemented by the in-memory registry and by the client that pushes over HTTP, so one suite runs
against both. Documents are built deterministically: the same call gives the same digests.
"""

import base64
import gzip
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

Json = dict[str, Any]


def digest_of(raw: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


def encode(document: Any) -> bytes:
    return json.dumps(document, indent=1).encode()


def platform_object(text: str) -> Json:
    os, architecture, *variant = text.split("/")
    return {"architecture": architecture, "os": os, **({"variant": variant[0]} if variant else {})}


@dataclass(frozen=True)
class Seeded:
    """A manifest that was pushed."""

    repository: str
    digest: str
    media_type: str
    raw: bytes = field(repr=False)
    platform: str | None = None
    config_digest: str = ""
    layers: tuple[Json, ...] = ()
    artifact_type: str = ""

    @property
    def document(self) -> Json:
        document = json.loads(self.raw)
        assert isinstance(document, dict)
        return document

    def descriptor(self, **extra: Any) -> Json:
        base: Json = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.raw)}
        if self.platform:
            base["platform"] = platform_object(self.platform)
        if self.artifact_type:
            base["artifactType"] = self.artifact_type
        return {**base, **extra}


class Seeder(ABC):
    """Puts content into a registry."""

    @abstractmethod
    def put_blob(self, repository: str, data: bytes) -> str:
        """Store a blob, return its digest."""

    @abstractmethod
    def put_manifest(self, repository: str, reference: str, raw: bytes, media_type: str) -> str:
        """Store a manifest under a tag or its own digest, return its digest."""

    def add_image(
        self,
        repository: str,
        tag: str | None = None,
        *,
        platform: str = "linux/amd64",
        layers: Sequence[bytes] = (b"base layer", b"top layer"),
        config: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, Any]] | None = None,
        created: str | None = "2026-03-01T12:00:00.123456789Z",
        docker: bool = False,
        annotations: Mapping[str, str] | None = None,
        extra_config: Mapping[str, Any] | None = None,
        extra_manifest: Mapping[str, Any] | None = None,
    ) -> Seeded:
        """An image of ``layers`` (contents, compressed here); ``config`` is the config's ``config`` object."""
        types = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER)
        blobs = [gzip.compress(layer, mtime=0) for layer in layers]
        steps = history or [{"created_by": f"COPY file{i} / # buildkit"} for i in range(len(layers))]
        image = {
            **({"created": created} if created else {}),
            **platform_object(platform),
            "config": dict(config or {"Cmd": ["sh"], "Env": ["PATH=/usr/bin:/bin"]}),
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            "history": [dict(step) for step in steps],
            **(extra_config or {}),
        }
        config_raw = encode(image)
        descriptors = tuple(self.blob(repository, blob, types[2]) for blob in blobs)
        manifest = {
            "schemaVersion": 2,
            "mediaType": types[0],
            "config": self.blob(repository, config_raw, types[1]),
            "layers": list(descriptors),
            **({"annotations": dict(annotations)} if annotations else {}),
            **(extra_manifest or {}),
        }
        raw = encode(manifest)
        digest = self.put_manifest(repository, tag or digest_of(raw), raw, types[0])
        return Seeded(repository, digest, types[0], raw, platform, digest_of(config_raw), descriptors)

    def add_index(
        self,
        repository: str,
        tag: str | None,
        children: Iterable[Seeded | Mapping[str, Any]],
        *,
        docker: bool = False,
        annotations: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> Seeded:
        """An index of pushed manifests, or of descriptors as they are."""
        media_type = DOCKER_LIST if docker else OCI_INDEX
        listed = [child.descriptor() if isinstance(child, Seeded) else dict(child) for child in children]
        index = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": listed,
            **({"annotations": dict(annotations)} if annotations else {}),
            **extra,
        }
        raw = encode(index)
        digest = self.put_manifest(repository, tag or digest_of(raw), raw, media_type)
        return Seeded(repository, digest, media_type, raw)

    def add_multi_platform(
        self, repository: str, tag: str, platforms: Sequence[str], *, docker: bool = False, **image: Any
    ) -> tuple[Seeded, list[Seeded]]:
        """An index with one image for each platform; returns it and the images."""
        images = [
            self.add_image(
                repository,
                platform=platform,
                docker=docker,
                **{"layers": (b"shared base", f"for {platform}".encode()), **image},
            )
            for platform in platforms
        ]
        return self.add_index(repository, tag, images, docker=docker), images

    def add_artifact(
        self,
        repository: str,
        tag: str | None = None,
        *,
        artifact_type: str = "",
        config: tuple[str, bytes] = (OCI_EMPTY, b"{}"),
        layers: Sequence[tuple[str, bytes]] = (),
        layer_annotations: Mapping[str, str] | None = None,
        subject: Seeded | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Seeded:
        """Anything that is no image: ``config`` and ``layers`` are pairs of media type and content."""
        noted = {"annotations": dict(layer_annotations)} if layer_annotations else {}
        descriptors = tuple({**self.blob(repository, data, kind), **noted} for kind, data in layers)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            **({"artifactType": artifact_type} if artifact_type else {}),
            "config": self.blob(repository, config[1], config[0]),
            "layers": list(descriptors),
            **({"subject": _plain(subject)} if subject else {}),
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        raw = encode(manifest)
        digest = self.put_manifest(repository, tag or digest_of(raw), raw, OCI_MANIFEST)
        effective = artifact_type or config[0]
        return Seeded(repository, digest, OCI_MANIFEST, raw, layers=descriptors, artifact_type=effective)

    def add_attestation(self, repository: str, image: Seeded, statements: Sequence[Json]) -> Json:
        """A BuildKit attestation manifest about ``image``; returns the descriptor its index lists."""
        layers = []
        for statement in statements:
            descriptor = self.blob(repository, encode(statement), "application/vnd.in-toto+json")
            descriptor["annotations"] = {"in-toto.io/predicate-type": statement.get("predicateType", "")}
            layers.append(descriptor)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
            "config": self.blob(repository, b"{}", OCI_EMPTY),
            "layers": layers,
            "subject": _plain(image),
        }
        raw = encode(manifest)
        digest = self.put_manifest(repository, digest_of(raw), raw, OCI_MANIFEST)
        return {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": len(raw),
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image.digest,
            },
        }

    def add_tags(self, repository: str, image: Seeded, tags: Iterable[str]) -> None:
        """More tags for a manifest that was pushed."""
        for tag in tags:
            self.put_manifest(repository, tag, image.raw, image.media_type)

    def blob(self, repository: str, data: bytes, media_type: str) -> Json:
        """Push a blob, return its descriptor."""
        return {"mediaType": media_type, "digest": self.put_blob(repository, data), "size": len(data)}


def _plain(image: Seeded) -> Json:
    return {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw)}


def embedded(data: bytes) -> str:
    """A descriptor's ``data`` field."""
    return base64.b64encode(data).decode()
