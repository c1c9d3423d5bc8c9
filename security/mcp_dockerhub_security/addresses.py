"""Which network addresses belong to the public internet.

Own tables instead of ``ipaddress``'s ``is_global``: its answers changed between Python releases, and it looks at
the outer address only. Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and successors).
"""

import ipaddress
import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_RESERVED_V4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # "this" network, unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; one cloud's metadata service lives here
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent, on a public address
        "169.254.0.0/16",  # link-local; most clouds' metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, retired
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_RESERVED_V6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII | re.IGNORECASE)


def is_public(address: str) -> bool:
    """True when ``address`` (text, as a resolver gives it) and every IPv4 address inside it are public.

    Not an address, or one with a zone (``fe80::1%eth0``): False.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _public_v4(parsed)
    if parsed.scope_id is not None:
        return False
    return _public_v6(parsed)


def literal_address(host: str) -> str | None:
    """The address a host name means without any look-up, or None for a real name.

    Covers what resolvers accept beyond the dotted quad, octal, hexadecimal and short forms included
    (``0177.1``, ``0x7f000001``, ``2130706433``): such a name ends in a number (WHATWG URL, host parsing).
    An ending in a number that means no address gives ``"0.0.0.0"``, which is never public.
    """
    bare = host.strip("[]").rstrip(".")
    if ":" in bare:
        return bare
    if not _NUMERIC_LABEL.fullmatch(bare.rpartition(".")[2]):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(bare))
    except (OSError, ValueError):
        return "0.0.0.0"  # noqa: S104  (an answer that is refused, not a bind address)


def _public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _RESERVED_V4)


def _public_v6(address: IPv6Address) -> bool:
    embedded = tuple(_embedded(address))
    if not all(_public_v4(inner) for inner in embedded):
        return False
    if address.ipv4_mapped is not None or address in _NAT64:
        return True
    return address in _GLOBAL_V6 and not any(address in network for network in _RESERVED_V6)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that packets to ``address`` may end at (RFC 4291, 6052, 3056, 5214)."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    value = int(address)
    low = IPv4Address(value & 0xFFFF_FFFF)
    if address in _NAT64 or (value >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield low
