"""RFC 9728."""

import json

import pytest

from mcp_dockerhub_security.tokens.metadata import protected_resource

ISSUER = "https://login.example.com"


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://hub.example.com/mcp", "https://hub.example.com/.well-known/oauth-protected-resource/mcp"),
        ("https://hub.example.com/a/b", "https://hub.example.com/.well-known/oauth-protected-resource/a/b"),
        ("https://hub.example.com", "https://hub.example.com/.well-known/oauth-protected-resource"),
        ("https://hub.example.com/", "https://hub.example.com/.well-known/oauth-protected-resource"),
        ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"),
        ("https://[2001:db8::1]:8443/mcp", "https://[2001:db8::1]:8443/.well-known/oauth-protected-resource/mcp"),
        ("https://hub.example.com/mcp?x=1", "https://hub.example.com/.well-known/oauth-protected-resource/mcp?x=1"),
    ],
)
def test_the_metadata_are_between_host_and_path(resource: str, url: str) -> None:
    assert protected_resource(resource, ISSUER, ()).metadata_url == url


def test_the_document_is_served_at_both_paths() -> None:
    resource = protected_resource("https://hub.example.com/mcp", ISSUER, ())
    assert resource.paths == {"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"}


def test_the_document_names_resource_issuer_and_scopes() -> None:
    resource = protected_resource("https://hub.example.com/mcp", ISSUER, ("dockerhub:read",))
    assert json.loads(resource.encoded()) == {
        "resource": "https://hub.example.com/mcp",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["dockerhub:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "mcp-dockerhub",
    }


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "hub.example.com/mcp",
        "ftp://hub.example.com",
        "https:///mcp",
        "https://hub.example.com/mcp#fragment",
        "https://hub.example.com/mcp#",
        "https://ada:secret@hub.example.com/mcp",
        "https://hub.example.com/m cp",
        'https://hub.example.com/"mcp',
        "https://hub.example.com/mcp\n",
        "https://hüb.example.com/mcp",
    ],
)
def test_what_cannot_be_a_resource_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="the resource"):
        protected_resource(uri, ISSUER, ())
