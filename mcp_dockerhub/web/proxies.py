"""The client's address behind proxies that are trusted to say it (RFC 7239, or X-Forwarded-For).

Each proxy appends the address it saw, so the list is believed from its end, and only as long as the one who wrote
an entry is trusted. Only the header that the operator's proxies write is read: they pass the other one through, and
there a client could write whatever it likes.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from mcp_dockerhub.web.scope import Scope, values

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS: Final = 20
MAX_NODE: Final = 80
"""Characters of one entry; an IPv6 address with zone and port has fewer."""
_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"\\]*)"|([^\s;,"]*))\s*(?=;|$)', re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whose word on addresses counts, and in which header."""

    networks: tuple[Network, ...] = ()
    header: bytes = b"x-forwarded-for"

    @classmethod
    def of(cls, networks: Iterable[str], header: str) -> Self:
        """From settings; raises ValueError for what is no network."""
        return cls(tuple(ipaddress.ip_network(network) for network in networks), header.encode())

    def client(self, scope: Scope) -> str:
        """The client's address; the peer's own where it is no trusted proxy or names nobody; empty where none is told.

        A proxy that hides or garbles it ("unknown", "_hidden") tells none, and its own address is not the client's:
        rules for the network that the proxy is in would hold for everybody.
        """
        peer = scope.get("client")
        nearest = _parsed(peer[0]) if peer else None
        if nearest is None:
            return ""
        for node in reversed(self._nodes(scope)):
            if not self._trusts(nearest):
                break
            found = _parsed(node)
            if found is None:
                return ""
            nearest = found
        return str(nearest)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def _nodes(self, scope: Scope) -> list[str]:
        if not self.networks:
            return []
        elements = [element for line in values(scope, self.header) for element in line.rsplit(",", MAX_HOPS)]
        del elements[:-MAX_HOPS]
        if self.header != b"forwarded":
            return elements
        return [_node(element) for element in elements]


def _node(element: str) -> str:
    """The ``for`` parameter of one element of ``Forwarded``."""
    found = _FOR.search(element.strip())
    return (found[1] if found[1] is not None else found[2]) if found else ""


def _parsed(node: str) -> Address | None:
    """An address with or without a port; one mapped into IPv6 is the IPv4 address it stands for."""
    return _address(node.strip()) if len(node) <= MAX_NODE else None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    if found := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # without a zone
    return address
