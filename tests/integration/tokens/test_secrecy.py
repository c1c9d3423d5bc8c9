"""Tokens stay with the one who was shown them: nothing writes them down, and nobody upstream gets them."""

import logging
import time
from pathlib import Path

import pytest

from tests.integration.tokens.conftest import HEADERS, Server, serving
from tests.integration.tokens.test_attacks import ATTACKS
from tests.upstreams.issuer import RESOURCE_SERVER, Issuer
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio


def secrets_of(token: str) -> list[str]:
    """Everything in a token that is long enough to tell it by: its segments, and the whole."""
    return [part for part in (token, *token.split(".")) if len(part) > 8]


async def test_no_failure_writes_a_token_down(
    server: Server, issuer: Issuer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING, "httpx2")  # the client's own log, which shows whole URLs
    good = [issuer.mint(), issuer.mint_opaque()]
    tokens = [*good, *(forge(issuer) for forge, _ in ATTACKS.values()), "a token with spaces in it"]
    written = []
    with caplog.at_level(logging.DEBUG):
        for token in tokens:
            answers = [await server.call(token)]
            assert answers[0].status_code == (200 if token in good else 401)
            query = {"access_token": token}
            answers.append(await server.client.post("/mcp", params=query, headers=HEADERS, json={}))
            assert answers[1].status_code == 400
            written += [answer.text + str(answer.headers) for answer in answers]
        for token in good:
            written += [(await server.call(token, tool)).text for tool in ("docker_get_stats", "no_such_tool")]
        issuer.outage = "503"
        outage = [issuer.mint({"kid": "not-seen-before"}), issuer.mint_opaque()]
        for token in outage:
            answer = await server.call(token)
            assert answer.status_code == 503
            written += [answer.text, str(answer.headers)]
    written += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert {record["rule"] for record in server.records()} >= {rule for _, rule in ATTACKS.values()}
    written += [*capfd.readouterr(), server.audit_file.read_text(), server.metrics()]
    for token in (*tokens, *outage, RESOURCE_SERVER[1]):
        for secret in secrets_of(token):
            assert not any(secret in text for text in written), f"{secret[:12]}… was written down"


async def test_a_clients_token_is_never_sent_upstream(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with InMemoryRegistry(auth="token") as registry:
        registry.add_image("team/app", "1.0")
        monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", f'[{{"host": "{registry.host}", "url": "{registry.url}"}}]')
        async with serving(issuer, tmp_path, monkeypatch) as server:
            token = issuer.mint(auth_time=int(time.time()))
            answer = await server.call(token, "docker_get_manifest", {"image": f"{registry.host}/team/app:1.0"})
            assert answer.status_code == 200
            assert '"isError":false' in answer.text.replace(" ", "")
        sent = [f"{request.path}?{request.query} {request.headers}" for request in registry.requests]
    assert sent
    assert any("authorization" in request for request in sent), "the registry's own token is sent to it"
    for secret in secrets_of(token):
        assert not any(secret in request for request in sent)
    assert {path for _, path in issuer.requests} == {"/.well-known/oauth-authorization-server", "/keys"}
