"""Tools and a prompt that answer with questions, as protocol version 2026-07-28 does (``InputRequiredResult``)."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    SamplingMessage,
)

from tests.conformance.fixture_content import text

Answer = CallToolResult | InputRequiredResult


def ask(message: str, **properties: str) -> ElicitRequest:
    """A form; ``properties`` maps names to JSON types."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=text(prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


def required(state: str | None = None, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def done(line: str) -> CallToolResult:
    return CallToolResult(content=[text(line)])


def form(ctx: Context[None, Any], key: str) -> dict[str, Any] | None:
    """What the human filled in, None where that has not been answered."""
    answer = (ctx.input_responses or {}).get(key)
    return dict(answer.content or {}) if isinstance(answer, ElicitResult) and answer.action == "accept" else None


def add_one_question_tools(server: MCPServer[Any]) -> None:
    @server.tool("test_input_required_result_elicitation", description="Asks for a name.")
    async def elicitation(ctx: Context[None, Any]) -> Answer:
        found = form(ctx, "user_name")
        if not found or not isinstance(found.get("name"), str):
            return required(user_name=ask("What is your name?", name="string"))
        return done(f"Hello, {found['name']}!")

    @server.tool("test_input_required_result_sampling", description="Asks a model.")
    async def sampling(ctx: Context[None, Any]) -> Answer:
        answer = (ctx.input_responses or {}).get("capital_question")
        if not isinstance(answer, CreateMessageResult):
            return required(capital_question=sample("What is the capital of France?", 100))
        return done(getattr(answer.content, "text", ""))

    @server.tool("test_input_required_result_list_roots", description="Asks for roots.")
    async def roots(ctx: Context[None, Any]) -> Answer:
        answer = (ctx.input_responses or {}).get("client_roots")
        if not isinstance(answer, ListRootsResult):
            return required(client_roots=ListRootsRequest())
        return done(", ".join(str(root.uri) for root in answer.roots))

    @server.tool("test_input_required_result_capabilities", description="Asks only what the client can answer.")
    async def capabilities(ctx: Context[None, Any]) -> Answer:
        able = ctx.client_capabilities or ClientCapabilities()
        requests: dict[str, InputRequest] = {}
        if able.elicitation is not None:
            requests["name"] = ask("What is your name?", name="string")
        if able.sampling is not None:
            requests["greeting"] = sample("Generate a greeting", 50)
        if not requests or ctx.input_responses:
            return done("nothing to ask")
        return InputRequiredResult(input_requests=requests)


def add_stateful_tools(server: MCPServer[Any]) -> None:
    for name in ("test_input_required_result_request_state", "test_input_required_result_tampered_state"):

        @server.tool(name, description="Remembers something in its state.")
        async def stateful(ctx: Context[None, Any]) -> Answer:
            # The SDK seals the state; one that was tampered with never gets here.
            if ctx.request_state == "waiting" and form(ctx, "confirm"):
                return done("state-ok")
            return required("waiting", confirm=ask("Please confirm", ok="boolean"))

    @server.tool("test_input_required_result_multiple_inputs", description="Asks three things at once.")
    async def several(ctx: Context[None, Any]) -> Answer:
        if {"user_name", "greeting", "client_roots"} <= set(ctx.input_responses or {}):
            return done("all answered")
        return required(
            "waiting",
            user_name=ask("What is your name?", name="string"),
            greeting=sample("Generate a greeting", 50),
            client_roots=ListRootsRequest(),
        )

    @server.tool("test_input_required_result_multi_round", description="Asks twice.")
    async def rounds(ctx: Context[None, Any]) -> Answer:
        if ctx.request_state == "round-2" and form(ctx, "step2"):
            return done("both answered")
        if ctx.request_state == "round-1" and form(ctx, "step1"):
            return required("round-2", step2=ask("Step 2: What is your favorite color?", color="string"))
        return required("round-1", step1=ask("Step 1: What is your name?", name="string"))


def add_asking_prompt(server: MCPServer[Any]) -> None:
    @server.prompt("test_input_required_result_prompt", description="Asks for context.")
    async def prompt(ctx: Context[None, Any]) -> str | InputRequiredResult:
        found = form(ctx, "user_context")
        if not found:
            return required(user_context=ask("What context should the prompt use?", context="string"))
        return f"Context: {found.get('context')}"


def add_capability_tools(server: MCPServer[Any]) -> None:
    @server.tool("test_missing_capability", description="Needs a client that can sample.")
    async def needs_sampling(ctx: Context[None, Any]) -> str:
        if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
            needed = ClientCapabilities(sampling=SamplingCapability())
            data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "sampling is needed",
                data.model_dump(by_alias=True, mode="json", exclude_none=True),
            )
        return "done"

    @server.tool("test_streaming_elicitation", description="Reports progress, then asks.")
    async def streaming(ctx: Context[None, Any]) -> Answer:
        await ctx.report_progress(1, 2)
        return required(name=ask("What is your name?", name="string")) if not ctx.input_responses else done("done")
