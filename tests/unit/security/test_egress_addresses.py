"""Which addresses are public, and which host names are addresses in disguise."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_security.addresses import is_public, literal_address

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2a00:1450::5efe:10.0.0.1",
    "2a00:1450:0:0:200:5efe:c0a8:101",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2a00:1450:4001::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "",
    "1.1.1.1 ",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:812::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_on_the_public_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_on_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_never_public(address: ipaddress.IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_public(str(address))


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_that_python_calls_local_is_public(address: ipaddress.IPv6Address) -> None:
    if address.is_link_local or address.is_site_local or address.is_loopback or address.is_multicast:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_wrapping_an_ipv4_address_in_ipv6_never_makes_it_public(address: ipaddress.IPv4Address) -> None:
    mapped = str(ipaddress.IPv6Address(0xFFFF_0000_0000 | int(address)))
    translated = str(ipaddress.IPv6Address((0x64_FF9B << 96) | int(address)))
    six_to_four = str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80) | 1))
    for wrapped in (mapped, translated, six_to_four):
        assert is_public(wrapped) == is_public(str(address))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7F000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("8.8.8.8", "8.8.8.8"),
        ("0", "0.0.0.0"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("example.256", "0.0.0.0"),
        ("1.2.3.4.5", "0.0.0.0"),
        ("256.256.256.256", "0.0.0.0"),
        ("99999999999", "0.0.0.0"),
    ],
)
def test_a_host_that_ends_in_a_number_is_read_as_an_address(host: str, address: str) -> None:
    assert literal_address(host) == address


@pytest.mark.parametrize("host", ["example.com", "1.example", "0x7f.example", "registry-1.docker.io", "a1", ""])
def test_a_name_is_not_an_address(host: str) -> None:
    assert literal_address(host) is None


@given(st.ip_addresses(v=4), st.sampled_from(["{0:d}", "0x{0:x}", "0{0:o}"]))
def test_a_number_means_the_same_address_in_every_base(address: ipaddress.IPv4Address, form: str) -> None:
    assert literal_address(form.format(int(address))) == str(address)
