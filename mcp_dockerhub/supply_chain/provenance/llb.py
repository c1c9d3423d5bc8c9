"""What BuildKit records with ``mode=max``: the Dockerfile itself, and which images lie beneath the result.

(slsa-definitions.md, ``buildkit_metadata.source`` and ``.layers``; ``buildConfig.llbDefinition``.)
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_dockerhub.registry.fields import child, items, text
from mcp_dockerhub.supply_chain.provenance.build import ImageSource, SourceFile

MAX_FILE: Final = 512 * 1024
MAX_FILES: Final = 20
_MAX_IMAGES: Final = 200
_IMAGE: Final = "docker-image://"
_LANGUAGES: Final = frozenset({"dockerfile", ""})
"""Older versions of BuildKit did not say."""

Json = Mapping[str, Any]


def source_files(extra: Json, what: str) -> tuple[SourceFile, ...]:
    """The Dockerfiles in BuildKit's metadata that are readable text; other frontends record other languages."""
    infos = items(child(extra, "source"), "infos", what)[:MAX_FILES]
    return tuple(filter(None, (_file(info) for info in infos if isinstance(info, dict))))


def _file(info: Json) -> SourceFile | None:
    data = text(info, "data")
    if text(info, "language").lower() not in _LANGUAGES or not data or len(data) > MAX_FILE * 4 // 3 + 4:
        return None
    try:
        content = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return SourceFile(text(info, "filename")[:512], content)


def image_sources(config: Json, extra: Json, what: str) -> tuple[ImageSource, ...]:
    """The images the build's steps started from, each with its layers at that time."""
    layers = child(extra, "layers")
    found = (_image(step, layers) for step in items(config, "llbDefinition", what) if isinstance(step, dict))
    return tuple(list(filter(None, found))[:_MAX_IMAGES])


def _image(step: Json, layers: Json) -> ImageSource | None:
    source = child(child(child(step, "op"), "Op"), "source")
    identifier = text(source, "identifier")
    if not identifier.startswith(_IMAGE):
        return None
    return ImageSource(identifier.removeprefix(_IMAGE)[:1024], tuple(_digests(layers, text(step, "id"))))


def _digests(layers: Json, step: str) -> Iterator[str]:
    """The first chain of layers recorded for a step's first output."""
    chains = layers.get(f"{step}:0")
    first = chains[0] if isinstance(chains, list) and chains else None
    for layer in first if isinstance(first, list) else ():
        digest = layer.get("digest") if isinstance(layer, dict) else None
        if isinstance(digest, str):
            yield digest
