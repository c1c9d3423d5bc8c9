"""How each kind of credential is presented, and to whom it is not."""

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest

from mcp_dockerhub.errors import AuthenticationFailed, DockerHubError, UpstreamInvalid, UpstreamUnavailable
from mcp_dockerhub.transport.auth import Auth
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential, Upstream
from mcp_dockerhub.transport.exchange import plan_of
from mcp_dockerhub.transport.realm_client import RealmClient
from mcp_dockerhub.transport.realms import KNOWN_REALMS
from mcp_dockerhub.transport.token_cache import REFUSED_SECONDS, TokenCache
from mcp_dockerhub_security.egress import EgressPolicy
from tests.upstreams.chain import ALICE, REGISTRY, Answer, FakeTime, Inner, get, status

pytestmark = pytest.mark.anyio

BASIC = "Basic " + base64.b64encode(b"alice:s3cret").decode()
GITLAB = Upstream("registry.gitlab.com", "https://registry.gitlab.com", "registry")
SCOPE = "repository:library/nginx:pull"
REALM = "https://registry.example/token"


def challenge(realm: str = REALM, scope: str = "repository:x:pull,push", more: str = "") -> str:
    return f'Bearer realm="{realm}",service="the service",scope="{scope}"{more}'


@dataclass
class Registry:
    """A registry with a token service; both answer through the same inner transport."""

    challenge: str = field(default_factory=challenge)
    accepts: set[str] = field(default_factory=lambda: {"Bearer token-1"})
    token_answer: Answer | None = None
    post_answer: Answer | None = None
    tokens_issued: int = 0
    expires_in: float | None = 300

    def __call__(self, request: httpx2.Request) -> Answer:
        if "token" in request.url.path:
            return self.token(request)
        if request.headers.get("authorization") in self.accepts:
            return status(200, b"ok")
        return status(401, b"{}", www_authenticate=self.challenge)

    def token(self, request: httpx2.Request) -> Answer:
        self.tokens_issued += 1
        prepared = self.post_answer if request.method == "POST" else self.token_answer
        if prepared is not None:
            return prepared
        answer = {"token": f"token-{self.tokens_issued}"}
        return status(200, json.dumps(answer | ({"expires_in": self.expires_in} if self.expires_in else {})).encode())


@dataclass
class Setup:
    registry: Registry = field(default_factory=Registry)
    configured: frozenset[str] = frozenset()
    known: Mapping[str, frozenset[str]] = field(default_factory=lambda: KNOWN_REALMS)

    def __post_init__(self) -> None:
        self.time = FakeTime()
        self.inner = Inner(self.registry)
        realms = RealmClient(self.inner, "agent/1")
        tokens = TokenCache(self.time.monotonic)
        policy = EgressPolicy(configured_origins=self.configured)
        self.auth = Auth(self.inner, realms, tokens, policy, self.known)

    async def send(
        self, credential: Credential = ANONYMOUS_CREDENTIAL, upstream: Upstream = REGISTRY, scope: str = SCOPE
    ) -> httpx2.Response:
        request = get(f"{upstream.base_url}/v2/x", upstream=replace(upstream, credential=credential), scope=scope)
        return await self.auth.handle_async_request(request)

    @property
    def token_requests(self) -> list[httpx2.Request]:
        return [request for request in self.inner.requests if "token" in request.url.path]


async def test_a_challenge_is_answered_with_a_token_for_the_scope_asked_for() -> None:
    setup = Setup()
    assert (await setup.send()).content == b"ok"
    (asked,) = setup.token_requests
    assert asked.url.params.multi_items() == [("service", "the service"), ("scope", SCOPE)]
    assert asked.headers["user-agent"] == "agent/1"
    assert (plan_of(asked).host_class, plan_of(asked).purpose) == ("realm", "realm")
    assert [authorization for _, _, authorization in setup.inner.sent] == [None, None, "Bearer token-1"]


async def test_without_a_scope_of_our_own_the_challenges_scopes_are_asked_for_one_by_one() -> None:
    setup = Setup(Registry(challenge(scope="repository:a:pull repository:b:pull,push")))
    await setup.send(scope="")
    assert setup.token_requests[0].url.params.get_list("scope") == ["repository:a:pull", "repository:b:pull,push"]


async def test_a_realm_keeps_its_own_query() -> None:
    setup = Setup(Registry(challenge("https://registry.example/token?tenant=a%26b")))
    await setup.send()
    assert setup.token_requests[0].url.params.multi_items()[0] == ("tenant", "a&b")


async def test_a_token_serves_later_requests_until_shortly_before_it_expires() -> None:
    setup = Setup()
    await setup.send()
    setup.time.advance(289)
    await setup.send()
    assert setup.registry.tokens_issued == 1
    assert len(setup.inner.requests) == 4
    setup.registry.accepts = {"Bearer token-2"}
    setup.time.advance(2)
    assert (await setup.send()).content == b"ok"
    assert setup.registry.tokens_issued == 2
    assert len(setup.inner.requests) == 6


@pytest.mark.parametrize(("expires_in", "good_for"), [(None, 50), (20, 15), (4, 3)])
async def test_lifetimes_are_sixty_seconds_unless_said_and_end_early(expires_in: float | None, good_for: int) -> None:
    setup = Setup(Registry(expires_in=expires_in, accepts={"Bearer token-1", "Bearer token-2"}))
    await setup.send()
    setup.time.advance(good_for - 0.5)
    await setup.send()
    assert setup.registry.tokens_issued == 1
    setup.time.advance(1)
    await setup.send()
    assert setup.registry.tokens_issued == 2


@pytest.mark.parametrize("other", ["scope", "credential", "secret"])
async def test_tokens_are_not_shared_between_scopes_and_credentials(other: str) -> None:
    setup = Setup(Registry(accepts={f"Bearer token-{n}" for n in range(9)}))
    await setup.send(ALICE)
    if other == "scope":
        await setup.send(ALICE, scope="repository:other:pull")
    else:
        await setup.send(replace(ALICE, secret="new") if other == "secret" else ANONYMOUS_CREDENTIAL)
    assert setup.registry.tokens_issued == 2


async def test_an_old_token_that_is_no_longer_accepted_is_replaced_once() -> None:
    setup = Setup()
    await setup.send()
    setup.registry.accepts = {"Bearer token-2"}
    assert (await setup.send()).content == b"ok"
    assert setup.registry.tokens_issued == 2


async def test_a_401_to_a_fresh_token_stops_and_is_the_answer() -> None:
    setup = Setup(Registry(accepts=set()))
    response = await setup.send()
    assert response.status_code == 401
    assert setup.registry.tokens_issued == 1
    assert len(setup.inner.requests) == 3


async def test_a_registry_that_changes_its_challenge_each_time_is_not_followed_for_long() -> None:
    setup = Setup()
    asked = iter(range(1000))

    def restless(request: httpx2.Request) -> Answer:
        if "token" in request.url.path:
            return status(200, b'{"token": "t"}')
        return status(401, www_authenticate=f'Bearer realm="{REALM}",service="s{next(asked)}"')

    setup.inner.handler = restless
    assert (await setup.send()).status_code == 401
    assert len(setup.inner.requests) <= 6


async def test_a_changed_challenge_is_learnt() -> None:
    setup = Setup()
    await setup.send()
    setup.registry.challenge = challenge("https://registry.example/v2/token")
    setup.registry.accepts = {"Bearer token-2"}
    assert (await setup.send()).content == b"ok"
    assert setup.token_requests[-1].url.path == "/v2/token"


@pytest.mark.parametrize("realm", ["https://gone.example/token", "https://[::1"])
async def test_a_token_service_that_fails_is_not_remembered(realm: str) -> None:
    """It may have moved meanwhile; only the registry can tell."""
    registry = Registry(challenge(realm), token_answer=UpstreamUnavailable("gone"))
    setup = Setup(registry)
    with pytest.raises(DockerHubError):
        await setup.send()
    registry.challenge, registry.token_answer = challenge(), None
    registry.accepts = {f"Bearer token-{registry.tokens_issued + 1}"}
    assert (await setup.send()).content == b"ok"
    assert setup.token_requests[-1].url.host == "registry.example"


async def test_concurrent_requests_share_one_token_request() -> None:
    setup = Setup()
    await setup.send()
    setup.time.advance(1000)
    setup.registry.accepts = {"Bearer token-2"}
    arrived, go = anyio.Event(), anyio.Event()

    async def slow(request: httpx2.Request) -> Answer:
        if "token" in request.url.path:
            arrived.set()
            await go.wait()
        return setup.registry(request)

    setup.inner.handler = slow
    bodies: list[bytes] = []

    async def ask() -> None:
        bodies.append((await setup.send()).content)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
            await arrived.wait()
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert bodies == [b"ok"] * 20
    assert setup.registry.tokens_issued == 2


@pytest.mark.parametrize(
    ("realm", "base", "configured"),
    [
        ("https://registry.example/token", REGISTRY, ()),
        ("https://registry.example:8443/token", REGISTRY, ()),
        ("https://auth.docker.io/token", Upstream("docker.io", "https://registry-1.docker.io", "registry"), ()),
        (
            "https://gitlab.com/jwt/token",
            Upstream("registry.gitlab.com", "https://registry.gitlab.com", "registry"),
            (),
        ),
        ("https://auth.example/token", REGISTRY, ("https://auth.example",)),
        (
            "http://10.0.0.1:5001/token",
            Upstream("r", "http://10.0.0.1:5000", "registry"),
            ("http://10.0.0.1:5001",),
        ),
    ],
)
async def test_known_own_and_configured_realms_get_the_credentials(
    realm: str, base: Upstream, configured: tuple[str, ...]
) -> None:
    setup = Setup(Registry(challenge(realm)), frozenset(configured))
    assert (await setup.send(ALICE, replace(base, scheme="registry"))).content == b"ok"
    assert setup.token_requests[0].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    "realm",
    [
        "https://auth.evil.example/token",
        "https://registry.example.evil.example/token",
        "https://evilregistry.example/token",
        "https://tokens.registry.example/token",
        "http://registry.example/token",
        "https://auth.docker.io/token",
        "ftp://registry.example/token",
    ],
)
@pytest.mark.parametrize("kind", ["basic", "identity_token"])
async def test_any_other_realm_is_asked_anonymously(realm: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    setup = Setup(Registry(challenge(realm)))
    credential = Credential("id", "alice", "s3cret", "basic" if kind == "basic" else "identity_token")
    with caplog.at_level(logging.WARNING):
        assert (await setup.send(credential)).content == b"ok"
    (asked,) = setup.token_requests
    assert asked.method == "GET"
    assert "authorization" not in asked.headers
    assert "s3cret" not in str(asked.url)
    assert "no credentials sent" in caplog.text


@pytest.mark.parametrize("answer", ['{"access_token": "token-1"}', '{"token": "token-1", "access_token": "other"}'])
async def test_either_name_of_the_token_is_read(answer: str) -> None:
    setup = Setup(Registry(token_answer=status(200, answer.encode())))
    assert (await setup.send()).content == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        status(200, b"<html>"),
        status(200, b"[]"),
        status(200, b"{}"),
        status(200, b'{"token": ""}'),
        status(200, b'{"token": 7}'),
        status(200, b'{"token": "a\\r\\nb"}'),
        status(200, b'{"token": "\\u00e9"}'),
        status(200, b"[" * 10_000),
        status(307, b"", location="https://evil.example"),
        status(404),
    ],
)
async def test_a_token_service_that_gives_no_usable_token_is_invalid(answer: httpx2.Response) -> None:
    with pytest.raises(UpstreamInvalid, match=r"token service registry\.example"):
        await Setup(Registry(token_answer=answer)).send()


@pytest.mark.parametrize("life", ['"soon"', "-1", "0", "true", "null", "1e400"])
async def test_a_senseless_lifetime_is_the_default_one(life: str) -> None:
    answer = f'{{"token": "token-1", "expires_in": {life}}}'
    setup = Setup(Registry(token_answer=status(200, answer.encode())))
    await setup.send()
    setup.time.advance(49)
    await setup.send()
    assert setup.registry.tokens_issued == 1


@pytest.mark.parametrize("code", [401, 403])
async def test_an_anonymous_denial_by_the_token_service_is_the_registrys_answer(code: int) -> None:
    denial = b'{"errors":[{"code":"DENIED"}]}'
    setup = Setup(Registry(token_answer=status(code, denial)))
    for _ in range(2):
        response = await setup.send()
        assert (response.status_code, response.content) == (code, denial)
        assert str(response.request.url) == "https://registry.example/v2/x"


async def test_a_credential_without_rights_on_the_scope_is_denied_but_not_refused() -> None:
    setup = Setup(Registry(token_answer=status(403, b"{}")))
    assert (await setup.send(ALICE)).status_code == 403
    assert (await setup.send(ALICE)).status_code == 403
    assert setup.registry.tokens_issued == 2


async def test_a_refused_credential_is_not_tried_again_for_ten_minutes() -> None:
    setup = Setup(Registry(token_answer=status(401)))
    for scope in (SCOPE, SCOPE, "repository:other:pull"):
        with pytest.raises(AuthenticationFailed, match=r"registry\.example refused the credentials"):
            await setup.send(ALICE, scope=scope)
    assert setup.registry.tokens_issued == 1
    setup.registry.token_answer = None
    setup.registry.accepts = {f"Bearer token-{n}" for n in range(9)}
    assert (await setup.send()).content == b"ok"
    assert (await setup.send(replace(ALICE, secret="changed"))).content == b"ok"
    setup.time.advance(REFUSED_SECONDS + 1)
    assert (await setup.send(ALICE)).content == b"ok"


async def test_a_401_from_where_the_token_service_redirects_to_is_no_refusal_of_credentials() -> None:
    setup = Setup()

    class Redirecting(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await setup.inner.handle_async_request(request)
            if "token" in request.url.path:
                response.request = httpx2.Request("GET", "https://elsewhere.example/")
            return response

    setup.registry.token_answer = status(401)
    setup.auth = Auth(
        Redirecting(), RealmClient(Redirecting(), "a"), TokenCache(setup.time.monotonic), EgressPolicy(), {}
    )
    assert (await setup.send(ALICE)).status_code == 401


async def test_a_failing_token_service_fails_all_who_wait_and_nobody_later() -> None:
    setup = Setup()
    go = anyio.Event()

    async def failing(request: httpx2.Request) -> Answer:
        if "token" in request.url.path:
            await go.wait()
            return UpstreamUnavailable("realm down")
        return setup.registry(request)

    setup.inner.handler = failing
    errors: list[DockerHubError] = []

    async def ask() -> None:
        with pytest.raises(UpstreamUnavailable) as failed:
            await setup.send()
        errors.append(failed.value)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert [error.message for error in errors] == ["realm down"] * 5
    assert len({id(error) for error in errors}) == 5
    assert len(setup.token_requests) == 1
    setup.inner.handler = setup.registry
    assert (await setup.send()).content == b"ok"


@pytest.mark.parametrize("realm", ["https://[::1", "", "token"])
async def test_a_realm_that_is_no_url_is_invalid_or_no_way_in(realm: str) -> None:
    setup = Setup(Registry(challenge(realm)))
    if realm == "":
        assert (await setup.send()).status_code == 401
    elif realm == "token":
        await setup.send()
        assert str(setup.token_requests[0].url).startswith("token")  # the egress guard refuses it
    else:
        with pytest.raises(UpstreamInvalid, match="not a URL"):
            await setup.send()


class TestIdentityToken:
    credential = Credential("r:oauth", "", "refresh-me", "identity_token")

    async def test_it_is_exchanged_by_a_form(self) -> None:
        setup = Setup()
        assert (await setup.send(self.credential)).content == b"ok"
        (asked,) = setup.token_requests
        assert asked.method == "POST"
        assert "authorization" not in asked.headers
        assert plan_of(asked).token_request
        assert isinstance(asked.stream, httpx2.AsyncByteStream)
        body = b"".join([chunk async for chunk in asked.stream])
        assert parse_qs(body.decode()) == {
            "grant_type": ["refresh_token"],
            "service": ["the service"],
            "client_id": ["mcp-dockerhub"],
            "scope": [SCOPE],
            "refresh_token": ["refresh-me"],
        }

    async def test_a_service_that_knows_no_forms_is_asked_with_basic(self) -> None:
        setup = Setup(Registry(post_answer=status(404), accepts={"Bearer token-2"}))
        assert (await setup.send(self.credential)).content == b"ok"
        expected = "Basic " + base64.b64encode(b"<token>:refresh-me").decode()
        assert [(r.method, r.headers.get("authorization")) for r in setup.token_requests] == [
            ("POST", None),
            ("GET", expected),
        ]

    async def test_a_refused_one_is_an_authentication_failure(self) -> None:
        setup = Setup(Registry(post_answer=status(401)))
        for _ in range(2):
            with pytest.raises(AuthenticationFailed):
                await setup.send(self.credential)
        assert len(setup.token_requests) == 1


class TestBasic:
    async def test_a_password_answers_a_basic_challenge_and_comes_along_from_then_on(self) -> None:
        setup = Setup(Registry('Basic realm="r"', {BASIC}))
        assert (await setup.send(ALICE)).content == b"ok"
        assert (await setup.send(ALICE)).content == b"ok"
        assert [authorization for _, _, authorization in setup.inner.sent] == [None, BASIC, BASIC]

    async def test_a_token_is_preferred_where_both_are_offered(self) -> None:
        setup = Setup(Registry(f'Basic realm="r", {challenge()}'))
        assert (await setup.send(ALICE)).content == b"ok"
        assert setup.inner.sent[-1][2] == "Bearer token-1"

    async def test_who_has_no_password_gets_the_401(self) -> None:
        setup = Setup(Registry('Basic realm="r"', {BASIC}))
        await setup.send(ALICE)
        for credential in (ANONYMOUS_CREDENTIAL, Credential("x", "", "t", "identity_token")):
            assert (await setup.send(credential)).status_code == 401
        assert [authorization for _, _, authorization in setup.inner.sent[2:]] == [None, None]

    async def test_a_refused_password_is_not_tried_again(self) -> None:
        setup = Setup(Registry('Basic realm="r"', set()))
        for _ in range(3):
            with pytest.raises(AuthenticationFailed, match=r"registry\.example"):
                await setup.send(ALICE)
        assert [authorization for _, _, authorization in setup.inner.sent] == [None, BASIC]


class TestOtherWays:
    async def test_a_ready_token_is_sent_as_it_is_and_its_401_is_the_answer(self) -> None:
        setup = Setup(Registry(accepts={"Bearer ready"}))
        ready = Credential("r:ready", "", "ready", "bearer")
        assert (await setup.send(ready)).content == b"ok"
        setup.registry.accepts = set()
        assert (await setup.send(ready)).status_code == 401
        assert setup.token_requests == []

    async def test_an_upstream_without_authentication_gets_none(self) -> None:
        setup = Setup()
        assert (await setup.send(ALICE, replace(REGISTRY, scheme="none"))).status_code == 401
        assert setup.inner.sent == [("GET", "https://registry.example/v2/x", None)]

    async def test_an_authorization_of_the_callers_is_not_passed_on(self) -> None:
        setup = Setup()
        request = get(upstream=replace(REGISTRY, credential=ANONYMOUS_CREDENTIAL))
        request.headers["authorization"] = "Bearer mine"
        await setup.auth.handle_async_request(request)
        assert setup.inner.sent[0][2] is None

    async def test_the_challenge_of_a_redirect_target_is_not_the_registrys(self) -> None:
        setup = Setup()

        class Elsewhere(httpx2.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                response = status(401, www_authenticate=challenge("https://evil.example/token"))
                response.request = httpx2.Request("GET", "https://cdn.example/")
                return response

        setup.auth = Auth(
            Elsewhere(), RealmClient(setup.inner, "a"), TokenCache(setup.time.monotonic), EgressPolicy(), {}
        )
        assert (await setup.send(ALICE)).status_code == 401
        assert setup.inner.requests == []


class TestHub:
    hub = Upstream("hub", "https://hub.example", "hub", scheme="hub")

    async def test_credentials_are_exchanged_and_the_token_renewed_before_ten_minutes(self) -> None:
        setup = Setup(Registry(expires_in=None, accepts={"Bearer token-1", "Bearer token-2"}))
        assert (await setup.send(ALICE, self.hub)).content == b"ok"
        setup.time.advance(580)
        await setup.send(ALICE, self.hub)
        assert setup.registry.tokens_issued == 1
        setup.time.advance(15)
        await setup.send(ALICE, self.hub)
        assert setup.registry.tokens_issued == 2
        first = setup.token_requests[0]
        assert (first.method, str(first.url)) == ("POST", "https://hub.example/v2/auth/token")
        assert isinstance(first.stream, httpx2.AsyncByteStream)
        body = b"".join([chunk async for chunk in first.stream])
        assert json.loads(body) == {"identifier": "alice", "secret": "s3cret"}
        assert plan_of(first).host_class == "hub"

    @pytest.mark.parametrize("kind", [ANONYMOUS_CREDENTIAL, Credential("x", "", "t", "identity_token")])
    async def test_what_cannot_be_exchanged_is_anonymous(self, kind: Credential) -> None:
        setup = Setup()
        assert (await setup.send(kind, self.hub)).status_code == 401
        assert setup.inner.sent == [("GET", "https://hub.example/v2/x", None)]

    async def test_a_token_that_is_no_longer_accepted_is_replaced_once(self) -> None:
        setup = Setup(Registry(accepts={"Bearer token-1"}))
        await setup.send(ALICE, self.hub)
        setup.registry.accepts = {"Bearer token-2"}
        assert (await setup.send(ALICE, self.hub)).content == b"ok"
        setup.registry.accepts = set()
        assert (await setup.send(ALICE, self.hub)).status_code == 401
        assert setup.registry.tokens_issued == 3

    @pytest.mark.parametrize("code", [401, 403])
    async def test_a_refused_log_in_is_not_repeated(self, code: int) -> None:
        setup = Setup(Registry(post_answer=status(code)))
        for _ in range(3):
            with pytest.raises(AuthenticationFailed, match=r"hub\.example refused the credentials configured for hub"):
                await setup.send(ALICE, self.hub)
        assert len(setup.inner.requests) == 1


async def test_no_secret_shows_in_a_representation() -> None:
    setup = Setup()
    await setup.send(ALICE)
    assert "s3cret" not in repr(ALICE)
    assert "token-1" not in repr(list(setup.auth._tokens._tokens.values()))
