"""The order of versions: what the specifications say, and what real tools answer."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.supply_chain.advisories import versions
from mcp_dockerhub.supply_chain.advisories.versions import Reader, Unreadable, is_readable, reader_of
from tests.upstreams.osv_evaluation import _ORDERS, NotAVersion

READERS = {
    name: reader for name, reader in versions._READERS.items() if name not in ("Ubuntu", "Wolfi", "Chainguard", "Go")
}

ORDERED: list[tuple[Reader, Sequence[str]]] = [
    # semver.org, section 11
    (
        versions.semantic,
        ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"],
    ),
    (versions.semantic, ["1.0.0-rc.1", "1.0.0", "1.0.1", "v1.1", "1.10.0", "2"]),
    (versions.semantic, ["0.0.0-20200101000000-aaaaaaaaaaaa", "0.0.0-20210817142637-7d9622a276b7", "0.0.1"]),
    # Debian policy 5.6.12
    (versions.debian, ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a"]),
    (versions.debian, ["1.0-1~deb12u1", "1.0-1", "1.0-1ubuntu1", "1.0-1+b1", "1.0+dfsg-1", "1:0.1"]),
    # apk-tools: suffixes before and after a release, fractions, letters, revisions
    (versions.alpine, ["1.0_alpha", "1.0_alpha2", "1.0_beta1", "1.0_pre1", "1.0_rc1", "1.0"]),
    (versions.alpine, ["1.0", "1.0_git20200101", "1.0_p1"]),
    (versions.alpine, ["1.2.3-r0", "1.2.3-r4", "1.2.3-r10", "1.2.3a-r0", "1.2.3.1-r0", "1.2.10-r0", "1.10-r0"]),
    (versions.alpine, ["1.01", "1.1", "1.2"]),
    (versions.alpine, ["20220614-r4", "20230506-r0"]),
    # getcomposer.org/doc/articles/versions.md, php.net/version_compare
    (versions.composer, ["1.0.0-dev", "1.0.0-alpha1", "1.0.0-alpha2", "1.0.0-beta1", "1.0.0-RC1", "1.0.0", "1.0.0-p1"]),
    (versions.composer, ["1.0", "1.0.0.1", "1.0.1", "1.2", "1.10", "10.4.5"]),
    (versions.python, ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.1", "1!0.1"]),
    # maven.apache.org/pom.html, version order specification
    (versions.maven, ["1.0-alpha-1", "1.0-beta-1", "1.0-milestone-1", "1.0-rc-1", "1.0-SNAPSHOT", "1.0", "1.0.1"]),
    # Gem::Version
    (versions.gem, ["1.0.0.a", "1.0.0.rc1", "1.0.0", "1.0.0.1", "1.0.10", "5.0.0.1"]),
    # learn.microsoft.com, NuGet package versioning
    (versions.nuget, ["1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-beta", "1.0.0", "1.0.0.1", "1.0.1", "1.10.0"]),
]  # fmt: skip


@pytest.mark.parametrize(("reader", "ordered"), ORDERED)
def test_versions_stand_in_the_order_of_their_specification(reader: Reader, ordered: Sequence[str]) -> None:
    read = [reader(text) for text in ordered]
    for at, one in enumerate(read):
        for other in read[at + 1 :]:
            assert one < other
            assert not other < one


@pytest.mark.parametrize(
    ("reader", "one", "other"),
    [
        (versions.semantic, "1.0.0+build1", "1.0.0+build2"),
        (versions.semantic, "v1.2", "1.2.0"),
        (versions.debian, "0:1.0-0", "1.0"),
        (versions.composer, "1.0", "v1.0.0.0"),
        (versions.composer, "1.0.0-stable", "1.0"),
        (versions.python, "1.0", "1.0.0"),
        (versions.maven, "1.0", "1"),
        (versions.gem, "1.0", "1"),
        (versions.nuget, "1.0", "1.0.0.0"),
    ],
)
def test_versions_that_are_one_are_neither_before_nor_after_each_other(reader: Reader, one: str, other: str) -> None:
    assert not reader(one) < reader(other)
    assert not reader(other) < reader(one)


@pytest.mark.parametrize("ecosystem", READERS)
@pytest.mark.parametrize(
    "text", ["", "(devel)", "not a version", "master", "1.0\n", " 1.0", "1.0; x", "1.0ü", "-1", "1" * 500, "latest"]
)
def test_what_is_no_version_has_no_place_in_the_order(ecosystem: str, text: str) -> None:
    assert not is_readable(ecosystem, text)


@pytest.mark.parametrize(
    ("ecosystem", "text"),
    [
        ("npm", "1.2.3.4"),
        ("Packagist", "dev-master"),
        ("Packagist", "1.x-dev"),
        ("PyPI", "2.0.0-final"),
        ("Alpine:v3.20", "1.0-final"),
        ("RubyGems", "1..2"),
        ("NuGet", "1.2.3.4.5"),
        ("NuGet", "1.0+"),
        ("Debian:12", "1::2"),
    ],
)
def test_versions_of_another_world_are_not_read(ecosystem: str, text: str) -> None:
    assert not is_readable(ecosystem, text)


def test_the_order_of_an_unknown_ecosystem_is_not_known() -> None:
    assert reader_of("Red Hat") is None
    assert not is_readable("Red Hat", "1.0")


NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
SHAPES = {
    "Debian": st.builds(
        "{}{}{}".format,
        NUMBERS,
        st.sampled_from(["", "~rc1", "+dfsg", "~", "a", "+git2021", ".b"]),
        st.sampled_from(["", "-1", "-1+deb12u1", "-0ubuntu1.2", "-1~bpo12+1"]),
    ),
    "Alpine": st.builds(
        "{}{}{}{}".format,
        NUMBERS,
        st.sampled_from(["", "a", "z", ".01", ".0"]),
        st.sampled_from(["", "_alpha", "_rc1", "_rc2", "_git20220101", "_p1", "_p"]),
        st.sampled_from(["", "-r0", "-r12"]),
    ),
    "npm": st.builds("{}{}".format, NUMBERS, st.sampled_from(["", "-rc.1", "-a", "-a.b", "-1", "+x", "-1+x"])),
    "PyPI": st.builds("{}{}".format, NUMBERS, st.sampled_from(["", "rc1", ".post1", ".dev0", "+local"])),
}  # fmt: skip


@pytest.mark.parametrize("ecosystem", SHAPES)
@given(data=st.data())
def test_two_implementations_of_one_specification_agree(ecosystem: str, data: st.DataObject) -> None:
    one, other = data.draw(SHAPES[ecosystem]), data.draw(SHAPES[ecosystem])
    reader = reader_of(ecosystem)
    assert reader is not None
    expected = _ORDERS[ecosystem](one, other)
    assert (reader(one) < reader(other), reader(other) < reader(one)) == (expected < 0, expected > 0)


@given(text=st.text(max_size=40), ecosystem=st.sampled_from(sorted(READERS)))
def test_any_text_is_read_or_refused(text: str, ecosystem: str) -> None:
    reader = reader_of(ecosystem)
    assert reader is not None
    try:
        found = reader(text)
    except Unreadable:
        return
    assert not found < found


VERSIONISH = st.text(alphabet="0123456789.-_+~abcdeprv", min_size=1, max_size=12)


@given(texts=st.lists(VERSIONISH, min_size=3, max_size=3), ecosystem=st.sampled_from(sorted(READERS)))
def test_no_version_is_before_one_that_is_before_it(texts: list[str], ecosystem: str) -> None:
    reader = reader_of(ecosystem)
    assert reader is not None
    try:
        a, b, c = map(reader, texts)
    except Unreadable:
        return
    assert not (a < b and b < a)
    if a < b and b < c:
        assert not c < a


def test_the_second_implementation_refuses_what_has_no_order() -> None:
    for ecosystem, text in (("Debian", "x"), ("Alpine", "x"), ("PyPI", "x"), ("npm", "1.2.3.4"), ("npm", "x")):
        with pytest.raises(NotAVersion):
            _ORDERS[ecosystem](text, text)
