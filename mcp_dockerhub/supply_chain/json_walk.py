"""Large JSON documents that strangers wrote, read piece by piece.

Parsing an SBOM whole takes several times its size in memory, most of it for files and relationships nobody asks
about. Here one value at a time becomes Python objects: callers keep what they need and drop the rest. Between two
values the interpreter can switch threads, so a large document read on a worker thread does not block the others.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Never

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid

MAX_DOCUMENT: Final = 64 * 1024 * 1024
"""Bytes of one attached document; BuildKit itself writes at most 40 MiB."""
MAX_VALUES: Final = 4_000_000
"""Values of one document, estimated by its punctuation. A real SBOM has about one for every 30 bytes; without this
bound 64 MiB of ``[[],[],…]`` would take gigabytes."""
MAX_SMALL: Final = 8 * 1024 * 1024
"""Bytes of documents that are parsed whole."""

Handler = Callable[[int], int]
"""Reads the value that begins at a position, returns where it ends."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")


def _no_constant(name: str) -> Never:
    raise ValueError(name)


def decode(raw: bytes, what: str) -> str:
    """The text of a document; raise TooLarge or UpstreamInvalid unless it is UTF-8 of bounded size."""
    if len(raw) > MAX_DOCUMENT:
        raise TooLarge(f"{what} has {len(raw)} bytes; at most {MAX_DOCUMENT} are read here.")
    values = raw.count(b",") + raw.count(b"{") + raw.count(b"[")
    if values > MAX_VALUES:
        raise TooLarge(f"{what} has more than {MAX_VALUES} values.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UpstreamInvalid(f"{what} is not UTF-8 text.") from None


class JsonWalk:
    """One document. Every method raises UpstreamInvalid where the text is not JSON or nested too deeply."""

    def __init__(self, text: str, what: str) -> None:
        """``what`` names the document in errors."""
        self.text = text
        self.what = what
        self._scan = json.JSONDecoder(parse_constant=_no_constant).raw_decode

    def value(self, position: int) -> tuple[Any, int]:
        """The value at ``position``, and where it ends."""
        try:
            value, end = self._scan(self.text, position)
        except (ValueError, RecursionError):
            raise self._broken() from None
        return value, end

    def skip(self, position: int) -> int:
        """Where the value at ``position`` ends."""
        return self.value(position)[1]

    def start(self) -> int:
        """Where the document's value begins."""
        return self._space(0)

    def is_object(self, position: int) -> bool:
        return self.text.startswith("{", position)

    def is_array(self, position: int) -> bool:
        return self.text.startswith("[", position)

    def members(self, position: int, handlers: Mapping[str, Handler]) -> int:
        """Walk an object, handing each member's value to the handler of its name; the rest is skipped.

        A name that occurs twice is refused: readers disagree on which one counts.
        """
        seen: set[str] = set()

        def member(at: int) -> int:
            if not self.text.startswith('"', at):
                raise self._broken()
            name, at = self.value(at)
            at = self._space(at)
            if not self.text.startswith(":", at):
                raise self._broken()
            at = self._space(at + 1)
            handler = handlers.get(name)
            if handler is None:
                return self.skip(at)
            if name in seen:
                raise UpstreamInvalid(f"{self.what} says '{name}' twice.")
            seen.add(name)
            return handler(at)

        return self._sequence(position, "{", "}", member)

    def elements(self, position: int, each: Callable[[Any], None]) -> int:
        """Walk an array, handing each element to ``each``; anything but an array is skipped."""
        if not self.is_array(position):
            return self.skip(position)

        def element(at: int) -> int:
            value, end = self.value(at)
            each(value)
            return end

        return self._sequence(position, "[", "]", element)

    def every(self, position: int, each: Callable[[Any], None]) -> int:
        """As ``elements``, for what must not pass for nothing: only an array or null is taken."""
        if not self.is_array(position) and not self.text.startswith("null", position):
            raise UpstreamInvalid(f"{self.what} has something else where its list of packages belongs.")
        return self.elements(position, each)

    def end(self, position: int) -> None:
        """Raise unless nothing follows the document's value."""
        if self._space(position) != len(self.text):
            raise self._broken()

    def _sequence(self, position: int, opening: str, closing: str, item: Handler) -> int:
        text = self.text
        if not text.startswith(opening, position):
            raise self._broken()
        at = self._space(position + 1)
        if text.startswith(closing, at):
            return at + 1
        while True:
            at = self._space(item(at))
            if text.startswith(closing, at):
                return at + 1
            if not text.startswith(",", at):
                raise self._broken()
            at = self._space(at + 1)

    def _space(self, position: int) -> int:
        match = _SPACE.match(self.text, position)
        return match.end() if match else position

    def _broken(self) -> UpstreamInvalid:
        return UpstreamInvalid(f"{self.what} is not valid JSON, or nested too deeply.")


def load(raw: bytes, what: str, limit: int = MAX_SMALL) -> dict[str, Any]:
    """A small document whole; raise TooLarge or UpstreamInvalid unless it is a JSON object."""
    if len(raw) > limit:
        raise TooLarge(f"{what} has {len(raw)} bytes; at most {limit} are read here.")
    return load_text(decode(raw, what), what)


def load_text(text: str, what: str) -> dict[str, Any]:
    """The JSON object a text is, each name once."""
    try:
        document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise UpstreamInvalid(f"{what} is not valid JSON.") from None
    if not isinstance(document, dict):
        raise UpstreamInvalid(f"{what} is not a JSON object.")
    return document


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found
