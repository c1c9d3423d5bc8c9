"""Schemas say the same in fewer bytes."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from mcp_dockerhub_security.sanitize import Identifier, OutputModel
from mcp_dockerhub_security.schema import compact_schema


class Inner(OutputModel):
    """Not for clients."""

    title: Identifier


class Outer(OutputModel):
    once: Inner | None = None
    default: Identifier = "x"


class Twice(OutputModel):
    first: Inner
    second: list[Inner]


def test_a_definition_used_once_stands_where_it_is_used() -> None:
    schema = Outer.schema_for_client()
    assert "$defs" not in schema
    assert schema["properties"]["once"]["properties"]["title"] == {"type": "string"}


def test_a_definition_used_twice_stays_shared() -> None:
    schema = Twice.schema_for_client()
    assert schema["$defs"]["Inner"]["properties"] == {"title": {"type": "string"}}
    assert json.dumps(schema).count('"$ref"') == 2


def test_properties_named_like_keywords_are_properties() -> None:
    assert set(Outer.schema_for_client()["properties"]) == {"once", "default"}


def test_what_a_model_serialises_to_is_valid() -> None:
    validator = Draft202012Validator(Twice.schema_for_client())
    validator.validate(Twice(first=Inner(title="a"), second=[Inner(title="b")]).model_dump(mode="json"))
    assert not validator.is_valid({"first": {"title": 1}, "second": []})


def test_what_is_always_there_is_said_of_the_answer_and_not_of_its_parts() -> None:
    schema = Twice.schema_for_client()
    assert schema["required"] == ["first", "second"]
    assert "required" not in schema["$defs"]["Inner"]
    listed = compact_schema({"required": ["a"], "properties": {"required": {"items": {"required": ["b"]}}}})
    assert listed == {"required": ["a"], "properties": {"required": {"items": {}}}}


def test_bounds_far_from_any_real_argument_are_not_shown() -> None:
    properties = {"near": {"maxLength": 100}, "far": {"maxLength": 101}, "maxLength": {"minLength": 101}}
    shown = compact_schema({"properties": properties}, for_input=True)
    assert shown == {"properties": {"near": {"maxLength": 100}, "far": {}, "maxLength": {"minLength": 101}}}


def test_what_may_be_null_is_not_required_because_answers_leave_it_out() -> None:
    schema = compact_schema(
        {
            "properties": {
                "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "b": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
                "c": {"type": "boolean"},
            },
            "required": ["a", "b", "c"],
        }
    )
    assert schema == {
        "properties": {
            "a": {"type": "integer"},
            "b": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "c": {"type": "boolean"},
        },
        "required": ["c"],
    }


def test_input_schemas_keep_defaults_and_closedness() -> None:
    schema: dict[str, Any] = {
        "title": "Arguments",
        "type": "object",
        "additionalProperties": False,
        "properties": {"limit": {"title": "Limit", "type": "integer", "default": 25}},
    }
    assert compact_schema(schema, for_input=True) == {
        "type": "object",
        "additionalProperties": False,
        "properties": {"limit": {"type": "integer", "default": 25}},
    }


def test_an_optional_enumeration_is_left_as_it_is() -> None:
    options = [{"enum": ["a"], "type": "string"}, {"type": "null"}]
    assert compact_schema({"anyOf": options}) == {"anyOf": options}


def test_null_may_come_first() -> None:
    assert compact_schema({"anyOf": [{"type": "null"}, {"type": "string"}]}) == {"type": ["string", "null"]}


def test_boolean_schemas_pass() -> None:
    assert compact_schema({"items": True, "additionalProperties": True}) == {
        "items": True,
        "additionalProperties": True,
    }
