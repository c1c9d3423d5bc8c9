"""docker_get_dockerfile: an image's build, as a Dockerfile."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.images.bases import BaseFinder, StatedBase, by_own_words
from mcp_dockerhub.images.instructions import DEFAULT_SHELL, dockerfile_lines, parse_instruction, shell_of
from mcp_dockerhub.images.reading import read_image
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.withheld import withhold, withhold_dockerfile
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import HistoryEntry, Image
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, code_of

MAX_DOCKERFILE: Final = 64_000
_LINES: Final = 50
_LOSSES: Final = (
    "Reconstructed from the image's history, which lacks build stages, the base's name, sources of COPY --from, "
    "comments and the build's files: it does not build as it stands."
)
_LOSSES_ABOVE_BASE: Final = (
    "Reconstructed from the image's history above its base: build stages, sources of COPY --from, comments and the "
    "build's files are not recorded there."
)
_WITHHELD: Final = "Values that look like secrets are withheld from the Dockerfile; they are public in the image."
_SOURCE_LABEL: Final = "org.opencontainers.image.source"
_REVISION_LABEL: Final = "org.opencontainers.image.revision"

# What people write there is a commit or a version; "unknown" and the like point nowhere.
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}|v?[0-9][\w.+-]{0,63}", re.ASCII)

Origin = Literal["provenance", "pointer", "reconstructed"]


@dataclass(frozen=True, slots=True)
class SourcePointer:
    """Where the Dockerfile is kept."""

    repository: str
    commit: str
    path: str
    """Empty where not said."""
    checked: bool
    """False where that is only somebody's word: a label, or the client of the build."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a build's own record tells of its Dockerfile."""

    text: str | None
    name: str = ""
    pointer: SourcePointer | None = None


class RecordFinder(Protocol):
    """Finds the record of a build; composed above this package."""

    async def __call__(self, ref: Reference, image: Image, seen: Provenance) -> Recorded | None:
        """None where there is none; what could not be read becomes a warning."""


async def nothing_recorded(ref: Reference, image: Image, seen: Provenance) -> Recorded | None:
    """The ``RecordFinder`` that looks nowhere."""
    return None


class DockerfileSource(OutputModel):
    repository: Identifier
    commit: Identifier
    path: Identifier
    checked: bool
    """False: only claimed, by a label or by the client of the build."""


class Dockerfile(Result):
    image: Identifier
    platform: Identifier
    digest: Identifier
    origin: Origin
    """provenance: the very file; pointer: where it is kept is known, the content is reconstructed; reconstructed:
    from the history."""
    name: Identifier | None
    repository: DockerfileSource | None
    base: Identifier | None
    """The base image as far as known."""
    content: Annotated[str, code_of(MAX_DOCKERFILE)]

    def render(self) -> str:
        lines = [f"Dockerfile of {self.image} ({self.platform}), {self.origin}:"]
        if self.repository:
            kept = self.repository
            lines.append(f"kept at {kept.repository} {kept.commit[:12]} {kept.path}".rstrip())
        lines += render.head([line[:200] for line in self.content.splitlines()], _LINES)
        return self.text(lines)


async def image_dockerfile(
    sources: Sources,
    access: Access,
    ref: Reference,
    platform: Platform | None,
    find_record: RecordFinder = nothing_recorded,
    find_base: BaseFinder = by_own_words,
) -> Dockerfile:
    """The Dockerfile the build recorded; else what the history tells, with a pointer to the file where one is known.

    Secret-looking values are withheld.
    """
    seen = Provenance()
    image = await read_image(sources, access, ref, platform, seen)
    recorded = await find_record(ref, image, seen)
    base = await find_base(ref, image, seen)
    if recorded is not None and recorded.text is not None:
        return _of_record(ref, image, recorded.text, recorded, base, seen)
    pointer = (recorded.pointer if recorded else None) or _labelled(image)
    lines = await _reconstructed(sources, access, ref, image, base, seen)
    origin: Origin = "pointer" if pointer else "reconstructed"
    return _answer(ref, image, origin, "\n".join(lines), seen, base, pointer=pointer)


def _of_record(
    ref: Reference, image: Image, text: str, recorded: Recorded, base: StatedBase | None, seen: Provenance
) -> Dockerfile:
    shown = withhold_dockerfile(text)
    if shown != text:
        seen.warn(_WITHHELD)
    if len(shown) > MAX_DOCKERFILE:
        seen.warn(f"The Dockerfile has {len(shown)} characters; only {MAX_DOCKERFILE} are shown.")
    return _answer(ref, image, "provenance", shown, seen, base, name=recorded.name, pointer=recorded.pointer)


def _labelled(image: Image) -> SourcePointer | None:
    """By the image's own word; labels are inherited, so it needs the commit too to mean this very image."""
    for said in (image.manifest.annotations, image.config.labels):
        repository, commit = said.get(_SOURCE_LABEL, "").strip(), said.get(_REVISION_LABEL, "").strip()
        if repository and _COMMIT.fullmatch(commit):
            return SourcePointer(repository, commit, "", checked=False)
    return None


def _answer(
    ref: Reference,
    image: Image,
    origin: Origin,
    content: str,
    seen: Provenance,
    base: StatedBase | None,
    *,
    name: str = "",
    pointer: SourcePointer | None = None,
) -> Dockerfile:
    return Dockerfile(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(image.platform),
        digest=image.manifest.digest,
        origin=origin,
        name=name or None,
        repository=_shown(pointer) if pointer else None,
        base=base.name if base else None,
        content=content,
    )


def _shown(pointer: SourcePointer) -> DockerfileSource:
    return DockerfileSource(
        repository=pointer.repository, commit=pointer.commit, path=pointer.path, checked=pointer.checked
    )


async def _reconstructed(
    sources: Sources, access: Access, ref: Reference, image: Image, base: StatedBase | None, seen: Provenance
) -> list[str]:
    """Above the base where the base's own history can be told from the image's, else from the very bottom."""
    history = image.config.history
    if not history:
        seen.warn("The image has no history, so nothing can be reconstructed.")
    title = f"# Reconstructed from the history of {ref.familiar} ({image.platform})"
    start = await _start_of_own(sources, access, image, base)
    if base is not None and start:
        seen.warn(_LOSSES_ABOVE_BASE)
        return [title, f"FROM {base.pinned}", *reconstruct(history[start:])]
    seen.warn(_LOSSES)
    named = [f"# Base image by its own word: {' '.join(base.name.split())}; its steps are included"] if base else []
    return [title, *named, "FROM scratch", *reconstruct(history)]


async def _start_of_own(sources: Sources, access: Access, image: Image, base: StatedBase | None) -> int:
    """How many steps of the history are those of the very base it was built on; 0 where that is not sure."""
    if base is None or base.confidence != "high" or not base.digest:
        return 0
    try:
        pinned = Reference.parse(base.name).with_digest(base.digest)
        below = (await sources.registry.image(access, pinned, image.platform)).value.config.history
    except (DockerHubError, Refusal):
        return 0
    said = [entry.created_by for entry in below]
    return len(said) if said and [entry.created_by for entry in image.config.history[: len(said)]] == said else 0


def reconstruct(history: Sequence[HistoryEntry]) -> list[str]:
    """The lines of a Dockerfile that would record this history. Steps of other builders become comments."""
    lines: list[str] = []
    shell: Sequence[str] = DEFAULT_SHELL
    written = 0
    for entry in history:
        said = entry.created_by or entry.comment
        if not said.strip():
            continue
        instruction = parse_instruction(withhold(said), shell)
        shell = shell_of(instruction) or shell
        added = dockerfile_lines(instruction)
        written += sum(map(len, added)) + len(added)
        if written > MAX_DOCKERFILE - 1_000:
            return [*lines, "# … the history goes on: cut here"]
        lines += added
    return lines
