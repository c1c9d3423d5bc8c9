"""Which operations this server offers: the operator's selection over all toolsets.

Toolset modules are imported when the first list or call needs them, so that they cost nothing at start.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

from mcp_dockerhub.settings import TOOLSETS, Settings, SettingsError

if TYPE_CHECKING:
    from mcp_dockerhub.tools.toolset import ToolSpec
    from mcp_dockerhub_security.guard import OperationSpec

_MODULES: Final[Mapping[str, str]] = {name: f"mcp_dockerhub.tools.{name}" for name in TOOLSETS}


class Catalogue:
    """The offered tools, resources and prompts; the Guard's ``OperationCatalogue``."""

    def __init__(
        self,
        *,
        toolsets: tuple[str, ...] = TOOLSETS,
        tools: tuple[str, ...] = (),
        exclude_tools: tuple[str, ...] = (),
        read_only: bool = False,
        allow_writes: bool = False,
    ) -> None:
        self._toolsets = toolsets
        self._tools = frozenset(tools)
        self._exclude_tools = frozenset(exclude_tools)
        self._writes = allow_writes and not read_only

    @classmethod
    def of_settings(cls, settings: Settings) -> Self:
        """The operator's selection.

        Raises:
            SettingsError: a name in ``--tools`` or ``--exclude-tools`` is no tool.
        """
        catalogue = cls(
            toolsets=settings.toolsets,
            tools=settings.tools,
            exclude_tools=settings.exclude_tools,
            read_only=settings.read_only,
            allow_writes=settings.allow_writes,
        )
        named = {*settings.tools, *settings.exclude_tools}
        if named and (unknown := named - {spec.name for specs in _all().values() for spec in specs}):
            shown = ", ".join(repr(name[:64]) for name in sorted(unknown)[:3])
            raise SettingsError(f"--tools or --exclude-tools: this server has no tool {shown}.")
        return catalogue

    @classmethod
    def of_everything(cls) -> Self:
        """All there is, for the documentation."""
        return cls(allow_writes=True)

    def by_toolset(self) -> "Mapping[str, list[ToolSpec]]":
        """The offered tools in their fixed order."""
        selection = {
            toolset: [spec for spec in specs if self._offers(toolset, spec)] for toolset, specs in _all().items()
        }
        return {toolset: specs for toolset, specs in selection.items() if specs}

    @cached_property
    def tools(self) -> "Mapping[str, ToolSpec]":
        """The offered tools by name, in their fixed order."""
        return {spec.name: spec for specs in self.by_toolset().values() for spec in specs}

    def __contains__(self, name: object) -> bool:
        return name in self.tools

    def __iter__(self) -> Iterator[str]:
        return iter(self.tools)

    def _offers(self, toolset: str, spec: "ToolSpec") -> bool:
        if spec.name in self._exclude_tools or (not spec.read_only and not self._writes):
            return False
        return toolset in self._toolsets or spec.name in self._tools

    def find(self, method: str, name: str) -> "OperationSpec | None":
        """The operation a request names, or None: for ``resources/read`` the name is the URI."""
        from mcp_dockerhub.tools import addressed

        if method == "tools/call":
            return self.tools.get(name)
        if method == "resources/read":
            return addressed.resource(self.tools, name)
        if method == "prompts/get":
            return addressed.prompt(name)
        return addressed.CompletionOperation() if method == "completion/complete" else None

    def names(self, method: str) -> list[str]:
        """What could have been meant, for suggestions."""
        from mcp_dockerhub.tools.prompts import PROMPTS
        from mcp_dockerhub.tools.resources import RESOURCES

        if method == "tools/call":
            return list(self.tools)
        return list(PROMPTS) if method == "prompts/get" else [spec.uri for spec in RESOURCES]


def _all() -> "dict[str, tuple[ToolSpec, ...]]":
    modules: dict[str, Any] = {name: import_module(path) for name, path in _MODULES.items()}
    return {name: module.TOOLS for name, module in modules.items()}
