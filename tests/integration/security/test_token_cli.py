"""``mcp-dockerhub token``: what is put on the list of revoked tokens and taken off it."""

import io
from collections.abc import Iterator

import pytest

from mcp_dockerhub.cli import main
from mcp_dockerhub.protection_settings import ProtectionSettings
from mcp_dockerhub_security.tokens.redis_revocation import KEY, restored_key
from tests.upstreams.issuer import Issuer
from tests.upstreams.issuer_tokens import ABSENT
from tests.upstreams.redis import RedisServer


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in ProtectionSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


@pytest.fixture
def listed(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_URL", redis.url)
    return redis


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer("https://mcp.example.com/mcp") as running:
        yield running


def test_identifiers_go_on_the_list_and_off_it(listed: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "revoke", "one", "two"]) == 0
    assert capsys.readouterr().out == "revoked: one\nrevoked: two\n"
    assert main(["token", "restore", "two", "three"]) == 0
    assert capsys.readouterr().out == "restored: 1 of 2\n"
    assert main(["token", "revoked"]) == 0
    assert capsys.readouterr().out == "one\n"
    assert b"two" in listed.command("SMEMBERS", restored_key(KEY))
    assert main(["token", "revoke", "two"]) == 0
    assert b"two" not in listed.command("SMEMBERS", restored_key(KEY))


def test_an_identifier_cannot_speak_to_the_terminal(listed: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    listed.command("SADD", KEY, "\x1b[2Jgone")
    assert main(["token", "revoked"]) == 0
    assert capsys.readouterr().out == "\\x1b[2Jgone\n"


@pytest.mark.parametrize(("jti", "shown"), [("a-name", "a-name"), (ABSENT, "sha256:")])
def test_a_token_itself_is_read_from_stdin(
    listed: RedisServer,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    jti: object,
    shown: str,
) -> None:
    token = issuer.mint(jti=jti)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    assert main(["token", "revoke"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"revoked: {shown}")
    assert token.split(".")[1] not in out


def test_a_token_among_the_arguments_is_not_taken_for_an_identifier(
    listed: RedisServer, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    token = issuer.mint(jti="a-name")
    assert main(["token", "revoke", "one", token]) == 2
    printed = capsys.readouterr()
    assert "stdin" in printed.err
    assert token.split(".")[1] not in printed.out + printed.err
    assert listed.keys() == []


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 256, "\x1b[2Jgone"])
def test_what_no_token_is_called_is_not_put_on_the_list(
    name: str, listed: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "revoke", name]) == 2
    assert "nothing is revoked" in capsys.readouterr().err
    assert listed.keys() == []


def test_what_is_no_token_is_not_repeated(
    listed: RedisServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("an-opaque-secret"))
    assert main(["token", "revoke"]) == 2
    captured = capsys.readouterr()
    assert "issuer" in captured.err
    assert "secret" not in captured.out + captured.err


def test_without_redis_there_is_no_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "revoked"]) == 2
    assert "MCP_DOCKERHUB_REDIS_URL" in capsys.readouterr().err


def test_a_redis_that_does_not_answer_changes_nothing(listed: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    listed.kill()
    try:
        assert main(["token", "revoke", "one"]) == 1
    finally:
        listed.start()
    assert "nothing is changed" in capsys.readouterr().err
