"""Bounds on raw parameters, exact arguments, and messages that never repeat a value."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, PlainValidator, model_validator

from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.validation import (
    argument_shape,
    check_arguments,
    check_params,
    parse_arguments,
    unknown_operation,
)


class Order(Enum):
    NAME = "name"


class Arguments(BaseModel):
    image: Annotated[str, Field(min_length=1, max_length=20)]
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    ratio: float = 0.5
    order: Order = Order.NAME
    kind: Literal["a", "b"] = "a"
    present: tuple[str, ...] = ()
    deep: dict[str, dict[str, int]] = Field(default={})


class NotForUs(Exception):
    """What a validator of the caller's own raises."""


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _refused(arguments: Any, model: type[BaseModel] = Arguments) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse_arguments(model, arguments)
    assert caught.value.code == "INVALID_INPUT"
    assert len(caught.value.message) <= 500
    return caught.value


def test_valid_arguments_are_parsed_into_types() -> None:
    parsed = parse_arguments(Arguments, {"image": "nginx", "ratio": 1, "order": "name", "present": ["a", "b"]})
    assert (parsed.order, parsed.ratio, parsed.present, parsed.limit) == (Order.NAME, 1.0, ("a", "b"), 25)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "image"),
        ({"image": ""}, "image"),
        ({"image": "x" * 21}, "image"),
        ({"image": 5}, "image"),
        ({"image": None}, "image"),
        ({"image": "a", "limit": "5"}, "limit"),
        ({"image": "a", "limit": 1.5}, "limit"),
        ({"image": "a", "limit": True}, "limit"),
        ({"image": "a", "limit": 0}, "limit"),
        ({"image": "a", "ratio": "0.5"}, "ratio"),
        ({"image": "a", "order": "NAME"}, "order"),
        ({"image": "a", "kind": "c"}, "kind"),
        ({"image": "a", "present": "a"}, "present"),
        ({"image": "a", "present": ["a", 2]}, "present.1"),
        ({"image": "a", "deep": {"x": {"y": "z"}}}, "deep.x.y"),
    ],
)
def test_each_wrong_argument_is_named_with_its_rule(arguments: Any, field: str) -> None:
    refusal = _refused(arguments)
    assert f"{field}: " in refusal.message
    assert refusal.rule == "arguments_invalid"
    assert "Accepted arguments: image, limit" in refusal.hint


def test_an_unknown_argument_is_named_with_what_was_meant() -> None:
    refusal = _refused({"image": "a", "limt": 5})
    assert "limt: unknown argument (did you mean limit?)" in refusal.message


def test_an_unknown_argument_like_nothing_is_only_named() -> None:
    assert "zzz: unknown argument." in _refused({"image": "a", "zzz": 5}).message


def test_values_are_never_repeated() -> None:
    secret = "hunter2-\x1b[31m"
    refusal = _refused({"image": 1, "limit": secret, "kind": secret, "order": secret})
    assert "hunter2" not in refusal.message + refusal.hint


def test_many_errors_are_summed_up() -> None:
    refusal = _refused({f"unknown{number}": 1 for number in range(50)} | {"image": "a"})
    assert "and 45 more" in refusal.message


def test_names_from_the_client_are_cleaned_and_bounded() -> None:
    refusal = _refused({"image": "a", "\x1b[31mevil\u202e" + "n" * 1_000: 1})
    assert "\x1b" not in refusal.message
    assert "n" * 65 not in refusal.message


def test_a_message_of_a_validator_that_may_repeat_the_input_is_replaced() -> None:
    class Echoing(BaseModel):
        image: str

        @model_validator(mode="before")
        @classmethod
        def _fail(cls, values: Any) -> Any:
            raise ValueError(f"bad {values}")

    refusal = _refused({"image": "hunter2"}, Echoing)
    assert refusal.message == "Invalid arguments: arguments: is not valid."


def test_errors_of_the_callers_own_kind_pass_through() -> None:
    def fail(_: Any) -> Any:
        raise NotForUs

    class Own(BaseModel):
        image: Annotated[str, PlainValidator(fail)]

    with pytest.raises(NotForUs):
        parse_arguments(Own, {"image": "x"})


def test_a_model_without_fields_accepts_nothing() -> None:
    class Nothing(BaseModel):
        pass

    assert "Accepted arguments: none." in _refused({"a": 1}, Nothing).hint


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb"])
def test_text_that_no_json_can_carry_is_refused(value: str) -> None:
    assert _refused({"image": value}).code == "INVALID_INPUT"


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x"])
def test_what_is_no_json_value_is_refused(value: Any) -> None:
    assert _refused({"image": value}).rule == "arguments_not_json"


@pytest.mark.parametrize("arguments", ["text", 5, 1.5, True, ["a"]])
def test_arguments_must_be_an_object(arguments: Any) -> None:
    with pytest.raises(Refusal, match="not an object") as caught:
        check_arguments(arguments)
    assert caught.value.rule == "arguments_not_object"


def test_absent_arguments_are_an_empty_object() -> None:
    assert check_arguments(None) == {}
    assert check_arguments({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"image": "x" * 2_049}, "string_too_long"),
        ({"image": ["x" * 2_049]}, "string_too_long"),
        ({"k" * 129: 1}, "key_too_long"),
        ({"image": 2**64}, "number_too_long"),
        ({"image": -(2**70)}, "number_too_long"),
        ({"image": 10**5_000}, "number_too_long"),
        ({"image": _nested(16)}, "params_too_deep"),
        (_nested(20_000), "params_too_deep"),
        ({"image": ["x" * 2_000] * 40}, "params_too_large"),
        ([0] * 20_000, "params_too_large"),
        ({str(number): "" for number in range(20_000)}, "params_too_large"),
    ],
)
def test_raw_arguments_have_bounds(arguments: Any, rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_params({"name": "t"}, arguments)
    assert caught.value.rule == rule
    assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize("params", [{"name": "x" * 70_000}, {"_meta": {"a": ["y" * 40_000] * 2}}, _nested(17)])
def test_the_whole_message_has_bounds(params: Any) -> None:
    with pytest.raises(Refusal):
        check_params(params)


def test_protected_state_outside_the_arguments_may_be_long() -> None:
    check_params({"requestState": "s" * 30_000, "arguments": {}}, {})


@pytest.mark.parametrize("arguments", [None, {"a": "x" * 2_048, "b": [2**63, True, None, 1.5]}, _nested(15), "text"])
def test_what_is_within_bounds_passes(arguments: Any) -> None:
    check_params({"name": "t", "arguments": arguments}, arguments)


def test_an_unknown_tool_is_named_with_what_was_meant() -> None:
    refusal = unknown_operation("tools/call", "docker_list_tag", ["docker_list_tags", "health_check"])
    assert refusal.message == "There is no tool named 'docker_list_tag'."
    assert refusal.hint == "Did you mean docker_list_tags?"


def test_an_unknown_name_like_nothing_says_where_to_look() -> None:
    refusal = unknown_operation("prompts/get", "zzz\x1b[31m" + "q" * 9_000, ["explain_image"])
    assert refusal.hint == "List the prompts to see what there is."
    assert "\x1b" not in refusal.message
    assert len(refusal.message) < 120


@pytest.mark.parametrize("name", [None, "", 5, ["a"], {"a": 1}])
def test_a_name_that_is_no_name_is_refused(name: Any) -> None:
    assert "does not name a resource" in unknown_operation("resources/read", name, []).message


def test_other_methods_have_operations() -> None:
    assert "operation" in unknown_operation("completion/complete", "x", []).message


def test_the_shape_of_arguments_has_names_types_and_lengths_only() -> None:
    shape = argument_shape({"image": "nginx", "limit": 5, "present": ["a"], "deep": {"a": 1}, "none": None})
    assert shape == {"image": "str:5", "limit": "int", "present": "list:1", "deep": "dict:1", "none": "NoneType"}


def test_the_shape_of_what_is_no_object_is_its_kind() -> None:
    assert argument_shape(None) == {}
    assert argument_shape("secret") == {"": "a string"}
    assert argument_shape(object()) == {"": "something else"}


def test_the_shape_of_many_arguments_is_bounded() -> None:
    shape = argument_shape({"n" * 500 + str(number): 1 for number in range(100)} | {f"k{n}\x00": 1 for n in range(50)})
    assert len(shape) <= 33
    assert shape["…"] == "118 more"
