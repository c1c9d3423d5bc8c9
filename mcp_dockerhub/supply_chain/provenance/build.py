"""What a provenance statement says about a build, in one model for all versions and builders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mcp_dockerhub.supply_chain.vocabulary import MaterialKind, Mode

MAX_MATERIALS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Material:
    """Something from outside that went into the build."""

    uri: str
    kind: MaterialKind
    digest: str
    """``sha256:…``, ``sha1:…`` or ``gitCommit:…``; empty where not said."""


@dataclass(frozen=True, slots=True)
class SourceCode:
    """Where the instructions of the build came from."""

    uri: str
    """Empty for a local directory."""
    commit: str
    path: str
    """Of the Dockerfile or workflow."""
    checked: bool
    """True where the builder fetched it itself; False where the client only claimed it (BuildKit's ``vcs``)."""

    @property
    def is_claim(self) -> bool:
        """Whether it names a repository or commit on nobody's word but the client's."""
        return not self.checked and bool(self.uri or self.commit)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Dockerfile, as the builder recorded it (BuildKit, ``mode=max``)."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image the build drew on, with the layers it had then (BuildKit, ``mode=max``)."""

    reference: str
    """``gcr.io/o/a:tag@sha256:…`` as BuildKit writes it."""
    layers: tuple[str, ...]
    """Digests as in the image's manifest, bottom up; empty where not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build. What the statement does not say is empty or None, never assumed."""

    predicate_type: str
    build_type: str
    builder: str
    """``builder.id``; BuildKit leaves it empty unless told."""
    invocation: str = ""
    source: SourceCode | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Secret-looking values withheld."""
    withheld: int = 0
    """Parameters whose value was withheld."""
    mode: Mode | None = None
    """For BuildKit only."""
    target: str = ""
    """Stage of the Dockerfile that was built; empty for the last."""
    materials: tuple[Material, ...] = ()
    started: datetime | None = None
    finished: datetime | None = None
    reproducible: bool | None = None
    hermetic: bool | None = None
    """Whether the build had no network, by the builder's claim."""
    parameters_complete: bool | None = None
    materials_complete: bool | None = None
    files: tuple[SourceFile, ...] = ()
    images: tuple[ImageSource, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    """Build arguments as recorded, secrets included: for resolving names, never to be shown."""
