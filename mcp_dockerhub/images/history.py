"""docker_get_image_history: the steps an image was built in."""

from datetime import datetime
from typing import Annotated, Final

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.images.instructions import parse_instruction
from mcp_dockerhub.images.matching import Step, match_history
from mcp_dockerhub.images.reading import read_image
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.withheld import withhold
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Prose, code_of

MAX_STEPS: Final = 300
_ROWS: Final = 50


class HistoryStep(OutputModel):
    created: datetime | None
    created_by: Annotated[str, code_of(4_000)]
    comment: Prose | None
    layer: Identifier | None
    """The layer this step made."""
    size: int | None
    """Its compressed bytes; 0 for a step that made none, null where nothing tells."""


class ImageHistory(Result):
    image: Identifier
    platform: Identifier
    digest: Identifier
    total: int
    steps: list[HistoryStep]
    """Oldest first."""

    def render(self) -> str:
        rows = [
            (render.day(step.created), render.size(step.size), render.clip(_instruction(step), 80))
            for step in self.steps
        ]
        lines = [f"{self.image} ({self.platform}): {render.counted(self.total, 'step')}, oldest first"]
        lines += render.head(render.table(("created", "size", "step"), rows, "<>"), _ROWS + 1, "step")
        return self.text(lines)


async def image_history(sources: Sources, access: Access, ref: Reference, platform: Platform | None) -> ImageHistory:
    """Every step of one platform's image, with the layer it made where that can be told."""
    seen = Provenance()
    image = await read_image(sources, access, ref, platform, seen)
    matched = match_history(image.config.history, image.manifest.layers)
    if matched.problem:
        seen.warn(matched.problem)
    if len(matched.steps) > MAX_STEPS:
        seen.warn(f"Only the first {MAX_STEPS} of {len(matched.steps)} steps are listed.")
    return ImageHistory(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(image.platform),
        digest=image.manifest.digest,
        total=len(matched.steps),
        steps=[_step(step) for step in matched.steps[:MAX_STEPS]],
    )


def _step(step: Step) -> HistoryStep:
    size = step.layer.size if step.layer else (0 if step.entry.empty_layer else None)
    return HistoryStep(
        created=step.entry.created,
        created_by=withhold(step.entry.created_by),
        comment=step.entry.comment or None,
        layer=step.layer.digest if step.layer else None,
        size=size,
    )


def _instruction(step: HistoryStep) -> str:
    return str(parse_instruction(step.created_by)) or step.comment or render.UNKNOWN
