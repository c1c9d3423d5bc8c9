"""Platforms as ``os/arch[/variant]`` (OCI image-spec, image-index.md, ``platform``)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from mcp_dockerhub.errors import InvalidInput

_PART: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}", re.ASCII)
# containerd's platforms.Normalize: other names for an architecture and its variant.
_ALIASES: Final = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
}
# The same: these variants are what the bare architecture means.
_DEFAULT_VARIANTS: Final = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidInput unless ``text`` is ``os/arch`` or ``os/arch/variant``."""
        parts = text.split("/") if len(text) <= 100 else []
        if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidInput(
                "A platform is os/arch or os/arch/variant.", hint="For example linux/amd64 or linux/arm/v7."
            )
        os, named, *said = parts
        architecture, implied = _ALIASES.get(named, (named, ""))
        variant = said[0] if said else implied
        if architecture in _DEFAULT_VARIANTS and variant.isdecimal():
            variant = f"v{variant}"
        return cls(os, architecture, variant)

    def matches(self, wanted: "Platform") -> bool:
        """Whether an image for this platform is what someone asking for ``wanted`` gets."""
        return (self.os, self.architecture, self.effective_variant) == (
            wanted.os,
            wanted.architecture,
            wanted.effective_variant,
        )

    @property
    def effective_variant(self) -> str:
        return self.variant or _DEFAULT_VARIANTS.get(self.architecture, "")

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


DEFAULT_PLATFORM: Final = Platform("linux", "amd64")
