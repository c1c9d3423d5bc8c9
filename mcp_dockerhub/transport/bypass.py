"""Which hosts are reached without the proxy, as ``NO_PROXY`` says by the convention curl and others follow.

An entry is ``*``, a host name (which stands for its subdomains too, with or without a leading dot), an address, or a
network in CIDR form; ``host:port`` for one port only. Names are not resolved: a network holds for literal addresses.
"""

import ipaddress
from collections.abc import Iterable


class Bypass:
    """The entries of one ``NO_PROXY``."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = tuple(entry.strip().lower() for entry in entries)

    def covers(self, host: str, port: int) -> bool:
        """Whether ``host`` (lower case, IPv6 without brackets) is reached without the proxy."""
        return any(_matches(entry, host, port) for entry in self._entries)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        return _holds(entry, address) or _holds(_without_port(entry, port), address)
    name = _without_port(entry, port).lstrip(".").removeprefix("*.")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _without_port(entry: str, port: int) -> str:
    """The host of ``host:port`` for that port; an entry for another port is left as it is and matches nothing."""
    host, colon, number = entry.rpartition(":")
    return host.strip("[]") if colon and number == str(port) else entry.strip("[]")
