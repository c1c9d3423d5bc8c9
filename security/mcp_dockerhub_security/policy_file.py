"""Reading a policy file (TOML). What cannot be meant is an error with its line and key, before anything starts.

Values are quoted in messages only where they are names: secrets are never in the file, only where they lie.
"""

import difflib
import fnmatch
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mcp_dockerhub_security.policy import PolicyDocument
from mcp_dockerhub_security.policy_rules import EVERY_LEVEL, PATTERN, READS, Globs, Rule, parse_network
from mcp_dockerhub_security.policy_schema import (
    PolicyTables,
    RegistryTable,
    RoleTable,
    RuleTable,
    TenantTable,
)
from mcp_dockerhub_security.rates import parse_limits
from mcp_dockerhub_security.tenants import Tenant, TenantRegistry, Tenants
from mcp_dockerhub_security.toml_lines import Path as KeyPath
from mcp_dockerhub_security.toml_lines import key_lines, line_of

MAX_FILE: Final = 1024 * 1024
MAX_SECRET: Final = 64 * 1024
DOCKER_HUB: Final = "docker.io"
_HUB_ALIASES: Final = frozenset(
    {"hub.docker.com", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)

Problem = tuple[KeyPath, str]


class PolicyFileError(Exception):
    """The file cannot be used; the message has one line per problem, with file, line and key."""


def load_policy(
    path: Path, tools: Iterable[str], environment: Callable[[str], str | None] = lambda _: None
) -> PolicyDocument:
    """Read, check and build. ``tools`` are all that exist, offered or not; ``environment`` looks up one variable.

    Raises:
        PolicyFileError: the file or a secret it points to cannot be read, or something in it cannot be meant.
    """
    text = _read(path, MAX_FILE, path.name)
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyFileError(f"{path.name}: not TOML: {error}") from None
    lines = key_lines(text)
    try:
        tables = PolicyTables.model_validate(raw)
    except ValidationError as error:
        found = [(_path(detail), _message(detail)) for detail in error.errors(include_input=False, include_url=False)]
        raise PolicyFileError(_report(path.name, lines, found)) from None
    problems = list(_meaningless(tables, frozenset(tools)))
    if problems:
        raise PolicyFileError(_report(path.name, lines, problems))
    return PolicyDocument(
        rules=tuple(map(_rule, tables.rules)),
        roles={name: frozenset(role.scopes) for name, role in tables.roles.items()},
        tenants=Tenants({name: _tenant(path, name, table, environment) for name, table in tables.tenants.items()}),
    )


# Reporting


def _report(name: str, lines: Mapping[KeyPath, int], problems: Iterable[Problem]) -> str:
    placed = sorted((line_of(lines, path) or 0, _dotted(path), message) for path, message in problems)
    return "\n".join(
        f"{name}{f' line {line}' if line else ''}: {key}{': ' if key else ''}{message}" for line, key, message in placed
    )


def _dotted(path: KeyPath) -> str:
    """``rules[2].tools``; array tables are counted from 1, as people do."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _path(detail: ErrorDetails) -> KeyPath:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        *table, key = _path(detail)
        close = difflib.get_close_matches(str(key), _model_at(tuple(table)).model_fields, 1)
        return f"unknown key; did you mean {close[0]}?" if close else "unknown key"
    return detail["msg"].removeprefix("Value error, ")


def _model_at(path: KeyPath) -> type[BaseModel]:
    """The model of the table at a path."""
    if not path:
        return PolicyTables
    if path[0] == "tenants" and "registries" in path[2:]:
        return RegistryTable
    tables: dict[str, type[BaseModel]] = {"roles": RoleTable, "rules": RuleTable, "tenants": TenantTable}
    return tables.get(str(path[0]), PolicyTables)


# What the tables mean together


def _meaningless(tables: PolicyTables, tools: frozenset[str]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    closed_by = ""
    for index, rule in enumerate(tables.rules):
        path: KeyPath = ("rules", index)
        if rule.name in seen:
            yield (*path, "name"), f"rule {seen[rule.name] + 1} has this name already"
        seen.setdefault(rule.name, index)
        if closed_by:
            yield path, f'never reached: rule "{closed_by}" above it covers every call'
        problems = list(_meaningless_rule(path, rule, tables, tools))
        yield from problems
        if not problems and not closed_by and _rule(rule).is_unconditional:
            closed_by = rule.name
    for name, tenant in tables.tenants.items():
        yield from _meaningless_tenant(("tenants", name), tenant)


def _meaningless_rule(path: KeyPath, rule: RuleTable, tables: PolicyTables, tools: frozenset[str]) -> Iterator[Problem]:
    yield from _unknown((*path, "roles"), rule.roles, tables.roles, "role", "[roles.{}]")
    yield from _unknown((*path, "tenants"), rule.tenants, tables.tenants, "tenant", "[tenants.{}]")
    for pattern in rule.tools or ():
        if not fnmatch.filter(tools, pattern):
            close = difflib.get_close_matches(pattern, tools, 1)
            yield (*path, "tools"), f'"{pattern}" is no tool' + (f"; did you mean {close[0]}?" if close else "")
    for key, patterns in (("tools", rule.tools), ("registries", rule.registries), ("repositories", rule.repositories)):
        yield from _unusable((*path, key), patterns, lambda pattern: Globs.of([pattern]))
    yield from _unusable((*path, "addresses"), rule.addresses, parse_network)
    for host in rule.registries or ():
        yield from _misspelt_host((*path, "registries"), host)
    for pattern in rule.repositories or ():
        yield from _misspelt_repository((*path, "repositories"), pattern, Globs.of(_usable_hosts(rule.registries)))


def _meaningless_tenant(path: KeyPath, tenant: TenantTable) -> Iterator[Problem]:
    for key, text in (("rate_limit", tenant.rate_limit), ("rate_limit_heavy", tenant.rate_limit_heavy)):
        yield from _unusable((*path, key), [text] if text else None, parse_limits)
    hosts = [registry.host for registry in tenant.registries]
    for index, host in enumerate(hosts):
        if host in hosts[:index]:
            yield (*path, "registries", index, "host"), "each host once"
        yield from _misspelt_host((*path, "registries", index, "host"), host)
    for host in tenant.allowed_registries:
        yield from _misspelt_host((*path, "allowed_registries"), host)


def _unknown(
    path: KeyPath, names: Iterable[str] | None, known: Mapping[str, object], kind: str, table: str
) -> Iterator[Problem]:
    for name in names or ():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {close[0]}?" if close else f"add {table.format(name)} for it"
            yield path, f'no {kind} "{name}"; {advice}'


def _unusable(path: KeyPath, texts: Iterable[str] | None, parse: Callable[[str], object]) -> Iterator[Problem]:
    for text in texts or ():
        try:
            parse(text)
        except ValueError as error:
            yield path, f'"{text}": {error}'


def _misspelt_host(path: KeyPath, host: str) -> Iterator[Problem]:
    if host.lower() in _HUB_ALIASES:
        yield path, f'"{host}": references call Docker Hub docker.io'
    elif host != host.lower() or "/" in host or host.endswith("."):
        yield path, f'"{host}": a registry is a host in small letters, with a port where it has one'


def _usable_hosts(registries: Iterable[str] | None) -> list[str]:
    """Those that are patterns at all; of the others it is said elsewhere."""
    return [host for host in registries or () if PATTERN.fullmatch(host)]


def _misspelt_repository(path: KeyPath, pattern: str, registries: Globs) -> Iterator[Problem]:
    """A rule that silently never holds is worse than none: nobody would look at what it was to deny."""
    if pattern != pattern.lower() or pattern.strip("/") != pattern or ":" in pattern or "@" in pattern:
        yield path, f'"{pattern}": a repository is a path in small letters without host, tag or digest: library/nginx'
    elif "." in pattern.partition("/")[0] and "/" in pattern and not registries:
        yield path, f'"{pattern}": begins with a host, which belongs into registries'
    elif "/" not in pattern and "**" not in pattern and registries.match(DOCKER_HUB):
        yield path, f'"{pattern}": on Docker Hub every repository has two parts: library/{pattern}, or ** for all'


# Building


def _rule(table: RuleTable) -> Rule:
    allow = table.effect == "allow"
    return Rule(
        name=table.name,
        allow=allow,
        tools=Globs.of(table.tools or ()),
        levels=table.level_set or (READS if allow else EVERY_LEVEL),
        roles=frozenset(table.roles or ()),
        tenants=frozenset(table.tenants or ()),
        networks=tuple(map(parse_network, table.addresses or ())),
        registries=Globs.of(table.registries or ()),
        repositories=Globs.of(table.repositories or ()),
        reason=table.reason,
    )


def _tenant(path: Path, name: str, table: TenantTable, environment: Callable[[str], str | None]) -> Tenant:
    def registry(found: RegistryTable) -> TenantRegistry:
        where = f"{path.name}: tenants.{name}.registries ({found.host})"
        return TenantRegistry(
            host=found.host,
            url=found.url.rstrip("/"),
            username=found.username,
            password=_secret(path, where, found.password_file, found.password_env, environment),
            token=_secret(path, where, found.token_file, found.token_env, environment),
        )

    return Tenant(
        name=name,
        registries=tuple(map(registry, table.registries)),
        allowed_registries=frozenset(table.allowed_registries),
        rate_limit=table.rate_limit,
        rate_limit_heavy=table.rate_limit_heavy,
        audit_file=table.audit_file,
    )


def _secret(path: Path, where: str, file: str, variable: str, environment: Callable[[str], str | None]) -> str:
    """What lies where the file says; relative paths are the policy file's neighbours."""
    if file:
        value = _read(path.parent / file, MAX_SECRET, f"{where}: {file}").strip()
    elif variable:
        value = (environment(variable) or "").strip()
    else:
        return ""
    if not value or not value.isprintable():
        raise PolicyFileError(f"{where}: {file or variable} holds no secret.")
    return value


def _read(path: Path, limit: int, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise PolicyFileError(f"{name}: larger than {limit} bytes.")
        return content.decode()
    except OSError as error:
        raise PolicyFileError(f"{name}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise PolicyFileError(f"{name}: not UTF-8 text.") from None
