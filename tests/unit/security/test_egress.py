"""The egress rules."""

import pytest

from mcp_dockerhub_security.egress import EgressPolicy, Purpose, origin_of
from mcp_dockerhub_security.refusals import Refusal

CONFIGURED = frozenset({"http://localhost:5000", "https://registry.corp.internal", "HTTPS://10.0.0.7:8443/v2/"})
POLICY = EgressPolicy(frozenset({"docker.io", "localhost:5000"}), CONFIGURED)


def rule_of(url: str, purpose: Purpose = "redirect", policy: EgressPolicy = POLICY) -> str:
    with pytest.raises(Refusal) as refused:
        policy.check_url(url, purpose)
    assert refused.value.code == "POLICY_DENIED"
    assert not refused.value.retryable
    assert len(refused.value.message) < 400
    return refused.value.rule


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example.com/blob?sig=x",
        "https://8.8.8.8/x",
        "https://[2606:4700:4700::1111]:8443/",
        "http://localhost:5000/v2/",
        "https://registry.corp.internal/token",
        "https://registry.corp.internal:443/token",
        "https://10.0.0.7:8443/blob",
    ],
)
def test_public_https_and_configured_origins_pass(url: str) -> None:
    POLICY.check_url(url, "redirect")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://cdn.example.com/blob", "egress_scheme"),
        ("http://169.254.169.254/latest/meta-data/", "egress_scheme"),
        ("https://169.254.169.254/latest/meta-data/", "egress_address"),
        ("https://[::ffff:169.254.169.254]/", "egress_address"),
        ("https://[fe80::1%25eth0]/", "egress_address"),
        ("https://2852039166/", "egress_address"),
        ("https://0251.0376.0251.0376/", "egress_address"),
        ("https://127.1/", "egress_address"),
        ("https://example.1/", "egress_address"),
        ("https://localhost/", "egress_local_name"),
        ("https://LOCALHOST./", "egress_local_name"),
        ("https://metadata.google.internal/", "egress_local_name"),
        ("https://printer.local/", "egress_local_name"),
        ("https://user:secret@cdn.example.com/", "egress_userinfo"),
        ("https://localhost:5000/v2/", "egress_local_name"),
        ("http://localhost:5001/v2/", "egress_scheme"),
        ("http://registry.corp.internal/", "egress_scheme"),
        ("https://registry.corp.internal:8443/", "egress_local_name"),
        ("http://10.0.0.7:8443/", "egress_scheme"),
        ("ftp://cdn.example.com/", "egress_url"),
        ("file:///etc/passwd", "egress_url"),
        ("//cdn.example.com/x", "egress_url"),
        ("https:///x", "egress_url"),
        ("https://cdn.example.com:99999/", "egress_url"),
        ("https://cdn.example.com:0/", "egress_url"),
        ("https://[::1/", "egress_url"),
        ("https://cdn.example.com\\@169.254.169.254/", "egress_userinfo"),
        ("https://cdn.example.com\\.evil.example/", "egress_url"),
        ("https://cdn.exam\nple.com/", "egress_url"),
        ("", "egress_url"),
    ],
)
def test_everything_else_is_refused_by_its_rule(url: str, rule: str) -> None:
    # The user-information rule comes after parsing; a backslash in it is refused by either.
    assert rule_of(url) in ({rule} if "\\@" not in url else {"egress_userinfo", "egress_url"})


def test_a_refusal_names_purpose_and_host_but_neither_path_nor_secret() -> None:
    with pytest.raises(Refusal) as refused:
        POLICY.check_url("https://user:hunter2@cdn.example.com/path?sig=hunter3", "realm")
    assert "token service" in refused.value.message
    assert "cdn.example.com" in refused.value.message
    assert "hunter" not in refused.value.message + refused.value.hint
    assert "path" not in refused.value.message


def test_a_long_host_is_cut_in_the_message() -> None:
    with pytest.raises(Refusal) as refused:
        POLICY.check_url(f"http://{'a' * 5000}.example/", "redirect")
    assert len(refused.value.message) < 250


def test_only_registries_on_the_allow_list_may_be_named() -> None:
    POLICY.check_registry("docker.io")
    POLICY.check_registry("LOCALHOST:5000")
    for host in ("ghcr.io", "localhost", "localhost:5001", "docker.io.evil.example", ""):
        with pytest.raises(Refusal) as refused:
            POLICY.check_registry(host)
        assert refused.value.rule == "egress_registry"


def test_without_an_allow_list_any_registry_may_be_named() -> None:
    EgressPolicy().check_registry("anything.example")


@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1", "169.254.169.254", "garbage"])
def test_one_address_that_is_not_public_refuses_the_whole_name(bad: str) -> None:
    POLICY.check_addresses("cdn.example.com", ["1.1.1.1", "2606:4700:4700::1111"])
    for addresses in ([bad], ["1.1.1.1", bad], [bad, "1.1.1.1"]):
        with pytest.raises(Refusal) as refused:
            POLICY.check_addresses("cdn.example.com", addresses)
        assert refused.value.rule == "egress_address"


def test_configured_origins_are_compared_scheme_host_and_port() -> None:
    assert POLICY.is_configured("http://LOCALHOST:5000/anything?x=1")
    assert POLICY.is_configured("https://registry.corp.internal:443")
    assert not POLICY.is_configured("https://localhost:5000")
    assert not POLICY.is_configured("http://localhost")
    assert not POLICY.is_configured("http://localhost.evil.example:5000")


def test_an_origin_is_written_in_one_way_only() -> None:
    assert origin_of("HTTPS://Registry.Example.com:443/v2/") == "https://registry.example.com"
    assert origin_of("http://[::1]:80/x") == "http://[::1]"
    assert origin_of("http://[::1]:5000") == "http://[::1]:5000"
