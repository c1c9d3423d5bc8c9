"""The base of every tool's answer."""

from datetime import datetime
from typing import Literal

from mcp_dockerhub_security.sanitize import OutputModel, Prose


class Result(OutputModel):
    """What every answer says about itself."""

    source: Literal["live", "cache", "stale"] = "live"
    """Of several documents the worst: ``stale`` over ``cache`` over ``live``... """
    fetched_at: datetime | None = None
    warnings: list[Prose] = []

    def render(self) -> str:
        """The answer as a person reads it in seconds."""
        raise NotImplementedError
