"""References: parsing and writing are inverse, and no text whatever gets past the rules or is echoed."""

import string
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_dockerhub.errors import MAX_MESSAGE, InvalidInput
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference, Repository

T = TypeVar("T")
_LOWER = string.ascii_lowercase + string.digits
_words = st.text(_LOWER, min_size=1, max_size=8)
_separators = st.sampled_from([".", "_", "__", "-", "---"])
_components = st.builds(
    lambda first, rest: first + "".join(separator + word for separator, word in rest),
    _words,
    st.lists(st.tuples(_separators, _words), max_size=3),
)
_ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
_names = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?(\.[a-zA-Z0-9]{1,6}){1,3}", fullmatch=True)
_hosts = st.one_of(
    st.just("localhost"),
    _names,
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).filter(lambda a: "%" not in str(a) and "." not in str(a)).map(lambda a: f"[{a}]"),
    st.sampled_from(["docker.io", "index.docker.io", "registry-1.docker.io"]),
)
_registries = st.builds(lambda host, port: host + port + "/", _hosts, _ports)
_paths = st.lists(_components, min_size=1, max_size=4).map("/".join)
_tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
_digests = st.sampled_from([("sha256", 64), ("sha384", 96), ("sha512", 128)]).flatmap(
    lambda kind: st.text("0123456789abcdef", min_size=kind[1], max_size=kind[1]).map(lambda h: f"{kind[0]}:{h}")
)
_typed = st.builds(
    lambda registry, path, tag, digest: registry + path + (f":{tag}" if tag else "") + (f"@{digest}" if digest else ""),
    st.one_of(st.just(""), _registries),
    _paths,
    st.one_of(st.none(), _tags),
    st.one_of(st.none(), _digests),
)


def _parsed(typed: str) -> Reference:
    try:
        return Reference.parse(typed)
    except InvalidInput:
        assume(False)
        raise


def _outcome(parse: Callable[[str], T], text: str) -> tuple[T | None, str]:
    try:
        return parse(text), ""
    except InvalidInput as error:
        return None, error.message


@given(_typed)
def test_what_is_written_in_full_reads_as_the_same(typed: str) -> None:
    reference = _parsed(typed)
    assert Reference.parse(str(reference)) == reference


@given(_typed)
def test_what_is_written_familiarly_reads_as_the_same(typed: str) -> None:
    reference = _parsed(typed)
    assert Reference.parse(reference.familiar) == reference
    assert Repository.parse(reference.repository.familiar) == reference.repository
    assert len(reference.familiar) <= len(str(reference))


@given(_registries.filter(lambda r: "docker.io" not in r.lower()), _paths, _tags, _digests)
def test_a_well_formed_reference_is_accepted_part_for_part(registry: str, path: str, tag: str, digest: str) -> None:
    reference = Reference.parse(f"{registry}{path}:{tag}@{digest}")
    assert reference == Reference(Repository(registry.lower().rstrip("/"), path), tag, Digest(digest))


@given(st.text(max_size=200))
def test_any_text_is_a_reference_that_round_trips_or_is_refused_briefly_without_echo(text: str) -> None:
    reference, refusal = _outcome(Reference.parse, text)
    if reference is None:
        assert 0 < len(refusal) <= 200
        assert refusal.isprintable()
        assert len(text) < 20 or text not in refusal
    else:
        assert Reference.parse(str(reference)) == reference
        assert str(reference).isascii()
        assert ".." not in reference.repository.path


@pytest.mark.parametrize("parse", [Reference.parse, Repository.parse, Platform.parse, Digest.parse])
@pytest.mark.parametrize(
    "hostile",
    [
        "../../etc",
        "../../../v2/users/login?x=1#",
        "..%2f..%2fetc",
        "a/../../b",
        "a\r\nX-Injected: 1",
        "a\x00b",
        "\x1b]0;owned\x07",
        "\x1b[2J",
        "ｎginx",  # noqa: RUF001
        "ngin\u0445",
        "nginx\u200b",
        "nginx\u202e",
        "nginx\U000e0041",
        "x" * 1_000_000,
        "a/" * 500_000,
        "@" * 1_000_000,
        ":" * 1_000_000,
        "[" * 1_000_000,
        "a." * 500_000 + "/x",
        "-" * 1000 + "/x",
    ],
)
def test_hostile_text_is_refused_briefly_and_never_echoed(parse: object, hostile: str) -> None:
    assert callable(parse)
    with pytest.raises(InvalidInput) as raised:
        parse(hostile)
    said = raised.value.message + raised.value.hint
    assert hostile not in said
    assert said.isprintable()
    assert len(said) < MAX_MESSAGE


_parts = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True)


@given(_parts, _parts, st.one_of(st.just(""), _parts))
def test_a_platform_written_reads_as_the_same(os: str, architecture: str, variant: str) -> None:
    platform = Platform.parse("/".join(part for part in (os, architecture, variant) if part))
    assert Platform.parse(str(platform)) == platform
    assert platform.matches(platform)


@given(st.text(max_size=150))
def test_any_text_is_a_platform_or_refused(text: str) -> None:
    platform, refusal = _outcome(Platform.parse, text)
    assert str(platform).isascii() if platform else "os/arch" in refusal
