"""What each low-level fault of the connection library means."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore2

from mcp_dockerhub.errors import DockerHubError, Internal, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.transport.faults import ConnectTimedOut, TlsFailed

_CUT_SHORT = ("peer closed connection", "Server disconnected")
"""How h11 and httpcore2 begin the message when the other side hangs up, as opposed to talking nonsense."""
_PROXY = "The operator must check the proxy's address and rights."
_FAULTS = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)


@contextmanager
def translated(host: str, *, proxied: bool = False) -> Iterator[None]:
    """Raise the DockerHubError that a fault of httpcore2 while talking to ``host`` stands for.

    ``proxied`` is whether a proxy is what is connected to: then it, not the host, is what does not answer.
    """
    try:
        yield
    except _FAULTS as fault:
        raise _translate(fault, host, proxied) from fault


def _translate(fault: Exception, host: str, proxied: bool) -> DockerHubError:
    error: DockerHubError
    match fault:
        case httpcore2.ConnectTimeout() if proxied:
            error = ConnectTimedOut(f"The proxy did not accept a connection in time, asked for {host}.", hint=_PROXY)
        case httpcore2.ConnectTimeout():
            error = ConnectTimedOut(f"{host} did not accept a connection in time.")
        case httpcore2.TimeoutException():
            error = UpstreamTimeout(f"{host} did not answer in time.")
        case httpcore2.ConnectError():
            error = _connect_error(fault, host, proxied)
        case httpcore2.ProxyError():
            error = UpstreamUnavailable(f"The proxy would not connect to {host}.", hint=_PROXY)
        case httpcore2.LocalProtocolError() | httpcore2.UnsupportedProtocol():
            error = Internal(f"The request to {host} could not be built.")
        case httpcore2.ProtocolError() if not str(fault).startswith(_CUT_SHORT):
            error = UpstreamInvalid(f"{host} does not speak HTTP.")
        case _:
            error = UpstreamUnavailable(f"{host} closed the connection before its answer was complete.")
    return error


def _connect_error(fault: Exception, host: str, proxied: bool) -> DockerHubError:
    causes = tuple(_causes(fault))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return TlsFailed(
            f"The TLS certificate of {host} is not trusted.",
            hint="If its certificate authority is private, the operator must configure its CA file.",
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return TlsFailed(f"{host} does not speak TLS on this port.", hint="Check the port, and that it serves https.")
    if proxied:
        return UpstreamUnavailable(f"The proxy cannot be connected to, asked for {host}.", hint=_PROXY)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return UpstreamUnavailable(f"{host} refused the connection.")
    return UpstreamUnavailable(f"No connection to {host} could be made.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that led to it; the pool raises ``from None``, which leaves only the context."""
    yield error
    earlier = error.__cause__ or error.__context__
    if earlier is not None:
        yield from _causes(earlier)
