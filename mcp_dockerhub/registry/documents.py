"""Manifests from verified bytes (OCI image-spec manifest.md, image-index.md; Docker manifest v2 schema 2).

Types nobody knows are kept, not refused; what is ambiguous (one document that is both an index and a manifest,
CVE-2021-41190) or lacks what its type demands is.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput, UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry import fields, media_types
from mcp_dockerhub.registry.artifacts import is_image, kind_of
from mcp_dockerhub.registry.fields import Json
from mcp_dockerhub.registry.models import (
    ArtifactManifest,
    Descriptor,
    ImageManifest,
    Index,
    Manifest,
    SchemaOneManifest,
)
from mcp_dockerhub.registry.verify import check_digest, check_size

MAX_MANIFEST: Final = 8 * 1024 * 1024
_MAX_PLATFORM_PART: Final = 64


def parse_manifest(
    raw: bytes, digest: Digest, content_type: str | None, what: str, warnings: tuple[str, ...] = ()
) -> Manifest:
    """The manifest in ``raw``, whose hash the caller has checked against ``digest``.

    ``what`` names it in errors. Raises UpstreamInvalid, TooLarge.
    """
    document = fields.load_object(raw, what)
    media_type = _media_type(document, media_types.essence(content_type), what)
    common: dict[str, Any] = {"raw": raw, "digest": digest, "media_type": media_type, "warnings": warnings}
    if media_type in media_types.SCHEMA_ONES:
        return SchemaOneManifest(**common)
    common["annotations"] = fields.mapping(document, "annotations", what)
    common["artifact_type"] = fields.text(document, "artifactType")
    common["subject"] = _optional(document, "subject", what)
    if media_type in media_types.INDEXES:
        return _index(document, common, what)
    if media_type == media_types.OCI_ARTIFACT:
        return _old_artifact(document, common, what)
    return _image_or_artifact(document, common, what)


def _media_type(document: Json, header: str, what: str) -> str:
    """What the document is: by its own word, the header's, or its shape, none contradicting another."""
    stated = fields.text(document, "mediaType")
    shape = _shape(document, what)
    named = [name for name in (stated, header) if name in media_types.KNOWN]
    if len(set(named)) > 1:
        raise UpstreamInvalid(f"{what} says it is one type and was served as another.")
    media_type = named[0] if named else shape
    if not media_type:
        raise UpstreamInvalid(f"{what} is not a manifest of any known kind.")
    if shape and _family(media_type) != _family(shape):
        raise UpstreamInvalid(f"{what} does not have the form of the type it says it is.")
    return media_type


def _shape(document: Json, what: str) -> str:
    if document.get("schemaVersion") == 1:
        return media_types.SCHEMA_ONE_SIGNED if "signatures" in document else media_types.SCHEMA_ONE
    index = "manifests" in document
    manifest = "config" in document or "layers" in document
    if index and manifest:
        raise UpstreamInvalid(f"{what} is both an index and a manifest; which one is meant cannot be known.")
    if index:
        return media_types.OCI_INDEX
    return media_types.OCI_MANIFEST if manifest else ""


def _family(media_type: str) -> str:
    if media_type in media_types.INDEXES:
        return "index"
    return "schema 1" if media_type in media_types.SCHEMA_ONES else "manifest"


def _index(document: Json, common: dict[str, Any], what: str) -> Index:
    children, skipped = [], 0
    for entry in fields.items(document, "manifests", what):
        try:
            children.append(parse_descriptor(entry, what))
        except UpstreamInvalid:
            skipped += 1
    if skipped:
        note = f"{skipped} entries of the index could not be read and are left out."
        common = {**common, "warnings": (*common["warnings"], note)}
    return Index(**common, manifests=tuple(children))


def _image_or_artifact(document: Json, common: dict[str, Any], what: str) -> ImageManifest | ArtifactManifest:
    config = parse_descriptor(document.get("config"), what)
    layers = tuple(parse_descriptor(entry, what) for entry in fields.items(document, "layers", what))
    layer_types = [layer.media_type for layer in layers]
    if is_image(config.media_type, layer_types):
        return ImageManifest(**common, config=config, layers=layers)
    kind = kind_of(common["artifact_type"], config.media_type, layer_types)
    # image-spec manifest.md: without an artifactType the config's type is what the artifact is.
    common = {**common, "artifact_type": common["artifact_type"] or config.media_type}
    return ArtifactManifest(**common, kind=kind, config=config, layers=layers)


def _old_artifact(document: Json, common: dict[str, Any], what: str) -> ArtifactManifest:
    blobs = tuple(parse_descriptor(entry, what) for entry in fields.items(document, "blobs", what))
    kind = kind_of(common["artifact_type"], layer_types=[blob.media_type for blob in blobs])
    return ArtifactManifest(**common, kind=kind, config=None, layers=blobs)


def _optional(document: Json, key: str, what: str) -> Descriptor | None:
    return parse_descriptor(document[key], what) if isinstance(document.get(key), dict) else None


def parse_descriptor(entry: Any, what: str) -> Descriptor:
    """One descriptor; raise UpstreamInvalid unless it has a type, a digest and a size."""
    if not isinstance(entry, dict):
        raise UpstreamInvalid(f"{what} lacks a descriptor it must have.")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise UpstreamInvalid(f"{what} has a descriptor without a proper size.")
    try:
        digest = Digest.parse(fields.text(entry, "digest"))
    except InvalidInput:
        raise UpstreamInvalid(f"{what} has a descriptor without a proper digest.") from None
    platform = fields.child(entry, "platform")
    return Descriptor(
        media_type=fields.text(entry, "mediaType"),
        digest=digest,
        size=size,
        platform=parse_platform(platform),
        os_version=fields.text(platform, "os.version"),
        annotations=fields.mapping(entry, "annotations", what),
        urls=fields.texts(entry, "urls", what),
        artifact_type=fields.text(entry, "artifactType"),
        data=_data(entry, digest, size, what),
    )


def parse_platform(source: Json) -> Platform | None:
    """A platform as an index or a config states it, None when it does not; aliases become Go's names."""
    os, architecture = fields.text(source, "os"), fields.text(source, "architecture")
    variant = fields.text(source, "variant")
    if not os or not architecture or max(map(len, (os, architecture, variant))) > _MAX_PLATFORM_PART:
        return None
    stated = Platform(os, architecture, variant)
    try:
        return Platform.parse(str(stated))
    except InvalidInput:
        return stated


def _data(entry: Mapping[str, Any], digest: Digest, size: int, what: str) -> bytes | None:
    """The embedded content; what does not match its own descriptor is an error, not a hint (descriptor.md)."""
    encoded = entry.get("data")
    if not isinstance(encoded, str):
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise UpstreamInvalid(f"{what} embeds content that is not base64.") from None
    check_size(data, size, f"Content embedded in {what}")
    check_digest(data, digest, f"Content embedded in {what}")
    return data
