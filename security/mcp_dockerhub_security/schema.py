"""JSON schemas for clients: a model pays for every byte of them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_PREFIX: Final = "#/$defs/"
_NEAR: Final = 100
"""Characters; a longer bound no sensible argument comes near to."""
_MAPS: Final = ("$defs", "properties", "patternProperties")
_ONE: Final = ("items", "additionalProperties", "not", "propertyNames")
_MANY: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def compact_schema(schema: Mapping[str, Any], *, for_input: bool = False) -> dict[str, Any]:
    """The same schema without titles and class descriptions; answers also lose defaults and closedness.

    A property that may be null is simply not required: answers leave out what is null (``exclude_none``), and
    arguments need not be given. A definition used once stands where it is used. Descriptions of single fields stay:
    somebody wrote them for the reader. What an answer always holds is said of the answer, not of each of its parts,
    and no argument is said to be shorter than any real one is: both are held to all the same.
    """
    noise = frozenset({"title"} if for_input else {"title", "default"})
    definitions = {name: _undescribed(_compact(part, noise)) for name, part in schema.get("$defs", {}).items()}
    compact = _undescribed(_compact({key: value for key, value in schema.items() if key != "$defs"}, noise))
    uses: dict[str, int] = {}
    for part in (compact, *definitions.values()):
        for name in _references(part):
            uses[name] = uses.get(name, 0) + 1
    once = {name: definitions[name] for name, count in uses.items() if count == 1 and name in definitions}
    compact = _inlined(compact, once)
    kept = {name: _inlined(part, once) for name, part in definitions.items() if name not in once and name in uses}
    whole = {**compact, "$defs": kept} if kept else compact
    return _without_far_bounds(whole) if for_input else _with_optional_parts(whole)


def _with_optional_parts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``required`` at the top alone."""
    return {key: _each(key, value, _optional) for key, value in schema.items()}


def _optional(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    return {key: _each(key, value, _optional) for key, value in schema.items() if key != "required"}


def _without_far_bounds(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    shown = {key: value for key, value in schema.items() if key != "maxLength" or value <= _NEAR}
    return {key: _each(key, value, _without_far_bounds) for key, value in shown.items()}


def _undescribed(schema: dict[str, Any]) -> dict[str, Any]:
    """A class without its docstring, which was written for programmers."""
    return {key: value for key, value in schema.items() if key != "description"}


def _compact(schema: Any, noise: frozenset[str]) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    result = {
        key: _each(key, value, lambda part: _compact(part, noise))
        for key, value in schema.items()
        if key not in noise and not (key == "additionalProperties" and value is False and "default" in noise)
    }
    return _without_null_properties(_with_type_list(result))


def _each(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Apply ``change`` to the schemas that a keyword holds; names of properties are never taken for keywords."""
    if key in _MAPS:
        return {name: change(part) for name, part in value.items()}
    if key in _ONE:
        return change(value)
    if key in _MANY:
        return [change(part) for part in value]
    return value


def _with_type_list(schema: dict[str, Any]) -> dict[str, Any]:
    """``anyOf`` of one typed schema and null, said in one ``type`` (JSON Schema 2020-12, validation 6.1.1)."""
    options = schema.get("anyOf")
    if not isinstance(options, list) or len(options) != 2 or {"type": "null"} not in options:
        return schema
    other = options[0] if options[1] == {"type": "null"} else options[1]
    if not isinstance(other.get("type"), str) or "enum" in other or "const" in other:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**other, "type": [other["type"], "null"], **rest}


def _without_null_properties(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    absent = {name for name, part in properties.items() if _is_nullable(part)}
    shown = {name: _not_null(part) if name in absent else part for name, part in properties.items()}
    required = [name for name in schema.get("required", ()) if name not in absent]
    rest = {key: value for key, value in schema.items() if key != "required"}
    return {**rest, "properties": shown, **({"required": required} if required else {})}


def _is_nullable(schema: Mapping[str, Any]) -> bool:
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    if isinstance(kept.get("type"), list):
        others = [kind for kind in kept["type"] if kind != "null"]
        return {**kept, "type": others[0] if len(others) == 1 else others}
    options = [option for option in kept.pop("anyOf", ()) if option != {"type": "null"}]
    return {**options[0], **kept} if len(options) == 1 else {**kept, "anyOf": options}


def _references(schema: Any) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield reference.removeprefix(_PREFIX)
    found: list[str] = []
    for key, value in schema.items():
        _each(key, value, lambda part: found.extend(_references(part)))
    yield from found


def _inlined(schema: Any, once: Mapping[str, Any]) -> Any:
    """References to definitions in ``once`` replaced; one that is part of itself is used twice, never once."""
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    name = reference.removeprefix(_PREFIX) if isinstance(reference, str) else ""
    if name in once:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_inlined(once[name], once), **rest}
    return {key: _each(key, value, lambda part: _inlined(part, once)) for key, value in schema.items()}
