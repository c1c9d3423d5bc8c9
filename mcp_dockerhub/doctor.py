"""``mcp-dockerhub doctor``: try out the configuration and say what to do about what does not work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from mcp_dockerhub import __version__
from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.environment import read
from mcp_dockerhub.errors import DockerHubError, NotFound, Unsupported
from mcp_dockerhub.protection_settings import load_protection_settings
from mcp_dockerhub.reference import DOCKER_HUB, Repository
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.services import Clients, build_clients
from mcp_dockerhub.settings import Settings
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.local.schema import UPDATE
from mcp_dockerhub.supply_chain.advisories.model import Advisories, Query
from mcp_dockerhub.transport.client import Upstream
from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.limits import parse_limits
from mcp_dockerhub_security.redis_link import RedisLink, RedisUnavailableError

Verdict = Literal["ok", "warn", "FAIL"]
_KNOWN_IMAGE = Repository(DOCKER_HUB, "library/hello-world")
_ANY_PACKAGE = Query("PyPI", "mcp-dockerhub", __version__)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing tried."""

    verdict: Verdict
    name: str
    text: str


class _Operator:
    """The operator's own view: everything that is configured may be used."""

    private = True
    partition = ""

    def check_target(self, registry: str, repository: str) -> None:
        pass


def diagnose(settings: Settings) -> int:
    """Print one line per check; 0 when nothing failed, else 1."""
    failed = asyncio.run(_run(settings))
    print("\nEverything that was tried works." if not failed else f"\n{failed} check(s) failed.")
    return 1 if failed else 0


async def _run(settings: Settings) -> int:
    failed = 0
    advisory = read(AdvisorySettings)
    clients = build_clients(settings, scan=read(ScanSettings), advisory=advisory)
    try:
        async for check in _checks(settings, advisory, clients):
            print(f"{check.verdict:<5} {check.name}: {check.text}", flush=True)
            failed += check.verdict == "FAIL"
    finally:
        await clients.aclose()
    return failed


async def _checks(settings: Settings, advisory: AdvisorySettings, clients: Clients) -> AsyncIterator[Check]:
    for check in _local(settings, clients):
        yield check
    for check in await _redis():
        yield check
    yield await _tried("Docker Hub API", _hub(clients), f"answers at {settings.hub_url}")
    allowed = clients.egress.allowed_registries
    for host in (DOCKER_HUB, *(registry.host for registry in settings.registries if registry.host != DOCKER_HUB)):
        if allowed is None or host in allowed:
            yield await _registry(clients, host)
        else:
            yield Check(
                "warn", f"registry {host}", "is not in MCP_DOCKERHUB_ALLOWED_REGISTRIES: no reference may name it"
            )
    if allowed is None or DOCKER_HUB in allowed:
        yield await _quota(clients)
    if clients.advisories is not None:
        for check in await _vulnerabilities(advisory, clients.advisories):
            yield check


def _local(settings: Settings, clients: Clients) -> list[Check]:
    checks = [Check("warn", "configuration", warning) for warning in clients.warnings]
    for name, text in (("rate limit", settings.rate_limit), ("heavy rate limit", settings.rate_limit_heavy)):
        try:
            parse_limits(text)
        except ValueError as error:
            checks.append(Check("FAIL", name, str(error)))
    if settings.audit_file:
        try:
            AuditLog.open(settings.audit_file).close()
            checks.append(Check("ok", "audit log", f"can be written: {settings.audit_file}"))
        except OSError as error:
            checks.append(Check("FAIL", "audit log", f"cannot be opened ({error.strerror})"))
    hub = clients.hub_credential
    identity = f"credentials of {hub.username}" if hub.kind != "anonymous" else "none: Docker Hub is read anonymously"
    checks.append(Check("ok", "Docker Hub account", identity))
    return checks


async def _redis() -> list[Check]:
    own = load_protection_settings()
    if own.redis_url is None:
        return []
    link = RedisLink(own.redis_url.get_secret_value(), prefix=own.redis_prefix, timeout=5)
    try:
        memory = await link.run(lambda client: client.info("memory"))
    except RedisUnavailableError as error:
        return [Check("FAIL", "Redis", f"{error}.")]
    finally:
        await link.aclose()
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and memory.get("maxmemory"):
        return [Check("warn", "Redis", f"answers, but forgets limits when it is full: maxmemory-policy is {policy}")]
    return [Check("ok", "Redis", "answers")]


async def _tried(name: str, attempt: Awaitable[Any], works: str) -> Check:
    try:
        await attempt
    except DockerHubError as error:
        return Check("FAIL", name, f"{error.code}: {error.message} {error.hint}".rstrip())
    return Check("ok", name, works)


async def _hub(clients: Clients) -> None:
    try:
        await clients.sources.hub.repository(_Operator(), _KNOWN_IMAGE)
    except NotFound:
        # A private Hub without that image answers all the same.
        return


async def _registry(clients: Clients, host: str) -> Check:
    registry = clients.registries.find(host)
    credential = clients.registries.choose(host, private=True)
    upstream = Upstream(host, registry.url, "registry", credential, "registry")
    who = "anonymously" if credential.kind == "anonymous" else f"as {credential.username or 'token holder'}"
    name = f"registry {host}"
    try:
        response = await clients.http.request(upstream, "GET", "/v2/")
    except DockerHubError as error:
        return Check("FAIL", name, f"{error.code}: {error.message} {error.hint}".rstrip())
    if response.status == 200:
        return Check("ok", name, f"answers {who} at {registry.url}")
    if response.status in (401, 403) and credential.kind == "anonymous":
        return Check("warn", name, f"answers at {registry.url}, but wants credentials")
    if response.status in (401, 403):
        return Check("FAIL", name, "refuses the configured credentials")
    return Check("FAIL", name, f"answers {response.status} to /v2/: not a registry?")


async def _quota(clients: Clients) -> Check:
    try:
        quota = await clients.sources.registry.quota(_Operator())
    except DockerHubError as error:
        return Check("warn", "pull quota", error.message)
    if quota is None:
        return Check("ok", "pull quota", "the registry states none")
    left = "?" if quota.remaining is None else quota.remaining
    verdict: Verdict = "warn" if quota.remaining is not None and quota.remaining * 10 <= quota.limit else "ok"
    return Check(verdict, "pull quota", f"{left} of {quota.limit} pulls left")


async def _vulnerabilities(advisory: AdvisorySettings, knowledge: Advisories) -> list[Check]:
    """Whether packages can be matched, and findings ranked."""
    if advisory.database is None:
        works = f"answers at {advisory.osv_url}"
        checks = [await _tried("vulnerability database", knowledge.database.match((_ANY_PACKAGE,)), works)]
    else:
        checks = await asyncio.to_thread(_local_database, advisory.database, timedelta(days=advisory.database_max_age))
    for name, feed in (("CISA KEV", knowledge.kev), ("EPSS", knowledge.epss)):
        found = await feed.lookup(()) if feed else None
        if found is None:
            checks.append(Check("ok", name, "is switched off: findings are not ranked by it"))
        elif not found.available:
            checks.append(Check("warn", name, found.warning))
        else:
            checks.append(Check("ok", name, f"the list of {found.dated}" if found.dated else "can be read"))
    return checks


def _local_database(path: Path, max_age: timedelta) -> list[Check]:
    """Whether it is there, what it holds, and how old the oldest of that is."""
    name = "vulnerability database"
    try:
        archives = LocalDatabase(path).archives()
    except Unsupported as error:
        return [Check("FAIL", name, f"{path}: {error.message} {error.hint}".rstrip())]
    if not archives:
        return [Check("FAIL", name, f"{path} holds nothing. Fill it: {UPDATE} --ecosystem NAME.")]
    oldest = min(archives.values(), key=lambda archive: archive.updated)
    age = datetime.now(UTC) - oldest.updated
    held = f"{path} holds {', '.join(archives)}"
    checks = [Check("ok", name, f"{held}; {age / timedelta(days=1):.1f} days old")]
    if age > max_age:
        text = f"{held}; {oldest.ecosystem} is {age.days} days old, so no scan with it is complete. Run {UPDATE}."
        checks = [Check("warn", name, text)]
    unreadable = [f"{archive.unreadable} of {archive.ecosystem}" for archive in archives.values() if archive.unreadable]
    if unreadable:
        checks.append(Check("warn", name, f"advisories that could not be read: {', '.join(unreadable)}"))
    return checks
