"""Names, addresses, TLS and proxies: where connections really go."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from mcp_dockerhub.errors import PolicyDenied, UpstreamUnavailable
from mcp_dockerhub.transport.client import Credential, Upstream
from mcp_dockerhub.transport.faults import NameUnknown
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams import faults
from tests.upstreams.chain import FakeTime, Observed
from tests.upstreams.faults import FaultServer, answer

pytestmark = pytest.mark.anyio

NAMES = ("registry.example", "cdn.example", "auth.example")
REGISTRY = Upstream("registry.example", "https://registry.example", "registry")


class Names:
    """A resolver with several answers per name, one per look-up; the last one stays."""

    def __init__(self, **answers: Iterable[tuple[str, ...]]) -> None:
        self.answers = {f"{name}.example": list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        left = self.answers.get(host)
        if left is None:
            raise NameUnknown(f"The host name {host} does not exist.")
        return left.pop(0) if len(left) > 1 else left[0]


class Network(httpcore2.AsyncNetworkBackend):
    """Every address leads to the same loopback server; those in ``dead`` refuse."""

    def __init__(self, server: FaultServer, dead: Iterable[str] = ()) -> None:
        self._server = server
        self._real = httpcore2.AnyIOBackend()
        self._dead = set(dead)
        self.dialled: list[tuple[str, int]] = []

    async def connect_tcp(self, host: str, port: int, *more: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        self.dialled.append((host, port))
        if host in self._dead:
            raise httpcore2.ConnectError("refused")
        return await self._real.connect_tcp("127.0.0.1", self._server.port, **options)


@asynccontextmanager
async def world(
    folder: Path, names: Names, behaviour: faults.Behaviour, *, dead: Iterable[str] = (), **options: Any
) -> AsyncIterator[tuple[HttpStack, Network, FaultServer]]:
    """One TLS server behind all names; its certificate names them all."""
    context, trusted = faults.self_signed(folder, *NAMES)
    served: list[str | None] = []
    context.sni_callback = lambda connection, name, _: served.append(name)
    async with FaultServer(behaviour, context) as server:
        network = Network(server, dead)
        clock = FakeTime().clock
        stack = HttpStack(StackOptions(ca_file=trusted, **options), clock=clock, resolver=names, dialer=network)
        server.served_names = served
        try:
            yield stack, network, server
        finally:
            await stack.aclose()


async def test_a_public_address_is_dialled_and_tls_and_host_header_keep_the_name(tmp_path: Path) -> None:
    names = Names(registry=[("93.184.215.14", "2606:2800:21f::1")])
    async with world(tmp_path, names, answer(200, b"ok")) as (stack, network, server):
        assert (await stack.request(REGISTRY, "GET", "/v2/")).body == b"ok"
        assert network.dialled == [("93.184.215.14", 443)]
        assert server.seen[0].headers["host"] == "registry.example"
        assert server.served_names == ["registry.example"]


async def test_a_dead_address_is_followed_by_the_next_checked_one(tmp_path: Path) -> None:
    names = Names(registry=[("93.184.215.14", "93.184.215.15")])
    async with world(tmp_path, names, answer(200), dead=["93.184.215.14"]) as (stack, network, _):
        await stack.request(REGISTRY, "GET", "/v2/")
        assert network.dialled == [("93.184.215.14", 443), ("93.184.215.15", 443)]


@pytest.mark.parametrize(
    "addresses",
    [
        ("93.184.215.14", "10.0.0.1"),
        ("127.0.0.1",),
        ("::ffff:169.254.169.254",),
        ("64:ff9b::a00:1", "93.184.215.14"),
        ("100.64.0.1",),
    ],
)
async def test_one_address_that_is_not_public_refuses_the_name_without_a_connection(
    addresses: tuple[str, ...], tmp_path: Path
) -> None:
    async with world(tmp_path, Names(registry=[addresses]), answer(200)) as (stack, network, server):
        with pytest.raises(PolicyDenied, match=r"registry\.example resolves to an address that is not public"):
            await stack.request(REGISTRY, "GET", "/v2/")
        assert network.dialled == []
        assert server.seen == []


async def test_a_name_that_changes_between_look_ups_is_held_to_what_was_checked(tmp_path: Path) -> None:
    names = Names(registry=[("93.184.215.14",), ("127.0.0.1",)])
    once = [("Connection", "close")]
    async with world(tmp_path, names, answer(200, b"", once)) as (stack, network, server):
        await stack.request(REGISTRY, "GET", "/v2/")
        assert names.asked == ["registry.example"]
        with pytest.raises(PolicyDenied):
            await stack.request(REGISTRY, "GET", "/v2/")
        assert network.dialled == [("93.184.215.14", 443)]
        assert len(server.seen) == 1


@pytest.mark.parametrize(("private", "what"), [("cdn", "redirect"), ("auth", "realm")])
async def test_redirect_targets_and_realms_that_resolve_to_private_addresses_are_refused(
    private: str, what: str, tmp_path: Path
) -> None:
    names = Names(registry=[("93.184.215.14",)], **{private: [("10.0.0.9",)]})
    bad = {
        "redirect": faults.redirect("https://cdn.example/blob"),
        "realm": answer(401, b"", [("WWW-Authenticate", 'Bearer realm="https://auth.example/token"')]),
    }
    upstream = Upstream("registry.example", "https://registry.example", "registry", scheme="registry")
    async with world(tmp_path, names, bad[what]) as (stack, _, server):
        with pytest.raises(PolicyDenied, match=rf"{private}\.example"):
            await stack.request(upstream, "GET", "/v2/")
        assert len(server.seen) == 1


async def test_an_unknown_name_is_unavailable_and_not_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path, Names(), answer(200)) as (stack, network, _):
        with pytest.raises(UpstreamUnavailable, match=r"registry\.example does not exist"):
            await stack.request(REGISTRY, "GET", "/v2/")
        assert network.dialled == []


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "not PEM"])
async def test_certificates_that_cannot_be_read_are_an_error_for_the_operator(
    tmp_path: Path, content: str | None
) -> None:
    trusted = tmp_path / "ca.pem"
    if content:
        trusted.write_text(content)
    stack = HttpStack(StackOptions(ca_file=trusted), clock=FakeTime().clock)
    with pytest.raises(UpstreamUnavailable, match="certificates to trust cannot be read") as failed:
        await stack.request(REGISTRY, "GET", "/v2/")
    assert "SSL_CERT_FILE" in failed.value.hint
    await stack.aclose()


async def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    other = Upstream("r", "https://other.example", "registry")
    async with world(tmp_path, Names(other=[("93.184.215.14",)]), answer(200)) as (stack, _, server):
        with pytest.raises(UpstreamUnavailable, match=r"certificate of other\.example"):
            await stack.request(other, "GET", "/v2/")
        assert server.seen == []


async def test_a_configured_origin_may_be_private_and_only_that_very_origin(tmp_path: Path) -> None:
    names = Names(registry=[("10.0.0.1",)])
    options = {"configured_origins": frozenset({"https://registry.example"})}
    async with world(tmp_path, names, answer(200), **options) as (stack, network, _):
        await stack.request(REGISTRY, "GET", "/v2/")
        assert network.dialled == [("10.0.0.1", 443)]
        with pytest.raises(PolicyDenied):
            await stack.request(Upstream("r", "https://registry.example:8443", "registry"), "GET", "/v2/")
        with pytest.raises(PolicyDenied):
            await stack.request(Upstream("r", "http://registry.example:443", "registry"), "GET", "/v2/")
        assert len(network.dialled) == 1


class ConnectProxy:
    """An HTTP proxy that leads every CONNECT to one port; ``asked`` are the request heads."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.asked: list[str] = []
        self.refuse = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self.refuse:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        sink.close()


@asynccontextmanager
async def proxied(folder: Path, **options: Any) -> AsyncIterator[tuple[HttpStack, ConnectProxy, FaultServer]]:
    context, trusted = faults.self_signed(folder, *NAMES)
    async with FaultServer(answer(200, b"ok"), context) as server:
        proxy = ConnectProxy(server.port)
        async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listener:
            address = f"http://bob:hidden@127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            chosen = StackOptions(ca_file=trusted, proxy=address, **options)
            stack = HttpStack(chosen, clock=FakeTime().clock, observer=Observed())
            try:
                yield stack, proxy, server
            finally:
                await stack.aclose()


class TestProxy:
    async def test_the_proxy_resolves_the_name_and_gets_its_own_credentials_only(self, tmp_path: Path) -> None:
        async with proxied(tmp_path) as (stack, proxy, server):
            ready = Credential("r", "", "registry-token", "bearer")
            upstream = Upstream("r", "https://registry.example", "registry", ready, "registry")
            assert (await stack.request(upstream, "GET", "/v2/")).body == b"ok"
            (head,) = proxy.asked
            assert head.startswith("CONNECT registry.example:443 ")
            assert base64.b64encode(b"bob:hidden").decode() in head
            assert "registry-token" not in head
            assert "proxy-authorization" not in server.seen[0].headers

    @pytest.mark.parametrize(
        "url", ["http://registry.example", "https://10.0.0.1", "https://2130706433", "https://metadata.google.internal"]
    )
    async def test_scheme_literal_addresses_and_local_names_are_still_refused(self, url: str, tmp_path: Path) -> None:
        async with proxied(tmp_path) as (stack, proxy, _):
            with pytest.raises(PolicyDenied):
                await stack.request(Upstream("r", url, "registry"), "GET", "/v2/")
            assert proxy.asked == []

    async def test_a_plain_configured_origin_is_asked_directly(self, tmp_path: Path) -> None:
        async with (
            FaultServer(answer(200, b"plain")) as plain,
            proxied(tmp_path, configured_origins=frozenset({plain.origin})) as (stack, proxy, _),
        ):
            assert (await stack.request(Upstream("r", plain.origin, "registry"), "GET", "/")).body == b"plain"
            assert proxy.asked == []

    async def test_a_host_that_no_proxy_names_is_asked_directly(self, tmp_path: Path) -> None:
        context, trusted = faults.self_signed(tmp_path, "localhost")
        async with FaultServer(answer(200, b"direct"), context) as server:
            origin = f"https://localhost:{server.port}"
            options = StackOptions(
                ca_file=trusted,
                proxy=f"http://127.0.0.1:{faults.unused_port()}",
                no_proxy=("localhost",),
                configured_origins=frozenset({origin}),
            )
            stack = HttpStack(options, clock=FakeTime().clock)
            assert (await stack.request(Upstream("r", origin, "registry"), "GET", "/")).body == b"direct"
            await stack.aclose()

    async def test_a_proxy_that_refuses_is_named_as_the_cause(self, tmp_path: Path) -> None:
        async with proxied(tmp_path) as (stack, proxy, _):
            proxy.refuse = True
            with pytest.raises(UpstreamUnavailable, match=r"proxy would not connect to registry\.example") as failed:
                await stack.request(REGISTRY, "GET", "/v2/")
            assert "hidden" not in failed.value.message + failed.value.hint

    async def test_a_proxy_that_is_not_there_is_named_as_the_cause(self) -> None:
        stack = HttpStack(StackOptions(proxy=f"bob:hidden@127.0.0.1:{faults.unused_port()}"), clock=FakeTime().clock)
        with pytest.raises(UpstreamUnavailable, match=r"proxy cannot be connected to, asked for registry\.example"):
            await stack.request(REGISTRY, "GET", "/v2/")
        await stack.aclose()

    @pytest.mark.parametrize("proxy", ["socks5://bob:hidden@127.0.0.1:1", "http://bob:hidden@proxy:port", "http://"])
    async def test_what_is_no_proxy_is_an_error_for_the_operator(self, proxy: str) -> None:
        stack = HttpStack(StackOptions(proxy=proxy), clock=FakeTime().clock)
        with pytest.raises(UpstreamUnavailable, match="not the URL of an http or https proxy") as failed:
            await stack.request(REGISTRY, "GET", "/v2/")
        assert "HTTPS_PROXY" in failed.value.hint
        assert "hidden" not in failed.value.message + failed.value.hint
        await stack.aclose()

    def test_its_password_does_not_show(self) -> None:
        assert "hidden" not in repr(StackOptions(proxy="http://bob:hidden@127.0.0.1"))
