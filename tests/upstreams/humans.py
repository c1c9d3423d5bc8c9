"""Humans for elicitation, and questions of the stateless protocol era answered by hand."""

from typing import Any, Self

from mcp import Client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, InputRequiredResult


class Human:
    """Answers questions, and remembers them."""

    def __init__(self, action: str = "accept", content: dict[str, Any] | None = None) -> None:
        self.action = action
        self.content = {"confirm": True} if content is None else content
        self.asked: list[str] = []

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        answer = {"action": self.action, "content": self.content if self.action == "accept" else None}
        return ElicitResult.model_validate(answer)


class Round:
    """One question, and its answer as often as one likes."""

    def __init__(self, client: Client, tool: str, arguments: dict[str, Any], asked: InputRequiredResult) -> None:
        assert asked.input_requests is not None
        self.client = client
        self.tool = tool
        self.arguments = arguments
        self.state = asked.request_state
        self.keys = list(asked.input_requests)

    @classmethod
    async def start(cls, client: Client, tool: str, arguments: dict[str, Any]) -> Self:
        """Make the call; it must be answered with a question."""
        asked = await client.session.call_tool(tool, arguments, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult), asked
        return cls(client, tool, arguments, asked)

    async def answer(
        self, arguments: dict[str, Any] | None = None, tool: str = "", client: Client | None = None
    ) -> CallToolResult:
        """Repeat the call, or another one, with the human's yes."""
        said = ElicitResult(action="accept", content={"confirm": True})
        result = await (client or self.client).session.call_tool(
            tool or self.tool,
            arguments or self.arguments,
            input_responses=dict.fromkeys(self.keys, said),
            request_state=self.state,
            allow_input_required=True,
        )
        assert isinstance(result, CallToolResult)
        return result


def error_of(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a tool error."""
    assert result.is_error, result
    content: dict[str, Any] | None = result.structured_content
    assert content is not None
    return content
