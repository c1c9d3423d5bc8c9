"""ASGI's types, header fields, and what our layers know of one exchange."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from mcp_dockerhub_security.principal import ORIGIN, Origin, Principal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[str, str], ...]

KEY: Final = "mcp_dockerhub.exchange"
FIELDS: Final = "mcp_dockerhub.fields"


def values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header field, in order; ASGI's names are lower case, its bytes Latin-1."""
    return [found.decode("latin-1") for found in _fields(scope).get(name, ())]


def value(scope: Scope, name: bytes) -> str:
    """The first value of a header field, or the empty string."""
    found = _fields(scope).get(name)
    return found[0].decode("latin-1") if found else ""


def _fields(scope: Scope) -> dict[bytes, list[bytes]]:
    """The header as it came, by name: every layer looks something up."""
    fields: dict[bytes, list[bytes]] | None = scope.get(FIELDS)
    if fields is None:
        fields = scope[FIELDS] = {}
        for name, found in scope["headers"]:
            fields.setdefault(name, []).append(found)
    return fields


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer, as far as the layers got with it."""

    address: str = ""
    """The client's, trusted proxies looked through."""
    user_agent: str = ""
    principal: Principal | None = None
    request_id: str | int | None = None
    """The JSON-RPC id, once known."""
    body: bytes = b""
    """Read and checked."""
    status: int | None = None
    """Of the answer, once it began."""
    complete: bool = False
    """The answer was sent."""
    dispatched: bool = False
    """A handler of the protocol got the request: from there the Guard records."""
    extra_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Go out with whatever answer there will be."""
    _calls: set[Callable[[], None]] = field(default_factory=set)

    @staticmethod
    def of(scope: Scope) -> "Exchange":
        """The exchange that the outermost layer opened."""
        return cast("Exchange", scope[KEY])

    def open(self, scope: Scope) -> None:
        """Make this exchange known to the layers inside and, through its origin, to the Guard."""
        scope[KEY] = self
        scope[ORIGIN] = self.origin

    def authenticated(self, scope: Scope, principal: Principal) -> None:
        """From here on the request is ``principal``'s."""
        self.principal = principal
        scope[ORIGIN] = self.origin

    @property
    def origin(self) -> Origin:
        """For audit records and the Guard."""
        return Origin(self.principal, self.address, self.user_agent)

    @contextmanager
    def cancelling(self, cancel: Callable[[], None]) -> Iterator[None]:
        """While the body runs, ``cancel`` is what stops it when the client is gone or time is up."""
        self._calls.add(cancel)
        try:
            yield
        finally:
            self._calls.discard(cancel)

    def cancel_calls(self) -> None:
        """Stop the handlers that still work on this exchange, wherever they run."""
        for cancel in tuple(self._calls):
            cancel()
