"""The rules of a policy file: each names a kind of call and says yes or no; the first that matches decides.

Patterns are globs: ``*`` is anything but a slash, ``**`` anything, ``?`` one character that is no slash.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.policy_call import EVERYBODY, Call

Network = IPv4Network | IPv6Network

READS: Final = frozenset({Level.PUBLIC, Level.LOW, Level.MEDIUM})
"""What an allowing rule covers unless its ``levels`` say otherwise: nobody is let change things by accident."""
EVERY_LEVEL: Final = frozenset(Level)

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
PATTERN: Final = re.compile(r"[A-Za-z0-9._:/@*?-]{1,255}")
_WILDCARD: Final = re.compile(r"\*\*|\*|\?")
_MEANING: Final = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class Globs:
    """Alternatives; none at all match everything."""

    patterns: tuple[str, ...] = ()
    _expression: re.Pattern[str] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> "Globs":
        """Raises ValueError for a character that no tool, registry or repository has."""
        chosen = tuple(patterns)
        for pattern in chosen:
            if not PATTERN.fullmatch(pattern):
                raise ValueError("a pattern has letters, digits, . _ : / @ - and the wildcards * ** ?")
        return cls(chosen, re.compile("|".join(map(_expression, chosen))) if chosen else None)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def match(self, text: str) -> bool:
        """True when any pattern covers all of ``text``, or there is none."""
        return self._expression is None or self._expression.fullmatch(text) is not None


def _expression(glob: str) -> str:
    parts, end = [], 0
    for found in _WILDCARD.finditer(glob):
        parts += [re.escape(glob[end : found.start()]), _MEANING[found[0]]]
        end = found.end()
    return "".join([*parts, re.escape(glob[end:])])


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``[[rules]]`` table. A condition that is not given holds for everything."""

    name: str
    allow: bool
    tools: Globs = Globs()
    levels: frozenset[Level] = EVERY_LEVEL
    roles: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    registries: Globs = Globs()
    repositories: Globs = Globs()
    reason: str = ""
    """The operator's words to whoever is refused."""

    @property
    def names_targets(self) -> bool:
        """Whether it is about some registries or repositories only."""
        return bool(self.registries or self.repositories)

    @property
    def is_unconditional(self) -> bool:
        """Whether nothing can get past it."""
        conditions = (self.tools, self.roles, self.tenants, self.networks, self.names_targets)
        return self.levels == EVERY_LEVEL and not any(conditions)

    def covers_call(self, call: Call, level: Level) -> bool:
        """Whether everything but the target fits."""
        principal = call.principal
        return (
            level in self.levels
            and self.tools.match(call.tool)
            and (not self.roles or EVERYBODY in self.roles or not self.roles.isdisjoint(principal.roles))
            and (not self.tenants or principal.tenant in self.tenants)
            and (not self.networks or self._covers_address(call))
        )

    def covers_target(self, target: Target | None) -> bool:
        """Whether ``target`` fits; None is a call that names nothing upstream."""
        if target is None:
            return not self.names_targets
        return self.registries.match(target.registry) and self.repositories.match(target.repository)

    def _covers_address(self, call: Call) -> bool:
        if call.address is None:
            return self.allow
        address = parse_address(call.address)
        if address is None:
            # On stdio there is no address. Over a network an unknown one gets no allowance and no exemption.
            return not self.allow and call.principal.kind != "local"
        return any(address in network for network in self.networks)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, IPv4 inside IPv6 (RFC 4291, section 2.5.5.2) taken out; None for anything else."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def parse_network(text: str) -> Network:
    """A CIDR block or one address. Raises ValueError, also for a block with host bits set and for IPv4 inside IPv6."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError("addresses are matched as IPv4: write it so")
    return network
