"""What looks like a secret is withheld, and nothing else."""

import pytest

from mcp_dockerhub_security.redaction import (
    WITHHELD,
    is_secret_name,
    is_secret_value,
    redact_command,
    redact_mapping,
    redact_pair,
    redact_text,
)

GITHUB = "ghp_" + "a1" * 18
DOCKER = "dckr_pat_" + "Ab-" * 9
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD", "MYSQL_ROOT_PASSWORD", "DB_PWD", "dbpassword", "apiKey", "API_KEY", "GITHUB_TOKEN", "SECRET",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "client-secret", "com.example.auth", "CREDENTIALS", "SSH_KEY",
        "GPG_PASSPHRASE", "GPG_PRIVATE_KEY", "SESSION_COOKIE", "NPM_AUTHTOKEN", "ACCESSTOKEN", "x_jwt",
    ],
)  # fmt: skip
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "KEYBOARD", "AUTHOR", "AUTHORS", "MONKEY", "GPG_KEY", "GPG_KEYS", "PGP_KEY", "PUBLIC_KEY", "PWD",
        "OLDPWD", "PYTHON_SHA256", "TOKENIZERS_PARALLELISM", "PASSWORD_FILE", "SSH_AUTH_SOCK", "AUTH_URL", "LANG",
        "KEY_SERVERS", "NGINX_VERSION", "org.opencontainers.image.authors", "", "123", "=", "COMPASS", "BYPASS",
    ],
)  # fmt: skip
def test_names_of_other_things_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    [
        GITHUB, DOCKER, JWT, PRIVATE_KEY, "AKIA" + "A1B2" * 4, "glpat-" + "x" * 20, "npm_" + "x" * 36,
        "xoxb-1234567890-abc", "https://user:pw@example.com/x", "redis://:pw@cache:6379", "hf_" + "x" * 34,
        "-----BEGIN OPENSSH PRIVATE KEY-----\ncut off", "prefix " + GITHUB + " suffix",
    ],
)  # fmt: skip
def test_shapes_of_secrets_are_recognised(value: str) -> None:
    assert is_secret_value(value)


@pytest.mark.parametrize(
    "value",
    [
        "", "hello", "https://example.com/a:b@c", "sha256:" + "a" * 64, "A1B2C3D4" * 5, "eyJ", "task-list-" + "x" * 30,
        "-----BEGIN PUBLIC KEY-----", "user@example.com", "12:30@noon",
    ],
)  # fmt: skip
def test_shapes_of_other_things_are_not(value: str) -> None:
    assert not is_secret_value(value)


def test_a_secret_is_withheld_by_name_or_by_value() -> None:
    assert redact_pair("DB_PASSWORD", "hunter2") == WITHHELD
    assert redact_pair("HELPER", f"use {GITHUB} now") == f"use {WITHHELD} now"
    assert redact_pair("LANG", "C.UTF-8") == "C.UTF-8"
    assert redact_pair("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D").startswith("A035")


@pytest.mark.parametrize("value", ["", "true", "False", "0", "none", " 1 "])
def test_what_tells_nothing_is_shown(value: str) -> None:
    assert redact_pair("MONGO_AUTH", value) == value


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("ENV DB_PASSWORD=hunter2 A=b", f"ENV DB_PASSWORD={WITHHELD} A=b"),
        ("ENV TOKEN='a b' X=1", f"ENV TOKEN={WITHHELD} X=1"),
        ('RUN SECRET="s s" make && echo ok', f"RUN SECRET={WITHHELD} make && echo ok"),
        ("RUN TOKEN=$OTHER make", "RUN TOKEN=$OTHER make"),
        ('RUN TOKEN="$(cat /t)" make', 'RUN TOKEN="$(cat /t)" make'),
        ("ARG PASSWORD", "ARG PASSWORD"),
        (
            "RUN login --password=hunter2 -u=x --auth-token='a b'",
            f"RUN login --password={WITHHELD} -u=x --auth-token={WITHHELD}",
        ),
        ("RUN a=b c=\"d\" && [ -n '' ]", "RUN a=b c=\"d\" && [ -n '' ]"),
        (f"RUN curl -H 'Authorization: {GITHUB}'", f"RUN curl -H 'Authorization: {WITHHELD}'"),
        (f"RUN echo '{PRIVATE_KEY}' > k && x", f"RUN echo '{WITHHELD}' > k && x"),
        ("RUN git clone https://u:p@h/r", f"RUN git clone https://{WITHHELD}@h/r"),
    ],
)
def test_commands_keep_everything_but_the_secret(command: str, shown: str) -> None:
    assert redact_command(command) == shown


def test_text_without_secrets_is_unchanged() -> None:
    text = "FROM nginx\nRUN apt-get update && apt-get install -y curl=7.88.1-10 # mode=value"
    assert redact_text(text) == text
    assert redact_command(text) == text


def test_log_events_are_redacted_at_every_level() -> None:
    event = {
        "event": "request",
        "authorization": "Bearer x",
        "headers": {"cookie": "a=b", "accept": "json", "list": ["ok", DOCKER]},
        "credentials": {"user": "ada"},
        "tokens": ["one", "two"],
        "body": b"bytes",
        "count": 3,
    }
    assert redact_mapping(event) == {
        "event": "request",
        "authorization": WITHHELD,
        "headers": {"cookie": WITHHELD, "accept": "json", "list": ["ok", WITHHELD]},
        "credentials": WITHHELD,
        "tokens": [WITHHELD, WITHHELD],
        "body": WITHHELD,
        "count": 3,
    }


def test_what_is_nested_too_deep_is_withheld_whole() -> None:
    deep: dict[str, object] = {"password": "x"}
    for _ in range(20):
        deep = {"a": deep}
    assert WITHHELD in str(redact_mapping(deep))
    assert "password" not in str(redact_mapping(deep))
