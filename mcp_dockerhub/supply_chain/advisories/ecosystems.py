"""Which database knows about a package, and by which name and version.

Names and releases are those of the OSV schema (section "affected[].package", list of ecosystems). Distributions are
asked about by source package and source version, because their advisories name those.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from mcp_dockerhub.supply_chain.advisories.model import NotCovered, Query
from mcp_dockerhub.supply_chain.packages import MAX_TEXT, Distro, Package
from mcp_dockerhub.supply_chain.purls import distro_of, read_purl

DEBIAN_CODENAMES: Final[Mapping[str, str]] = {
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
}
UBUNTU_CODENAMES: Final[Mapping[str, str]] = {
    "trusty": "14.04",
    "xenial": "16.04",
    "bionic": "18.04",
    "focal": "20.04",
    "jammy": "22.04",
    "noble": "24.04",
    "questing": "25.10",
    "resolute": "26.04",
}
_ROLLING: Final[Mapping[str, str]] = {"wolfi": "Wolfi", "chainguard": "Chainguard"}
_RPM: Final = (
    "packages of Red Hat and other rpm distributions need the product stream they come from, which is not matched"
)
_UBUNTU_RELEASE: Final = re.compile(r"(\d{2})\.(\d{2})(?:\.\d+)?")
_ALPINE_RELEASE: Final = re.compile(r"(\d+\.\d+)(?:\.\d+)?")
_GEM_PLATFORM: Final = re.compile(
    r"-(?:x86_64|x86|x64|i\d86|aarch64|arm|arm64|armv\d\w*|universal|java|jruby|mswin|mingw|powerpc|s390x)\b.*"
)
_PART: Final = re.compile(r"^lib|-(?:libs?|bin|common|base|data|utils|doc|core|minimal)$|t64$|_client$")
_FOREIGN: Final = re.compile(
    rf"{'|'.join((*DEBIAN_CODENAMES, *UBUNTU_CODENAMES))}|debian\.?1\d|nodesource|\.pgdg|\+maria|sury\.org|ppa\d"
)
_GO_RELEASE: Final = re.compile(r"(?:go|v)?(\d+\.\d+(?:\.\d+)?)(?:(rc|beta|alpha)(\d+))?")

Answer = Query | NotCovered


def query_of(package: Package, distro: Distro | None) -> Answer:
    """What to ask about a package; ``distro`` is the image's and counts where the package does not say its own."""
    if package.owner:
        return NotCovered("it belongs to a distribution package, whose advisories cover it", covered_by=package.owner)
    answer = _asked(package, distro)
    known = len(package.purl) < MAX_TEXT and all(map(_may_be_a_name, (package.name, package.source[0])))
    return answer if known or isinstance(answer, NotCovered) else NotCovered("its name is none that a package can have")


def _asked(package: Package, distro: Distro | None) -> Answer:
    if package.type in ("deb", "apk"):
        return _of_distribution(package, _release_of(package, distro))
    if package.type == "rpm":
        return NotCovered(_RPM)
    read = _LANGUAGES.get(package.type)
    if read is None:
        kind = f"packages of type {package.type}" if package.type else "packages whose type is not said"
        return NotCovered(f"no database that is asked covers {kind}")
    if not package.name or not package.version:
        return NotCovered("its version is not known" if package.name else "its name is not known")
    return read(package.name, package.version)


def is_foreign(package: Package) -> bool:
    """Whether a package of Debian's kind is of somebody else's repository, by how its version is written.

    The distribution's advisories compare it with versions of their own, which say nothing about it. Neither Debian nor
    Ubuntu write releases by name (``1.29.1-1~bookworm`` is nginx.org's); not every other repository can be told so.
    """
    return package.type == "deb" and bool(_FOREIGN.search(package.version))


def _may_be_a_name(text: str) -> bool:
    """Whether a database can know it: one with something hidden in it, or cut off, it would be asked about in vain."""
    return len(text) < MAX_TEXT and text.isprintable() and " " not in text and "\N{REPLACEMENT CHARACTER}" not in text


def lacks_sources(packages: Iterable[Package]) -> bool:
    """Whether a list of packages leaves out source packages, which a distribution's advisories are about.

    ``libssl3`` without the word that it is built from ``openssl`` would be asked about in vain. A list that names the
    source of any package is taken to name it wherever it differs; one without is told by names that are parts of
    something, because small images may have no others.
    """
    kept = [package for package in packages if package.type in ("deb", "apk") and not package.owner]
    if any(package.source_name and package.source_name != package.name for package in kept):
        return False
    return any(_PART.search(package.name) for package in kept)


def base_of(ecosystem: str) -> str:
    """An ecosystem without its release: ``Debian`` of ``Debian:12``. One name for what is written in two ways."""
    name = ecosystem.partition(":")[0]
    return "Docker Hardened Images" if name == "DHI" else name


def canonical(ecosystem: str, name: str) -> str:
    """A package's name as it is compared: Python's are the same in any case and with any of three separators (PEP 503),
    NuGet's and Packagist's in any case."""
    base = base_of(ecosystem)
    if base == "PyPI":
        return re.sub(r"[-_.]+", "-", name).lower()
    return name.lower() if base in ("NuGet", "Packagist") else name


@lru_cache(maxsize=1024)
def spellings(ecosystem: str) -> frozenset[str]:
    """What a query may say to mean an advisory's ``ecosystem``, as OSV reads it.

    ``Debian:12`` is found as ``Debian`` too, ``Ubuntu:Pro:18.04:LTS`` also as ``Ubuntu`` and ``Ubuntu:18.04``.
    """
    base, _, release = ecosystem.partition(":")
    found = {ecosystem, base_of(base)}
    if release:
        found.add(f"{base_of(base)}:{release}")
    if base == "Ubuntu":
        found.add(":".join(part for part in ecosystem.split(":") if part not in ("Pro", "LTS")))
    return frozenset(found)


def _release_of(package: Package, distro: Distro | None) -> Distro | None:
    purl = read_purl(package.purl)
    own = distro_of(package.distro or purl.distro)
    if own is None or not own.id:
        own = None
    elif not own.version_id and own.id in (*DEBIAN_CODENAMES, *UBUNTU_CODENAMES):
        own = Distro(purl.namespace or "debian", codename=own.id)
    if own is not None and (own.version_id or own.codename or own.id in _ROLLING):
        return own
    if distro is None and purl.namespace in _ROLLING:
        return Distro(purl.namespace)
    return distro


def _of_distribution(package: Package, distro: Distro | None) -> Answer:
    if distro is None:
        return NotCovered("the distribution it belongs to is not known")
    find = _DISTRIBUTIONS.get(distro.id)
    if find is None:
        return NotCovered(f"no database that is asked covers the distribution {distro.id[:40]}")
    ecosystem = find(distro)
    if ecosystem is None:
        told = distro.version_id or distro.codename
        which = f"{distro.id} {told[:40]}" if told else f"{distro.id}, whose release is not said"
        return NotCovered(f"no database that is asked covers {which}")
    name, version = package.source
    if not name or not version:
        return NotCovered("its version is not known" if name else "its name is not known")
    return Query(ecosystem, name, version)


def _debian(distro: Distro) -> str | None:
    number = distro.version_id.partition(".")[0] or DEBIAN_CODENAMES.get(distro.codename, "")
    return f"Debian:{number}" if number.isdecimal() else None


def _ubuntu(distro: Distro) -> str | None:
    release = _UBUNTU_RELEASE.fullmatch(distro.version_id or UBUNTU_CODENAMES.get(distro.codename, ""))
    if release is None:
        return None
    year, month = release[1], release[2]
    lts = ":LTS" if month == "04" and int(year) % 2 == 0 else ""
    return f"Ubuntu:{year}.{month}{lts}"


def _alpine(distro: Distro) -> str | None:
    release = _ALPINE_RELEASE.fullmatch(distro.version_id)
    return f"Alpine:v{release[1]}" if release else None


_DISTRIBUTIONS: Final[Mapping[str, Callable[[Distro], str | None]]] = {
    "debian": _debian,
    "ubuntu": _ubuntu,
    "alpine": _alpine,
    "wolfi": lambda _: "Wolfi",
    "chainguard": lambda _: "Chainguard",
}


def _plain(ecosystem: str) -> Callable[[str, str], Answer]:
    return lambda name, version: Query(ecosystem, name, version)


def _pypi(name: str, version: str) -> Answer:
    return Query("PyPI", canonical("PyPI", name), version)


def _golang(name: str, version: str) -> Answer:
    if name not in ("stdlib", "toolchain"):
        return Query("Go", name, version.removeprefix("v"))
    # Releases of Go are not quite semantic versions: go1.21rc2 is 1.21.0-rc.2 in the database (go.dev/security/vuln).
    words = version.split()
    release = _GO_RELEASE.match(words[0] if words else "")
    if release is None:
        return Query("Go", name, version)
    number = release[1] if release[1].count(".") == 2 else f"{release[1]}.0"
    return Query("Go", name, f"{number}-{release[2]}.{release[3]}" if release[2] else number)


def _maven(name: str, version: str) -> Answer:
    return Query("Maven", name, version) if ":" in name else NotCovered("its Maven group is not known")


def _gem(name: str, version: str) -> Answer:
    return Query("RubyGems", name, _GEM_PLATFORM.sub("", version))


def _composer(name: str, version: str) -> Answer:
    return Query("Packagist", name.lower(), version.removeprefix("v"))


_LANGUAGES: Final[Mapping[str, Callable[[str, str], Answer]]] = {
    "pypi": _pypi,
    "npm": _plain("npm"),
    "golang": _golang,
    "maven": _maven,
    "cargo": _plain("crates.io"),
    "gem": _gem,
    "nuget": _plain("NuGet"),
    "composer": _composer,
    "dhi": _plain("Docker Hardened Images"),
}
