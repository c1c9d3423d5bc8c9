"""How the environment says what tokens are accepted."""

from pathlib import Path

import pytest

from mcp_dockerhub.settings import SettingsError, describe
from mcp_dockerhub.token_settings import ALGORITHMS, FURTHER_ALGORITHMS, load_token_settings
from mcp_dockerhub_security.tokens.keys import ALGORITHMS as KNOWN
from mcp_dockerhub_security.tokens.keys import DEFAULT_ALGORITHMS

PREFIX = "MCP_DOCKERHUB_"


def test_the_defaults_are_strict() -> None:
    settings = load_token_settings()
    assert settings.types == ("at+jwt",)
    assert not settings.shared_audience
    assert (settings.tenant_claim, settings.roles_claim, settings.introspection_url) == ("", "roles", "")


def test_settings_and_security_manager_agree_on_algorithms() -> None:
    assert frozenset(ALGORITHMS) == DEFAULT_ALGORITHMS
    assert frozenset(ALGORITHMS + FURTHER_ALGORITHMS) == KNOWN


def test_names_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    for name, value in {
        "TOKEN_ALGORITHMS": "ES384, RS256",
        "TOKEN_TYPES": "at+jwt,JWT",
        "TOKEN_SHARED_AUDIENCE": "true",
        "TOKEN_TENANT_CLAIM": "org_id",
        "TOKEN_ROLES_CLAIM": "realm_access.roles",
        "INTROSPECTION_URL": "https://login.example.com/introspect",
        "INTROSPECTION_CLIENT_ID": "hub",
        "INTROSPECTION_CLIENT_SECRET_FILE": str(secret),
    }.items():
        monkeypatch.setenv(PREFIX + name, value)
    settings = load_token_settings()
    assert settings.algorithms == ("ES384", "RS256")
    assert settings.types == ("at+jwt", "jwt")
    assert settings.shared_audience
    assert settings.introspection_client_secret is not None
    assert settings.introspection_client_secret.get_secret_value() == "hush"
    assert ("MCP_DOCKERHUB_INTROSPECTION_CLIENT_SECRET", "(set)") in describe(settings)
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_ALGORITHMS", "HS256"),
        ("TOKEN_ALGORITHMS", "ES256,none"),
        ("TOKEN_ALGORITHMS", ","),
        ("TOKEN_TYPES", "id+jwt"),
        ("TOKEN_TYPES", ","),
        ("TOKEN_TENANT_CLAIM", "x" * 201),
        ("TOKEN_ROLES_CLAIM", "a\nb"),
        ("INTROSPECTION_URL", "http://login.example.com/introspect"),
        ("INTROSPECTION_URL", "login.example.com"),
        ("INTROSPECTION_URL", "https://ada:secret@login.example.com/"),
        ("INTROSPECTION_URL", "https://login.example.com/introspect"),
        ("INTROSPECTION_CLIENT_ID", "alone"),
    ],
)
def test_what_would_weaken_the_checks_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as caught:
        load_token_settings()
    assert "secret@" not in str(caught.value)
