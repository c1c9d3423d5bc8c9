"""Names to addresses."""

import socket
from typing import Protocol

import anyio

from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.transport.faults import NameUnknown

_UNKNOWN = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Resolver(Protocol):
    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        """All addresses of ``host``, best first; raises UpstreamUnavailable where there are none."""


async def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """What the operating system answers, without duplicates."""
    try:
        answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _UNKNOWN:
            raise _unknown(f"The host name {host} is not known to this machine's name service.") from error
        raise UpstreamUnavailable(f"The name of {host} could not be resolved.") from error
    except UnicodeError as error:
        raise _unknown(f"The host name {host} is not valid.") from error
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _unknown(message: str) -> NameUnknown:
    return NameUnknown(message, hint="Check the spelling of the host, and that this machine is online.")
