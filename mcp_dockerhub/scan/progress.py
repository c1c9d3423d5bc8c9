"""How far a scan has come, on one line of a terminal; nothing where nobody watches."""

import os
import sys
from typing import TextIO

from mcp_dockerhub import render

_WIDTH = 78
_BAR = 24


class Progress:
    """Writes to standard error, so that a document on standard output stays whole."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = ""

    async def layers(self, done: int, total: int) -> None:
        """So many bytes of the layers have been read."""
        filled = _BAR * done // total if total else _BAR
        bar = "#" * filled + "." * (_BAR - filled)
        self._show(f"reading layers [{bar}] {render.size(done)} of {render.size(total)}")

    async def advisories(self, found: int) -> None:
        """So many advisories have been found."""
        self._show(f"asking for advisories: {render.counted(found, 'id')} found so far")

    def say(self, text: str) -> None:
        """What is being done now."""
        self._show(text)

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
            self._stream.flush()
            self._shown = ""

    def _show(self, text: str) -> None:
        line = text[:_WIDTH]
        self._stream.write("\r" + line.ljust(len(self._shown)))
        self._stream.flush()
        self._shown = line


class Silence(Progress):
    """For pipelines, whose logs would hold every step."""

    def _show(self, text: str) -> None:
        pass


def progress_for(stream: TextIO | None = None) -> Progress:
    """A bar on a terminal; none where output is kept, and none where ``CI`` is set, terminal or not."""
    stream = sys.stderr if stream is None else stream
    # Standard error may be closed.
    watched = stream is not None and stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    return Progress(stream) if watched else Silence(stream)
