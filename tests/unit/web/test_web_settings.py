"""Settings of the HTTP transport, and what is refused at the start."""

from typing import Any

import pytest

from mcp_dockerhub.settings import SettingsError, describe
from mcp_dockerhub.web_settings import WebSettings, is_loopback, load_web_settings

TOKENS = {"issuer": "https://issuer.example"}
PUBLIC = {**TOKENS, "public_url": "https://mcp.example/mcp", "allowed_hosts": "mcp.example"}
OPEN = {"insecure_no_auth": True}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in WebSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def problems(**settings: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        load_web_settings(settings)
    return str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        OPEN,
        {**OPEN, "host": "::1"},
        {**OPEN, "host": "localhost"},
        {**OPEN, "allowed_hosts": "127.0.0.1:8000,localhost,[::1]:*"},
        {**OPEN, "public_url": "http://localhost:8000/mcp"},
        TOKENS,
        {**TOKENS, "trusted_proxies": "127.0.0.1"},
        {**PUBLIC, "host": "0.0.0.0"},
        {**PUBLIC, "host": "::", "trusted_proxies": "10.0.0.0/8, 2001:db8::/32"},
        {**PUBLIC, "tls_cert_file": "a", "tls_key_file": "b"},
        {**PUBLIC, "allowed_hosts": "MCP.example:8443,[2001:db8::1]:*,mcp_internal"},
        {**PUBLIC, "allowed_origins": "https://App.example,http://localhost:*,https://a.example/,vscode-webview://x"},
        {**PUBLIC, "port": 0},
    ],
)
def test_safe_configurations_start(settings: dict[str, Any]) -> None:
    load_web_settings(settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, ["ISSUER", "INSECURE_NO_AUTH"]),
        ({"host": "0.0.0.0"}, ["ISSUER", "PUBLIC_URL", "ALLOWED_HOSTS"]),
        ({**TOKENS, "host": "10.0.0.1"}, ["PUBLIC_URL", "ALLOWED_HOSTS"]),
        ({**PUBLIC, "host": "mcp.example", "allowed_hosts": ""}, ["ALLOWED_HOSTS"]),
        ({**OPEN, "host": "0.0.0.0"}, ["INSECURE_NO_AUTH", "HOST"]),
        ({**OPEN, **TOKENS}, ["INSECURE_NO_AUTH", "ISSUER"]),
        ({**OPEN, "trusted_proxies": "127.0.0.1"}, ["INSECURE_NO_AUTH", "TRUSTED_PROXIES"]),
        ({**OPEN, "allowed_hosts": "localhost,mcp.example:*"}, ["INSECURE_NO_AUTH", "ALLOWED_HOSTS"]),
        ({**OPEN, "public_url": "https://mcp.example/mcp"}, ["INSECURE_NO_AUTH", "PUBLIC_URL"]),
        ({**TOKENS, "port": 0}, ["PUBLIC_URL"]),
        ({**PUBLIC, "tls_cert_file": "a"}, ["TLS_CERT_FILE", "TLS_KEY_FILE"]),
        ({**PUBLIC, "allowed_hosts": "*"}, ["ALLOWED_HOSTS"]),
        ({**PUBLIC, "allowed_hosts": "mcp.example,*.example"}, ["ALLOWED_HOSTS"]),
        ({**PUBLIC, "allowed_hosts": "https://mcp.example"}, ["ALLOWED_HOSTS"]),
        ({**PUBLIC, "allowed_hosts": "mcp.example/mcp"}, ["ALLOWED_HOSTS"]),
        ({**PUBLIC, "allowed_origins": "*"}, ["ALLOWED_ORIGINS"]),
        ({**PUBLIC, "allowed_origins": "https://app.example,null"}, ["ALLOWED_ORIGINS"]),
        ({**PUBLIC, "allowed_origins": "app.example"}, ["ALLOWED_ORIGINS"]),
        ({**PUBLIC, "allowed_origins": "https://*.example"}, ["ALLOWED_ORIGINS"]),
        ({**PUBLIC, "sessions": True, "json_response": True}, ["JSON_RESPONSE", "SESSIONS"]),
        ({**PUBLIC, "trusted_proxies": "proxy.example"}, ["TRUSTED_PROXIES"]),
        ({**PUBLIC, "trusted_proxies": "10.0.0.1/8"}, ["TRUSTED_PROXIES"]),
        ({**PUBLIC, "public_url": "http://mcp.example/mcp"}, ["PUBLIC_URL", "https"]),
        ({**PUBLIC, "issuer": "http://issuer.example"}, ["ISSUER", "https"]),
        ({**PUBLIC, "issuer": "issuer.example"}, ["ISSUER"]),
        ({**PUBLIC, "jwks_url": "https://user@issuer.example"}, ["JWKS_URL"]),
        ({**PUBLIC, "public_url": "https://mcp.example/mcp#a"}, ["PUBLIC_URL"]),
        ({**PUBLIC, "forwarded_header": "x-real-ip"}, ["FORWARDED_HEADER"]),
        ({**PUBLIC, "max_body_bytes": 1}, ["MAX_BODY_BYTES"]),
        ({**PUBLIC, "max_concurrency": 1}, ["MAX_CONCURRENCY"]),
        ({**PUBLIC, "request_timeout": 0}, ["REQUEST_TIMEOUT"]),
        ({**PUBLIC, "drain_timeout": -1}, ["DRAIN_TIMEOUT"]),
    ],
)
def test_a_configuration_that_exposes_or_contradicts_itself_is_refused_by_name(
    settings: dict[str, Any], named: list[str]
) -> None:
    said = problems(**settings)
    assert all(name in said for name in named), said


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_INSECURE_NO_AUTH", "yes")
    monkeypatch.setenv("MCP_DOCKERHUB_PORT", "8123")
    monkeypatch.setenv("MCP_DOCKERHUB_ALLOWED_ORIGINS", "http://localhost:1, ")
    web = load_web_settings({"host": "::1"})
    assert (web.port, web.host, web.origins) == (8123, "::1", ("http://localhost:1",))
    assert ("MCP_DOCKERHUB_PORT", "8123") in describe(web)


def test_on_loopback_its_names_are_the_default_hosts_and_origins() -> None:
    web = load_web_settings(OPEN)
    assert {"localhost:*", "127.0.0.1", "[::1]:*"} <= set(web.hosts)
    assert "http://localhost:*" in web.origins
    assert web.resource == "http://127.0.0.1:8000/mcp"


def test_the_public_url_adds_its_own_host_and_origin() -> None:
    web = load_web_settings({**TOKENS, "public_url": "https://mcp.example:8443/mcp"})
    assert "mcp.example:8443" in web.hosts
    assert "https://mcp.example:8443" in web.origins
    assert web.resource == "https://mcp.example:8443/mcp"


def test_elsewhere_there_are_no_default_hosts_and_only_its_own_origin() -> None:
    web = load_web_settings({**PUBLIC, "host": "0.0.0.0"})
    assert web.hosts == ("mcp.example",)
    assert web.origins == ("https://mcp.example",)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_these_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "localhost.example", "10.0.0.1", "127.0.0.1.example", "127.1"])
def test_these_are_not(host: str) -> None:
    assert not is_loopback(host)
