"""The base of every tool's answer, and how fresh an answer made of several documents is."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol, TypeVar

from mcp_dockerhub import render
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Remark
from mcp_dockerhub_security.untrusted import may_quote

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Source = Literal["live", "cache", "stale"]

_WORST_FIRST: Final[tuple[Source, ...]] = ("stale", "cache", "live")
MAX_WARNINGS: Final = 20
QUOTED: Final = "The registry says: "
"""How a warning begins that a registry sent: somebody else's words, shown as such."""
_NOTES: Final = 5


class Result(OutputModel):
    """What every answer says about itself."""

    source: Source = "live"
    fetched_at: datetime | None = None
    warnings: list[Remark] = []  # noqa: RUF012 -- pydantic copies defaults
    untrusted: list[Identifier] | None = None
    """Fields whose text others wrote, as far as they hold any; the server fills it in."""

    @classmethod
    def schema_for_client(cls) -> dict[str, Any]:
        """The JSON schema of the serialised answer; ``untrusted`` is in it only where others' text can be."""
        schema = super().schema_for_client()
        properties = dict(schema["properties"])
        del properties["untrusted"]
        if may_quote(cls):
            properties["untrusted"] = {"type": "array"}
        return {**schema, "properties": properties}

    def render(self) -> str:
        """The answer as a person reads it in seconds."""
        raise NotImplementedError

    def text(self, lines: Iterable[str]) -> str:
        """``lines`` followed by what the answer says about itself."""
        notes = [f"! {render.clip(warning, 200)}" for warning in self.warnings]
        notes = render.head(notes, _NOTES, "warning")
        if self.untrusted:
            notes.append(f"~ written by others: {', '.join(self.untrusted)}")
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
        """At most ``MAX_WARNINGS``: our own as they were added, then what registries say, which displaces none."""
        return sorted(self._warnings, key=lambda warning: warning.startswith(QUOTED))[:MAX_WARNINGS]


def worst(*sources: Source) -> Source:
    """The least fresh of ``sources``."""
    return min(sources, key=_WORST_FIRST.index)
