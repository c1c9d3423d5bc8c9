"""What a registry's refusals mean."""

import json

import pytest

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    Forbidden,
    InvalidInput,
    NotFound,
    QuotaExhausted,
    RateLimited,
    Unsupported,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from mcp_dockerhub.registry.errors import codes, failure
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential, Response, Upstream

ALICE = Credential("x:alice", "alice", "s3cret", "basic")
TOKEN = Credential("x:token", "", "s3cret", "bearer")
BEARER = {"www-authenticate": 'Bearer realm="https://auth.example.com/token"'}
BASIC = {"www-authenticate": 'Basic realm="x"'}


def answer(status: int, code: str = "", headers: dict[str, str] | None = None) -> Response:
    body = json.dumps({"errors": [{"code": code, "message": "<script>secret</script>"}]}).encode() if code else b""
    found = {name: (value,) for name, value in (headers or {}).items()}
    return Response(status, found, body, "https://registry.example.com/v2/")


def explain(
    response: Response, credential: Credential = ANONYMOUS_CREDENTIAL, host: str = "registry.example.com"
) -> DockerHubError:
    return failure(response, "team/app:v1", Upstream(host, f"https://{host}", "registry", credential, "registry"))


@pytest.mark.parametrize(
    ("response", "credential", "kind", "words"),
    [
        (answer(401, "UNAUTHORIZED", BEARER), ANONYMOUS_CREDENTIAL, NotFound, "does not exist or is private"),
        (answer(401, "UNAUTHORIZED"), ANONYMOUS_CREDENTIAL, NotFound, "does not exist or is private"),
        (answer(401, "UNAUTHORIZED", BASIC), ANONYMOUS_CREDENTIAL, AuthenticationFailed, "nobody without a login"),
        (answer(401, "UNAUTHORIZED", BEARER), ALICE, Forbidden, "no access to team/app:v1, or it does not exist"),
        (answer(401, "UNAUTHORIZED", BASIC), ALICE, AuthenticationFailed, "refuses the configured credentials"),
        (answer(401, "UNAUTHORIZED", BEARER), TOKEN, AuthenticationFailed, "refuses the configured credentials"),
        (answer(403, "DENIED"), ANONYMOUS_CREDENTIAL, NotFound, "does not exist or is private"),
        (answer(403), ANONYMOUS_CREDENTIAL, Forbidden, "forbids"),
        (answer(403, "DENIED"), ALICE, Forbidden, "no access"),
        (answer(451), ANONYMOUS_CREDENTIAL, Forbidden, "forbids"),
        (answer(404, "NAME_UNKNOWN"), ANONYMOUS_CREDENTIAL, NotFound, "no such repository"),
        (answer(404, "MANIFEST_UNKNOWN"), ANONYMOUS_CREDENTIAL, NotFound, "no such tag or digest"),
        (answer(404, "BLOB_UNKNOWN"), ANONYMOUS_CREDENTIAL, NotFound, "lists it and does not have it"),
        (answer(404), ANONYMOUS_CREDENTIAL, NotFound, "does not exist on registry.example.com"),
        (answer(410), ANONYMOUS_CREDENTIAL, NotFound, "does not exist"),
        (answer(400, "NAME_INVALID"), ANONYMOUS_CREDENTIAL, InvalidInput, "does not accept the name"),
        (answer(400), ANONYMOUS_CREDENTIAL, UpstreamInvalid, "unexpected status 400"),
        (answer(405, "UNSUPPORTED"), ANONYMOUS_CREDENTIAL, Unsupported, "does not offer"),
        (answer(406), ANONYMOUS_CREDENTIAL, Unsupported, "does not offer"),
        (answer(501), ANONYMOUS_CREDENTIAL, Unsupported, "does not offer"),
        (answer(429, "TOOMANYREQUESTS"), ANONYMOUS_CREDENTIAL, RateLimited, "limits requests"),
        (answer(500), ANONYMOUS_CREDENTIAL, UpstreamUnavailable, "status 500"),
        (answer(204), ANONYMOUS_CREDENTIAL, UpstreamInvalid, "unexpected status 204"),
        (answer(302), ANONYMOUS_CREDENTIAL, UpstreamInvalid, "unexpected status 302"),
        (answer(418), ANONYMOUS_CREDENTIAL, UpstreamInvalid, "unexpected status 418"),
    ],
)
def test_a_refusal_becomes_an_error_that_names_what_was_asked(
    response: Response, credential: Credential, kind: type[DockerHubError], words: str
) -> None:
    error = explain(response, credential)
    assert type(error) is kind
    assert words in error.message
    assert "registry.example.com" in error.message
    assert "team/app:v1" in error.message
    assert "secret" not in error.message + error.hint + repr(error.args)


def test_a_spent_pull_quota_is_told_from_a_limit_on_requests() -> None:
    hub = "docker.io"
    assert type(explain(answer(429, "TOOMANYREQUESTS"), host=hub)) is QuotaExhausted
    assert type(explain(answer(429, headers={"ratelimit-remaining": "0;w=21600"}), host=hub)) is QuotaExhausted
    assert type(explain(answer(429, headers={"ratelimit-remaining": "5;w=21600"}), host=hub)) is RateLimited
    assert type(explain(answer(429), host=hub)) is RateLimited


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"x-retry-after": "3", "retry-after": "7"}, 3.0),
        ({"x-retry-after": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_asked_for_is_passed_on(headers: dict[str, str], wait: float | None) -> None:
    assert explain(answer(429, headers=headers)).retry_after_s == wait


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Not Authorized",
        b"[]",
        b'{"errors": {}}',
        b'{"errors": ["x", {"code": 7}, {"code": "MADE_UP"}, {}]}',
        b'{"__type": "UnrecognizedClientException", "message": "The token is invalid."}',
        b"[" * 50_000,
        b'{"errors": [{"code": "DENIED"}]}' + b" " * 70_000,
    ],
)
def test_a_body_of_any_other_form_has_no_codes(body: bytes) -> None:
    assert codes(Response(403, {}, body, "https://x.test/")) == frozenset()
