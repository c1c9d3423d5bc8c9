"""Which step of the history made which layer (OCI image-spec config.md, ``history``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mcp_dockerhub.registry.models import Descriptor, HistoryEntry

_EMPTY_LAYERS: Final = frozenset(
    {
        # A tar of nothing: 32 bytes as gzip, and its older form with another header; 1,024 bytes uncompressed.
        "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
        "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    }
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the history and the layer it made; None where it made none, or where nothing tells which."""

    entry: HistoryEntry
    layer: Descriptor | None


@dataclass(frozen=True, slots=True)
class Matched:
    """History and layers side by side."""

    steps: tuple[Step, ...]
    makers: tuple[HistoryEntry | None, ...]
    """For each layer the step that made it."""
    problem: str = ""
    """Why they could not be matched; empty when they were."""


def match_history(history: Sequence[HistoryEntry], layers: Sequence[Descriptor]) -> Matched:
    """Pair the steps that are not ``empty_layer`` with the layers, in order.

    With another number of them than there are layers nothing is paired: a guess could blame the wrong step.
    """
    making = [entry for entry in history if not entry.empty_layer]
    if len(making) == len(layers):
        remaining = iter(layers)
        steps = tuple(Step(entry, None if entry.empty_layer else next(remaining)) for entry in history)
        return Matched(steps, tuple(making))
    unpaired = tuple(Step(entry, None) for entry in history)
    return Matched(unpaired, (None,) * len(layers), _problem(len(history), len(making), len(layers)))


def is_empty_layer(layer: Descriptor) -> bool:
    """Whether a layer is known to hold nothing, by its digest."""
    return layer.digest in _EMPTY_LAYERS


def _problem(steps: int, making: int, layers: int) -> str:
    if not steps:
        return "The image has no history, so nothing says what made its layers."
    return f"The history names {making} layers where the image has {layers}, so steps and layers are not matched."
