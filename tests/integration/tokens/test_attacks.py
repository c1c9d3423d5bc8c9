"""Attacks with tokens, each through the whole HTTP stack: every one is refused, with the right status."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.tokens.conftest import HEADERS, RESOURCE, Server, serving
from tests.upstreams.issuer import Issuer
from tests.upstreams.issuer_tokens import (
    ABSENT,
    SigningKey,
    encoded,
    new_key,
    segment,
    signed_with_public_key,
    unsigned,
)

pytestmark = pytest.mark.anyio

Forge = Callable[[Issuer], str]


def claim(**claims: Any) -> Forge:
    return lambda issuer: issuer.mint(**claims)


def header(**headers: Any) -> Forge:
    return lambda issuer: issuer.mint(headers)


def dated(**offsets: int) -> Forge:
    return lambda issuer: issuer.mint(None, **{name: int(time.time()) + seconds for name, seconds in offsets.items()})


def foreign_key(**headers: Any) -> Forge:
    """Signed by the attacker, with the attacker's key offered in the header."""
    mine = new_key()
    return lambda issuer: SigningKey(issuer.key.key_id, "ES256", mine.private).sign(
        issuer.claims(), {name: mine.public_jwk() if value == "jwk" else value for name, value in headers.items()}
    )


def duplicated(issuer: Issuer) -> str:
    payload = encoded(issuer.claims())[:-1] + b',"sub":"root"}'
    return issuer.key.sign_raw(encoded({"alg": "ES256", "typ": "at+jwt", "kid": issuer.key.key_id}), payload)


def doubled_algorithm(issuer: Issuer) -> str:
    kid = issuer.key.key_id.encode()
    head = b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"' + kid + b'"}'
    return issuer.key.sign_raw(head, encoded(issuer.claims()))


ATTACKS: dict[str, tuple[Forge, str]] = {
    "alg none": (lambda issuer: unsigned(issuer.claims()), "token_algorithm"),
    "alg none with the key's name": (lambda i: unsigned(i.claims(), {"kid": i.key.key_id}), "token_algorithm"),
    "alg nOnE": (header(alg="nOnE"), "token_algorithm"),
    "HS256 with the public key": (lambda i: signed_with_public_key(i.key, i.claims()), "token_algorithm"),
    "RS256 named over an ES256 signature": (header(alg="RS256"), "token_key_unknown"),
    "ES512, which is not on the list": (header(alg="ES512"), "token_algorithm"),
    "kid with a path": (header(kid="../../../../dev/null"), "token_key_id"),
    "kid with a URL": (header(kid="https://evil.example/key"), "token_key_id"),
    "kid with SQL": (header(kid="x' UNION SELECT 'key' --"), "token_key_id"),
    "kid of nobody": (header(kid="nobody"), "token_key_unknown"),
    "embedded jwk": (foreign_key(jwk="jwk"), "token_header"),
    "jku": (foreign_key(jku="https://evil.example/keys"), "token_header"),
    "x5u": (foreign_key(x5u="https://evil.example/chain"), "token_header"),
    "x5c": (foreign_key(x5c=["MIIB"]), "token_header"),
    "crit": (header(crit=["exp"]), "token_header"),
    "another's key": (foreign_key(), "token_signature"),
    "an identity token": (header(typ="JWT"), "token_type"),
    "no type": (header(typ=ABSENT), "token_type"),
    "duplicate names in the payload": (duplicated, "token_malformed"),
    "duplicate names in the header": (doubled_algorithm, "token_malformed"),
    "wrong audience": (claim(aud="https://other.example.com/mcp"), "token_audience"),
    "missing audience": (claim(aud=ABSENT), "token_audience"),
    "prefix of the audience": (claim(aud=RESOURCE[:-1]), "token_audience"),
    "audience without path": (claim(aud="http://127.0.0.1:8000"), "token_audience"),
    "suffix on the audience": (claim(aud=f"{RESOURCE}2"), "token_audience"),
    "slash on the audience": (claim(aud=f"{RESOURCE}/"), "token_audience"),
    "audience in another case": (claim(aud=RESOURCE.upper()), "token_audience"),
    "list of others": (claim(aud=["https://a.example", "https://b.example"]), "token_audience"),
    "list with ours and others": (claim(aud=[RESOURCE, "https://b.example"]), "token_audience_shared"),
    "resource of another": (claim(aud=ABSENT, resource="https://other.example.com"), "token_audience"),
    "ours as resource, another as audience": (claim(aud="https://b.example", resource=RESOURCE), "token_audience"),
    "wrong issuer": (claim(iss="https://evil.example"), "token_issuer"),
    "issuer with a slash": (lambda issuer: issuer.mint(iss=f"{issuer.url}/"), "token_issuer"),
    "expired": (dated(exp=-60, iat=-600), "token_expired"),
    "not yet valid": (dated(nbf=120), "token_not_yet_valid"),
    "older than one hour": (dated(iat=-3700, exp=3600), "token_too_old"),
    "issued in the far future": (dated(iat=86_400, exp=90_000), "token_issued_in_future"),
    "no expiry": (claim(exp=ABSENT), "token_dates"),
    "no issue date": (claim(iat=ABSENT), "token_dates"),
    "expiry as text": (claim(exp="9999999999"), "token_dates"),
    "no subject": (claim(sub=ABSENT), "token_subject"),
    "no client": (claim(client_id=ABSENT), "token_client"),
    "endless subject": (claim(sub="a" * 4000), "token_subject"),
    "truncated signature": (lambda issuer: issuer.mint()[:-20], "token_malformed"),
    "without signature": (lambda issuer: issuer.mint().rpartition(".")[0] + ".", "token_malformed"),
    "truncated payload": (lambda i: ".".join([*i.mint().split(".")[:1], "e30", segment(b"x" * 64)]), "token_signature"),
    "oversized": (claim(padding="x" * 8192), "token_size"),
    "not a token": (lambda _: "x.y.z", "token_malformed"),
    "unknown opaque token": (lambda _: "opaque-but-unknown", "token_inactive"),
    "opaque token for another": (lambda issuer: issuer.mint_opaque(aud="https://b.example"), "token_audience"),
    "opaque token, expired": (lambda issuer: issuer.mint_opaque(exp=int(time.time()) - 60), "token_expired"),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack_is_refused_with_401(name: str, server: Server, issuer: Issuer) -> None:
    forge, rule = ATTACKS[name]
    assert (await server.call(issuer.mint())).status_code == 200
    answer = await server.call(forge(issuer))
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(
        'Bearer resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"'
    )
    assert 'error="invalid_token"' in challenge
    assert answer.json()["error"]["data"]["code"] == "AUTHENTICATION_FAILED"
    record = server.records()[-1]
    assert (record["decision"], record["rule"]) == ("deny", rule)


async def test_a_token_in_the_query_is_refused_with_or_without_one_in_the_header(
    server: Server, issuer: Issuer
) -> None:
    token = issuer.mint()
    for headers in ({}, {"authorization": f"Bearer {token}"}):
        answer = await server.client.post(f"/mcp?access_token={token}", headers={**HEADERS, **headers}, json={})
        assert answer.status_code == 400
        assert token not in answer.text


async def test_a_request_without_token_learns_where_to_get_one(server: Server) -> None:
    answer = await server.call(None)
    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]
    location = answer.headers["www-authenticate"].split('"')[1]
    metadata = (await server.client.get(location)).json()
    assert metadata["resource"] == RESOURCE
    assert metadata["bearer_methods_supported"] == ["header"]
    assert (await server.client.get("/.well-known/oauth-protected-resource")).json() == metadata


async def test_two_authorization_headers_are_refused(server: Server, issuer: Issuer) -> None:
    headers = [*HEADERS.items(), ("authorization", f"Bearer {issuer.mint()}"), ("authorization", "Bearer x")]
    answer = await server.client.post("/mcp", headers=headers, json={})
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_a_tool_beyond_the_tokens_scope_is_403_with_the_scope_needed(server: Server, issuer: Issuer) -> None:
    answer = await server.call(issuer.mint(scope="openid"), "docker_get_stats", {"repository": "nginx"})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="dockerhub:read"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "scope", ["*", "dockerhub:*", "DOCKERHUB:READ", "dockerhub:reader", "dockerhub:rea", "dockerhub"]
)
async def test_scopes_have_no_wildcards_and_no_relatives(server: Server, issuer: Issuer, scope: str) -> None:
    answer = await server.call(issuer.mint(scope=scope), "docker_get_stats", {"repository": "nginx"})
    assert answer.status_code == 403


async def test_a_flood_of_bad_tokens_is_throttled_for_its_own_address_only(server: Server, issuer: Issuer) -> None:
    known = issuer.mint()
    assert (await server.call(known)).status_code == 200
    statuses = [(await server.call("wrong.wrong.wrong")).status_code for _ in range(110)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert (await server.call(known)).status_code == 200
    assert (await server.call(issuer.mint())).status_code == 200, "nor does it keep new users at that address out"
    assert (await server.call(issuer.mint(aud="https://b.example"))).status_code == 429


async def test_behind_a_proxy_the_forwarded_address_is_throttled_and_nobody_else(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(issuer, tmp_path, monkeypatch, {"TRUSTED_PROXIES": "127.0.0.1"}) as server:

        async def bad(address: str) -> int:
            headers: dict[str, Any] = {"x-forwarded-for": address}
            return (await server.call("wrong.wrong.wrong", **headers)).status_code

        assert [await bad("203.0.113.7") for _ in range(110)][-1] == 429
        assert await bad("203.0.113.8") == 401
        assert await bad("198.51.100.1, 203.0.113.7") == 429, "what a client writes in front of its address is ignored"


async def test_without_a_trusted_proxy_nobody_escapes_by_naming_another_address(server: Server) -> None:
    statuses = []
    for number in range(110):
        headers: dict[str, Any] = {"x-forwarded-for": f"203.0.113.{number}"}
        statuses.append((await server.call("wrong.wrong.wrong", **headers)).status_code)
    assert statuses[-1] == 429


CLAIMED: dict[str, Any] = {
    "scope": "dockerhub:read dockerhub:read:private dockerhub:admin",
    "scopes": ["dockerhub:admin"],
    "roles": ["admin"],
    "tenant": "another",
    "principal": "root",
    "private": True,
    "level": "PUBLIC",
    "token": "x",
}


@pytest.mark.parametrize("name", CLAIMED)
async def test_no_argument_says_who_somebody_is_or_what_they_may(server: Server, issuer: Issuer, name: str) -> None:
    """Scope escalation by argument: among the arguments it is unknown, anywhere else it is not looked at."""
    reader, stranger = issuer.mint(scope="dockerhub:read"), issuer.mint(scope="openid")
    answer = await server.call(reader, "docker_get_stats", {"repository": "nginx", name: CLAIMED[name]})
    assert '"code":"INVALID_INPUT"' in answer.text.replace(" ", "")
    assert server.records()[-1]["rule"] == "arguments_invalid"
    params = {"name": "docker_get_stats", "arguments": {"repository": "nginx"}, name: CLAIMED[name]}
    params["_meta"] = {name: CLAIMED[name], "authorization": f"Bearer {reader}"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, name: CLAIMED[name]}
    headers = {**HEADERS, "authorization": f"Bearer {stranger}", f"x-{name}": "dockerhub:admin"}
    answer = await server.client.post("/mcp", headers=headers, json=body)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
