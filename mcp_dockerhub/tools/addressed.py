"""Resources, prompts and completions as operations of the Guard."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.tools.prompts import PROMPTS, PromptSpec
from mcp_dockerhub.tools.resources import ResourceSpec, find_resource
from mcp_dockerhub.tools.toolset import ToolSpec, targets_of
from mcp_dockerhub_security.guard import ParsedCall
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.validation import parse_arguments

if TYPE_CHECKING:
    from mcp_dockerhub.tools.call import Call

COMPLETION: Final = "completion"
MAX_COMPLETIONS: Final = 100
"""MCP, server/utilities/completion: at most 100 values."""
_PLATFORMS: Final = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
    "windows/amd64",
)


@dataclass(frozen=True, slots=True)
class ResourceOperation:
    """Reading a resource: the tool it stands for, with the arguments its URI holds."""

    spec: ResourceSpec
    tool: ToolSpec
    raw: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.spec.uri

    @property
    def operation(self) -> Operation:
        return self.tool.operation

    @property
    def policy_name(self) -> str:
        """Rules about a tool hold for the resources that stand for it."""
        return self.tool.name

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        """What the tool makes of the URI's parts."""
        parsed = self.tool.parse(self.raw)
        return ParsedCall((self.tool, parsed.arguments), parsed.targets)


@dataclass(frozen=True, slots=True)
class PromptOperation:
    """Getting a prompt: it reads nothing, so it needs nothing."""

    spec: PromptSpec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def operation(self) -> Operation:
        return Operation(Level.PUBLIC)

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        parsed = parse_arguments(self.spec.model, arguments)
        values = {name: getattr(parsed, name) for name in type(parsed).model_fields}
        return ParsedCall(self.spec.text(values), tuple(targets_of(values.values())))


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    name: Annotated[str, Field(max_length=100)]
    value: Annotated[str, Field(max_length=200)]


class _Context(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    arguments: dict[str, Annotated[str, Field(max_length=1024)]] = Field(default={}, max_length=20)


class _CompletionArguments(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    ref: dict[str, Any]
    argument: _Asked
    context: _Context | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a completion asks for."""

    argument: str
    prefix: str
    repository: Repository | None
    """Whose tags, where the argument is a tag and the name before it is already known."""


class CompletionOperation:
    """Completing an argument: tags of a repository, or platforms."""

    name = COMPLETION
    operation = Operation(Level.LOW)
    policy_name = "docker_list_tags"
    """What it gives away is what that tool does."""

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        parsed = parse_arguments(_CompletionArguments, arguments)
        known = parsed.context.arguments if parsed.context else {}
        repository = _repository(known.get("name")) if parsed.argument.name == "tag" else None
        wanted = Wanted(parsed.argument.name, parsed.argument.value, repository)
        return ParsedCall(wanted, tuple(targets_of([repository])))


def _repository(name: str | None) -> Repository | None:
    """None for a name that is not (yet) one: completion suggests, it does not correct."""
    try:
        return Repository.parse(name) if name else None
    except InvalidInput:
        return None


async def complete(call: "Call", wanted: Wanted) -> tuple[list[str], int]:
    """At most ``MAX_COMPLETIONS`` values, and how many there are."""
    values: list[str] = []
    if wanted.argument == "platform":
        values = [platform for platform in _PLATFORMS if platform.startswith(wanted.prefix)]
    elif wanted.repository is not None:
        tags = (await call.sources.registry.tags(call.grant, wanted.repository)).value.tags
        values = [tag for tag in tags if tag.startswith(wanted.prefix)]
    return values[:MAX_COMPLETIONS], len(values)


def resource(tools: Mapping[str, ToolSpec], uri: str) -> ResourceOperation | None:
    """The operation a URI addresses, if its tool is offered."""
    found = find_resource(uri)
    if found is None or found[0].tool not in tools:
        return None
    spec, arguments = found
    return ResourceOperation(spec, tools[spec.tool], arguments)


def prompt(name: str) -> PromptOperation | None:
    """The operation of a prompt."""
    spec = PROMPTS.get(name)
    return PromptOperation(spec) if spec else None
