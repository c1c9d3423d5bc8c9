"""What replicas share, limits beyond a principal's own, and how the audit log is kept; read from the environment."""

import re
from typing import Any, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from mcp_dockerhub.environment import EnvironmentSettings, read, setting
from mcp_dockerhub.settings import PREFIX
from mcp_dockerhub_security.rates import parse_limits
from mcp_dockerhub_security.redis_link import check_redis_url

MIB: Final = 1024 * 1024
_PREFIX_FORM: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


class ProtectionSettings(EnvironmentSettings):
    """The effective configuration, frozen."""

    rate_limit_tenant: str = setting(
        f"{PREFIX}RATE_LIMIT_TENANT",
        "",
        "Calls all principals of one tenant may make together, such as `100/second;5000/hour`, for tenants to which "
        "the policy gives no limits of their own. Default: no limit.",
    )
    rate_limit_global: str = setting(
        f"{PREFIX}RATE_LIMIT_GLOBAL", "", "Calls everybody may make together. Default: no limit."
    )
    redis_url: SecretStr | None = setting(
        f"{PREFIX}REDIS_URL",
        None,
        "`redis://`, `rediss://` (TLS) or `unix://`: where replicas share limits, consents, revocations and heads of "
        "audit logs. Default: this process is alone. Redis needs `maxmemory-policy noeviction`.",
    )
    redis_prefix: str = setting(
        f"{PREFIX}REDIS_PREFIX", "mcp-dockerhub", "Begins every key in Redis, so that installations can share one."
    )
    redis_down: Literal["closed", "local"] = setting(
        f"{PREFIX}REDIS_DOWN",
        "closed",
        "While Redis does not answer: `closed` refuses calls, `local` gives each replica its share of the limits.",
    )
    replicas: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        validation_alias=f"{PREFIX}REPLICAS",
        description="How many replicas there are at most: what `local` divides limits by.",
    )
    audit_fsync: Literal["intent", "always", "interval"] = setting(
        f"{PREFIX}AUDIT_FSYNC",
        "intent",
        "What is on the disk, not only with the operating system, when a call is answered: `intent`: the intent of "
        "every write, build and deletion; `always`: every record; `interval`: as `intent`, and the rest within 1 s.",
    )
    audit_key: SecretStr | None = setting(
        f"{PREFIX}AUDIT_KEY",
        None,
        "Ed25519 private key in PEM that signs checkpoints of the audit log; `mcp-dockerhub audit keygen` makes one.",
    )
    audit_max_bytes: int = Field(
        default=64 * MIB,
        ge=MIB,
        validation_alias=f"{PREFIX}AUDIT_MAX_BYTES",
        description="Size at which a file of the audit log is rotated; each day is too.",
    )
    audit_retention_days: int | None = Field(
        default=None,
        ge=1,
        validation_alias=f"{PREFIX}AUDIT_RETENTION_DAYS",
        description="Days after which rotated files of the audit log are deleted. Default: never.",
    )

    @field_validator("rate_limit_tenant", "rate_limit_global")
    @classmethod
    def _limits(cls, value: str) -> str:
        if value:
            parse_limits(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_redis_url(value.get_secret_value())
        return value

    @field_validator("redis_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if _PREFIX_FORM.fullmatch(value) is None:
            raise ValueError("up to 64 letters, digits and _ . : -")
        return value

    @model_validator(mode="after")
    def _replicas_for_local(self) -> Self:
        if self.redis_url is not None and self.redis_down == "local" and self.replicas is None:
            raise ValueError(f"{PREFIX}REDIS_DOWN=local needs {PREFIX}REPLICAS: limits are divided by it")
        return self


def load_protection_settings(overrides: dict[str, Any] | None = None) -> ProtectionSettings:
    """Read the environment.

    Raises:
        SettingsError: naming every setting that cannot be used.
    """
    return read(ProtectionSettings, overrides)
