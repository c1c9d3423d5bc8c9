"""Resources, prompts and completion that the official suite looks for."""

import base64
import struct
import zlib
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    Completion,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


RED_PIXEL = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
    + _chunk(b"IEND", b"")
)
IMAGE = ImageContent(type="image", data=base64.b64encode(RED_PIXEL).decode(), mime_type="image/png")


def text(value: str) -> TextContent:
    return TextContent(type="text", text=value)


def embedded(uri: str, content: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=content))


def add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", name="static-text", description="Text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", name="static-binary", description="A pixel.", mime_type="image/png")
    def static_binary() -> bytes:
        return RED_PIXEL

    @server.resource("test://template/{id}/data", name="template", description="Echo.", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002 - the suite's name
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'

    @server.resource("test://watched-resource", name="watched-resource", description="Watched.")
    def watched() -> str:
        return "watched"


def add_prompts(server: MCPServer[Any]) -> None:
    @server.prompt("test_simple_prompt", description="No arguments.")
    def simple() -> str:
        return "This is a simple prompt for testing."

    @server.prompt("test_prompt_with_arguments", description="Two arguments.")
    def with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt("test_prompt_with_embedded_resource", description="Embeds a resource.")
    def with_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's name
        return [
            UserMessage(content=embedded(resourceUri, "Embedded resource content for testing.")),
            UserMessage("Please process the embedded resource above."),
        ]

    @server.prompt("test_prompt_with_image", description="Shows an image.")
    def with_image() -> list[UserMessage]:
        return [UserMessage(content=IMAGE), UserMessage("Please analyze the image above.")]


def add_handshake_methods(server: MCPServer[Any]) -> None:
    """Methods that only protocol versions up to 2025-11-25 have."""

    async def nothing(ctx: Any, params: Any) -> EmptyResult:
        return EmptyResult()

    low = server._lowlevel_server
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, nothing)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, nothing)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, nothing)


def add_completion(server: MCPServer[Any]) -> None:
    async def complete(reference: object, argument: Any, context: object) -> Completion:
        values = [value for value in ("paris", "park", "party") if value.startswith(argument.value)]
        return Completion(values=values, total=len(values), has_more=False)

    server.completion()(complete)  # type: ignore[no-untyped-call] # the SDK leaves it unannotated
