"""Client addresses behind proxies."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.web.proxies import MAX_HOPS, TrustedProxies
from tests.upstreams.asgi import scope_of

PROXIES = ["10.0.0.0/8", "2001:db8::/32"]
FORWARDED_FOR = TrustedProxies.of(PROXIES, "x-forwarded-for")
FORWARDED = TrustedProxies.of(PROXIES, "forwarded")


def client(proxies: TrustedProxies, peer: str, *values: str) -> str:
    name = proxies.header.decode()
    return proxies.client(scope_of(client=(peer, 1), headers=[(name, value) for value in values]))


@pytest.mark.parametrize(
    ("peer", "values", "found"),
    [
        ("192.0.2.1", ["203.0.113.5"], "192.0.2.1"),  # not a proxy of ours: its word counts for nothing
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),  # the first was the client's own invention
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, 10.0.0.2"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, 10.0.0.2, 10.0.0.3"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], ""),
        ("10.0.0.1", ["garbage"], ""),
        ("10.0.0.1", ["203.0.113.5, garbage"], ""),  # whose address a rule must not hold for
        ("192.0.2.1", ["garbage"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("10.0.0.1", ["[2001:db9::1]:4711"], "2001:db9::1"),
        ("10.0.0.1", ["2001:db9::1"], "2001:db9::1"),
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("2001:db8::1%eth0", ["203.0.113.5"], "203.0.113.5"),
    ],
)
def test_the_list_is_believed_from_its_end_as_far_as_its_writers_are_trusted(
    peer: str, values: list[str], found: str
) -> None:
    assert client(FORWARDED_FOR, peer, *values) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("for=203.0.113.5", "203.0.113.5"),
        ('For="[2001:db9::1]:4711";proto=https;by=10.0.0.1', "2001:db9::1"),
        ("proto=https;for=203.0.113.5:80", "203.0.113.5"),
        ("for=198.51.100.1, for=203.0.113.5;by=x", "203.0.113.5"),
        ("for=203.0.113.5, for=10.0.0.9", "203.0.113.5"),
        ("for=unknown", ""),
        ("for=_hidden", ""),
        ("by=203.0.113.5", ""),
        ("xfor=203.0.113.5", ""),
        ('for="203.0.113.5\\"', ""),
        ("", ""),
    ],
)
def test_forwarded_is_read_as_its_specification_says(value: str, found: str) -> None:
    assert client(FORWARDED, "10.0.0.1", value) == found


def test_the_header_that_the_proxies_do_not_write_is_the_clients_own() -> None:
    headers = {"x-forwarded-for": "203.0.113.5", "forwarded": "for=198.51.100.1"}
    scope = scope_of(client=("10.0.0.1", 1), headers=headers)
    assert FORWARDED_FOR.client(scope) == "203.0.113.5"
    assert FORWARDED.client(scope) == "198.51.100.1"


@pytest.mark.parametrize(("proxies", "form"), [(FORWARDED_FOR, "{}"), (FORWARDED, "for={}")])
def test_only_the_end_of_an_endless_list_is_looked_at(proxies: TrustedProxies, form: str) -> None:
    chain = ",".join(form.format(f"10.0.0.{n}") for n in range(1, MAX_HOPS + 1))
    assert client(proxies, "10.0.0.99", f"{form.format('203.0.113.5')},{chain}") == "10.0.0.1"
    assert client(proxies, "10.0.0.99", "x," * 10_000 + form.format("203.0.113.5")) == "203.0.113.5"
    assert client(proxies, "10.0.0.99", *["x"] * 90, form.format("203.0.113.5")) == "203.0.113.5"


def test_without_proxies_the_peer_is_the_client() -> None:
    assert client(TrustedProxies(), "192.0.2.1", "203.0.113.5") == "192.0.2.1"


def test_a_peer_without_an_address_has_none() -> None:
    assert FORWARDED_FOR.client(scope_of(client=None)) == ""
    assert FORWARDED_FOR.client(scope_of(client=("unix", 0))) == ""


@given(
    st.lists(st.sampled_from(["10.0.0.2", "203.0.113.5", "x", "", "unknown", "10.1.1.1", "2001:db8::9"]), max_size=30),
    st.text(max_size=30),
)
def test_whatever_a_client_writes_the_answer_is_an_address_of_the_chain_or_none(nodes: list[str], noise: str) -> None:
    value = ",".join([noise.encode("ascii", "ignore").decode(), *nodes])
    found = client(FORWARDED_FOR, "10.0.0.1", value)
    assert found == "" or str(ipaddress.ip_address(found)) == found


@given(st.text(alphabet='for="=;,[]:.0123456789 _x\\', max_size=80))
def test_no_forwarded_header_breaks_anything(value: str) -> None:
    found = client(FORWARDED, "10.0.0.1", value)
    assert found == "" or str(ipaddress.ip_address(found)) == found


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        TrustedProxies.of(["proxy.example"], "forwarded")
