"""What ``docker save`` writes (Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format").

Such an archive has no manifest of the distribution kind: one is made up here from the configuration and the layers, so
its digest is nobody else's. The configuration is checked against the digest that it is named by, each layer against
the configuration. Archives of newer engines are OCI image layouts too and are read as these.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput, NotFound, TooLarge, Unsupported
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry import fields
from mcp_dockerhub.registry.configs import MAX_CONFIG
from mcp_dockerhub.registry.documents import MAX_MANIFEST
from mcp_dockerhub.registry.media_types import DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST
from mcp_dockerhub.registry.verify import check_digest, digest_of
from mcp_dockerhub.scan.local.contents import Contents, open_layout
from mcp_dockerhub.scan.local.files import CHUNK, Damaged, File, Files, whole

_PLAIN_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
_NAMED_BY_DIGEST: Final = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})(?:\.json)?", re.ASCII)
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SHOWN: Final = 8
_MADE_UP: Final = "`docker save` keeps no manifest: its digest is of one made up from the archive, and nobody else's."


@dataclass(frozen=True, slots=True)
class SavedImage:
    """One image of an archive."""

    files: Files
    image: Digest
    raw: bytes
    """The manifest made up for it."""
    config: tuple[Digest, str]
    paths: Mapping[Digest, str]
    """Where each layer lies."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return (_MADE_UP,)

    def manifest(self, digest: Digest) -> tuple[str, bytes] | None:
        return (DOCKER_MANIFEST, self.raw) if digest == self.image else None

    def blob(self, digest: Digest) -> File | None:
        path = self.config[1] if digest == self.config[0] else self.paths.get(digest)
        return self.files.open(path) if path is not None else None

    def referrers(self, digest: Digest) -> list[Mapping[str, Any]]:
        return []


def open_saved(files: Files, name: str, max_bytes: int) -> Contents:
    """The image ``name`` of an archive: a reference or a tag, or empty for the only one there is.

    ``max_bytes`` bounds what a compressed layer may unpack to. Raises NotFound, InvalidInput where one must be named,
    Damaged for what is no such archive or is damaged, Unsupported, TooLarge.
    """
    if (marker := files.open("oci-layout")) is not None:
        with marker:
            pass
        return open_layout(files, name)
    raw = whole(files, "manifest.json", MAX_MANIFEST)
    if raw is None:
        raise InvalidInput(f"{files.name} was not written by `docker save`: it has no manifest.json.")
    entry = _chosen(_entries(raw, files.name), name, files.name)
    return _saved(files, entry, max_bytes)


def _entries(raw: bytes, what: str) -> list[dict[str, Any]]:
    # An object around the list, so that the same bounded reader serves both.
    document = fields.load_object(b'{"images":' + raw + b"}", f"manifest.json of {what}")
    return [entry for entry in fields.items(document, "images", f"manifest.json of {what}") if isinstance(entry, dict)]


def _chosen(entries: list[dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    tags = {id(entry): fields.texts(entry, "RepoTags", what) for entry in entries}
    fitting = [entry for entry in entries if not name or any(_fits(tag, name) for tag in tags[id(entry)])]
    if len(fitting) == 1:
        return fitting[0]
    known = [tag for found in tags.values() for tag in found][:_SHOWN]
    hint = f"Name one after the path, as in FILE:TAG. There are: {', '.join(known)}." if known else ""
    if not fitting:
        raise NotFound(f"{what} holds no image{f' named {name[:200]}' if name else ''}.", hint=hint)
    raise InvalidInput(f"{what} holds {len(fitting)} images; which one is meant?", hint=hint)


def _fits(tag: str, name: str) -> bool:
    if name in (tag, tag.rpartition(":")[2]):
        return True
    try:
        return Reference.parse(tag) == Reference.parse(name)
    except InvalidInput:
        return False


def _saved(files: Files, entry: dict[str, Any], max_bytes: int) -> SavedImage:
    what = f"manifest.json of {files.name}"
    config_path = fields.text(entry, "Config")
    raw = whole(files, config_path, MAX_CONFIG) if config_path else None
    if raw is None:
        raise Damaged(f"{files.name} lacks the configuration of its image.")
    named = _NAMED_BY_DIGEST.fullmatch(config_path)
    if named:
        check_digest(raw, Digest(f"sha256:{named[1]}"), f"The configuration in {files.name}")
    diff_ids = fields.texts(fields.child(fields.load_object(raw, what), "rootfs"), "diff_ids", what)
    paths = fields.texts(entry, "Layers", what)
    if len(paths) != len(diff_ids):
        raise Damaged(f"{files.name} lists {len(paths)} layers where its configuration has {len(diff_ids)}.")
    layers = [
        _layer(files, path, Digest.parse(diff_id), max_bytes) for path, diff_id in zip(paths, diff_ids, strict=True)
    ]
    config = digest_of(raw)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": DOCKER_CONFIG, "size": len(raw), "digest": config},
            "layers": layers,
        }
    ).encode()
    by_digest = {Digest(layer["digest"]): path for layer, path in zip(layers, paths, strict=True)}
    return SavedImage(files, digest_of(manifest), manifest, (config, config_path), by_digest)


def _layer(files: Files, path: str, diff_id: Digest, max_bytes: int) -> dict[str, Any]:
    """The descriptor of one layer. A plain one is what the configuration says or is refused when it is read."""
    file = files.open(path)
    if file is None:
        raise Damaged(f"{files.name} lacks the layer {path[:200]}.")
    with file:
        start = file.read(4)
        if start.startswith(_ZSTD):
            raise Unsupported(f"{files.name} holds layers in zstd, which such archives have no word for.")
        if not start.startswith(_GZIP):
            return {"mediaType": _PLAIN_LAYER, "size": file.size, "digest": diff_id}
        digest, unpacked = _digests(file, start, max_bytes, files.name)
    if unpacked != diff_id:
        raise Damaged(f"A layer of {files.name} is not what its configuration says: altered or damaged.")
    return {"mediaType": DOCKER_LAYER_GZIP, "size": file.size, "digest": digest}


def _digests(file: File, start: bytes, max_bytes: int, what: str) -> tuple[Digest, Digest]:
    """Of a compressed layer as it is, and unpacked."""
    packed, plain, total = hashlib.sha256(start), hashlib.sha256(), 0
    inflater = zlib.decompressobj(wbits=31)
    data = start
    try:
        while data:
            while data:
                content = inflater.decompress(data, CHUNK)
                plain.update(content)
                total += len(content)
                if total > max_bytes:
                    raise TooLarge(f"A layer of {what} unpacks to more than {max_bytes} bytes.")
                data = inflater.unconsumed_tail or (inflater.unused_data if inflater.eof else b"")
                if inflater.eof and data:
                    # RFC 1952: several members may follow each other.
                    inflater = zlib.decompressobj(wbits=31)
            data = file.read()
            packed.update(data)
    except zlib.error:
        raise Damaged(f"A layer of {what} is not whole gzip: altered or damaged.") from None
    if not inflater.eof:
        raise Damaged(f"A layer of {what} breaks off: altered or damaged.")
    return Digest(f"sha256:{packed.hexdigest()}"), Digest(f"sha256:{plain.hexdigest()}")
