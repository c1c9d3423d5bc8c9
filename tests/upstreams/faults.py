"""A raw socket server that misbehaves on request: everything a host can do wrong below and within HTTP."""

import asyncio
import datetime
import gzip
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass
class Exchange:
    """One request and the connection to misbehave on; ``closing`` is set when the server stops."""

    seen: Seen
    writer: asyncio.StreamWriter
    closing: asyncio.Event

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Behaviour = Callable[[Exchange], Awaitable[None]]


def head(status: int, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(status: int = 200, body: bytes = b"", headers: Headers | None = None) -> Behaviour:
    """A complete, correct answer."""

    async def behave(exchange: Exchange) -> None:
        lines = [("Content-Length", str(len(body))), *(headers or [])]
        await exchange.send(head(status, lines) + (b"" if exchange.seen.method == "HEAD" else body))

    return behave


def html() -> Behaviour:
    return answer(200, b"<html>Log in to the hotel</html>", [("Content-Type", "text/html")])


def redirect(location: str, status: int = 307) -> Behaviour:
    return answer(status, b"moved", [("Location", location)])


def gzipped(body: bytes) -> Behaviour:
    return answer(200, gzip.compress(body), [("Content-Encoding", "gzip")])


def gzip_bomb(megabytes: int) -> Behaviour:
    return gzipped(bytes(megabytes * 1024 * 1024))


async def hang(exchange: Exchange) -> None:
    """Say nothing until the server stops."""
    await exchange.closing.wait()


async def hang_up(exchange: Exchange) -> None:
    """Close without an answer."""
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    """Answer with a TCP reset."""
    raw = exchange.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()


async def garbage(exchange: Exchange) -> None:
    """Something that is not HTTP."""
    await exchange.send(b"220 mail.example.com ESMTP ready\r\n\r\n")
    exchange.writer.close()


async def cut_short(exchange: Exchange) -> None:
    """Promise 100 bytes, send 10, hang up."""
    await exchange.send(head(200, [("Content-Length", "100")]) + b"0123456789")
    exchange.writer.close()


async def cut_chunk(exchange: Exchange) -> None:
    """Hang up in the middle of a chunked body."""
    await exchange.send(head(200, [("Transfer-Encoding", "chunked")]) + b"a\r\n01234")
    exchange.writer.close()


async def cut_gzip(exchange: Exchange) -> None:
    """A complete HTTP body that ends in the middle of its gzip stream."""
    coded = gzip.compress(b"0123456789" * 100)[:-12]
    await answer(200, coded, [("Content-Encoding", "gzip")])(exchange)


async def endless(exchange: Exchange) -> None:
    """A chunked body without end."""
    await exchange.send(head(200, [("Transfer-Encoding", "chunked")]))
    while not exchange.closing.is_set():
        await exchange.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")


async def endless_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n")
    while not exchange.closing.is_set():
        await exchange.send(b"X-More: " + b"x" * 4000 + b"\r\n")


def dribble(every: float) -> Behaviour:
    """A body that comes byte by byte and never ends."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(head(200, [("Content-Length", "1000000")]))
        while not exchange.closing.is_set():
            await exchange.send(b"x")
            try:
                await asyncio.wait_for(exchange.closing.wait(), every)
            except TimeoutError:
                continue

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other, request by request; the last one stays."""
    left = list(behaviours)

    async def behave(exchange: Exchange) -> None:
        current = left.pop(0) if len(left) > 1 else left[0]
        await current(exchange)

    return behave


def routed(routes: Mapping[str, Behaviour]) -> Behaviour:
    """By path, exactly; anything else is a 404."""

    async def behave(exchange: Exchange) -> None:
        await routes.get(exchange.seen.path, answer(404))(exchange)

    return behave


@dataclass
class FaultServer:
    """``async with FaultServer(behaviour) as server``: listens on a loopback port of its own.

    ``quiet`` is set while no connection is open that ever was.
    """

    behaviour: Behaviour
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    served_names: list[str | None] = field(default_factory=list)
    """Host names asked for by TLS, where the test records them."""

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._closing = asyncio.Event()
        self.quiet = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.quiet.clear()
        task.add_done_callback(self._tasks.discard)
        try:
            while not writer.is_closing() and (seen := await _read_request(reader)) is not None:
                self.seen.append(seen)
                await self.behaviour(Exchange(seen, writer, self._closing))
        except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            if self._tasks == {task}:
                self.quiet.set()


async def _read_request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


def unused_port() -> int:
    """A loopback port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def self_signed(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for ``names`` (host names or addresses), and the file to trust it with."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "faults")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = x509.SubjectAlternativeName([_alternative(each) for each in names])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted = folder / "faults.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = folder / "faults.key"
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted


def _alternative(name: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
