"""Raw parameters within bounds, then exact arguments; messages name fields and rules, never values."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from mcp_dockerhub_security.refusals import Refusal, invalid_input
from mcp_dockerhub_security.text import clean_identifier

MAX_DEPTH: Final = 16
MAX_SIZE: Final = 64 * 1024
MAX_STRING: Final = 2_048
MAX_KEY: Final = 128
MAX_INTEGER_BITS: Final = 64
_NODE: Final = 4
"""What a value costs besides its text: separators and quotes, or a number's digits."""

_MAX_REPORTED: Final = 5
_MAX_NAME: Final = 64
_ECHOING: Final = frozenset({"value_error", "assertion_error", "union_tag_invalid", "json_invalid"})
"""Kinds of pydantic errors whose message may repeat the input or come from elsewhere."""

_M = TypeVar("_M", bound=BaseModel)


def check_params(params: Any, arguments: Any = None) -> None:
    """Refuse a message whose decoded parameters are too large or too deep, or whose arguments hold a huge string.

    Sizes are estimated without encoding anything: at most 64 KiB of text in all, 16 levels, and within
    ``arguments`` 2,048 characters a string, 128 a key and 64 bits a number. The SDK's own ``_meta`` and
    protected state, outside ``arguments``, are bounded by the whole only.
    """
    _measure(params, 0, MAX_SIZE)
    _measure(arguments, 0, MAX_SIZE, MAX_STRING)


def check_arguments(arguments: Any) -> Mapping[str, Any]:
    """Arguments must be an object; absent ones are an empty object."""
    if arguments is None:
        return {}
    if not isinstance(arguments, Mapping):
        raise invalid_input(
            f"The arguments are {_kind(arguments)}, not an object.",
            rule="arguments_not_object",
            hint="Pass the arguments as a JSON object of names and values.",
        )
    return arguments


def parse_arguments(model: type[_M], arguments: Mapping[str, Any]) -> _M:
    """Validate ``arguments`` as strictly as JSON can be: no coercion, nothing unknown (the model must forbid extras).

    An integer is a valid float; a number in a string is not a number. Raises Refusal (INVALID_INPUT) that names
    up to five fields and the rule each breaks. Errors of the caller's own kind raised by the model's validators
    pass through.
    """
    try:
        # Strict JSON mode takes lists for tuples and strings for enumerations, which strict Python mode refuses.
        return model.model_validate_json(json.dumps(arguments), strict=True, extra="forbid")
    except ValidationError as error:
        raise _described(error, tuple(model.model_fields)) from None
    except (ValueError, TypeError, RecursionError):
        raise invalid_input("The arguments are not plain JSON values.", rule="arguments_not_json") from None


def unknown_operation(method: str, name: Any, known: Iterable[str]) -> Refusal:
    """INVALID_INPUT for a name that nothing answers to, with what may have been meant."""
    what = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}.get(method, "operation")
    if not isinstance(name, str) or not name:
        return invalid_input(
            f"The request does not name a {what}.", rule="unknown_operation", hint=f"Name the {what} as a string."
        )
    shown = clean_identifier(name[:_MAX_NAME])
    near = _near(shown, known)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"List the {what}s to see what there is."
    return invalid_input(f"There is no {what} named {shown!r}.", rule="unknown_operation", hint=hint)


def argument_shape(arguments: Any) -> dict[str, str]:
    """Names, types and lengths of raw arguments for the audit record; never a value."""
    if not isinstance(arguments, Mapping):
        return {} if arguments is None else {"": _kind(arguments)}
    shape = {}
    for position, (name, value) in enumerate(arguments.items()):
        if position == 32:
            shape["…"] = f"{len(arguments) - 32} more"
            break
        length = f":{len(value)}" if isinstance(value, str | list | tuple | Mapping) else ""
        shape[clean_identifier(str(name)[:_MAX_NAME])] = type(value).__name__ + length
    return shape


def _measure(value: Any, depth: int, budget: int, max_string: int = MAX_SIZE) -> int:
    """The estimated size of a decoded JSON value; refuses as soon as a bound is passed."""
    if isinstance(value, str):
        size = len(value) + _NODE
        if len(value) > max_string:
            raise _too_large(f"An argument has more than {max_string:,} characters.", "string_too_long")
    elif isinstance(value, Mapping | list | tuple):
        size = _measure_container(value, depth, budget, max_string)
    else:
        size = _NODE
        if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
            raise _too_large(f"A number has more than {MAX_INTEGER_BITS} bits.", "number_too_long")
    if size > budget:
        raise _too_large(f"The request's parameters have more than {MAX_SIZE // 1024} KiB.", "params_too_large")
    return size


def _measure_container(value: Any, depth: int, budget: int, max_string: int) -> int:
    if depth >= MAX_DEPTH:
        raise _too_large(f"The request's parameters are nested more than {MAX_DEPTH} levels deep.", "params_too_deep")
    size = _NODE
    if isinstance(value, Mapping):
        for key in value:
            size += len(key) if isinstance(key, str) else _NODE
            if max_string <= MAX_STRING and isinstance(key, str) and len(key) > MAX_KEY:
                raise _too_large(f"An argument's name has more than {MAX_KEY} characters.", "key_too_long")
        value = value.values()
    for part in value:
        size += _measure(part, depth + 1, budget - size, max_string)
    return size


def _too_large(message: str, rule: str) -> Refusal:
    return invalid_input(message, rule=rule, hint="Send less in one request.")


def _kind(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "an array"}
    return names.get(type(value), "something else")


def _described(error: ValidationError, fields: tuple[str, ...]) -> Refusal:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    parts = [_one(detail["loc"], detail["type"], detail["msg"], fields) for detail in errors[:_MAX_REPORTED]]
    more = f"; and {len(errors) - _MAX_REPORTED} more" if len(errors) > _MAX_REPORTED else ""
    accepted = ", ".join(fields) if fields else "none"
    return invalid_input(
        f"Invalid arguments: {'; '.join(parts)}{more}.",
        rule="arguments_invalid",
        hint=f"Accepted arguments: {accepted}.",
    )


def _one(location: tuple[int | str, ...], kind: str, message: str, fields: tuple[str, ...]) -> str:
    path = ".".join(clean_identifier(str(part)[:_MAX_NAME]) for part in location[:4]) or "arguments"
    if kind == "extra_forbidden":
        near = _near(path, fields)
        return f"{path}: unknown argument" + (f" (did you mean {near[0]}?)" if near else "")
    rule = "is not valid" if kind in _ECHOING else message[:1].lower() + message[1:]
    return f"{path}: {clean_identifier(rule, 120)}"


def _near(name: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name[:_MAX_NAME], list(known), n=2, cutoff=0.6)
