"""Tenants: groups of principals with their own upstream credentials, cache partition, limits and audit stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

NO_TENANT: Final = ""
"""The tenant of the local user, and of everybody where the policy names no tenants."""


@dataclass(frozen=True, slots=True)
class TenantRegistry:
    """Who a tenant is to one registry; ``docker.io`` is Docker Hub, its API and its registry alike."""

    host: str
    url: str = ""
    """Origin to fetch from; ``https://HOST`` unless given."""
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """A ready bearer token; with a user name, its secret."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One ``[tenants.NAME]`` table. Empty settings are the process's own."""

    name: str
    registries: tuple[TenantRegistry, ...] = ()
    allowed_registries: frozenset[str] = frozenset()
    """Hosts its references may name; empty: the process's, and always those of ``registries``."""
    rate_limit: str = ""
    """Windows for all principals of the tenant together, such as ``100/second;5000/hour``."""
    rate_limit_heavy: str = ""
    audit_file: str = ""


class TenantLimits(Protocol):
    """What a limiter asks; ``Tenants`` satisfies it."""

    def windows(self, tenant: str) -> tuple[str, str]:
        """``(calls, heavy)`` that all principals of a tenant share; empty text is no limit of its own."""


@dataclass(frozen=True, slots=True)
class Tenants:
    """The tenants of a policy by name; none where the policy has none."""

    named: Mapping[str, Tenant] = field(default_factory=dict)

    def knows(self, tenant: str, *, local: bool) -> bool:
        """Whether a principal of this tenant may call at all: where tenants are named, a token must name one."""
        return not self.named or tenant in self.named or (local and tenant == NO_TENANT)

    def windows(self, tenant: str) -> tuple[str, str]:
        """Limits shared by a tenant's principals; see TenantLimits."""
        found = self.named.get(tenant)
        return (found.rate_limit, found.rate_limit_heavy) if found else ("", "")

    @property
    def audit_files(self) -> Mapping[str, str]:
        """Tenant to the path of its own audit stream, where it has one."""
        return {name: tenant.audit_file for name, tenant in self.named.items() if tenant.audit_file}
