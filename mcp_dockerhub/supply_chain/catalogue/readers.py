"""Which files tell what is installed, and who reads them."""

import posixpath
import re
from collections.abc import Callable
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.apk import read_installed
from mcp_dockerhub.supply_chain.catalogue.dpkg import (
    read_copyright,
    read_list,
    read_md5sums,
    read_single,
    read_status,
)
from mcp_dockerhub.supply_chain.catalogue.found import Evidence
from mcp_dockerhub.supply_chain.catalogue.java import SUFFIXES, read_archive
from mcp_dockerhub.supply_chain.catalogue.npm import read_package_json
from mcp_dockerhub.supply_chain.catalogue.osrelease import read_os_release
from mcp_dockerhub.supply_chain.catalogue.python_packages import read_metadata, read_record
from mcp_dockerhub.supply_chain.catalogue.source import Content

Reader = Callable[[str, Content], Evidence]

_METADATA: Final = re.compile(r"\.(?:dist-info|DIST-INFO)/METADATA$")
_PKG_INFO: Final = re.compile(r"\.egg-info/PKG-INFO$|/EGG-INFO/PKG-INFO$")
_RECORD: Final = re.compile(r"\.dist-info/RECORD$")
_STATUS: Final = re.compile(r"(?:^|/)var/lib/dpkg/status$")
_INSTALLED: Final = re.compile(r"^(?:usr/)?lib/apk/db/installed$")
_OS_RELEASE: Final = re.compile(r"^(?:etc|usr/lib)/os-release$")
_COPYRIGHT: Final = re.compile(r"^usr/share/doc/[^/]+/copyright$")
_NAMED: Final[dict[str, tuple[re.Pattern[str], Reader]]] = {
    "METADATA": (_METADATA, read_metadata),
    "PKG-INFO": (_PKG_INFO, read_metadata),
    "RECORD": (_RECORD, read_record),
    "package.json": (re.compile(""), read_package_json),
    "status": (_STATUS, read_status),
    "installed": (_INSTALLED, read_installed),
    "os-release": (_OS_RELEASE, read_os_release),
    "copyright": (_COPYRIGHT, read_copyright),
}
_DPKG: Final = "var/lib/dpkg/"
_DATABASES: Final = (f"{_DPKG}status", "lib/apk/db/installed", "usr/lib/apk/db/installed")
_LISTING: Final = frozenset(
    {read_metadata, read_status, read_single, read_installed, read_package_json, read_archive},
)
"""Readers of what says that packages are there; the others add to that."""

UNREAD: Final = (
    (re.compile(r"^(?:var/lib|usr/lib/sysimage)/rpm/(?:Packages|Packages\.db|rpmdb\.sqlite)$"), "rpm database"),
    (re.compile(r"^var/lib/rpmmanifest/container-manifest-\d$"), "rpm manifest"),
    (re.compile(r"^var/lib/pacman/local/[^/]+/desc$"), "pacman package"),
    (re.compile(r"^var/db/pkg/[^/]+/[^/]+/CONTENTS$"), "Portage package"),
    (re.compile(r"^(?:usr/)?lib/opkg/status$"), "opkg database"),
    (re.compile(r"^nix/var/nix/db/db\.sqlite$"), "Nix store"),
    (re.compile(r"(?:^|/)meta/snap\.yaml$"), "snap package"),
    (re.compile(r"/specifications/(?:default/)?[^/]+\.gemspec$"), "Ruby gem"),
    (re.compile(r"(?:^|/)vendor/composer/installed\.json$"), "PHP packages installed by Composer"),
    (re.compile(r"/conda-meta/[^/]+\.json$"), "Conda package"),
    (re.compile(r"\.deps\.json$"), ".NET dependencies"),
    (re.compile(r"(?:^|/)(?:site-)?library/[^/]+/DESCRIPTION$"), "R package"),
    (re.compile(r"/\.packlist$"), "Perl distribution"),
    (re.compile(r"/wp-includes/version\.php$"), "WordPress"),
    (re.compile(r"/ebin/[^/]+\.app$"), "Erlang application"),
    (re.compile(r"/Cellar/[^/]+/[^/]+/INSTALL_RECEIPT\.json$"), "Homebrew package"),
)
"""Where other package managers record what they installed."""
_UNREAD_NAMES: Final = frozenset(
    {"Packages", "Packages.db", "rpmdb.sqlite", "container-manifest-1", "container-manifest-2", "desc", "CONTENTS"}
    | {"status", "db.sqlite", "snap.yaml", "installed.json", "DESCRIPTION", ".packlist", "version.php"}
    | {"INSTALL_RECEIPT.json"}
)
_UNREAD_ENDS: Final = (".gemspec", ".json", ".app")


def reader_of(path: str) -> Reader | None:
    """Who reads the file at ``path``, None when it is nobody's business."""
    name = path.rpartition("/")[2]
    named = _NAMED.get(name)
    if named is not None:
        return named[1] if named[0].search(path) else None
    if name.endswith(".egg-info"):
        return read_metadata
    if name.endswith(SUFFIXES):
        return read_archive
    return _dpkg_reader(path, name) if _DPKG in path else None


def _dpkg_reader(path: str, name: str) -> Reader | None:
    folder = path.rpartition("/")[0]
    if folder.endswith(_DPKG + "status.d"):
        return read_md5sums if name.endswith(".md5sums") else read_single
    if folder.endswith(_DPKG + "info"):
        return read_list if name.endswith(".list") else None
    return None


def leads_away(path: str, target: str) -> bool:
    """Whether a symbolic link at ``path`` has what lists packages there, or below, where nobody takes it for that."""
    asked = [database for database in _DATABASES if database.startswith(f"{path}/")]
    asked += [path] if reader_of(path) in _LISTING else []
    start = "" if target.startswith("/") else path.rpartition("/")[0]
    # Above the root is the root again, as for whoever follows the link inside.
    places = (posixpath.normpath(f"/{start}/{target}{one.removeprefix(path)}").lstrip("/") for one in asked)
    return any(reader_of(place) not in _LISTING for place in places)


def unread_kind(path: str) -> str:
    """What a file belongs to that is known and not read; empty for any other."""
    if path.rpartition("/")[2] not in _UNREAD_NAMES and not path.endswith(_UNREAD_ENDS):
        return ""
    return next((what for pattern, what in UNREAD if pattern.search(path)), "")


def may_be_asked_for(path: str) -> bool:
    """Whether anybody may ever ask which package owns the file at ``path``: it is read, or may be a program."""
    name = path.rpartition("/")[2]
    return "." not in name or "/bin/" in path or "/sbin/" in path or reader_of(path) is not None
