"""What a source on this machine offers in a registry's terms, and the OCI image layout (image-spec image-layout.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mcp_dockerhub.errors import DockerHubError, InvalidInput, NotFound
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry import fields
from mcp_dockerhub.registry.documents import MAX_MANIFEST, parse_manifest
from mcp_dockerhub.registry.media_types import OCI_INDEX
from mcp_dockerhub.registry.models import Descriptor, Index
from mcp_dockerhub.registry.verify import digest_of
from mcp_dockerhub.scan.local.files import Damaged, File, Files, whole

NAME: Final = "org.opencontainers.image.ref.name"
MAX_LISTED: Final = 1000
"""Entries of ``index.json`` that are looked at for what refers to an image."""
_SHOWN: Final = 8


class Contents(Protocol):
    """The documents and blobs of one local source. What it hands out is verified by whoever asks."""

    @property
    def image(self) -> Digest:
        """The manifest or index that is scanned."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader of an answer must know about the source."""

    def manifest(self, digest: Digest) -> tuple[str, bytes] | None:
        """Media type (empty where only the document itself says it) and bytes; None where there is none."""

    def blob(self, digest: Digest) -> File | None:
        """An open blob; None where there is none."""

    def referrers(self, digest: Digest) -> list[Mapping[str, Any]]:
        """Descriptors of the manifests that say they are about ``digest``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI image layout."""

    files: Files
    image: Digest
    top: Index
    """``index.json``."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.top.warnings

    def manifest(self, digest: Digest) -> tuple[str, bytes] | None:
        if digest == self.top.digest:
            return self.top.media_type, self.top.raw
        raw = whole(self.files, _path(digest), MAX_MANIFEST)
        return None if raw is None else ("", raw)

    def blob(self, digest: Digest) -> File | None:
        return self.files.open(_path(digest))

    def referrers(self, digest: Digest) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for entry in self.top.manifests[:MAX_LISTED]:
            raw = None if entry.digest == digest else self.manifest(entry.digest)
            document = _object(raw[1]) if raw else {}
            subject = document.get("subject")
            if isinstance(subject, dict) and subject.get("digest") == digest:
                found.append(_referrer(entry, document))
        return found


def open_layout(files: Files, name: str) -> Layout:
    """The layout in ``files`` and of it the image ``name``: a tag, a digest, or empty for the only one there is.

    Raises NotFound, InvalidInput where one must be named, Damaged for what is no layout, TooLarge.
    """
    what = f"index.json of {files.name}"
    marker = whole(files, "oci-layout", 4096)
    if marker is None or not isinstance(_object(marker).get("imageLayoutVersion"), str):
        raise Damaged(f"{files.name} is not an OCI image layout: it has no proper file `oci-layout`.")
    raw = whole(files, "index.json", MAX_MANIFEST)
    if raw is None:
        raise Damaged(f"{files.name} has no index.json.")
    top = parse_manifest(raw, digest_of(raw), OCI_INDEX, what)
    assert isinstance(top, Index)  # noqa: S101  (anything else contradicts the type it was read as)
    return Layout(files, _chosen(top, name, files.name), top)


def _chosen(top: Index, name: str, what: str) -> Digest:
    if name.startswith(("sha256:", "sha384:", "sha512:")):
        return Digest.parse(name)
    images = [entry for entry in top.manifests if not entry.is_attestation and not entry.artifact_type]
    if name:
        images = [entry for entry in images if _tag(entry) == name or entry.annotations.get(NAME) == name]
        if not images:
            raise NotFound(f"{what} holds no image named {name[:200]}.", hint=_names(top))
    if not images:
        raise NotFound(f"{what} holds no image.")
    if len({entry.digest for entry in images}) == 1:
        return images[0].digest
    if name or len({_tag(entry) for entry in images}) > 1 or not all(entry.platform for entry in images):
        raise InvalidInput(f"{what} holds {len(images)} images; which one is meant?", hint=_names(top))
    # One image for several platforms, listed without an index of their own.
    return top.digest


def _names(top: Index) -> str:
    names = list(dict.fromkeys(_tag(entry) or entry.digest for entry in top.manifests))[:_SHOWN]
    return f"Name one after the path, as in PATH:TAG or PATH@DIGEST. There are: {', '.join(names)}."


def _tag(entry: Descriptor) -> str:
    """Some tools write the tag, others the whole reference."""
    return entry.annotations.get(NAME, "").rpartition(":")[2]


def _referrer(entry: Descriptor, document: Mapping[str, Any]) -> Mapping[str, Any]:
    config = document.get("config")
    by_config = fields.text(config, "mediaType") if isinstance(config, dict) else ""
    return {
        "mediaType": entry.media_type,
        "digest": entry.digest,
        "size": entry.size,
        "artifactType": fields.text(document, "artifactType") or by_config,
        "annotations": fields.mapping(document, "annotations", "A manifest of the layout"),
    }


def _object(raw: bytes) -> fields.Json:
    try:
        return fields.load_object(raw, "A document of the layout")
    except DockerHubError:
        return {}


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
