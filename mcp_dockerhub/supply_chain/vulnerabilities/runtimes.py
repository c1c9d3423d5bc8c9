"""Programs that an image's own configuration says it has, where a document that lists packages may leave them out.

Images that build a language's runtime from source, or unpack it, announce its version in the environment
(``PYTHON_VERSION`` and such): the official images of all well-known languages do. No package database knows of such
a program, and not every tool that writes SBOMs looks for it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import UnmatchedPackages

_REASON: Final = "the image's environment announces it, and no package that is listed accounts for it"
_VENDORED: Final = "it is nginx.org's own package, which the distribution's advisories are not about"
_LIBRARIES: Final = frozenset({"pypi", "npm", "gem", "composer", "cargo"})
"""Types of packages that are never a program's runtime, whatever their names."""
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+|\d+")
# Variable, what it announces, the beginnings of names of packages that account for it.
_KNOWN: Final = (
    ("PYTHON_VERSION", "CPython", ("python", "cpython", "pypy")),
    ("PYPY_VERSION", "PyPy", ("pypy",)),
    ("NODE_VERSION", "Node.js", ("node",)),
    ("GOLANG_VERSION", "Go toolchain", ("go", "golang", "stdlib")),
    ("RUBY_VERSION", "Ruby", ("ruby",)),
    ("PHP_VERSION", "PHP", ("php",)),
    ("PERL_VERSION", "Perl", ("perl",)),
    ("JAVA_VERSION", "Java runtime", ("java", "jdk", "jre", "openjdk", "temurin", "corretto", "zulu")),
    ("RUST_VERSION", "Rust toolchain", ("rust",)),
    ("DOTNET_VERSION", ".NET", ("dotnet", "microsoft.netcore", "aspnet")),
    ("ASPNET_VERSION", "ASP.NET Core", ("aspnet", "microsoft.aspnetcore", "dotnet")),
    ("OTP_VERSION", "Erlang", ("erlang", "otp")),
    ("ELIXIR_VERSION", "Elixir", ("elixir",)),
    ("JULIA_VERSION", "Julia", ("julia",)),
    ("SWIFT_VERSION", "Swift", ("swift",)),
    ("DENO_VERSION", "Deno", ("deno",)),
    ("BUN_VERSION", "Bun", ("bun",)),
    ("NGINX_VERSION", "nginx", ("nginx",)),
    ("HTTPD_VERSION", "Apache httpd", ("httpd", "apache")),
    ("HAPROXY_VERSION", "HAProxy", ("haproxy",)),
    ("REDIS_VERSION", "Redis", ("redis",)),
    ("VALKEY_VERSION", "Valkey", ("valkey",)),
    ("MEMCACHED_VERSION", "Memcached", ("memcached",)),
    ("TOMCAT_VERSION", "Tomcat", ("tomcat", "org.apache.tomcat")),
    ("RABBITMQ_VERSION", "RabbitMQ", ("rabbitmq",)),
    ("GOSU_VERSION", "gosu", ("gosu", "github.com/tianon/gosu")),
)


def announced(env: Sequence[str], packages: Iterable[Package]) -> Iterator[UnmatchedPackages]:
    """Programs that ``env`` announces and none of ``packages`` accounts for by its name and version."""
    said = dict(entry.split("=", 1) for entry in env if "=" in entry)
    wanted = [(name, what, names, said[name].strip()) for name, what, names in _KNOWN if said.get(name, "").strip()]
    if not wanted:
        return
    listed = [(package.name.lower(), _numbers(package)) for package in packages if package.type not in _LIBRARIES]
    for variable, what, names, value in wanted:
        number = _number(value)
        if not any(name.startswith(names) and number in numbers for name, numbers in listed):
            yield UnmatchedPackages(what, _REASON, 1, (f"{variable}={value[:60]}",))


def vendored(env: Sequence[str], packages: Iterable[Package]) -> Iterator[UnmatchedPackages]:
    """Distribution packages that an image has from the maker of a program, where only ``env`` tells.

    nginx's own images for Alpine install nginx.org's package; its version does not say so, and Alpine's advisories are
    about Alpine's. (For Debian the version says it: ``is_foreign``.)
    """
    said = dict(entry.split("=", 1) for entry in env if "=" in entry)
    number = said.get("NGINX_VERSION", "").strip()
    if not number:
        return
    for package in packages:
        if (package.type, package.name) == ("apk", "nginx") and number in _numbers(package):
            yield UnmatchedPackages("nginx", _VENDORED, 1, (f"nginx {package.version}", f"NGINX_VERSION={number[:60]}"))


def _number(version: str) -> str:
    """The version proper of what an image announces: ``21.0.5`` of ``jdk-21.0.5+11``."""
    found = _NUMBER.search(version)
    return found[0] if found else version


def _numbers(package: Package) -> frozenset[str]:
    """Every number in a package's version that may be the program's own: ``3.11.2`` of ``1:3.11.2-1+b1``."""
    return frozenset(_NUMBER.findall(package.version))
