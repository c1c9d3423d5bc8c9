"""Credentials of docker's config.json and of the operator, and who gets to use them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.registry import (
    WELL_KNOWN_HOSTS,
    DockerConfig,
    Registries,
    RegistryConfig,
    docker_config_path,
    load_docker_config,
    parse_docker_config,
)
from mcp_dockerhub.registry.credentials import MAX_CONFIG_BYTES
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential

SECRET = "pa:ss-word"


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def parse(document: Any) -> DockerConfig:
    return parse_docker_config(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://Quay.io/v2/", "quay.io"),
        ("http://localhost:5000", "localhost:5000"),
        ("registry:5000", "registry:5000"),
    ],
)
def test_keys_name_registries_in_many_ways(key: str, host: str) -> None:
    found = parse({"auths": {key: {"auth": auth(f"alice:{SECRET}")}}})
    assert found.credentials == {host: Credential(f"{host}:alice", "alice", SECRET, "basic")}
    assert found.warnings == ()


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/access-token", "quay.io/org", "", "a b", "https://", "x/../y"]
)
def test_keys_for_less_than_a_registry_are_passed_over(key: str) -> None:
    assert parse({"auths": {key: {"auth": auth("alice:s")}}}).credentials == {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "alice", "password": "s"}, Credential("x.test:alice", "alice", "s", "basic")),
        ({"auth": auth("alice:s\0\0")}, Credential("x.test:alice", "alice", "s", "basic")),
        (
            {"auth": auth("00000000-0000-0000-0000-000000000000:"), "identitytoken": "t"},
            Credential("x.test:identity-token", "00000000-0000-0000-0000-000000000000", "t", "identity_token"),
        ),
        ({"auth": auth("<token>:t")}, Credential("x.test:identity-token", "", "t", "identity_token")),
        ({"registrytoken": "t", "auth": auth("alice:s")}, Credential("x.test:registry-token", "", "t", "bearer")),
    ],
)
def test_every_form_of_login_is_understood(entry: dict[str, str], expected: Credential) -> None:
    assert parse({"auths": {"x.test": entry}}).credentials == {"x.test": expected}


@pytest.mark.parametrize("entry", [{}, None, {"email": "a@example.com"}, {"auth": ""}])
def test_entries_kept_elsewhere_are_passed_over(entry: Any) -> None:
    assert parse({"auths": {"x.test": entry}}) == DockerConfig()


@pytest.mark.parametrize(
    "entry",
    [
        "alice:s3cret",
        {"auth": "%%%s3cret"},
        {"auth": auth("s3cret-without-colon")},
        {"auth": auth(":s3cret")},
        {"auth": base64.b64encode(b"\xff:s3cret").decode()},
        {"auth": 7},
        {"password": "s3cret"},
        {"username": ["alice"], "password": "s3cret"},
    ],
)
def test_a_malformed_entry_is_a_warning_without_its_secret(entry: Any) -> None:
    found = parse({"auths": {"x.test": entry, "y.test": {"auth": auth("bob:t")}}})
    assert list(found.credentials) == ["y.test"]
    assert found.warnings == ("The login for x.test in docker's config.json is malformed: it is not used.",)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_a_malformed_file_is_a_warning(raw: bytes) -> None:
    found = parse_docker_config(raw)
    assert found.credentials == {}
    assert "not a JSON object" in found.warnings[0]


def test_auths_of_another_type_are_a_warning() -> None:
    assert "not an object" in parse({"auths": ["x"]}).warnings[0]
    assert parse({"auths": None}) == DockerConfig()


def test_helpers_are_said_not_to_be_asked() -> None:
    found = parse({"credsStore": "desktop", "credHelpers": {"x.test": "ecr-login"}, "auths": {"x.test": {}}})
    assert "credsStore, credHelpers" in found.warnings[0]


def test_the_file_is_read_where_docker_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {"x.test": {"auth": auth("alice:s")}}}))
    assert docker_config_path(None, tmp_path) == path
    assert docker_config_path(str(tmp_path / "other"), tmp_path) == tmp_path / "other" / "config.json"
    assert docker_config_path(None, None) is None
    assert list(load_docker_config(path).credentials) == ["x.test"]


def test_a_missing_file_is_no_configuration(tmp_path: Path) -> None:
    assert load_docker_config(tmp_path / "config.json") == load_docker_config(None) == DockerConfig()


def test_an_unreadable_file_is_a_warning(tmp_path: Path) -> None:
    assert "cannot be read" in load_docker_config(tmp_path).warnings[0]  # a directory
    (tmp_path / "config.json").write_bytes(b" " * (MAX_CONFIG_BYTES + 1))
    assert "larger than 1 MiB" in load_docker_config(tmp_path / "config.json").warnings[0]


def test_the_repr_of_a_configuration_has_no_secrets() -> None:
    assert SECRET not in repr(parse({"auths": {"x.test": {"auth": auth(f"alice:{SECRET}")}}}))


def test_docker_hub_is_fetched_from_its_registry_unless_configured() -> None:
    assert Registries().find("docker.io").url == "https://registry-1.docker.io"
    assert Registries.build(hub_url="http://127.0.0.1:5000/").find("docker.io").url == "http://127.0.0.1:5000"
    assert Registries.build().find("registry.example.com:8443").url == "https://registry.example.com:8443"
    mirror = RegistryConfig.create("docker.io", "https://mirror.example.com/prefix/")
    assert Registries.build([mirror]).find("docker.io").url == "https://mirror.example.com/prefix"


def test_callers_are_anonymous_unless_they_may_use_credentials() -> None:
    own = RegistryConfig.create("x.test", username="alice", password="s")
    registries = Registries.build([own], auths={"x.test": Credential("x.test:bob", "bob", "t", "basic")})
    assert registries.choose("x.test", private=False) is ANONYMOUS_CREDENTIAL
    assert registries.choose("x.test", private=True) == own.credential
    assert registries.choose("y.test", private=True) is ANONYMOUS_CREDENTIAL


def test_dockers_logins_serve_where_nothing_is_configured() -> None:
    bob = Credential("docker.io:bob", "bob", "t", "basic")
    assert Registries.build(auths={"docker.io": bob}).choose("docker.io", private=True) == bob
    alice = Credential("docker.io:alice", "alice", "s", "basic")
    registries = Registries.build(hub_credential=alice, auths={"docker.io": bob})
    assert registries.choose("docker.io", private=True) == alice


@pytest.mark.parametrize(
    ("given", "kind", "identity"),
    [
        ({"username": "alice", "password": "s"}, "basic", "x.test:alice"),
        ({"username": "alice", "token": "s"}, "basic", "x.test:alice"),
        ({"token": "s"}, "bearer", "x.test:token"),
        ({"username": "alice"}, "anonymous", "anonymous"),
        ({"password": "s"}, "anonymous", "anonymous"),
        ({}, "anonymous", "anonymous"),
    ],
)
def test_what_an_operator_writes_becomes_a_credential(given: dict[str, str], kind: str, identity: str) -> None:
    config = RegistryConfig.create("x.test", **given)
    assert (config.credential.kind, config.credential.identity, config.url) == (kind, identity, "https://x.test")


def test_well_known_registries_have_names() -> None:
    assert "docker.io" in WELL_KNOWN_HOSTS
    assert Registries().find("docker.io").name == "Docker Hub"
    assert Registries().find("x.test").name == "x.test"
