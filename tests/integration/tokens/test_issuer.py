"""The issuer as a real process has it: rotation, outages, redirects, introspection."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.token_settings import load_token_settings
from mcp_dockerhub.transport.client import Response, Upstream
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.web.issuer import IssuerIntrospection, IssuerKeys, metadata_addresses
from mcp_dockerhub.web.tokens import TokenChecks
from mcp_dockerhub.web_settings import load_web_settings
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable
from mcp_dockerhub_security.tokens.keys import DEFAULT_ALGORITHMS, parse_key_set
from tests.integration.tokens.conftest import RESOURCE, Server, serving
from tests.upstreams.issuer import RESOURCE_SERVER, Issuer, Outage
from tests.upstreams.issuer_tokens import ABSENT

pytestmark = pytest.mark.anyio

OUTAGES: list[Outage] = ["drop", "503", "garbage"]


def checks(issuer: Issuer, web: dict[str, Any] | None = None, **tokens: Any) -> TokenChecks:
    """Token checks alone; attempts that fail are not repeated for long."""
    settings = load_web_settings({"public_url": RESOURCE, "issuer": issuer.url, **(web or {})})
    return TokenChecks.build(settings, load_token_settings(tokens), StackOptions())


class Direct:
    """The issuer asked without sockets, retries and circuits: one question, one answer."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def request(
        self,
        upstream: Upstream,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> Response:
        self._issuer.requests.append((method, path))
        if self._issuer.outage == "drop":
            raise UpstreamUnavailable("The issuer is down.")
        status, document, _ = self._issuer.answer(method, path, headers or {}, urlencode(form or {}).encode())
        if self._issuer.outage == "503":
            status = 503
        body = b"<html>" if self._issuer.outage == "garbage" else json.dumps(document).encode()
        return Response(status, {}, body, f"{upstream.base_url}{path}")


def introspecting(issuer: Issuer) -> dict[str, Any]:
    return {
        "introspection_url": issuer.introspection_url,
        "introspection_client_id": RESOURCE_SERVER[0],
        "introspection_client_secret": RESOURCE_SERVER[1],
    }


async def status(checks: TokenChecks, token: str) -> int:
    found = await checks.authenticator.authenticate([f"Bearer {token}"], "192.0.2.1")
    return 200 if isinstance(found, Principal) else found.status


async def test_keys_rotate_without_a_restart(server: Server, issuer: Issuer) -> None:
    old = issuer.mint()
    assert (await server.call(old)).status_code == 200
    issuer.rotate()
    assert (await server.call(issuer.mint())).status_code == 200
    assert (await server.call(old)).status_code == 200
    assert issuer.count("/keys") == 2


@pytest.mark.parametrize("path", ["", "/realms/main"])
async def test_the_keys_are_where_the_issuers_metadata_say(path: str) -> None:
    with Issuer(RESOURCE, path=path) as issuer:
        found = checks(issuer)
        assert await status(found, issuer.mint()) == 200
        assert issuer.requests[0] == ("GET", f"/.well-known/oauth-authorization-server{path}")
        await found.aclose()


async def test_openid_metadata_do_as_well() -> None:
    with Issuer(RESOURCE, path="/realms/main") as issuer:
        issuer.redirects["/.well-known/oauth-authorization-server/realms/main"] = "/nowhere"
        found = checks(issuer)
        assert await status(found, issuer.mint()) == 200
        assert issuer.count("/realms/main/.well-known/openid-configuration") == 1
        await found.aclose()


async def test_a_configured_address_of_the_keys_needs_no_metadata(issuer: Issuer) -> None:
    found = checks(issuer, {"jwks_url": issuer.jwks_url})
    assert await status(found, issuer.mint()) == 200
    assert {path for _, path in issuer.requests} == {"/keys"}
    await found.aclose()


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://evil.example"}, {"issuer": ABSENT}, {"jwks_uri": 7}, {"jwks_uri": "file:///etc/passwd"}],
)
async def test_metadata_of_another_issuer_are_not_believed(issuer: Issuer, metadata: dict[str, Any]) -> None:
    issuer.metadata = {name: None if value is ABSENT else value for name, value in metadata.items()}
    found = checks(issuer)
    assert await status(found, issuer.mint()) == 503
    assert issuer.count("/keys") == 0
    await found.aclose()


@pytest.mark.parametrize("url", ["http://127.0.0.2:1/keys", "https://127.0.0.1:1/keys", "https://169.254.169.254/keys"])
async def test_metadata_do_not_lead_into_the_private_network(issuer: Issuer, url: str) -> None:
    issuer.metadata = {"jwks_uri": url}
    found = checks(issuer)
    assert await status(found, issuer.mint()) == 503
    await found.aclose()


async def test_keys_from_where_a_redirect_leads_are_not_believed(issuer: Issuer) -> None:
    with Issuer(RESOURCE) as other:
        issuer.redirects["/keys"] = other.jwks_url
        # Even where the operator configured the other origin for something else.
        found = checks(issuer, **{**introspecting(issuer), "introspection_url": other.introspection_url})
        assert await status(found, other.key.sign(issuer.claims())) == 503
        await found.aclose()


@pytest.mark.parametrize("outage", OUTAGES)
async def test_known_keys_and_tokens_serve_through_an_outage(issuer: Issuer, outage: Outage) -> None:
    found = checks(issuer)
    known = issuer.mint()
    assert await status(found, known) == 200
    issuer.outage = outage
    assert await status(found, known) == 200
    assert await status(found, issuer.mint()) == 200
    assert found.problem() is None
    await found.aclose()


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_without_keys_is_503_and_ends_by_itself(
    issuer: Issuer, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.outage = outage
    source = IssuerKeys(Direct(issuer), issuer.url)
    with pytest.raises(AuthorityUnavailable), caplog.at_level(logging.WARNING):
        await source.fetch()
    issuer.outage = ""
    assert len(parse_key_set(await source.fetch(), DEFAULT_ALGORITHMS)) == 1


async def test_an_issuer_that_hangs_is_waited_for_briefly(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_dockerhub.web.issuer.FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr("mcp_dockerhub.web.issuer.ASK_TIMEOUT", 0.2)
    issuer.outage = "hang"
    found = checks(issuer, **introspecting(issuer))
    assert await status(found, issuer.mint()) == 503
    assert await status(found, issuer.mint_opaque()) == 503
    assert found.problem() == "the issuer's keys cannot be fetched"
    await found.aclose()


async def test_a_moved_key_address_is_discovered_again_after_a_failure(issuer: Issuer) -> None:
    source = IssuerKeys(Direct(issuer), issuer.url)
    await source.fetch()
    await source.fetch()
    assert issuer.count("/.well-known/oauth-authorization-server") == 1
    issuer.outage = "503"
    with pytest.raises(AuthorityUnavailable):
        await source.fetch()
    issuer.outage = ""
    await source.fetch()
    assert issuer.count("/.well-known/oauth-authorization-server") == 2


async def test_opaque_tokens_are_introspected_as_this_servers_own_client(server: Server, issuer: Issuer) -> None:
    token = issuer.mint_opaque(scope="dockerhub:read")
    assert (await server.call(token)).status_code == 200
    assert (await server.call(token)).status_code == 200
    assert issuer.requests == [("POST", "/introspect")]


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_failing_introspection_is_503(server: Server, issuer: Issuer, outage: Outage) -> None:
    token = issuer.mint_opaque()
    issuer.outage = outage
    answer = await server.call(token)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["data"]["code"] == "UPSTREAM_UNAVAILABLE"


async def test_an_issuer_that_does_not_answer_shows_in_health_and_takes_no_replica_out(
    server: Server, issuer: Issuer
) -> None:
    issuer.outage = "503"
    await server.call(issuer.mint_opaque())
    health = server.application.health.evaluate()
    assert "issuer: the issuer does not answer about tokens" in health.reasons
    assert health.ready


async def test_a_wrong_client_secret_is_the_operators_problem_and_not_the_tokens(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    found = checks(issuer, **{**introspecting(issuer), "introspection_client_secret": "old-secret"})
    with caplog.at_level(logging.WARNING):
        assert await status(found, issuer.mint_opaque()) == 503
        assert await status(found, issuer.mint_opaque()) == 503
    assert found.problem() == "the issuer does not answer about tokens"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "old-secret" not in caplog.text
    await found.aclose()


async def test_an_introspection_that_works_again_is_no_problem_any_more(issuer: Issuer) -> None:
    source = IssuerIntrospection(Direct(issuer), issuer.introspection_url, *RESOURCE_SERVER)
    issuer.outage = "503"
    with pytest.raises(AuthorityUnavailable):
        await source.introspect("token")
    assert source.problem() is not None
    issuer.outage = ""
    assert b"active" in await source.introspect("token")
    assert source.problem() is None


async def test_a_list_with_ours_and_others_is_accepted_where_the_operator_allows_it(issuer: Issuer) -> None:
    found = checks(issuer, shared_audience=True)
    assert await status(found, issuer.mint(aud=["https://b.example", RESOURCE])) == 200
    assert await status(found, issuer.mint(aud=["https://b.example"])) == 401
    await found.aclose()


async def test_a_token_without_tenant_is_refused_where_tenants_are_told_apart(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(issuer, tmp_path, monkeypatch, {"TOKEN_TENANT_CLAIM": "tenant"}) as server:
        assert (await server.call(issuer.mint(tenant="acme"))).status_code == 200
        assert server.records()[-1]["tenant"] == "acme"
        assert (await server.call(issuer.mint())).status_code == 401
        assert (await server.call(issuer.mint(tenant="../acme"))).status_code == 401


async def test_a_token_of_one_tenant_is_of_no_use_on_another(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(issuer, tmp_path, monkeypatch, {"TOKEN_TENANT_CLAIM": "tenant"}) as server:
        head, payload, signature = issuer.mint(tenant="acme").split(".")
        other = issuer.mint(tenant="globex").split(".")[1]
        assert (await server.call(f"{head}.{other}.{signature}")).status_code == 401
        named: dict[str, Any] = {"x-tenant": "globex", "tenant": "globex", "mcp-tenant": "globex"}
        assert (await server.call(f"{head}.{payload}.{signature}", **named)).status_code == 200
        assert server.records()[-1]["tenant"] == "acme"


async def test_plain_jwt_types_are_accepted_where_the_operator_allows_it(issuer: Issuer) -> None:
    found = checks(issuer, types="at+jwt,JWT")
    assert await status(found, issuer.mint({"typ": "JWT"})) == 200
    await found.aclose()


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_every_default_algorithm_works(algorithm: str) -> None:
    with Issuer(RESOURCE, algorithm=algorithm) as issuer:
        found = checks(issuer)
        assert await status(found, issuer.mint()) == 200
        await found.aclose()


@pytest.mark.parametrize(
    ("issuer", "addresses"),
    [
        (
            "https://login.example.com",
            (
                "https://login.example.com/.well-known/oauth-authorization-server",
                "https://login.example.com/.well-known/openid-configuration",
            ),
        ),
        (
            "https://login.example.com/t/1/",
            (
                "https://login.example.com/.well-known/oauth-authorization-server/t/1",
                "https://login.example.com/t/1/.well-known/openid-configuration",
            ),
        ),
    ],
)
def test_metadata_are_looked_for_at_the_well_known_places(issuer: str, addresses: tuple[str, str]) -> None:
    assert metadata_addresses(issuer) == addresses
