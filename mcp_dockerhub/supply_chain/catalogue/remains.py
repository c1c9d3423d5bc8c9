"""What a layer holds that nobody needs any more, or that deserves a look."""

from typing import Final

_CACHES: Final = (
    ("var/cache/apt/archives/", "apt packages"),
    ("var/cache/apt/", "apt index cache"),
    ("var/lib/apt/lists/", "apt package lists"),
    ("var/cache/apk/", "apk packages"),
    ("etc/apk/cache/", "apk packages"),
    ("var/cache/yum/", "yum cache"),
    ("var/cache/dnf/", "dnf cache"),
    ("var/cache/libdnf5/", "dnf cache"),
    ("var/cache/zypp/", "zypper cache"),
    ("var/cache/pacman/pkg/", "pacman packages"),
)
_HOME_CACHES: Final = (
    ("/.cache/pip/", "pip cache"),
    ("/.cache/uv/", "uv cache"),
    ("/.cache/pypoetry/", "Poetry cache"),
    ("/.npm/_cacache/", "npm cache"),
    ("/.cache/yarn/", "Yarn cache"),
    ("/.yarn/cache/", "Yarn cache"),
    ("/.local/share/pnpm/store/", "pnpm store"),
    ("/.cache/go-build/", "Go build cache"),
    ("/go/pkg/mod/cache/", "Go module cache"),
    ("/.cargo/registry/", "Cargo registry"),
    ("/.m2/repository/", "Maven repository"),
    ("/.gradle/caches/", "Gradle cache"),
    ("/.cache/composer/", "Composer cache"),
    ("/.composer/cache/", "Composer cache"),
    ("/.gem/specs/", "RubyGems cache"),
    ("/.nuget/packages/", "NuGet packages"),
    ("/conda/pkgs/", "Conda packages"),
)
_NOT_LEFT: Final = frozenset({"lock", "partial", ".keep", "auxfiles"})
"""Files that package managers keep in a folder that is otherwise empty."""


def cache_of(path: str) -> str:
    """Which package manager's cache the file at ``path`` was left in; empty for any other."""
    if path.startswith(("var/", "etc/apk/")):
        what = next((what for start, what in _CACHES if path.startswith(start)), "")
        return "" if path.rpartition("/")[2] in _NOT_LEFT else what
    if "/." not in path and "/pkg" not in path:
        return ""
    rooted = "/" + path
    return next((what for part, what in _HOME_CACHES if part in rooted), "")


def is_privileged(mode: int) -> bool:
    """Whether running a file with this mode gives the rights of its owner or group."""
    return bool(mode & 0o4000) or (mode & 0o2010) == 0o2010
