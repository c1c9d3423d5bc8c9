"""The images of ``seed/images.json`` as registry documents and as a Hub seed.

Layers have real digests and sizes but no bytes here: answering questions about an image takes its documents only.
Manifests, indexes and configs are made from the facts, so their digests are those of the documents served, and a
`base.digest` annotation names a manifest that this very seed holds.
"""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.upstreams.attestations import IN_TOTO, V02, buildkit_v02, statement
from tests.upstreams.content import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Seeder,
    digest_of,
    platform_object,
)

SEED: Final = Path(__file__).parent / "seed"


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON document of a registry."""

    media_type: str
    body: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.body)

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.body)}


@dataclass(frozen=True, slots=True)
class Attestation:
    """What BuildKit attaches to one platform's image: provenance, made from the facts, and no SBOM."""

    manifest: Document
    config: Document
    provenance: Document


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """What one platform of an image is made of, its base's part included."""

    created: str
    layers: list[list[Any]]
    """Pairs of hexadecimal digest and compressed size in bytes, base first."""
    history: list[dict[str, Any]]
    manifest: Document
    config: Document
    attestation: Attestation | None
    """Where the build had one."""

    @property
    def size(self) -> int:
        return sum(size for _, size in self.layers)


@dataclass(frozen=True, slots=True)
class SeededImage:
    repository: str
    tags: tuple[str, ...]
    index: Document
    platforms: dict[str, PlatformImage]

    @property
    def manifests(self) -> Iterator[Document]:
        """Everything served under `/manifests/`."""
        yield self.index
        for platform in self.platforms.values():
            yield platform.manifest
            if platform.attestation:
                yield platform.attestation.manifest

    @property
    def blobs(self) -> Iterator[Document]:
        """Everything served under `/blobs/`."""
        for platform in self.platforms.values():
            yield platform.config
            if platform.attestation:
                yield platform.attestation.config
                yield platform.attestation.provenance


class TagFact(NamedTuple):
    name: str
    last_changed: str
    """A date, ``YYYY-MM-DD``."""
    declared: bool
    """Whether the tag is still maintained."""


@dataclass(slots=True)
class _Builder:
    built: dict[str, SeededImage] = field(default_factory=dict)
    """By ``repository:tag``."""

    def add(self, facts: dict[str, Any]) -> SeededImage:
        base = self.built.get(facts.get("from", ""))
        platforms = {name: _platform(name, part, facts, base) for name, part in facts["platforms"].items()}
        image = SeededImage(facts["repository"], tuple(facts["tags"]), _index(facts, platforms, base), platforms)
        self.built |= {f"{image.repository}:{tag}": image for tag in image.tags}
        return image


def seeded_images() -> list[SeededImage]:
    """All images of the seed, bases before what is built on them."""
    builder = _Builder()
    return [builder.add(facts) for facts in json.loads((SEED / "images.json").read_text())["images"]]


def seed_registry(registry: Seeder) -> None:
    """Put the documents of all images into a registry that does not ask for the layers."""
    for image in seeded_images():
        for blob in image.blobs:
            registry.put_blob(image.repository, blob.body)
        for manifest in image.manifests:
            registry.put_manifest(image.repository, manifest.digest, manifest.body, manifest.media_type)
        for tag in image.tags:
            registry.put_manifest(image.repository, tag, image.index.body, image.index.media_type)


def tag_history(name: str) -> list[TagFact]:
    """Every tag an official image ever declared, by name: alpine, nginx, php, postgres, python or redis."""
    lines = lzma.decompress((SEED / "tags" / f"{name}.tsv.xz").read_bytes()).decode().splitlines()
    rows = (line.split("\t") for line in lines)
    return [TagFact(tag, changed, declared == "1") for tag, changed, declared in rows]


def hub_seed() -> dict[str, Any]:
    """The repositories of the seed as the stand-in Hub reads them, digests equal to the registry's."""
    repositories = json.loads((SEED / "repositories.json").read_text())
    images = seeded_images()
    for repository in repositories["repositories"]:
        path = f"{repository['namespace']}/{repository['name']}"
        tags = {tag: _hub_tag(tag, image) for image in images if image.repository == path for tag in image.tags}
        repository["tags"] = list((_hub_history(repository["name"]) | tags).values())
    return dict(repositories)


def _json(media_type: str, value: dict[str, Any]) -> Document:
    return Document(media_type, json.dumps(value, separators=(",", ":")).encode())


def _platform(name: str, part: dict[str, Any], facts: dict[str, Any], base: SeededImage | None) -> PlatformImage:
    below = base.platforms[name] if base else None
    layers = [*(below.layers if below else []), *part["layers"]]
    history = [*(below.history if below else []), *(_history(entry, part["created"]) for entry in facts["history"])]
    config = _json(
        OCI_CONFIG,
        {
            "created": part["created"],
            **platform_object(name),
            "config": facts["config"],
            "rootfs": {"type": "layers", "diff_ids": [_diff_id(digest) for digest, _ in layers]},
            "history": history,
        },
    )
    manifest = _json(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.descriptor,
            "layers": [_layer(OCI_LAYER, digest, size) for digest, size in layers],
            "annotations": facts["annotations"],
        },
    )
    attestation = _attestation(name, manifest, part["created"], facts, base) if "attestation" in part else None
    return PlatformImage(part["created"], layers, history, manifest, config, attestation)


def _history(entry: dict[str, Any], created: str) -> dict[str, Any]:
    made = {"created": created, "created_by": entry["by"], "comment": "buildkit.dockerfile.v0"}
    return made | ({"empty_layer": True} if entry.get("empty") else {})


def _diff_id(digest: str) -> str:
    """Stands for the digest of the unpacked layer, which the facts do not hold."""
    return digest_of(b"unpacked " + digest.encode())


def _layer(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _attestation(
    platform: str, image: Document, created: str, facts: dict[str, Any], base: SeededImage | None
) -> Attestation:
    material = {"uri": f"pkg:docker/{facts['base_name'].replace(':', '@')}"} if base else {}
    predicate = buildkit_v02(
        materials=[material | {"digest": _algorithm_and_value(base.index.digest)}] if base else [],
        invocation={
            "configSource": {"entryPoint": "Dockerfile"},
            "parameters": {"frontend": "dockerfile.v0", "args": {}},
            "environment": {"platform": platform},
        },
        metadata={
            "buildFinishedOn": created,
            "completeness": {"parameters": False, "environment": True, "materials": False},
            "reproducible": False,
        },
    )
    provenance = _json(IN_TOTO, statement(image.digest, V02, predicate))
    config = _json(
        OCI_CONFIG,
        {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [provenance.digest]},
        },
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor,
        "layers": [provenance.descriptor | {"annotations": {"in-toto.io/predicate-type": V02}}],
    }
    return Attestation(_json(OCI_MANIFEST, manifest), config, provenance)


def _algorithm_and_value(digest: str) -> dict[str, str]:
    return dict([digest.split(":")])


def _index(facts: dict[str, Any], platforms: dict[str, PlatformImage], base: SeededImage | None) -> Document:
    annotations = dict(facts["annotations"])
    if base:
        annotations["org.opencontainers.image.base.name"] = facts["base_name"]
    images, attestations = [], []
    for name, platform in platforms.items():
        made = {"org.opencontainers.image.created": platform.created}
        if base:
            made["org.opencontainers.image.base.digest"] = base.platforms[name].manifest.digest
        descriptor = platform.manifest.descriptor
        images.append(descriptor | {"annotations": annotations | made, "platform": platform_object(name)})
        if platform.attestation:
            attestations.append(_attached(platform.attestation.manifest, descriptor["digest"]))
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*images, *attestations]}
    return _json(OCI_INDEX, body)


def _attached(manifest: Document, subject: str) -> dict[str, Any]:
    annotations = {"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}
    return manifest.descriptor | {
        "annotations": annotations,
        "platform": {"architecture": "unknown", "os": "unknown"},
    }


def _hub_tag(tag: str, image: SeededImage) -> dict[str, Any]:
    created = max(platform.created for platform in image.platforms.values())
    first = next(iter(image.platforms.values()))
    return {
        "name": tag,
        "last_updated": created,
        "digest": image.index.digest,
        "media_type": image.index.media_type,
        "full_size": first.size,
        "images": [
            platform_object(name) | {"digest": platform.manifest.digest, "size": platform.size}
            for name, platform in image.platforms.items()
        ],
    }


def _hub_history(name: str) -> dict[str, dict[str, Any]]:
    if not (SEED / "tags" / f"{name}.tsv.xz").exists():
        return {}
    return {
        fact.name: {"name": fact.name, "last_updated": f"{fact.last_changed}T00:00:00Z"} for fact in tag_history(name)
    }
