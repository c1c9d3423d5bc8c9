"""How a tool is declared, and what follows from the declaration.

A tool is an async function ``(call, *, argument, …) -> Result``. Its signature is the input schema, its return
type the output schema, the first line of its docstring the description, ``@secure_operation`` its level.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema, create_model
from pydantic_core import PydanticKnownError

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import MAX_REFERENCE, Reference, Repository, parse_registry
from mcp_dockerhub.results import Result
from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.guard import ParsedCall
from mcp_dockerhub_security.levels import Operation, operation_of
from mcp_dockerhub_security.schema import compact_schema
from mcp_dockerhub_security.validation import parse_arguments

if TYPE_CHECKING:
    from mcp_dockerhub.tools.call import Call

ToolFunction = Callable[..., Awaitable[Result]]


def _parsed_string(parse: Callable[[str], Any], description: str, max_length: int) -> tuple[Any, Any]:
    def validate(value: object, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        try:
            return parse(value)
        except InvalidInput as error:
            raise InvalidInput(f"{info.field_name}: {error.message}", hint=error.hint) from None

    schema = {"type": "string", "maxLength": max_length, "description": description}
    return PlainValidator(validate), WithJsonSchema(schema)


ImageArgument = Annotated[
    Reference,
    *_parsed_string(Reference.parse, "as after `docker pull`", MAX_REFERENCE),
]
RepositoryArgument = Annotated[
    Repository, *_parsed_string(Repository.parse, "without tag or digest: nginx, ghcr.io/o/a", MAX_REFERENCE)
]
PlatformArgument = Annotated[Platform, *_parsed_string(Platform.parse, "os/arch[/variant]", 100)]
RegistryArgument = Annotated[str, *_parsed_string(parse_registry, "registry host", 255)]
Page = Annotated[int, Field(ge=1, le=100_000)]
Limit = Annotated[int, Field(ge=1, le=100)]
"""Rows on one page."""


class Arguments(BaseModel):
    """Base of every tool's arguments: exact types, nothing unknown, values already parsed into types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


@dataclass(frozen=True)
class ToolSpec:
    """One tool, as declared."""

    function: ToolFunction
    title: str
    read_only: bool
    open_world: bool
    reads_layers: bool = False
    toolset: str = field(default="")

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def operation(self) -> Operation:
        return operation_of(self.function)

    @cached_property
    def description(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "").split("\n\n")[0].replace("\n", " ")

    @cached_property
    def arguments_model(self) -> type[Arguments]:
        """The input model, from the function's keyword-only parameters."""
        hints = get_type_hints(self.function, include_extras=True)
        parameters = inspect.signature(self.function).parameters.values()
        fields: dict[str, Any] = {
            parameter.name: (
                hints[parameter.name],
                ... if parameter.default is inspect.Parameter.empty else parameter.default,
            )
            for parameter in parameters
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        return create_model(f"{self.name}_arguments", __base__=Arguments, **fields)

    @cached_property
    def result_model(self) -> type[Result]:
        model: type[Result] = get_type_hints(self.function)["return"]
        return model

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        return compact_schema(self.arguments_model.model_json_schema(), for_input=True)

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        return self.result_model.schema_for_client()

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        """Validate raw arguments; raise Refusal or InvalidInput without echoing a value."""
        parsed = parse_arguments(self.arguments_model, arguments)
        values = {name: getattr(parsed, name) for name in type(parsed).model_fields}
        return ParsedCall(arguments=values, targets=tuple(targets_of(values.values())))

    async def __call__(self, call: "Call", arguments: Mapping[str, Any]) -> Result:
        return await self.function(call, **arguments)


def tool(
    *, title: str, read_only: bool = True, open_world: bool = True, reads_layers: bool = False
) -> Callable[[ToolFunction], ToolSpec]:
    """Declare a tool.

    ``open_world`` is whether it talks to anything beyond this server; ``reads_layers`` whether it may have to read
    an image's layers, for which it gets the time of a scan.
    """

    def declare(function: ToolFunction) -> ToolSpec:
        return ToolSpec(function, title, read_only, open_world, reads_layers)

    return declare


def targets_of(values: Iterable[Any]) -> Iterable[Target]:
    """Every repository that parsed arguments name, for policy and audit."""
    for value in values:
        if isinstance(value, Reference):
            yield Target(value.repository.registry, value.repository.path, str(value))
        elif isinstance(value, Repository):
            yield Target(value.registry, value.path, str(value))
        elif isinstance(value, list | tuple):
            yield from targets_of(value)
