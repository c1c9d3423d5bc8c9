"""What every scan of one run works with, and on whose behalf."""

from dataclasses import dataclass

from mcp_dockerhub.reference import Reference
from mcp_dockerhub.scan.progress import Progress
from mcp_dockerhub.scan.target import Asked, Local
from mcp_dockerhub.services import Clients
from mcp_dockerhub.supply_chain.context import SupplyChain


@dataclass(frozen=True, slots=True)
class Operator:
    """The access of whoever runs the command: everything configured may be used, within the operator's own policy."""

    clients: Clients
    local: frozenset[tuple[str, str]]
    """Repositories that stand for images on this machine."""

    @property
    def private(self) -> bool:
        return True

    @property
    def partition(self) -> str:
        return ""

    def check_target(self, registry: str, repository: str) -> None:
        """Raises Refusal for a registry that the operator does not allow."""
        if (registry, repository) not in self.local:
            self.clients.egress.check_registry(registry)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every scan of one run works with."""

    chain: SupplyChain
    access: Operator
    refs: dict[Asked, Reference]
    locals: dict[Asked, Local]
    progress: Progress
