"""Limits, audit logs and the way to Redis of one process, from its settings."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mcp_dockerhub.protection_settings import ProtectionSettings, load_protection_settings
from mcp_dockerhub.settings import PREFIX, Settings, SettingsError
from mcp_dockerhub_security.audit import AuditLog, AuditOptions
from mcp_dockerhub_security.audit_keeper import AuditKeeper
from mcp_dockerhub_security.limits import LimitRules, MemoryLimiter, parse_limits
from mcp_dockerhub_security.redis_link import RedisLink, RedisObserver, RedisUnavailableError

if TYPE_CHECKING:
    from mcp_dockerhub_security.audit_keys import Signer
    from mcp_dockerhub_security.consent_store import ConsentStore
    from mcp_dockerhub_security.limits import Limiter
    from mcp_dockerhub_security.redis_limits import RedisLimiter
    from mcp_dockerhub_security.tenants import Tenants
    from mcp_dockerhub_security.tokens.revocation import RevocationList


@dataclass(frozen=True, slots=True)
class Protection:
    """What bounds and records calls, alone or together with other replicas."""

    settings: ProtectionSettings
    rules: LimitRules
    limiter: "Limiter"
    audit: AuditLog
    tenant_audits: Mapping[str, AuditLog]
    """Logs of tenants that have their own, by tenant."""
    redis: RedisLink | None
    shared: "RedisLimiter | None"
    """The limiter, where it is shared."""
    keeper: AuditKeeper

    @classmethod
    def build(cls, settings: Settings, tenants: "Tenants", observer: RedisObserver) -> Self:
        """Open the logs; nothing is connected yet.

        Raises:
            SettingsError: a setting, a limit, the key or a log cannot be used.
        """
        own = load_protection_settings()
        rules = _rules(settings, own, tenants)
        link = _link(own, observer)
        shared = _shared_limiter(link, rules, own) if link is not None else None
        options = _audit_options(own)
        audit = _open(settings.audit_file, "AUDIT_FILE", options)
        tenant_audits = {tenant: _open(path, "POLICY_FILE", options) for tenant, path in tenants.audit_files.items()}
        return cls(
            settings=own,
            rules=rules,
            limiter=shared or MemoryLimiter(rules),
            audit=audit,
            tenant_audits=tenant_audits,
            redis=link,
            shared=shared,
            keeper=_keeper([audit, *tenant_audits.values()], link, own),
        )

    @property
    def readiness(self) -> tuple[str, ...]:
        """Parts of health without which this replica must get no traffic."""
        return ("audit", "redis") if self.redis is not None and self.settings.redis_down == "closed" else ("audit",)

    def audit_problem(self) -> str | None:
        """What is wrong with a log; None while nothing is."""
        problems = [log.problem for log in (self.audit, *self.tenant_audits.values())]
        return next((problem for problem in problems if problem is not None), None)

    def redis_problem(self) -> str | None:
        """Why limits are not shared right now, and what that means; None while they are."""
        return self.shared.problem if self.shared is not None else None

    def consents(self) -> "ConsentStore | None":
        """Where replicas share open questions; None where there are no others."""
        if self.redis is None:
            return None
        from mcp_dockerhub_security.consent_store import RedisConsentStore

        return RedisConsentStore(self.redis)

    def revocations(self) -> "RevocationList | None":
        """The list of revoked tokens that replicas share; None where there are no others."""
        if self.redis is None:
            return None
        from mcp_dockerhub_security.tokens.redis_revocation import RedisRevocationList, key_of

        key = key_of(self.redis.prefix)
        return RedisRevocationList(self.redis, key=key, strict=self.settings.redis_down == "closed")

    async def warm_up(self) -> None:
        """Connect to what replicas share before calls come, which would all wait for that within their own time."""
        if self.shared is not None:
            with suppress(RedisUnavailableError):
                await self.shared.refresh()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the logs and Redis while the body runs, then close both."""
        tasks = [asyncio.create_task(self.keeper.run())]
        if self.shared is not None:
            tasks.append(asyncio.create_task(self.shared.watch()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.keeper.finish()
            if self.redis is not None:
                await self.redis.aclose()


def _rules(settings: Settings, own: ProtectionSettings, tenants: "Tenants") -> LimitRules:
    for name, text in (("RATE_LIMIT", settings.rate_limit), ("RATE_LIMIT_HEAVY", settings.rate_limit_heavy)):
        try:
            parse_limits(text)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}{name}: {error}") from error
    return LimitRules(
        settings.rate_limit,
        settings.rate_limit_heavy,
        tenant=own.rate_limit_tenant,
        everybody=own.rate_limit_global,
        tenants=tenants,
    )


def _link(own: ProtectionSettings, observer: RedisObserver) -> RedisLink | None:
    if own.redis_url is None:
        return None
    return RedisLink(own.redis_url.get_secret_value(), prefix=own.redis_prefix, observer=observer)


def _shared_limiter(link: RedisLink, rules: LimitRules, own: ProtectionSettings) -> "RedisLimiter":
    from mcp_dockerhub_security.redis_limits import RedisLimiter

    return RedisLimiter(link, rules, down=own.redis_down, replicas=own.replicas or 1)


def _audit_options(own: ProtectionSettings) -> AuditOptions:
    return AuditOptions(fsync=own.audit_fsync, max_bytes=own.audit_max_bytes, signer=_signer(own))


def _signer(own: ProtectionSettings) -> "Signer | None":
    if own.audit_key is None:
        return None
    from mcp_dockerhub_security.audit_keys import AuditKeyError, Signer

    try:
        return Signer.load(own.audit_key.get_secret_value())
    except AuditKeyError as error:
        raise SettingsError(f"{PREFIX}AUDIT_KEY: {error}.") from None


def _open(path: str, name: str, options: AuditOptions) -> AuditLog:
    try:
        return AuditLog.open(path or None, options=options)
    except OSError as error:
        raise SettingsError(f"{PREFIX}{name}: the audit log cannot be opened ({error.strerror}).") from error


def _keeper(logs: list[AuditLog], link: RedisLink | None, own: ProtectionSettings) -> AuditKeeper:
    anchors = None
    if link is not None:
        from mcp_dockerhub_security.redis_anchors import RedisAnchors

        anchors = RedisAnchors(link)
    return AuditKeeper(logs, retention_days=own.audit_retention_days, anchors=anchors)
