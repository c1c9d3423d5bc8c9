"""Host and Origin allow-lists, always on: against DNS rebinding and against pages of other sites.

A request whose Host is none of ours is answered 421 (RFC 9110, section 15.5.20), one from a page that may not call
403. Pages that may are also told so (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.scope import App, Exchange, Receive, Scope, Send, value, values

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?")
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]{0,20})://(.{1,260})", re.DOTALL)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_ANY: Final = ":*"

_ALLOWED_METHODS: Final = b"POST, GET, DELETE, OPTIONS"
_ALLOWED_HEADERS: Final = (
    b"authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name"
)
_EXPOSED_HEADERS: Final = b"mcp-session-id, mcp-protocol-version, www-authenticate, retry-after"
_PREFLIGHT_SECONDS: Final = b"600"
_PARAM_HEADER: Final = re.compile(r"mcp-param-[a-z0-9-]{1,100}")


@dataclass(frozen=True, slots=True)
class AllowList:
    """Authorities, each with its port or with any."""

    exact: frozenset[str]
    any_port: frozenset[str]

    @classmethod
    def of_hosts(cls, entries: Iterable[str]) -> Self:
        """``name`` stands for itself and for a default port, ``name:port`` for exactly that, ``name:*`` for any."""
        wanted = [entry.lower() for entry in entries]
        exact = {entry for entry in wanted if not entry.endswith(_ANY)}
        exact |= {f"{entry}:{port}" for entry in exact if _port(entry) is None for port in _DEFAULT_PORTS.values()}
        return cls(frozenset(exact), frozenset(entry.removesuffix(_ANY) for entry in wanted if entry.endswith(_ANY)))

    def allows(self, authority: str) -> bool:
        """Whether a whole, well-formed ``host[:port]`` is on the list."""
        found = _AUTHORITY.fullmatch(authority.lower())
        return found is not None and (found[0] in self.exact or found[1] in self.any_port)


@dataclass(frozen=True, slots=True)
class OriginList:
    """Origins (RFC 6454): scheme, host and port together."""

    by_scheme: dict[str, AllowList]

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """``scheme://host[:port]`` each; ``:*`` as the port is any port."""
        hosts: dict[str, list[str]] = {}
        for entry in entries:
            scheme, _, authority = entry.lower().rstrip("/").partition("://")
            default = f":{_DEFAULT_PORTS.get(scheme, '')}"
            hosts.setdefault(scheme, []).append(authority.removesuffix(default))
        return cls({scheme: _exactly(authorities) for scheme, authorities in hosts.items()})

    def allows(self, origin: str) -> bool:
        """Whether a serialised origin is on the list; ``null`` never is."""
        found = _ORIGIN.fullmatch(origin)
        allowed = self.by_scheme.get(found[1]) if found else None
        return found is not None and allowed is not None and allowed.allows(found[2])


def _exactly(entries: list[str]) -> AllowList:
    # A serialised origin omits its default port, so no other port is meant by its absence.
    exact = frozenset(entry for entry in entries if not entry.endswith(_ANY))
    return AllowList(exact, frozenset(entry.removesuffix(_ANY) for entry in entries if entry.endswith(_ANY)))


def _port(authority: str) -> str | None:
    found = _AUTHORITY.fullmatch(authority)
    return found[2] if found else None


@dataclass(frozen=True, slots=True)
class HostAndOrigin:
    """ASGI layer: refuses what is addressed to somebody else or comes from a page that may not call."""

    app: App
    hosts: AllowList
    origins: OriginList

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = values(scope, b"host")
        if len(hosts) != 1 or not self.hosts.allows(hosts[0]):
            raise HttpError(
                421,
                "FORBIDDEN",
                "This server does not answer to that host name.",
                rule="host_not_allowed",
                hint="Use its public URL, or have its operator add the name to MCP_DOCKERHUB_ALLOWED_HOSTS.",
            )
        origins = values(scope, b"origin")
        if origins:
            self._check_origin(scope, origins)
            if scope["method"] == "OPTIONS":
                await _preflight(scope, send)
                return
        await self.app(scope, receive, send)

    def _check_origin(self, scope: Scope, origins: list[str]) -> None:
        if len(origins) != 1 or not self.origins.allows(origins[0]):
            raise HttpError(
                403,
                "FORBIDDEN",
                "Pages of that origin may not call this server.",
                rule="origin_not_allowed",
                hint="Its operator can add the origin to MCP_DOCKERHUB_ALLOWED_ORIGINS.",
            )
        Exchange.of(scope).extra_headers += [
            (b"access-control-allow-origin", origins[0].encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
            (b"vary", b"Origin"),
        ]


async def _preflight(scope: Scope, send: Send) -> None:
    """Answer whether the page may send what it is about to; tokens go in a header, so no cookies are allowed."""
    asked = [name.strip().lower() for name in value(scope, b"access-control-request-headers").split(",")]
    params = [name.encode() for name in asked[:50] if _PARAM_HEADER.fullmatch(name)]
    headers = [
        (b"access-control-allow-methods", _ALLOWED_METHODS),
        (b"access-control-allow-headers", b", ".join([_ALLOWED_HEADERS, *params])),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
