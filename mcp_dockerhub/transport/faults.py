"""Failures that the stack itself tells apart.

All of them are errors of ``mcp_dockerhub.errors``; the subclasses only decide whether trying again is sensible
and whether a failure counts against the host.
"""

from mcp_dockerhub.errors import UpstreamTimeout, UpstreamUnavailable


class CircuitOpen(UpstreamUnavailable):
    """Not sent: the host failed too often of late."""


class QueueTimeout(UpstreamTimeout):
    """Not sent: the deadline passed while waiting for a free connection of ours."""


class ConnectTimedOut(UpstreamTimeout):
    """No connection in time: worth another attempt, unlike an answer that did not come."""


class NameUnknown(UpstreamUnavailable):
    """The resolver knows no such name: the same again a second later."""


class TlsFailed(UpstreamUnavailable):
    """No trusted TLS connection: the same again a second later."""


NOT_SENT = (CircuitOpen, QueueTimeout)
"""Say nothing about the host."""


def is_server_failure(status: int) -> bool:
    """A status that says the host is failing; 501 and 505 are deliberate answers of a working one."""
    return status >= 500 and status not in (501, 505)
