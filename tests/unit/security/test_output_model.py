"""A model that exists is clean, and one with undeclared text does not exist."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, ValidationError, computed_field

from mcp_dockerhub_security.sanitize import (
    Code,
    Identifier,
    OutputModel,
    Prose,
    RawBase64,
    code_of,
    identifier_of,
    prose_of,
)


class Colour(StrEnum):
    RED = "red"


class Part(OutputModel):
    """A docstring that no client needs."""

    name: Identifier


class Whole(OutputModel):
    name: Identifier
    text: Prose | None = None
    commands: list[Code] = Field(default=[])
    labels: dict[Identifier, Prose] = Field(default={})
    parts: tuple[Part, ...] = ()
    either: Part | Identifier | None = None
    kind: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    at: datetime | None = None
    size: Annotated[int, Field(description="bytes")] = 0
    ratio: float | None = None
    ok: bool = True
    raw: RawBase64 = ""
    nested: "list[Whole]" = Field(default=[])


def test_every_string_of_a_model_is_cleaned_on_construction() -> None:
    whole = Whole(
        name="a\x1b[1mb",
        text="<b>x</b>",
        commands=["RUN a\x00 <<EOF"],
        labels={"k\n": "v\u200b"},
        parts=(Part(name="p\u202e"),),
        either="e\x00",
        nested=[Whole(name="n\x00")],
    )
    assert whole.model_dump(exclude_defaults=True) == {
        "name": "ab",
        "text": "x",
        "commands": ["RUN a <<EOF"],
        "labels": {"k": "v"},
        "parts": ({"name": "p"},),
        "either": "e",
        "nested": [{"name": "n"}],
    }


def test_subclasses_of_str_become_plain_strings() -> None:
    class Digest(str):
        __slots__ = ()

    assert type(Part(name=Digest("sha256:0")).name) is str
    assert Part(name=Colour.RED).name == "red"


@pytest.mark.parametrize("value", [1, None, b"x", ["x"]])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        Part(name=value)


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        str | None,
        Optional[str],  # noqa: UP045 -- the other spelling of a union
        list[str],
        dict[str, int],
        dict[Identifier, str],
        tuple[Identifier, str],
        Sequence[str],
        Mapping[Identifier, list[str]],
        Annotated[str, Field(max_length=3)],
        list[Annotated[str, Field(max_length=3)]],
        Any,
        object,
        bytes,
        Path,
        dict,
        list[Any],
        BaseModel,
    ],
)
def test_a_model_with_undeclared_text_cannot_be_defined(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"Bad\.field"):
        type("Bad", (OutputModel,), {"__annotations__": {"field": annotation}, "__module__": __name__})


def test_an_undeclared_field_is_found_in_a_subclass() -> None:
    class Middle(Part):
        size: int = 0

    with pytest.raises(TypeError, match=r"Child\.note"):

        class Child(Middle):
            note: str


def test_a_computed_string_is_refused_because_nothing_validates_it() -> None:
    with pytest.raises(TypeError, match=r"Computed\.shout"):

        class Computed(OutputModel):
            name: Identifier

            @computed_field  # type: ignore[prop-decorator]
            @property
            def shout(self) -> str:
                return self.name.upper()


def test_a_computed_number_is_allowed() -> None:
    class Counted(OutputModel):
        name: Identifier

        @computed_field  # type: ignore[prop-decorator]
        @property
        def length(self) -> int:
            return len(self.name)

    assert Counted(name="abc").model_dump() == {"name": "abc", "length": 3}


def test_fields_can_have_bounds_of_their_own() -> None:
    class Wide(OutputModel):
        readme: Annotated[str, prose_of(100)]
        script: Annotated[str, code_of(50)]
        path: Annotated[str, identifier_of(40)]

    wide = Wide(readme="r" * 101, script="s" * 51, path="p" * 41)
    assert all(len(value) <= bound for value, bound in ((wide.readme, 100), (wide.script, 50), (wide.path, 40)))
    assert all("…[cut" in value for value in (wide.readme, wide.script, wide.path))


@pytest.mark.parametrize("raw", ["", "QUJD", "QUI=", "QQ==", "+/+/"])
def test_raw_bytes_are_kept_exactly(raw: str) -> None:
    assert Whole(name="n", raw=raw).raw == raw


@pytest.mark.parametrize("raw", ["<b>", "QUI=\n", "a b", "QQ===", "Ünicode"])
def test_raw_bytes_must_be_base64(raw: str) -> None:
    with pytest.raises(ValidationError):
        Whole(name="n", raw=raw)


def test_unknown_fields_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError):
        Part.model_validate({"name": "n", "more": 1})
    with pytest.raises(ValidationError):
        Part(name="n").name = "m"  # type: ignore[misc]


def test_the_schema_for_a_client_has_no_noise_but_keeps_field_descriptions() -> None:
    schema = Whole.schema_for_client()
    text = str(schema)
    assert "title" not in text
    assert "docstring" not in text
    assert "default" not in text
    whole = schema["$defs"]["Whole"]["properties"]
    assert whole["size"] == {"description": "bytes", "type": "integer"}
    assert whole["ratio"] == {"type": "number"}
    assert whole["raw"] == {"type": "string", "contentEncoding": "base64"}
