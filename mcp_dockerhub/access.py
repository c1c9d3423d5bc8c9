"""What one caller may reach upstream, seen from the clients."""

from typing import Final, Protocol


class Access(Protocol):
    """Satisfied by the security manager's Grant.

    Every client call takes one, so that no request can be made that nobody was granted.
    """

    @property
    def private(self) -> bool:
        """True when the operator's credentials may be used for this caller."""

    @property
    def partition(self) -> str:
        """The cache partition of the caller's tenant; empty for the only one."""

    def check_target(self, registry: str, repository: str) -> None:
        """Raise when policy forbids reading ``repository`` (a path such as ``library/nginx``) of ``registry``."""


class _Anonymous:
    """Public reads with no policy: command-line diagnosis and tests."""

    private = False
    partition = ""

    def check_target(self, registry: str, repository: str) -> None:
        pass


ANONYMOUS: Final[Access] = _Anonymous()
