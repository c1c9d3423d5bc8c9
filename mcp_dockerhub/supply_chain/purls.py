"""Package URLs (purl-spec): what they say about a package, in the words of its ecosystem."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mcp_dockerhub.supply_chain.packages import MAX_TEXT, Distro

_DISTRIBUTIONS: Final = frozenset({"deb", "apk", "rpm", "alpm"})
"""Types whose namespace is the distribution, which is no part of a package's name."""


@dataclass(frozen=True, slots=True)
class PurlFacts:
    """What a package URL says; all empty for text that is none."""

    type: str = ""
    name: str = ""
    """In full: ``@scope/name``, ``group:artifact``, ``github.com/o/r``."""
    version: str = ""
    namespace: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def source(self) -> tuple[str, str]:
        """Source package and its version (qualifier ``upstream``: ``name`` or ``name@version``), empty if not said."""
        name, _, version = self.qualifiers.get("upstream", "").partition("@")
        if self.type == "rpm" and name.endswith(".src.rpm"):
            name, version, _ = (*name.removesuffix(".src.rpm").rsplit("-", 2), "", "")[:3]
        return name, version

    @property
    def distro(self) -> str:
        """``debian-12``; empty if not said."""
        return self.qualifiers.get("distro", "")


_NOTHING: Final = PurlFacts()


def read_purl(text: str) -> PurlFacts:
    """The facts in a package URL."""
    if not text or len(text) > MAX_TEXT:
        return _NOTHING
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(text)
    except ValueError:
        return _NOTHING
    namespace, name = purl.namespace or "", purl.name
    return PurlFacts(purl.type, full_name(purl.type, namespace, name), purl.version or "", namespace, purl.qualifiers)


def full_name(kind: str, namespace: str, name: str) -> str:
    """A package's name as its ecosystem writes it, from the parts of its package URL."""
    if not namespace or kind in _DISTRIBUTIONS:
        return name
    return f"{namespace}:{name}" if kind == "maven" else f"{namespace}/{name}"


def write_purl(
    kind: str, name: str, version: str, *, namespace: str = "", qualifiers: Mapping[str, str] | None = None
) -> str:
    """The package URL of a package by its full name; ``namespace`` is the distribution's for distribution packages.

    Empty where there is no name or type, as there is no such URL.
    """
    if not kind or not name:
        return ""
    from packageurl import PackageURL

    if kind not in _DISTRIBUTIONS:
        namespace, _, name = name.rpartition(":" if kind == "maven" else "/")
    known = {key: value for key, value in (qualifiers or {}).items() if value}
    return PackageURL(kind, namespace or None, name, version or None, known or None).to_string()


def distro_of(text: str) -> Distro | None:
    """The distribution a qualifier such as ``debian-12`` or ``alpine-3.20.3`` names, None when it names none."""
    name, _, version = text.partition("-")
    return Distro(name.lower(), version) if name.isascii() and name.isalnum() else None
