"""Image configs from verified bytes (OCI image-spec config.md)."""

from typing import Any, Final

from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry import fields
from mcp_dockerhub.registry.documents import parse_platform
from mcp_dockerhub.registry.fields import Json
from mcp_dockerhub.registry.models import HistoryEntry, ImageConfig

MAX_CONFIG: Final = 8 * 1024 * 1024


def parse_config(raw: bytes, digest: Digest, what: str) -> ImageConfig:
    """The config in ``raw``, whose hash the caller has checked against ``digest``; raise UpstreamInvalid, TooLarge."""
    document = fields.load_object(raw, what)
    return ImageConfig(
        digest=digest,
        size=len(raw),
        platform=parse_platform(document),
        os_version=fields.text(document, "os.version"),
        created=fields.moment(document, "created"),
        author=fields.text(document, "author"),
        diff_ids=fields.texts(fields.child(document, "rootfs"), "diff_ids", what),
        history=tuple(_step(entry) for entry in fields.items(document, "history", what) if isinstance(entry, dict)),
        **_execution(fields.child(document, "config"), what),
    )


def _execution(config: Json, what: str) -> dict[str, Any]:
    return {
        "user": fields.text(config, "User"),
        "working_dir": fields.text(config, "WorkingDir"),
        "stop_signal": fields.text(config, "StopSignal"),
        "env": fields.texts(config, "Env", what),
        "entrypoint": fields.optional_texts(config, "Entrypoint", what),
        "cmd": fields.optional_texts(config, "Cmd", what),
        "shell": fields.optional_texts(config, "Shell", what),
        "on_build": fields.texts(config, "OnBuild", what),
        "healthcheck": fields.texts(fields.child(config, "Healthcheck"), "Test", what),
        "labels": fields.mapping(config, "Labels", what),
        "exposed_ports": fields.names(config, "ExposedPorts", what),
        "volumes": fields.names(config, "Volumes", what),
    }


def _step(entry: Json) -> HistoryEntry:
    return HistoryEntry(
        created=fields.moment(entry, "created"),
        created_by=fields.text(entry, "created_by"),
        author=fields.text(entry, "author"),
        comment=fields.text(entry, "comment"),
        empty_layer=entry.get("empty_layer") is True,
    )
