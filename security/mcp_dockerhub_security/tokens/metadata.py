"""What this resource server says about itself (RFC 9728), and where."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
NAME: Final = "mcp-dockerhub"


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """This server as clients and issuers know it."""

    uri: str
    """The canonical URI (RFC 8707): what tokens must name."""
    issuer: str
    scopes: tuple[str, ...]
    """Scopes that may be of use here; none are wildcards."""

    @property
    def metadata_url(self) -> str:
        """Between host and path of the resource (RFC 9728, section 3.1)."""
        parts = urlsplit(self.uri)
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}{self._own_path}{query}"

    @property
    def paths(self) -> frozenset[str]:
        """Where the document is served: at its own path, and where clients look that know the host only."""
        return frozenset({self._own_path, WELL_KNOWN})

    @property
    def _own_path(self) -> str:
        path = urlsplit(self.uri).path
        return WELL_KNOWN + ("" if path == "/" else path)

    def document(self) -> dict[str, Any]:
        """The metadata (RFC 9728, section 2)."""
        return {
            "resource": self.uri,
            "authorization_servers": [self.issuer],
            "scopes_supported": list(self.scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": NAME,
        }

    def encoded(self) -> bytes:
        """The document as it is sent."""
        return json.dumps(self.document(), separators=(",", ":")).encode()


def protected_resource(uri: str, issuer: str, scopes: Iterable[str]) -> ProtectedResource:
    """Check ``uri`` against RFC 8707, section 2, and RFC 9728, section 1.2.

    Raises:
        ValueError: it is not an absolute http or https URI without fragment and user information.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "#" in uri:
        raise ValueError("the resource must be an absolute https URI without fragment and user information")
    if not uri.isascii() or not uri.isprintable() or any(c in uri for c in ' "\\<>'):
        raise ValueError("the resource holds characters that a URI cannot")
    return ProtectedResource(uri, issuer, tuple(scopes))
