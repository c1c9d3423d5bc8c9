"""The Docker Hub API as its specifications state it (``contracts/hub.json``), for checking answers against."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

_FILE = Path(__file__).parent / "contracts" / "hub.json"
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def contract() -> Mapping[str, Any]:
    """The specification with the corrections that recorded answers call for."""
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    schemas = deepcopy(found["schemas"])
    for correction in found["corrections"]:
        schemas[correction["schema"]]["properties"] |= correction["properties"]
    return found | {"schemas": schemas}


def violations(operation: str, status: int, content: Any) -> list[str]:
    """What an answer to ``GET /path/{parameter}`` breaks; a status that is not specified is a violation too."""
    responses = contract()["operations"][operation]["responses"]
    if str(status) not in responses:
        return [f"{operation} has no answer with status {status}"]
    schema = responses[str(status)]
    if schema is None:
        return []
    validator = Draft202012Validator({"schemas": contract()["schemas"], **schema}, format_checker=_FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]


def parameters(operation: str) -> Mapping[str, Mapping[str, Any]]:
    """Query parameters of an operation and their schemas."""
    found = contract()["operations"][operation]["parameters"]
    return {name: parameter["schema"] for name, parameter in found.items() if parameter["in"] == "query"}


def value_violations(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What a parameter's value breaks."""
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]
