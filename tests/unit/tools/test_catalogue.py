"""Which tools are offered, and what a declaration becomes."""

from typing import Any

import pytest

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.results import Result
from mcp_dockerhub.settings import Settings, SettingsError
from mcp_dockerhub.tools import catalogue as catalogue_module
from mcp_dockerhub.tools.call import Call
from mcp_dockerhub.tools.catalogue import Catalogue
from mcp_dockerhub.tools.toolset import ImageArgument, PlatformArgument, ToolSpec, tool
from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.levels import Level, secure_operation
from mcp_dockerhub_security.refusals import Refusal


class Answer(Result):
    count: int


@tool(title="Read")
@secure_operation(level=Level.LOW)
async def a_read(call: Call, *, image: ImageArgument, platform: PlatformArgument | None = None) -> Answer:
    """Read one thing.

    This paragraph is for programmers.
    """
    raise AssertionError


@tool(title="Write", read_only=False)
@secure_operation(level=Level.RESTRICTED, heavy=True)
async def a_write(call: Call, *, present: list[ImageArgument] = []) -> Answer:  # noqa: B006
    """Write."""
    raise AssertionError


@pytest.fixture
def _two_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "_all", lambda: {"images": (a_read,), "server": (a_write,)})


@pytest.mark.usefixtures("_two_tools")
@pytest.mark.parametrize(
    ("selection", "offered"),
    [
        ({}, ["a_read"]),
        ({"allow_writes": True}, ["a_read", "a_write"]),
        ({"allow_writes": True, "read_only": True}, ["a_read"]),
        ({"toolsets": ("server",)}, []),
        ({"toolsets": ("server",), "tools": ("a_read",)}, ["a_read"]),
        ({"tools": ("a_read",), "exclude_tools": ("a_read",)}, []),
    ],
)
def test_the_operator_decides_what_is_offered(selection: dict[str, Any], offered: list[str]) -> None:
    catalogue = Catalogue(**selection)
    assert list(catalogue) == offered
    assert all(name in catalogue for name in offered)
    assert [spec.name for specs in catalogue.by_toolset().values() for spec in specs] == offered


def test_a_name_that_is_no_tool_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="--tools"):
        Catalogue.of_settings(Settings(exclude_tools=("docker_run",)))
    assert "docker_get_stats" not in Catalogue.of_settings(Settings(exclude_tools=("docker_get_stats",)))


def test_a_declaration_says_everything_once() -> None:
    assert a_read.name == "a_read"
    assert a_read.description == "Read one thing."
    assert a_read.operation.level is Level.LOW
    assert a_write.operation.heavy
    assert a_read.input_schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "image": {"type": "string", "description": "as after `docker pull`"},
            "platform": {"type": "string", "maxLength": 100, "description": "os/arch[/variant]"},
        },
        "required": ["image"],
    }
    assert a_read.output_schema["required"] == ["count"]


def test_arguments_become_types_and_their_repositories_targets() -> None:
    parsed = a_read.parse({"image": "nginx:1", "platform": "linux/arm64"})
    assert str(parsed.arguments["image"]) == "docker.io/library/nginx:1"
    assert str(parsed.arguments["platform"]) == "linux/arm64"
    assert parsed.targets == (Target("docker.io", "library/nginx", "docker.io/library/nginx:1"),)
    several = a_write.parse({"present": ["nginx", "ghcr.io/o/a"]})
    assert [target.repository for target in several.targets] == ["library/nginx", "o/a"]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"image": 1}, {"image": "nginx", "x": 1}, {"image": "nginx", "platform": 1}],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        a_read.parse(arguments)


def test_a_broken_rule_of_a_reference_names_the_argument() -> None:
    with pytest.raises(InvalidInput, match=r"^image: "):
        a_read.parse({"image": "../x"})
    with pytest.raises(InvalidInput, match=r"^present: "):
        a_write.parse({"present": ["../x"]})


def test_an_explicit_null_means_not_given() -> None:
    assert a_read.parse({"image": "nginx", "platform": None}).arguments["platform"] is None


def test_every_declared_tool_has_a_level_a_title_and_a_description() -> None:
    catalogue = Catalogue.of_everything()
    assert len(catalogue.tools) >= 16
    for spec in catalogue.tools.values():
        assert isinstance(spec, ToolSpec)
        assert spec.operation.level in Level
        assert spec.title
        assert spec.description.endswith(".")


def test_suggestions_are_of_the_kind_that_was_asked_for() -> None:
    catalogue = Catalogue()
    assert "docker_get_manifest" in catalogue.names("tools/call")
    assert "explain_image" in catalogue.names("prompts/get")
    assert "docker://server/metrics" in catalogue.names("resources/read")


def test_a_resource_of_a_tool_that_is_not_offered_is_not_there() -> None:
    catalogue = Catalogue(toolsets=("server",))
    assert catalogue.find("resources/read", "docker://images/nginx") is None
    assert catalogue.find("resources/read", "docker://server/metrics") is not None
    assert catalogue.find("tools/call", "docker_search_images") is None
    assert catalogue.find("prompts/get", "no_such_prompt") is None
    assert catalogue.find("tools/list", "") is None
