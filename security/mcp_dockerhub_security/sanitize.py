"""Field classes for everything a model or a person will read, and the base of all tool answers.

Each string of an answer says what it is:

- ``Identifier``: one line, such as a name, digest or host;
- ``Prose``: descriptions, READMEs, free-text labels; HTML, images and links are made inert;
- ``Remark``: prose of this server's own, such as a warning;
- ``Code``: history, Dockerfiles, commands; every visible character is kept;
- ``RawBase64``: exact bytes, encoded.

Cleaning happens in validation, so a model that exists is clean. ``model_construct`` and
``model_copy(update=...)`` skip validation: build answers with the constructor.
"""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from mcp_dockerhub_security.schema import compact_schema
from mcp_dockerhub_security.text import (
    CODE_LIMIT,
    IDENTIFIER_LIMIT,
    PROSE_LIMIT,
    clean_code,
    clean_identifier,
    clean_prose,
    clean_text,
    observe_sanitizing,
)

__all__ = [
    "Code",
    "Identifier",
    "OutputModel",
    "Prose",
    "RawBase64",
    "Remark",
    "TextClass",
    "clean_code",
    "clean_identifier",
    "clean_prose",
    "clean_text",
    "code_of",
    "identifier_of",
    "observe_sanitizing",
    "prose_of",
]

FREE_TEXT: Final = frozenset({"prose", "code"})
"""Kinds of text in which others can say anything; the other kinds name or encode something."""

_CLEANERS: Final[Mapping[str, Callable[[str, int], str]]] = {
    "identifier": clean_identifier,
    "prose": clean_prose,
    "code": clean_code,
}


@dataclass(frozen=True, slots=True)
class TextClass:
    """Annotated metadata that cleans a string before pydantic checks it (a lone surrogate would not pass)."""

    kind: Literal["identifier", "prose", "code", "base64"]
    limit: int = 0
    own: bool = False
    """Written by this server, though it may quote others: prose all the same, but nobody else's."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if self.kind == "base64":
            return core_schema.str_schema(strict=True, pattern=r"^[A-Za-z0-9+/]*={0,2}$")
        clean, limit = _CLEANERS[self.kind], self.limit

        def cleaned(value: Any) -> Any:
            # str.__str__ takes the plain text of digests and string enumerations; what is no text pydantic refuses.
            return clean(str.__str__(value), limit) if isinstance(value, str) else value

        # Strict, because pydantic would otherwise take bytes for text after it was cleaned.
        return core_schema.no_info_before_validator_function(cleaned, core_schema.str_schema(strict=True))


def prose_of(limit: int) -> TextClass:
    """``Annotated[str, prose_of(25_000)]``: Prose with a bound of its own, in characters."""
    return TextClass("prose", limit)


def code_of(limit: int) -> TextClass:
    """``Annotated[str, code_of(64_000)]``: Code with a bound of its own, in characters."""
    return TextClass("code", limit)


def identifier_of(limit: int) -> TextClass:
    """``Annotated[str, identifier_of(2_048)]``: Identifier with a bound of its own, in characters."""
    return TextClass("identifier", limit)


Identifier = Annotated[str, identifier_of(IDENTIFIER_LIMIT)]
Prose = Annotated[str, prose_of(PROSE_LIMIT)]
Code = Annotated[str, code_of(CODE_LIMIT)]
Remark = Annotated[str, TextClass("prose", PROSE_LIMIT, own=True)]
"""Prose of this server's own: warnings, reasons, advice."""
RawBase64 = Annotated[str, TextClass("base64"), WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
"""Exact bytes in standard base64 with padding (RFC 4648 section 4); bounded by whoever reads the document."""

_TEXT_FREE: Final = (bool, int, float, type(None), datetime, date, time, timedelta, Decimal, UUID, Enum)
_CONTAINERS: Final = (list, tuple, set, frozenset, dict, Mapping, Sequence, Union, types.UnionType)


class OutputModel(BaseModel):
    """Base of everything that is shown; a subclass with an undeclared string raises TypeError when it is defined."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            for found in _undeclared(field.annotation, tuple(field.metadata)):
                raise TypeError(
                    f"{cls.__name__}.{name}: {found} is undeclared text; declare it Prose, Code, Identifier, "
                    "RawBase64, a Literal, or another OutputModel"
                )
        for name, computed in cls.__pydantic_decorators__.computed_fields.items():
            for found in _undeclared(computed.info.return_type, ()):
                raise TypeError(
                    f"{cls.__name__}.{name}: a computed field is not validated, so it must not hold {found}"
                )

    @classmethod
    def schema_for_client(cls) -> dict[str, Any]:
        """The JSON schema of the serialised answer, as small as it can be said."""
        return compact_schema(cls.model_json_schema(mode="serialization"))


def _undeclared(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[str]:
    """Names of the parts of a type that could carry text nobody cleaned."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _undeclared(get_args(annotation)[0], annotation.__metadata__ + metadata)
    elif annotation is str:
        if not any(isinstance(item, TextClass) for item in metadata):
            yield "str"
    elif origin in _CONTAINERS:
        for argument in get_args(annotation):
            if argument is not Ellipsis:
                yield from _undeclared(argument, ())
    elif not (origin is Literal or _is_text_free(annotation)):
        yield getattr(annotation, "__name__", repr(annotation))


def _is_text_free(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, (*_TEXT_FREE, OutputModel))
