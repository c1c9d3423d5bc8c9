"""Pagination by ``Link`` headers (RFC 8288; OCI distribution-spec, "Listing Tags", "Listing Referrers").

Only the query of a ``next`` link is used, on the path asked for in the first place: relative and absolute links,
proxies that get the scheme wrong, and Artifactory, which leaves its virtual repository out of the path
(RTFACT-18971), all come out right, and no link can lead to another repository.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urljoin, urlsplit

from mcp_dockerhub.transport.client import Response

Query = tuple[tuple[str, str], ...]

MAX_LINK: Final = 8192
_LINK: Final = re.compile(r"<([^<>]*)>((?:\s*;\s*[A-Za-z0-9!#$&+.^_`|~*-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s\",;]*))?)*)")
_REL: Final = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]*))", re.IGNORECASE)


def next_target(response: Response) -> str | None:
    """The target of the first link whose relation is ``next``, None when there is none."""
    for value in response.headers.get("link", ()):
        for match in _LINK.finditer(value[:MAX_LINK]):
            rel = _REL.search(match[2])
            if rel and "next" in (rel[1] or rel[2] or "").lower().split():
                return match[1].strip()
    return None


@dataclass(slots=True)
class Pages:
    """Follows the pages of one listing; ``trouble`` says why it could not be followed to its end."""

    base_url: str
    path: str
    limit: int
    """Pages at most."""
    trouble: str = ""
    count: int = 0
    _seen: set[Query] = field(default_factory=set)

    def next_query(self, response: Response) -> Query | None:
        """The query of the page after ``response``; None at the end, or with ``trouble`` set."""
        self.count += 1
        target = next_target(response)
        if target is None:
            return None
        query = self._query(target)
        if query is None:
            self.trouble = "it points to another host for the rest"
        elif not query or query in self._seen:
            self.trouble = "its paging goes in circles"
        elif self.count >= self.limit:
            self.trouble = f"it has more than {self.limit} pages"
        else:
            self._seen.add(query)
            return query
        return None

    def _query(self, target: str) -> Query | None:
        try:
            parts = urlsplit(urljoin(self.base_url + self.path, target))
            own = urlsplit(self.base_url)
            # A scheme of its own is forgiven (proxies ending TLS): the request goes where the first one went.
            if (parts.hostname, _port(parts.port)) != (own.hostname, _port(own.port)):
                return None
            return tuple(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return None


def _port(port: int | None) -> int | None:
    return None if port in (80, 443) else port
