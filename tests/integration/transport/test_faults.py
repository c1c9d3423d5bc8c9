"""The whole stack against a host that does everything wrong, on loopback sockets."""

import asyncio
import gzip
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    PolicyDenied,
    QuotaExhausted,
    RateLimited,
    TooLarge,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.client import Credential, Upstream
from mcp_dockerhub.transport.clock import Clock
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams import faults
from tests.upstreams.chain import FakeTime, Observed
from tests.upstreams.faults import Behaviour, FaultServer, answer

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
ALICE = Credential("r:alice", "alice", "s3cret", "basic")


def impatient() -> Clock:
    """Waits take no time, and neither does anything else."""
    return replace(FakeTime().clock, wall=time.time)


def upstream(server: FaultServer, **changes: Any) -> Upstream:
    return replace(Upstream("faulty.example", server.origin, "registry"), **changes)


@asynccontextmanager
async def serving(
    behaviour: Behaviour, *, observed: Observed | None = None, clock: Clock | None = None, **options: Any
) -> AsyncIterator[tuple[HttpStack, FaultServer]]:
    """A stack that trusts the server's origin; waits between attempts take no time."""
    async with FaultServer(behaviour) as server:
        chosen = replace(StackOptions(configured_origins=frozenset({server.origin})), **options)
        stack = HttpStack(chosen, observer=observed or Observed(), clock=clock or impatient())
        try:
            yield stack, server
        finally:
            await stack.aclose()


async def fail(behaviour: Behaviour, within: float = 3.0, **options: Any) -> tuple[DockerHubError, FaultServer]:
    started = time.monotonic()
    async with serving(behaviour, **options) as (stack, server):
        with pytest.raises(DockerHubError) as failed:
            await stack.request(upstream(server), "GET", "/v2/x", limit=MIB)
    assert time.monotonic() - started < within
    assert len(failed.value.message) < 300
    return failed.value, server


@pytest.mark.parametrize(
    ("behaviour", "attempts"),
    [
        (faults.reset, 4),
        (faults.hang_up, 4),
        (faults.cut_short, 4),
        (faults.cut_chunk, 4),
        (answer(500), 4),
        (answer(503, b"x" * 100_000), 4),
    ],
)
async def test_a_host_that_fails_is_unavailable_after_some_attempts(behaviour: Behaviour, attempts: int) -> None:
    error, server = await fail(behaviour)
    assert type(error) is UpstreamUnavailable
    assert f"127.0.0.1:{server.port}" in error.message
    assert len(server.seen) == attempts


@pytest.mark.parametrize("behaviour", [faults.garbage, faults.cut_gzip, faults.endless_headers])
async def test_a_host_that_talks_nonsense_is_invalid_at_once(behaviour: Behaviour) -> None:
    error, server = await fail(behaviour)
    assert type(error) is UpstreamInvalid
    assert f"127.0.0.1:{server.port}" in error.message
    assert len(server.seen) == 1


@pytest.mark.parametrize("behaviour", [faults.endless, faults.gzip_bomb(64), answer(200, b"x" * (MIB + 1))])
async def test_a_body_beyond_the_limit_is_too_large(behaviour: Behaviour) -> None:
    error, server = await fail(behaviour)
    assert type(error) is TooLarge
    assert len(server.seen) == 1


@pytest.mark.parametrize("behaviour", [faults.hang, faults.dribble(0.02)])
@pytest.mark.parametrize("limits", [{"request_timeout": 0.2}, {"call_timeout": 0.2}])
async def test_a_host_that_hangs_or_dribbles_times_out(behaviour: Behaviour, limits: dict[str, float]) -> None:
    error, server = await fail(behaviour, **limits)
    assert type(error) is UpstreamTimeout
    assert f"127.0.0.1:{server.port}" in error.message
    assert len(server.seen) == 1


async def test_nobody_listening_is_a_refused_connection() -> None:
    port = faults.unused_port()
    origin = f"http://127.0.0.1:{port}"
    stack = HttpStack(StackOptions(configured_origins=frozenset({origin})), clock=impatient())
    with pytest.raises(UpstreamUnavailable, match=rf"127\.0\.0\.1:{port} refused"):
        await stack.request(Upstream("r", origin, "registry"), "GET", "/v2/")
    await stack.aclose()


async def test_a_backlog_that_never_answers_is_a_connection_that_took_too_long() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        options = StackOptions(configured_origins=frozenset({origin}), connect_timeout=0.05)
        stack = HttpStack(options, clock=impatient())
        with anyio.fail_after(5), pytest.raises(UpstreamTimeout, match="did not accept a connection"):
            await stack.request(Upstream("r", origin, "registry"), "GET", "/v2/")
        await stack.aclose()
        for filler in fillers:
            filler.close()


async def test_html_with_status_200_is_passed_on_for_the_client_to_judge() -> None:
    async with serving(faults.html()) as (stack, server):
        response = await stack.request(upstream(server), "GET", "/v2/")
        assert response.status == 200
        assert response.header("Content-Type") == "text/html"


async def test_a_passing_failure_is_not_noticed() -> None:
    behaviour = faults.in_turn(faults.reset, answer(503), faults.cut_short, answer(200, b"ok"))
    observed = Observed()
    async with serving(behaviour, observed=observed) as (stack, server):
        response = await stack.request(upstream(server), "GET", "/v2/x?y=1", params={"n": 5})
        assert response.body == b"ok"
        assert response.url == f"{server.origin}/v2/x"
        assert server.seen[-1].target == "/v2/x?y=1&n=5"
    assert [outcome for _, _, outcome in observed.requests] == ["unavailable", "5xx", "unavailable", "2xx"]
    assert [reason for _, reason in observed.retries] == ["connection", "5xx", "connection"]


async def test_after_five_failures_the_host_is_left_alone() -> None:
    observed = Observed()
    async with serving(faults.reset, observed=observed) as (stack, server):
        for _ in range(4):
            with pytest.raises(UpstreamUnavailable):
                await stack.request(upstream(server), "GET", "/")
        assert len(server.seen) == 5
        assert stack.circuits() == {f"127.0.0.1:{server.port}": "open"}
    assert observed.circuits == [("registry", "open", f"127.0.0.1:{server.port}")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Retry-After", lambda _: "3600"),
        ("X-Retry-After", lambda now: str(now + 3600)),
        ("Retry-After", lambda now: str(now + 3600)),
        ("Retry-After", lambda now: str((now + 3600) * 1000)),
        ("Retry-After", lambda now: time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now + 3600))),
    ],
)
async def test_a_429_says_how_long_to_wait_in_whatever_form(name: str, value: Callable[[int], str]) -> None:
    error, server = await fail(answer(429, b"slow down", [(name, value(int(time.time())))]))
    assert type(error) is RateLimited
    assert error.retry_after_s == pytest.approx(3600, abs=300)
    assert len(server.seen) == 1
    assert "slow down" not in error.message


async def test_a_plain_429_is_tried_again_and_then_told() -> None:
    error, server = await fail(answer(429))
    assert type(error) is RateLimited
    assert error.retry_after_s is None
    assert len(server.seen) == 4


async def test_a_spent_pull_quota_is_told_apart() -> None:
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'
    observed = Observed()
    headers = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")]
    error, server = await fail(answer(429, body, headers), observed=observed)
    assert type(error) is QuotaExhausted
    assert len(server.seen) == 1
    assert observed.quotas == [(100, 0, 21600)]


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://2852039166/",
        "https://localhost/",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_to_a_private_place_is_denied(target: str) -> None:
    error, server = await fail(faults.redirect(target))
    assert type(error) is PolicyDenied
    assert len(server.seen) == 1


@pytest.mark.parametrize(("target", "requests"), [("/v2/x", 6), ("https://0251.0376.0251.0376/", 1)])
async def test_a_redirect_in_circles_or_to_no_url_is_invalid(target: str, requests: int) -> None:
    error, server = await fail(faults.redirect(target))
    assert type(error) is UpstreamInvalid
    assert len(server.seen) == requests


@pytest.mark.parametrize(
    "realm",
    ["https://10.0.0.1/token", "http://169.254.169.254/token", "https://127.1/token", "https://[::1]/t", "token"],
)
async def test_a_token_realm_on_a_private_address_is_denied_before_anything_is_sent(realm: str) -> None:
    challenge = [("WWW-Authenticate", f'Bearer realm="{realm}",service="s"')]
    async with serving(answer(401, b"", challenge)) as (stack, server):
        with pytest.raises(PolicyDenied, match="token service"):
            await stack.request(upstream(server, scheme="registry", credential=ALICE), "GET", "/v2/")
        assert len(server.seen) == 1


async def test_credentials_follow_no_redirect_to_another_port() -> None:
    async with FaultServer(answer(200, b"blob")) as cdn:
        routes = {
            "/v2/x/blobs/1": faults.redirect(f"{cdn.origin}/signed?sig=1"),
            "/token": answer(200, b'{"token": "t1"}'),
        }

        async def behave(exchange: faults.Exchange) -> None:
            if exchange.seen.path != "/token" and exchange.seen.headers.get("authorization") != "Bearer t1":
                realm = f'Bearer realm="http://{exchange.seen.headers["host"]}/token",service="s"'
                await answer(401, b"", [("WWW-Authenticate", realm)])(exchange)
            else:
                await faults.routed(routes)(exchange)

        async with FaultServer(behave) as server:
            stack = HttpStack(StackOptions(configured_origins=frozenset({server.origin, cdn.origin})))
            registry = upstream(server, scheme="registry", credential=ALICE)
            async with stack.stream(registry, "/v2/x/blobs/1", scope="repository:x:pull") as response:
                assert b"".join([chunk async for chunk in response.chunks]) == b"blob"
                assert response.url == f"{cdn.origin}/signed"
            await stack.aclose()
            assert [seen.path for seen in server.seen] == ["/v2/x/blobs/1", "/token", "/v2/x/blobs/1"]
            assert server.seen[1].headers["authorization"].startswith("Basic ")
        assert [(seen.target, seen.headers.get("authorization")) for seen in cdn.seen] == [("/signed?sig=1", None)]
        assert cdn.seen[0].headers["host"] == cdn.origin.removeprefix("http://")


async def test_registry_documents_are_asked_for_uncoded_and_others_compressed() -> None:
    async with serving(faults.gzipped(b"x" * 5000)) as (stack, server):
        assert (await stack.request(upstream(server), "GET", "/")).body == b"x" * 5000
        assert (await stack.request(upstream(server, host_class="hub"), "GET", "/")).body == b"x" * 5000
        async with stack.stream(upstream(server), "/") as response:
            assert gzip.decompress(b"".join([chunk async for chunk in response.chunks])) == b"x" * 5000
        codings = [seen.headers["accept-encoding"] for seen in server.seen]
        assert codings == ["identity", "gzip", "identity"]
        assert {seen.headers["user-agent"] for seen in server.seen} == {"mcp-dockerhub"}


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (faults.endless, TooLarge),
        (faults.cut_short, UpstreamUnavailable),
        (faults.dribble(0.02), UpstreamTimeout),
    ],
)
async def test_a_streamed_body_that_goes_wrong_fails_while_it_is_read(
    behaviour: Behaviour, kind: type[DockerHubError]
) -> None:
    observed = Observed()
    async with (
        serving(behaviour, call_timeout=0.3, observed=observed, clock=Clock()) as (stack, server),
        stack.stream(upstream(server), "/", limit=MIB) as response,
    ):
        assert response.status == 200
        with pytest.raises(kind):
            [chunk async for chunk in response.chunks]
    assert len(observed.requests) == 1
    assert observed.requests[0][2] in ("too_large", "unavailable", "timeout")


async def test_a_stream_that_is_left_early_gives_everything_back() -> None:
    async with serving(faults.endless, connections_per_host=1) as (stack, server):
        for _ in range(3):
            async with stack.stream(upstream(server), "/") as response:
                assert await anext(response.chunks)
        assert len(server.seen) == 3


@pytest.mark.parametrize("patience", [{"request_timeout": 0.3}, {"call_timeout": 0.3}])
async def test_a_request_that_takes_too_long_closes_its_connections(patience: dict[str, Any]) -> None:
    async with serving(faults.dribble(0.01), **patience) as (stack, server):
        with anyio.fail_after(20):
            with pytest.raises(UpstreamTimeout):
                await stack.request(upstream(server), "GET", "/")
            assert server.connections
            await server.quiet.wait()


async def test_a_request_that_is_given_up_closes_its_connection() -> None:
    async with serving(faults.dribble(0.01)) as (stack, server):
        request = asyncio.create_task(stack.request(upstream(server), "GET", "/"))
        with anyio.fail_after(20):
            while not server.seen:
                await asyncio.sleep(0.001)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            await server.quiet.wait()
        assert server.connections == 1


async def test_a_refused_stream_gives_its_place_back() -> None:
    behaviour = answer(401, b"", [("WWW-Authenticate", 'Basic realm="r"')])
    async with serving(behaviour, connections_per_host=1) as (stack, server):
        registry = upstream(server, scheme="registry", credential=ALICE)
        for _ in range(2):
            with pytest.raises(AuthenticationFailed):
                async with stack.stream(registry, "/"):
                    raise AssertionError
        with anyio.fail_after(5):
            assert (await stack.request(upstream(server), "GET", "/")).status == 401


async def test_an_error_on_a_stream_has_its_body_read_already() -> None:
    async with (
        serving(answer(404, b'{"errors":[]}')) as (stack, server),
        stack.stream(upstream(server), "/") as response,
    ):
        assert response.status == 404
        assert b"".join([chunk async for chunk in response.chunks]) == b'{"errors":[]}'


async def test_json_is_sent_as_such_and_repeated_headers_are_all_kept() -> None:
    headers = [("Warning", '299 - "a"'), ("Warning", '299 - "b"')]
    async with serving(answer(201, b"{}", headers)) as (stack, server):
        response = await stack.request(upstream(server), "POST", "/x", json={"a": 1}, headers={"Accept": "a/b"})
        assert response.headers["warning"] == ('299 - "a"', '299 - "b"')
        assert response.header("WARNING") == '299 - "a"'
        assert response.header("absent") is None
        (seen,) = server.seen
        assert (seen.method, seen.body) == ("POST", b'{"a": 1}')
        assert (seen.headers["content-type"], seen.headers["accept"]) == ("application/json", "a/b")


async def test_connections_are_kept_and_used_again() -> None:
    async with serving(answer(200, b"ok")) as (stack, server):
        for _ in range(3):
            await stack.request(upstream(server), "GET", "/")
        connections = server.connections
    assert connections == 1


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    location = [("Location", "/next?X-Signature=hidden")]
    async with serving(faults.in_turn(answer(307, b"", location), answer(200))) as (stack, server):
        bearer = Credential("r", "", "hidden", "bearer")
        await stack.request(upstream(server, scheme="registry", credential=bearer), "GET", "/v2/?q=hidden")
    assert "hidden" not in caplog.text
    assert "/next -> 200" in caplog.text


class TestTls:
    @pytest.fixture
    async def server(self, tmp_path: Path) -> AsyncIterator[FaultServer]:
        context, self.trusted = faults.self_signed(tmp_path, "127.0.0.1", "registry.example")
        async with FaultServer(answer(200, b"ok"), context) as server:
            yield server

    async def test_a_certificate_that_nobody_signed_is_not_trusted_and_not_retried(self, server: FaultServer) -> None:
        observed = Observed()
        stack = HttpStack(StackOptions(configured_origins=frozenset({server.origin})), observer=observed)
        with pytest.raises(UpstreamUnavailable, match="certificate of 127") as failed:
            await stack.request(upstream(server), "GET", "/")
        assert "CA file" in failed.value.hint
        assert observed.retries == []
        await stack.aclose()

    async def test_the_operators_ca_file_makes_it_trusted(self, server: FaultServer) -> None:
        options = StackOptions(configured_origins=frozenset({server.origin}), ca_file=self.trusted)
        stack = HttpStack(options)
        assert (await stack.request(upstream(server), "GET", "/")).body == b"ok"
        await stack.aclose()

    async def test_a_plain_port_asked_for_tls_is_told_so(self) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            stack = HttpStack(StackOptions(configured_origins=frozenset({origin})))
            with pytest.raises(UpstreamUnavailable, match="does not speak TLS"):
                await stack.request(Upstream("r", origin, "registry"), "GET", "/")
            await stack.aclose()
