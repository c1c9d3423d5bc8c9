"""How an image runs, as its configuration says (OCI image-spec config.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from cachetools import LRUCache

from mcp_dockerhub import render
from mcp_dockerhub.images.withheld import assignments, labels
from mcp_dockerhub.registry.models import ImageConfig
from mcp_dockerhub.results import Provenance
from mcp_dockerhub_security.redaction import redact_command
from mcp_dockerhub_security.sanitize import Code, Identifier, OutputModel, Prose

T = TypeVar("T")

MAX_LABELS: Final = 50
MAX_ENV: Final = 100
MAX_LISTED: Final = 50


class Configuration(OutputModel):
    user: Identifier | None
    entrypoint: list[Code] | None
    cmd: list[Code] | None
    workdir: Code | None
    stop_signal: Identifier | None
    env: dict[Identifier, Code]
    """Values that look secret are withheld."""
    ports: list[Identifier]
    volumes: list[Code]
    labels: dict[Identifier, Prose]

    def pairs(self) -> list[tuple[str, str]]:
        """What is set, for rendering."""
        return [
            ("user", self.user or "root (not set)"),
            ("entrypoint", render.clip(" ".join(self.entrypoint or []))),
            ("cmd", render.clip(" ".join(self.cmd or []))),
            ("workdir", self.workdir or ""),
            ("env", render.clip(", ".join(self.env), 160)),
            ("ports", render.clip(", ".join(self.ports))),
            ("volumes", render.clip(", ".join(self.volumes))),
            ("stop signal", self.stop_signal or ""),
            ("labels", render.clip(", ".join(self.labels), 160)),
        ]


def configuration(config: ImageConfig, seen: Provenance) -> Configuration:
    """The configuration, long lists cut with a warning.

    Looking for secrets and markup costs more than all the rest of an answer, so what came of it is kept by the
    config's digest, which is that of its content.
    """
    kept = _KEPT.get(config.digest)
    if kept is None:
        remarks = Provenance()
        kept = _Kept(_configuration(config, remarks), tuple(remarks.warnings))
        if config.size <= _KEPT_SIZE:
            _KEPT[config.digest] = kept
    seen.warn(*kept.warnings)
    return kept.configuration


@dataclass(frozen=True, slots=True)
class _Kept:
    configuration: Configuration
    warnings: tuple[str, ...]


_KEPT_SIZE: Final = 32_768
"""Bytes of a config beyond which its answer is made anew: with the number of places this bounds the memory."""
_KEPT: Final[LRUCache[str, _Kept]] = LRUCache(maxsize=64)


def _configuration(config: ImageConfig, seen: Provenance) -> Configuration:
    env = assignments(_first(config.env, MAX_ENV, "environment variables", seen))
    kept = _first(list(config.labels.items()), MAX_LABELS, "labels", seen)
    return Configuration(
        user=config.user or None,
        entrypoint=_words(config.entrypoint),
        cmd=_words(config.cmd),
        workdir=config.working_dir or None,
        stop_signal=config.stop_signal or None,
        env=env,
        ports=list(_first(config.exposed_ports, MAX_LISTED, "ports", seen)),
        volumes=list(_first(config.volumes, MAX_LISTED, "volumes", seen)),
        labels=labels(dict(kept)),
    )


def _first(values: Sequence[T], limit: int, what: str, seen: Provenance) -> Sequence[T]:
    if len(values) > limit:
        seen.warn(f"Only {limit} of {len(values)} {what} are listed.")
    return values[:limit]


def _words(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else [redact_command(word) for word in words[:MAX_LISTED]]
