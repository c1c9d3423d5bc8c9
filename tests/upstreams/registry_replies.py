"""What the stand-in servers answer with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def with_headers(self, headers: Sequence[tuple[str, str]]) -> "Reply":
        return Reply(self.status, self.body, [*self.headers, *headers])


def json_reply(document: Any, status: int = 200, content_type: str = "application/json") -> Reply:
    return Reply(status, json.dumps(document).encode(), [("content-type", content_type)])


def error_reply(status: int, code: str, message: str) -> Reply:
    """An error as the distribution specification has it."""
    return json_reply({"errors": [{"code": code, "message": message, "detail": None}]}, status)
