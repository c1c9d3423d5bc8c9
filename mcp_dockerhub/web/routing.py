"""Paths, methods and media types: what is not asked properly is refused before anything else is spent on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.scope import App, Receive, Scope, Send, value, values

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32 * 1024
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Router:
    """ASGI layer: the protocol at one path, public documents at others, 404 for the rest."""

    mcp: App
    path: str
    documents: Mapping[str, App] = field(default_factory=dict)
    """Unauthenticated, read by GET: such as the metadata of RFC 9728."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check_headers(scope)
        # As it was sent: `/%6dcp` is no other spelling here that a proxy's rules for `/mcp` would miss.
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        if path == self.path:
            await self.mcp(scope, receive, send)
        elif (document := self.documents.get(path)) is not None:
            _check_method(scope, ("GET", "HEAD"))
            await document(scope, receive, send)
        else:
            raise HttpError(
                404, "NOT_FOUND", "There is nothing at this path.", rule="path_unknown", hint=f"MCP is at {self.path}."
            )


@dataclass(frozen=True, slots=True)
class ProperlyAsked:
    """ASGI layer in front of the protocol: method, query and media types (MCP, "Streamable HTTP")."""

    app: App
    methods: tuple[str, ...]
    """POST, and with sessions GET and DELETE."""
    events: bool
    """Answers may be event streams, so the client must take them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check_method(scope, self.methods)
        if scope.get("query_string"):
            raise HttpError(
                400,
                "INVALID_INPUT",
                "The endpoint takes no query.",
                rule="query_not_allowed",
                hint="A token belongs in the Authorization header (RFC 6750, section 2.1), never in the URL.",
            )
        if scope["method"] == "POST":
            _check_content(scope)
        if scope["method"] != "DELETE":
            self._check_accept(scope)
        await self.app(scope, receive, send)

    def _check_accept(self, scope: Scope) -> None:
        post = scope["method"] == "POST"
        wanted = ((_JSON,) if post else ()) + ((_EVENTS,) if self.events or not post else ())
        if not _accepts(",".join(values(scope, b"accept")), wanted):
            raise HttpError(
                406,
                "INVALID_INPUT",
                "The Accept header does not take what this server answers with.",
                rule="not_acceptable",
                hint=f"Send Accept: {', '.join(wanted)}.",
            )


@lru_cache(maxsize=64)
def _accepts(accept: str, wanted: tuple[str, ...]) -> bool:
    """Whether all ``wanted`` media types are taken (RFC 9110, section 12.5.1; weights are not looked at)."""
    accepted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return all(accepted & {kind, f"{kind.partition('/')[0]}/*", "*/*"} for kind in wanted)


def _check_headers(scope: Scope) -> None:
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum([len(name) + len(value) for name, value in headers]) > MAX_HEADER_BYTES:
        raise HttpError(
            431,
            "TOO_LARGE",
            "The request has too many header fields, or too large ones.",
            rule="headers_too_large",
            hint=f"At most {MAX_HEADERS} fields and {MAX_HEADER_BYTES} bytes.",
        )


def _check_method(scope: Scope, methods: tuple[str, ...]) -> None:
    if scope["method"] not in methods:
        allowed = ", ".join(methods)
        raise HttpError(
            405,
            "INVALID_INPUT",
            "This path does not take that method.",
            rule="method_not_allowed",
            hint=f"It takes {allowed}.",
            headers=(("allow", allowed),),
        )


def _check_content(scope: Scope) -> None:
    kinds = values(scope, b"content-type")
    kind, _, parameters = (kinds[0] if len(kinds) == 1 else "").lower().partition(";")
    encoded = value(scope, b"content-encoding").strip().lower() not in ("", "identity")
    if kind.strip() != _JSON or parameters.replace('"', "").strip() not in ("", "charset=utf-8") or encoded:
        raise HttpError(
            415,
            "UNSUPPORTED",
            "The body is not plain JSON.",
            rule="media_type",
            hint="Send Content-Type: application/json, in UTF-8 and not compressed.",
        )
    # The SDK knows only one way to write it.
    others = [field for field in scope["headers"] if field[0] != b"content-type"]
    scope["headers"] = [*others, (b"content-type", _JSON.encode())]
