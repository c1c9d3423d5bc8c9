"""Faults a stand-in upstream can be told to show, as an ASGI layer around it."""

import re
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(slots=True)
class Fault:
    """What to answer instead, to requests whose path matches."""

    path: str = ""
    """A regular expression searched for in the path; empty matches every path."""
    times: int | None = None
    """How many requests it hits; None hits all."""
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    hang: bool = False
    """Never answers; ends when the client goes away."""
    cut: bool = False
    """Promises more body than it sends, then closes the connection."""
    endless: bool = False
    """Sends ``body`` over and over until the client goes away."""

    def hits(self, path: str) -> bool:
        """Whether this request is one of its; counts it."""
        if self.times == 0 or not re.search(self.path, path):
            return False
        if self.times is not None:
            self.times -= 1
        return True


_HTML = {"content-type": "text/html"}
_JSON = {"content-type": "application/json"}
NAMED: dict[str, dict[str, Any]] = {
    "unavailable": {"status": 503},
    "error-html": {"status": 500, "headers": _HTML, "body": "<html><h1>Internal error</h1></html>"},
    "unauthorized": {"status": 401, "headers": _JSON, "body": '{"detail": "login required"}'},
    "forbidden": {"status": 403, "headers": _JSON, "body": '{"errinfo": {}, "message": "denied"}'},
    "missing": {"status": 404, "headers": _JSON, "body": '{"message": "not found"}'},
    "limited": {"status": 429, "headers": _JSON, "body": '{"detail": "Rate limit exceeded"}'},
    "abuse": {"status": 429, "headers": {"content-type": "text/plain"}, "body": "Too Many Requests"},
    "html": {"status": 200, "headers": _HTML, "body": "<html>Please log in to this network</html>"},
    "not-json": {"status": 200, "headers": _JSON, "body": '{"count": 1, "results": ['},
    "wrong-shape": {"status": 200, "headers": _JSON, "body": '{"count": "many", "results": {"a": [1, 2]}}'},
    "deep": {"status": 200, "headers": _JSON, "body": "[" * 20_000},
    "metadata-redirect": {"status": 302, "headers": {"location": "http://169.254.169.254/latest/meta-data/"}},
    "hang": {"hang": True},
    "cut": {"status": 200, "headers": _JSON, "cut": True, "body": '{"count": 1, "resu'},
    "endless": {"status": 200, "headers": _JSON, "endless": True, "body": " " * 65_536},
}
"""Ready-made faults by name; ``named`` turns one into a Fault."""


def named(name: str, *, path: str = "", times: int | None = None, **changes: Any) -> Fault:
    """A ready-made fault; KeyError for an unknown name."""
    return Fault(path=path, times=times, **(NAMED[name] | changes))


class FaultLayer:
    """Shows the first fault that hits a request; otherwise the application answers."""

    def __init__(self, app: ASGIApp, faults: list[Fault]) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        fault = None
        if scope["type"] == "http" and not path.startswith("/_control/"):
            fault = next((fault for fault in self._faults if fault.hits(path)), None)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.hang:
            await _until_gone(receive)
        else:
            await _show(fault, receive, send)


async def _show(fault: Fault, receive: Receive, send: Send) -> None:
    body = fault.body.encode()
    headers = dict(fault.headers)
    if not fault.endless:
        headers["content-length"] = str(len(body) * 10 + 1 if fault.cut else len(body))
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": raw})
    message: Message = {"type": "http.response.body", "body": body, "more_body": fault.endless}
    if not fault.endless:
        await send(message)
        return
    async with anyio.create_task_group() as group:

        async def pour() -> None:
            while True:
                await send(message)
                await anyio.lowlevel.checkpoint()

        group.start_soon(pour)
        await _until_gone(receive)
        group.cancel_scope.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
