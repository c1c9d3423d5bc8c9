"""The base of every tool's answer, and how fresh an answer made of several documents is."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, TypeVar

from mcp_dockerhub import render
from mcp_dockerhub_security.sanitize import OutputModel, Prose

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Source = Literal["live", "cache", "stale"]

_WORST_FIRST: Final[tuple[Source, ...]] = ("stale", "cache", "live")
MAX_WARNINGS: Final = 20
_NOTES: Final = 5


class Result(OutputModel):
    """What every answer says about itself."""

    source: Source = "live"
    fetched_at: datetime | None = None
    warnings: list[Prose] = []  # noqa: RUF012 -- pydantic copies defaults

    def render(self) -> str:
        """The answer as a person reads it in seconds."""
        raise NotImplementedError

    def text(self, lines: Iterable[str]) -> str:
        """``lines`` followed by what the answer says about itself."""
        notes = [f"! {render.clip(warning, 200)}" for warning in self.warnings]
        notes = render.head(notes, _NOTES, "warning")
        if self.source == "stale":
            notes.append(f"! The upstream could not be asked; this is from {render.time(self.fetched_at)}.")
        return "\n".join([*lines, *notes])


class Dated(Protocol[T_co]):
    """A value and where it came from; satisfied by what the cache returns."""

    @property
    def value(self) -> T_co: ...
    @property
    def source(self) -> Source: ...
    @property
    def fetched_at(self) -> datetime: ...


class Provenance:
    """Collects, while an answer is put together, what its common fields will say.

    Of several documents the worst source and the oldest time count; before the first, ``live`` and no time.
    A document fetched since this was created is live, though it may be read again from the cache.
    """

    __slots__ = ("_started", "_warnings", "fetched_at", "source")

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self.source: Source = "live"
        self.fetched_at: datetime | None = None
        self._warnings: dict[str, None] = {}

    def take(self, document: Dated[T]) -> T:
        """The document's value, its freshness counted in."""
        self.add(document.source, document.fetched_at)
        return document.value

    def add(self, source: Source, fetched_at: datetime) -> None:
        if source == "cache" and fetched_at >= self._started:
            source = "live"
        self.source = worst(self.source, source)
        if self.fetched_at is None or fetched_at < self.fetched_at:
            self.fetched_at = fetched_at

    def warn(self, *warnings: str) -> None:
        """Add warnings; each is said once."""
        self._warnings.update(dict.fromkeys(warnings))

    @property
    def warnings(self) -> list[str]:
        """In the order they were added, at most ``MAX_WARNINGS``."""
        return list(self._warnings)[:MAX_WARNINGS]


def worst(*sources: Source) -> Source:
    """The least fresh of ``sources``."""
    return min(sources, key=_WORST_FIRST.index)
