"""An HttpClient that answers from a script and remembers what it was asked."""

import json as jsonlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from mcp_dockerhub.transport.client import DEFAULT_BODY_LIMIT, Response, StreamedResponse, Upstream


@dataclass(frozen=True, slots=True)
class Asked:
    upstream: Upstream
    method: str
    path: str
    params: Mapping[str, str | int]
    limit: int


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with ``content`` as its body: bytes as they are, anything else as JSON."""
    body = content if isinstance(content, bytes) else jsonlib.dumps(content).encode()
    named = {name: (value,) for name, value in (headers or {}).items()}
    return Response(status, named, body, "https://hub.invalid/")


class ScriptedHttp:
    """Answers by path; a path may have several answers, used in turn, the last one for ever."""

    def __init__(self, script: Mapping[str, Response | Exception | list[Response | Exception]]) -> None:
        self._script = {path: list(entry) if isinstance(entry, list) else [entry] for path, entry in script.items()}
        self.asked: list[Asked] = []

    async def request(
        self,
        upstream: Upstream,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        self.asked.append(Asked(upstream, method, path, dict(params or {}), limit))
        answers = self._script[path]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
        seconds: float | None = None,
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        raise NotImplementedError

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]
