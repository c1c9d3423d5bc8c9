"""Whatever chain of redirects a registry sends us through, no credential reaches another origin."""

import contextlib

import anyio
import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_dockerhub.errors import DockerHubError, PolicyDenied, UpstreamInvalid
from mcp_dockerhub.transport.client import Credential, Upstream
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.redirects import MAX_HOPS
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams.chain import ALICE, Answer, FakeTime, Inner, status

HOME = "https://registry.example"
ORIGINS = st.sampled_from(
    [
        HOME,
        "https://REGISTRY.example:443",
        "https://registry.example:8443",
        "http://registry.example",
        "https://cdn.example",
        "https://registry.example.evil.example",
        "https://registry.example@evil.example",
        "//cdn.example",
        "",
    ]
)
HOPS = st.lists(st.tuples(ORIGINS, st.sampled_from([301, 302, 303, 307, 308])), max_size=7)
SECRETS = ("s3cret", "token-of-alice", "czNjcmV0", "YWxpY2U6czNjcmV0")


class World:
    """A registry that wants a token or a password, and redirects along ``hops`` once it has it."""

    def __init__(self, hops: list[tuple[str, int]], challenge: str) -> None:
        self.hops = [(f"{origin}/hop/{number}", code) for number, (origin, code) in enumerate(hops)]
        self.challenge = challenge
        self.inner = Inner(self.answer)
        self.stack = HttpStack(StackOptions(), clock=FakeTime().clock, pool=self.inner)

    def answer(self, request: httpx2.Request) -> Answer:
        if request.url.path == "/token":
            return status(200, b'{"token": "token-of-alice"}')
        hop = int(request.url.path.rpartition("/")[2]) + 1 if "/hop/" in request.url.path else 0
        if hop == 0 and "authorization" not in request.headers:
            return status(401, www_authenticate=self.challenge)
        if hop >= len(self.hops):
            return status(200, b"blob")
        location, code = self.hops[hop]
        return status(code, location=location)

    def fetch(self, credential: Credential) -> DockerHubError | None:
        upstream = Upstream("registry.example", HOME, "registry", credential, "registry")

        async def run() -> DockerHubError | None:
            try:
                response = await self.stack.request(upstream, "GET", "/v2/x/blobs/1", scope="repository:x:pull")
            except DockerHubError as error:
                return error
            assert response.body == b"blob"
            return None

        return anyio.run(run)


@settings(deadline=None, max_examples=60)
@given(
    HOPS,
    st.sampled_from(
        ['Basic realm="r"', f'Bearer realm="{HOME}/token"', 'Bearer realm="https://auth.evil.example/token"']
    ),
    st.sampled_from([ALICE, Credential("r:ready", "", "token-of-alice", "bearer")]),
)
def test_no_credential_ever_leaves_its_origin(
    hops: list[tuple[str, int]], challenge: str, credential: Credential
) -> None:
    world = World(hops, challenge)
    error = world.fetch(credential)
    for request in world.inner.requests:
        if (request.url.scheme, request.url.host, request.url.port) != ("https", "registry.example", None):
            sent = f"{request.url} {request.headers.raw!r}"
            assert "authorization" not in request.headers
            assert not any(secret in sent for secret in SECRETS)
        assert request.url.scheme == "https"
    assert error is None or isinstance(error, (PolicyDenied, UpstreamInvalid))
    if any(origin.startswith("http:") or "@" in origin for origin, _ in hops[:MAX_HOPS]):
        assert isinstance(error, PolicyDenied)
    elif len(hops) > MAX_HOPS:
        assert isinstance(error, UpstreamInvalid)
    else:
        assert error is None


LOCATION = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=60)


@settings(deadline=None)
@given(st.one_of(LOCATION, LOCATION.map(lambda text: f"https://{text}"), LOCATION.map(lambda text: f"//{text}")))
def test_any_location_at_all_is_followed_or_refused(location: str) -> None:
    inner = Inner(
        lambda request: (
            httpx2.Response(307, headers=[(b"location", location.encode("utf-8"))])
            if request.url.path == "/start"
            else status(200)
        )
    )
    stack = HttpStack(StackOptions(), clock=FakeTime().clock, pool=inner)

    async def run() -> None:
        with contextlib.suppress(PolicyDenied, UpstreamInvalid):
            await stack.request(Upstream("r", HOME, "registry"), "GET", "/start")

    anyio.run(run)
    assert all(request.url.scheme == "https" for request in inner.requests)
