"""The shape of a policy file, as its author writes it; what the tables mean together is checked in ``policy_file``."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mcp_dockerhub_security.levels import Level

Words = Annotated[list[str], Field(min_length=1)]
"""A condition: never empty, because nobody could tell whether that meant nothing or everything."""
RoleName = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9._:/@-]{1,100})$")]
TenantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""What a token may name as its tenant."""
RuleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Scope = Literal["dockerhub:read", "dockerhub:read:private", "dockerhub:write", "dockerhub:admin"]


class Table(BaseModel):
    """Exact types, nothing unknown."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class RoleTable(Table):
    """``[roles.NAME]``."""

    scopes: list[Scope]
    description: str = ""


class RuleTable(Table):
    """``[[rules]]``."""

    name: RuleName
    effect: Literal["allow", "deny"]
    tools: Words | None = None
    levels: Annotated[list[Literal["PUBLIC", "LOW", "MEDIUM", "HIGH", "RESTRICTED"]], Field(min_length=1)] | None = None
    roles: Words | None = None
    tenants: Words | None = None
    addresses: Words | None = None
    registries: Words | None = None
    repositories: Words | None = None
    reason: Annotated[str, Field(max_length=200)] = ""

    @property
    def level_set(self) -> frozenset[Level] | None:
        return frozenset(map(Level, self.levels)) if self.levels else None


class RegistryTable(Table):
    """``[[tenants.NAME.registries]]``."""

    host: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,252}(:[0-9]{1,5})?$")]
    url: Annotated[str, Field(pattern=r"^https?://[^\s@?#]+$")] = ""
    username: str = ""
    password_file: str = ""
    password_env: str = ""
    token_file: str = ""
    token_env: str = ""

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        if isinstance(value, dict) and not {"password", "token"}.isdisjoint(value):
            raise ValueError("a secret is never written here: name its place with password_file, token_file or …_env")
        return value

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        given = [name for name in (self.password_file, self.password_env, self.token_file, self.token_env) if name]
        if len(given) > 1:
            raise ValueError("give one of password_file, password_env, token_file and token_env")
        if (self.password_file or self.password_env) and not self.username:
            raise ValueError("a password needs a username")
        if self.username and not given:
            raise ValueError("a username needs a password or a token")
        return self


class TenantTable(Table):
    """``[tenants.NAME]``."""

    registries: list[RegistryTable] = []
    allowed_registries: list[str] = []
    rate_limit: str = ""
    rate_limit_heavy: str = ""
    audit_file: str = ""
    description: str = ""


class PolicyTables(Table):
    """The whole file."""

    version: Literal[1]
    roles: dict[RoleName, RoleTable] = {}
    tenants: dict[TenantName, TenantTable] = {}
    rules: list[RuleTable] = []
