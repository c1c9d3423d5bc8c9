"""Platforms: aliases and default variants."""

import pytest

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.platform import DEFAULT_PLATFORM, Platform


@pytest.mark.parametrize(
    ("typed", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/x86-64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/i386", Platform("linux", "386")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux/armel", Platform("linux", "arm", "v6")),
        ("linux/arm/7", Platform("linux", "arm", "v7")),
        ("linux/arm64/8", Platform("linux", "arm64", "v8")),
        ("windows/amd64", Platform("windows", "amd64")),
    ],
)
def test_a_platform_is_read_with_its_aliases(typed: str, platform: Platform) -> None:
    assert Platform.parse(typed).matches(platform)


@pytest.mark.parametrize(
    "typed", ["", "linux", "/", "linux/", "/amd64", "a/b/c/d", "Linux/amd64", "linux/amd64/", "linux /amd64", "l\n/a"]
)
def test_anything_else_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(InvalidInput, match="os/arch") as raised:
        Platform.parse(typed)
    assert "linux/amd64" in raised.value.hint


@pytest.mark.parametrize(
    ("image", "wanted", "fits"),
    [
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/amd64/v1", "linux/amd64", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/386", "linux/amd64", False),
        ("linux/s390x", "linux/s390x", True),
    ],
)
def test_a_bare_architecture_means_its_default_variant(image: str, wanted: str, fits: bool) -> None:
    assert Platform.parse(image).matches(Platform.parse(wanted)) is fits


def test_a_platform_is_written_without_an_empty_variant() -> None:
    assert str(DEFAULT_PLATFORM) == "linux/amd64"
    assert str(Platform("linux", "arm", "v7")) == "linux/arm/v7"
