"""The configuration: names, files for secrets, and errors that never show a value."""

import json
from pathlib import Path

import pytest

from mcp_dockerhub.services import registry_config
from mcp_dockerhub.settings import MAX_FILE, Settings, SettingsError, describe, load_settings

ALIASES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALIASES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_everything_has_a_usable_default() -> None:
    settings = load_settings()
    assert settings.hub_url == "https://hub.docker.com"
    assert settings.registry_url == "https://registry-1.docker.io"
    assert settings.toolsets == ("images", "supply_chain", "server")
    assert settings.hub_secret is None


def test_settings_cannot_be_changed_after_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load_settings(), "log_level", "debug")  # noqa: B010 - the type checker knows it cannot be done


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_TOOLSETS", "server")
    assert load_settings({"toolsets": "images"}).toolsets == ("images",)


def test_an_empty_variable_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_HUB_URL", "")
    monkeypatch.setenv("DOCKERHUB_TOKEN", "")
    settings = load_settings()
    assert settings.hub_url == "https://hub.docker.com"
    assert settings.hub_secret is None


def test_a_dotenv_file_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("MCP_DOCKERHUB_LOG_LEVEL=debug\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().log_level == "info"


def test_a_secret_can_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret-value\n")
    monkeypatch.setenv("DOCKERHUB_TOKEN_FILE", str(path))
    monkeypatch.setenv("DOCKERHUB_USERNAME", "alice")
    settings = load_settings()
    assert settings.hub_secret is not None
    assert settings.hub_secret.get_secret_value() == "s3cret-value"
    assert not settings.token_without_username


def test_a_secret_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    monkeypatch.setenv("DOCKERHUB_TOKEN_FILE", str(path))
    monkeypatch.setenv("DOCKERHUB_TOKEN", "y")
    with pytest.raises(SettingsError, match="both set"):
        load_settings()


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * (MAX_FILE + 1)], ids=["missing", "binary", "huge"])
def test_an_unusable_secret_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("DOCKERHUB_TOKEN_FILE", str(path))
    with pytest.raises(SettingsError, match="DOCKERHUB_TOKEN_FILE"):
        load_settings()


def test_a_token_without_a_user_name_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKERHUB_TOKEN", "dckr_pat_x")
    assert load_settings().token_without_username


REGISTRY = {
    "host": "Registry.Example.com:5000",
    "url": "http://registry.example.com:5000/",
    "username": "u",
    "password": "p",
}


def test_registries_are_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", json.dumps([REGISTRY]))
    (registry,) = load_settings().registries
    assert registry.host == "registry.example.com:5000"
    assert registry.url == "http://registry.example.com:5000"
    assert registry.password is not None


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_registries_are_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path = tmp_path / f"registries{suffix}"
    toml = '[[registries]]\nhost = "ghcr.io"\nusername = "u"\npassword = "p"\n'
    path.write_text(toml if suffix == ".toml" else json.dumps({"registries": [{"host": "ghcr.io"}]}))
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", str(path))
    (registry,) = load_settings().registries
    assert registry.url == ""


def test_registries_can_be_a_file_named_as_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registries"
    path.write_text(json.dumps([REGISTRY]))
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES_FILE", str(path))
    assert len(load_settings().registries) == 1


@pytest.mark.parametrize(
    "value",
    [
        "[" * 50_000,
        "[{]",
        "/does/not/exist",
        '[{"host": "a/b"}]',
        '[{"host": "u@a"}]',
        '[{"host": "a", "url": "ftp://a"}]',
        '[{"host": "a", "url": "https://u:p4ss@a"}]',
        '[{"host": "a", "password": "p4ss"}]',
        '[{"host": "a", "username": "u", "password": "p4ss", "token": "t"}]',
        '[{"host": "a"}, {"host": "A"}]',
        '[{"host": "a", "passwort": "p4ss"}]',
        "{}{}",
        "7",
    ],
)
def test_an_unusable_registry_list_is_refused_without_its_secrets(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", value)
    with pytest.raises(SettingsError, match="MCP_DOCKERHUB_REGISTRIES") as caught:
        load_settings()
    assert "p4ss" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_DOCKERHUB_HUB_URL", "hub.docker.com"),
        ("MCP_DOCKERHUB_REGISTRY_URL", "https://u:p@mirror"),
        ("MCP_DOCKERHUB_TOOLSETS", "images,everything"),
        ("MCP_DOCKERHUB_CACHE_TTL", "tags=soon"),
        ("MCP_DOCKERHUB_CACHE_TTL", "sandwiches=1"),
        ("MCP_DOCKERHUB_CACHE_TTL", "tags=-1"),
        ("MCP_DOCKERHUB_CACHE_MAX_BYTES", "1"),
        ("MCP_DOCKERHUB_METRICS_PORT", "70000"),
        ("MCP_DOCKERHUB_LOG_LEVEL", "loud"),
        ("MCP_DOCKERHUB_READ_ONLY", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_times_to_live_are_given_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_CACHE_TTL", "tags=600, search=60,")
    assert load_settings().cache_ttl == {"tags": 600.0, "search": 60.0}


def test_only_named_origins_are_configured_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", '[{"host": "a", "url": "http://a:1/prefix"}, {"host": "b"}]')
    assert load_settings().configured_origins == {
        "https://hub.docker.com",
        "https://registry-1.docker.io",
        "http://a:1",
    }


def test_the_description_masks_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKERHUB_PASSWORD", "p4ss")
    monkeypatch.setenv("HTTPS_PROXY", "http://u:p4ss@proxy:1")
    monkeypatch.setenv(
        "MCP_DOCKERHUB_REGISTRIES",
        '[{"host": "a", "username": "u", "password": "p4ss"}, {"host": "b", "token": "p4ss"}, {"host": "c"}]',
    )
    monkeypatch.setenv("MCP_DOCKERHUB_CACHE_TTL", "tags=5")
    shown = dict(describe(load_settings()))
    assert "p4ss" not in repr(shown)
    assert shown["DOCKERHUB_PASSWORD"] == "(set)"
    assert shown["MCP_DOCKERHUB_CACHE_TTL"] == "tags=5"
    assert shown["MCP_DOCKERHUB_REGISTRIES"] == "a as u, b with a token, c"
    assert set(shown) == set(ALIASES)


def test_docker_hub_is_one_registry_whatever_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_ALLOWED_REGISTRIES", "index.docker.io, GHCR.io, registry.example.com:5000")
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", '[{"host": "registry-1.docker.io", "token": "t"}]')
    settings = load_settings()
    assert settings.allowed_registries == ("docker.io", "ghcr.io", "registry.example.com:5000")
    (registry,) = settings.registries
    assert registry.host == "docker.io"
    assert registry_config(registry).url == "https://registry-1.docker.io"


@pytest.mark.parametrize("value", ["https://ghcr.io", "ghcr.io/o", "a b", "ghcr.io:port"])
def test_what_is_no_host_is_no_registry(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_ALLOWED_REGISTRIES", value)
    with pytest.raises(SettingsError, match=r"MCP_DOCKERHUB_ALLOWED_REGISTRIES: .*host name with an optional port"):
        load_settings()


def test_hosts_beside_the_proxy_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost, .example.com,10.0.0.0/8")
    assert load_settings().no_proxy == ("localhost", ".example.com", "10.0.0.0/8")
