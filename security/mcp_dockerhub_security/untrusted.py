"""Which texts of an answer others wrote: found by the declared field classes, named by the way to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, TypeVar, get_args

from mcp_dockerhub_security.detection import instruction_kind
from mcp_dockerhub_security.sanitize import FREE_TEXT, OutputModel, TextClass

AnyModel = TypeVar("AnyModel", bound=OutputModel)

MAX_REMEMBERED: Final = 4_000
"""Characters of the longest text whose judgement is kept: the same documents are shown again and again."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that holds free text, or models that may."""

    name: str
    text: TextClass | None
    """None where only models inside may hold any."""
    models: tuple[type[OutputModel], ...]


def untrusted_texts(model: OutputModel) -> Iterator[tuple[str, str, TextClass]]:
    """Each free text that is not empty: the path of its field (``config.labels``), the text, how it was declared."""
    yield from _texts(model, "")


def may_quote(model: type[OutputModel]) -> bool:
    """Whether answers of this class can hold text that others wrote."""
    return any(
        (field.text is not None and not field.text.own) or any(map(may_quote, field.models)) for field in _plan(model)
    )


def suspicious(paths_and_texts: dict[str, list[str]]) -> dict[str, str]:
    """Of the given fields, those that read like instructions to an assistant, with what they try to do."""
    everything = "\n\n".join(text for texts in paths_and_texts.values() for text in texts)
    if not everything or not _judged(everything):
        return {}
    judged = ((path, _judged("\n\n".join(texts))) for path, texts in paths_and_texts.items())
    return {path: kind for path, kind in judged if kind}


@dataclass(frozen=True, slots=True)
class Removal:
    """Which free text to leave out of an answer."""

    drops: Callable[[str, TextClass], bool]
    keeps: Callable[[OutputModel], bool]
    """Asked about every model on the way; one that it speaks for stays as it is, with all inside."""

    def without_text(self, model: AnyModel) -> AnyModel:
        """A copy without it: texts become empty, entries of lists and dictionaries go; ``model`` itself if none is."""
        if self.keeps(model):
            return model
        updates: dict[str, Any] = {}
        for field in _plan(type(model)):
            value = getattr(model, field.name)
            kept = self._kept(value, field.text)
            if kept is not value:
                updates[field.name] = kept
        return model.model_copy(update=updates) if updates else model

    def _kept(self, value: Any, text: TextClass | None) -> Any:
        if isinstance(value, OutputModel):
            return self.without_text(value)
        if isinstance(value, str):
            return "" if text is not None and value and self.drops(value, text) else value
        if isinstance(value, dict):
            # A dropped entry's key goes with it: whoever wrote the value chose it too.
            kept = [((key, old), (key, self._kept(old, text))) for key, old in value.items()]
            return _changed(value, kept, lambda entry: entry[1] == "")
        if isinstance(value, list | tuple):
            return _changed(value, [(old, self._kept(old, text)) for old in value], lambda item: item == "")
        return value


def _changed(value: Any, items: list[tuple[Any, Any]], gone: Callable[[Any], bool]) -> Any:
    """``value`` itself if nothing in it changed, else without what became empty; ``items`` are (old, new)."""
    if all(old == new for old, new in items):
        return value
    return type(value)(new for old, new in items if old == new or not gone(new))


def _texts(model: OutputModel, prefix: str) -> Iterator[tuple[str, str, TextClass]]:
    for field in _plan(type(model)):
        yield from _texts_of(getattr(model, field.name), prefix + field.name, field.text)


def _texts_of(value: Any, path: str, text: TextClass | None) -> Iterator[tuple[str, str, TextClass]]:
    if isinstance(value, str):
        if text is not None and value:
            yield path, value, text
    elif isinstance(value, OutputModel):
        yield from _texts(value, f"{path}.")
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_of(item, path, text)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_of(item, path, text)


@cache
def _plan(model: type[OutputModel]) -> tuple[_Field, ...]:
    """The fields of a class that need looking at; most identify or count and do not."""
    fields = []
    for name, field in model.model_fields.items():
        declared = [item for item in _metadata(field.annotation, tuple(field.metadata)) if isinstance(item, TextClass)]
        text = next((item for item in declared if item.kind in FREE_TEXT), None)
        models = tuple(_models(field.annotation))
        if text is not None or models:
            fields.append(_Field(name, text, models))
    return tuple(fields)


def _metadata(annotation: Any, outer: tuple[Any, ...]) -> Iterator[Any]:
    """Metadata of a type and of everything in it; a dictionary's keys are names, not text."""
    yield from outer
    yield from getattr(annotation, "__metadata__", ())
    arguments = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    for argument in arguments[1:] if origin is dict else arguments:
        yield from _metadata(argument, ())


def _models(annotation: Any) -> Iterator[type[OutputModel]]:
    if isinstance(annotation, type) and issubclass(annotation, OutputModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _judged(text: str) -> str:
    return _remembered(text) if len(text) <= MAX_REMEMBERED else instruction_kind(text)


_remembered: Final = lru_cache(maxsize=256)(instruction_kind)
