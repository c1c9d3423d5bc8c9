"""Tools that the official suite calls: every kind of content, progress, logging, and questions by push."""

import asyncio
import base64
import json
import struct
import warnings
from typing import Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import AudioContent, CallToolResult, SamplingMessage, Tool
from pydantic import BaseModel, Field

from tests.conformance.fixture_content import IMAGE, embedded, text

PAUSE = 0.05
"""Seconds the suite wants between two notifications."""
_FORMAT = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
_WAVE = b"WAVEfmt " + struct.pack("<I", len(_FORMAT)) + _FORMAT + b"data" + struct.pack("<I", 2) + b"\x80\x80"
SILENCE = base64.b64encode(b"RIFF" + struct.pack("<I", len(_WAVE)) + _WAVE).decode()
"""Two samples of nothing."""

SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
HEADER_SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "priority": {"type": "integer", "x-mcp-header": "Priority"},
        "query": {"type": "string"},
    },
}
SCHEMAS = {"json_schema_2020_12_tool": SCHEMA_2020_12, "test_x_mcp_header": HEADER_SCHEMA}
"""Input schemas that are listed as they are, whatever a tool's function says."""


class FixtureServer(MCPServer[None]):
    """Lists some tools with schemas that no Python signature yields."""

    async def list_tools(self) -> list[Tool]:
        tools = await super().list_tools()
        return [tool.model_copy(update={"input_schema": SCHEMAS.get(tool.name, tool.input_schema)}) for tool in tools]

    def _tool_input_schema(self, name: str) -> Any:
        return SCHEMAS.get(name) or super()._tool_input_schema(name)


def add_content_tools(server: MCPServer[Any]) -> None:
    def add(name: str, *content: Any) -> None:
        async def answer() -> CallToolResult:
            return CallToolResult(content=list(content))

        server.add_tool(answer, name=name, description="Fixed content.")

    mixed = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    add("test_simple_text", text("This is a simple text response for testing."))
    add("test_image_content", IMAGE)
    add("test_audio_content", AudioContent(type="audio", data=SILENCE, mime_type="audio/wav"))
    add("test_embedded_resource", embedded("test://embedded-resource", "This is an embedded resource content."))
    add("test_multiple_content_types", text("Multiple content types test:"), IMAGE, mixed)

    @server.tool("test_error_handling", description="Fails.")
    def fails() -> None:
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool("json_schema_2020_12_tool", description="Tool with JSON Schema 2020-12 features")
    def schema(name: str = "") -> str:
        return name

    @server.tool("test_x_mcp_header", description="Mirrors arguments in headers.")
    def header(region: str = "", priority: int = 0, query: str = "") -> str:
        return f"{region} {priority} {query}"


def add_notifying_tools(server: MCPServer[Any]) -> None:
    @server.tool("test_tool_with_progress", description="Reports progress.")
    async def progress(ctx: Context[None, Any]) -> str:
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await asyncio.sleep(PAUSE)
        return "done"

    @server.tool("test_tool_with_logging", description="Logs.")
    async def logging(ctx: Context[None, Any]) -> str:
        for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await _log(ctx, line)
            await asyncio.sleep(PAUSE)
        return "done"

    @server.tool("test_logging_tool", description="Logs only where that is asked for.")
    async def logging_if_asked(ctx: Context[None, Any]) -> str:
        await _log(ctx, "not asked for")
        return "done"

    @server.tool("test_trigger_tool_change", description="Says that the tools changed.")
    async def tools_changed(ctx: Context[None, Any]) -> str:
        await ctx.notify_tools_changed()
        return "done"

    @server.tool("test_trigger_prompt_change", description="Says that the prompts changed.")
    async def prompts_changed(ctx: Context[None, Any]) -> str:
        await ctx.notify_prompts_changed()
        return "done"


async def _log(ctx: Context[None, Any], line: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        await ctx.log("info", line)


class Contact(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def _titled(prefix: str, kind: str) -> list[dict[str, str]]:
    ordinals = ("First", "Second", "Third")
    return [{"const": f"{prefix}{i}", "title": f"{name} {kind}"} for i, name in enumerate(ordinals, 1)]


_OPTIONS = ["option1", "option2", "option3"]
ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _titled("value", "Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _titled("value", "Choice")}},
    },
}


def add_pushing_tools(server: MCPServer[Any]) -> None:
    """Tools that ask the client while they run, as protocol versions up to 2025-11-25 do."""

    @server.tool("test_sampling", description="Asks the client's model.")
    async def sampling(prompt: str, ctx: Context[None, Any]) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            answer = await ctx.session.create_message(
                [SamplingMessage(role="user", content=text(prompt))], max_tokens=100
            )
        return f"LLM response: {getattr(answer.content, 'text', '')}"

    @server.tool("test_elicitation", description="Asks the human.")
    async def elicitation(message: str, ctx: Context[None, Any]) -> str:
        answer = await ctx.elicit(message, Contact)
        content = answer.data.model_dump() if answer.action == "accept" else {}
        return f"User response: action={answer.action}, content={json.dumps(content)}"

    @server.tool("test_elicitation_sep1034_defaults", description="Asks with defaults.")
    async def defaults(ctx: Context[None, Any]) -> str:
        answer = await ctx.elicit("Please check the values.", Defaults)
        content = answer.data.model_dump(mode="json") if answer.action == "accept" else {}
        return f"Elicitation completed: action={answer.action}, content={json.dumps(content)}"

    @server.tool("test_elicitation_sep1330_enums", description="Asks with every kind of enumeration.")
    async def enums(ctx: Context[None, Any]) -> str:
        answer = await ctx.session.elicit_form("Please choose.", ENUMS, related_request_id=ctx.request_id)
        return f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content or {})}"
