"""NO_PROXY means here what it means to other programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.transport.bypass import Bypass


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("*", "registry.example.com"),
        ("registry.example.com", "registry.example.com"),
        ("REGISTRY.example.com", "registry.example.com"),
        ("example.com", "registry.example.com"),
        (".example.com", "registry.example.com"),
        ("*.example.com", "registry.example.com"),
        ("example.com:443", "registry.example.com"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3:443", "10.1.2.3"),
        ("fd00::/8", "fd00::1"),
        ("[fd00::1]", "fd00::1"),
        ("[fd00::1]:443", "fd00::1"),
    ],
)
def test_what_an_entry_stands_for_is_reached_without_the_proxy(entry: str, host: str) -> None:
    assert Bypass(("other.example", f" {entry} ")).covers(host, 443)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("", "registry.example.com"),
        (".", "registry.example.com"),
        ("ample.com", "registry.example.com"),
        ("registry.example.com.evil.example", "registry.example.com"),
        ("example.com:8443", "registry.example.com"),
        ("10.0.0.0/8", "11.1.2.3"),
        ("10.0.0.0/8", "10.example.com"),
        ("10.1.2.3:8443", "10.1.2.3"),
        ("fd00::1", "fd00::2"),
        ("fd00::/129", "fd00::1"),
    ],
)
def test_nothing_else_is(entry: str, host: str) -> None:
    assert not Bypass((entry,)).covers(host, 443)


@given(st.lists(st.text(max_size=20), max_size=4), st.text(max_size=20), st.integers(0, 65535))
def test_no_entry_is_a_surprise(entries: list[str], host: str, port: int) -> None:
    assert Bypass([*entries, "*"]).covers(host, port)
    Bypass(entries).covers(host, port)
