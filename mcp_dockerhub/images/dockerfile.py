"""docker_get_dockerfile: an image's build, as a Dockerfile."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.images.bases import stated_base
from mcp_dockerhub.images.instructions import DEFAULT_SHELL, dockerfile_lines, parse_instruction, shell_of
from mcp_dockerhub.images.reading import read_image
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.withheld import withhold
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import HistoryEntry, Image
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, code_of

MAX_DOCKERFILE: Final = 64_000
_LINES: Final = 50
_LOSSES: Final = (
    "Reconstructed from the image's history, which lacks build stages, the base's name, sources of COPY --from, "
    "comments and the build's files: it does not build as it stands."
)


class Dockerfile(Result):
    image: Identifier
    platform: Identifier
    digest: Identifier
    origin: Literal["reconstructed"]
    base: Identifier | None
    """The base image by the image's own word; its steps are part of the content."""
    content: Annotated[str, code_of(MAX_DOCKERFILE)]

    def render(self) -> str:
        lines = [f"Dockerfile of {self.image} ({self.platform}), {self.origin}:"]
        lines += render.head([line[:200] for line in self.content.splitlines()], _LINES)
        return self.text(lines)


async def image_dockerfile(sources: Sources, access: Access, ref: Reference, platform: Platform | None) -> Dockerfile:
    """What the history tells of the Dockerfile, base image included, with secret-looking values withheld."""
    seen = Provenance()
    image = await read_image(sources, access, ref, platform, seen)
    base = stated_base(image)
    seen.warn(_LOSSES)
    if not image.config.history:
        seen.warn("The image has no history, so nothing can be reconstructed.")
    return Dockerfile(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(image.platform),
        digest=image.manifest.digest,
        origin="reconstructed",
        base=base.name if base else None,
        content="\n".join(_content(ref, image, base.name if base else "")),
    )


def _content(ref: Reference, image: Image, base: str) -> list[str]:
    lines = [f"# Reconstructed from the history of {ref.familiar} ({image.platform})"]
    if base:
        lines.append(f"# Base image by its own word: {' '.join(base.split())}; its steps are included")
    return [*lines, "FROM scratch", *reconstruct(image.config.history)]


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
