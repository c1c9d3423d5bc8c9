"""Callers for tests of the clients: what the security manager's Grant is to them."""

from dataclasses import dataclass, field

from mcp_dockerhub.errors import PolicyDenied


@dataclass
class Caller:
    """Satisfies ``Access``; remembers every target it was asked about."""

    private: bool = False
    partition: str = ""
    denied: frozenset[str] = frozenset()
    """Repositories (``registry/path``) that policy forbids."""
    checked: list[str] = field(default_factory=list)

    def check_target(self, registry: str, repository: str) -> None:
        self.checked.append(f"{registry}/{repository}")
        if f"{registry}/{repository}" in self.denied:
            raise PolicyDenied(f"{registry}/{repository} is not allowed.")
