"""Each fault of the connection library, and the error it becomes."""

import ssl

import httpcore2
import pytest

from mcp_dockerhub.errors import DockerHubError, Internal, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.transport.faults import ConnectTimedOut, TlsFailed
from mcp_dockerhub.transport.translate import translated


def caused(fault: Exception, cause: BaseException) -> Exception:
    """As the pool raises it: ``from None``, the cause only in the context of what it wrapped."""
    middle = OSError("All connection attempts failed")
    middle.__cause__ = cause
    fault.__context__ = middle
    return fault


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpcore2.ConnectTimeout(), ConnectTimedOut),
        (httpcore2.ReadTimeout(), UpstreamTimeout),
        (httpcore2.WriteTimeout(), UpstreamTimeout),
        (httpcore2.ReadError(), UpstreamUnavailable),
        (httpcore2.WriteError(), UpstreamUnavailable),
        (httpcore2.ConnectError("no route to host"), UpstreamUnavailable),
        (caused(httpcore2.ConnectError(), ConnectionRefusedError()), UpstreamUnavailable),
        (caused(httpcore2.ConnectError(), ssl.SSLCertVerificationError()), TlsFailed),
        (caused(httpcore2.ConnectError(), ssl.SSLError("wrong version number")), TlsFailed),
        (httpcore2.RemoteProtocolError("Server disconnected without sending a response."), UpstreamUnavailable),
        (httpcore2.RemoteProtocolError("peer closed connection without sending body"), UpstreamUnavailable),
        (httpcore2.RemoteProtocolError("illegal status line"), UpstreamInvalid),
        (httpcore2.LocalProtocolError("Illegal header value"), Internal),
        (httpcore2.UnsupportedProtocol("ftp"), Internal),
        (httpcore2.ProxyError("407"), UpstreamUnavailable),
    ],
)
def test_each_fault_has_its_error_naming_the_host(fault: Exception, kind: type[DockerHubError]) -> None:
    with pytest.raises(DockerHubError, match=r"h\.example") as failed, translated("h.example"):
        raise fault
    assert type(failed.value) is kind
    assert failed.value.__cause__ is fault
    assert str(fault) == "" or str(fault) not in failed.value.message


@pytest.mark.parametrize(
    ("fault", "kind", "named"),
    [
        (httpcore2.ConnectTimeout(), ConnectTimedOut, "The proxy did not accept"),
        (caused(httpcore2.ConnectError(), ConnectionRefusedError()), UpstreamUnavailable, "The proxy cannot be"),
        (caused(httpcore2.ConnectError(), ssl.SSLCertVerificationError()), TlsFailed, "The TLS certificate of h"),
        (httpcore2.ReadTimeout(), UpstreamTimeout, "h.example did not answer"),
    ],
)
def test_through_a_proxy_it_is_the_proxy_that_is_not_reached(
    fault: Exception, kind: type[DockerHubError], named: str
) -> None:
    with pytest.raises(DockerHubError) as failed, translated("h.example", proxied=True):
        raise fault
    assert type(failed.value) is kind
    assert failed.value.message.startswith(named)
    assert "h.example" in failed.value.message


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated("h.example"):
        raise ZeroDivisionError
