"""How access tokens are checked, beyond whose they are; read from the environment when HTTP is served with tokens."""

from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from mcp_dockerhub.environment import EnvironmentSettings, Names, read, setting, split_names
from mcp_dockerhub.settings import PREFIX
from mcp_dockerhub.web_settings import is_loopback

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
FURTHER_ALGORITHMS: Final = ("RS384", "RS512", "PS384", "PS512", "ES384", "ES512")
TYPES: Final = ("at+jwt", "jwt")
MAX_CLAIM_NAME: Final = 200


class TokenSettings(EnvironmentSettings):
    """The effective configuration of token checks, frozen."""

    algorithms: Names = setting(
        f"{PREFIX}TOKEN_ALGORITHMS",
        ALGORITHMS,
        f"Comma-separated signature algorithms to accept, of {', '.join(ALGORITHMS + FURTHER_ALGORITHMS)}.",
    )
    types: Names = setting(
        f"{PREFIX}TOKEN_TYPES",
        ("at+jwt",),
        "Comma-separated values of a token's `typ` to accept: `at+jwt` (RFC 9068), and `JWT` for issuers that do not "
        "mark access tokens.",
    )
    shared_audience: bool = setting(
        f"{PREFIX}TOKEN_SHARED_AUDIENCE",
        False,
        "Accept tokens whose audience names other servers beside this one. Each of those can then replay them here.",
    )
    tenant_claim: str = setting(
        f"{PREFIX}TOKEN_TENANT_CLAIM",
        "",
        "Claim that names the tenant, such as `tenant` or `realm_access.tenant`. Once set, a token without it is "
        "refused. Default: there is one tenant only.",
    )
    roles_claim: str = setting(
        f"{PREFIX}TOKEN_ROLES_CLAIM", "roles", "Claim that lists roles, such as `roles` or `realm_access.roles`."
    )
    introspection_url: str = setting(
        f"{PREFIX}INTROSPECTION_URL",
        "",
        "The issuer's introspection endpoint (RFC 7662), asked about tokens that are not JSON Web Tokens. "
        "Default: such tokens are refused.",
    )
    introspection_client_id: str = setting(
        f"{PREFIX}INTROSPECTION_CLIENT_ID", "", "Who this server is to that endpoint."
    )
    introspection_client_secret: SecretStr | None = setting(
        f"{PREFIX}INTROSPECTION_CLIENT_SECRET", None, "Its secret there."
    )

    @field_validator("algorithms", "types", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_names(value)

    @field_validator("algorithms")
    @classmethod
    def _asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - {*ALGORITHMS, *FURTHER_ALGORITHMS}:
            raise ValueError(f"must be some of {', '.join(ALGORITHMS + FURTHER_ALGORITHMS)}")
        return value

    @field_validator("types")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(name.lower() for name in value)
        if not lowered or set(lowered) - set(TYPES):
            raise ValueError("must be at+jwt, JWT or both")
        return lowered

    @field_validator("tenant_claim", "roles_claim")
    @classmethod
    def _claim_name(cls, value: str) -> str:
        if len(value) > MAX_CLAIM_NAME or not value.isprintable():
            raise ValueError(f"must be a claim's name of at most {MAX_CLAIM_NAME} characters")
        return value

    @field_validator("introspection_url")
    @classmethod
    def _secure_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("must be an https URL without credentials and fragment")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must be https: tokens and the client secret travel by it")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        parts = (self.introspection_url, self.introspection_client_id, self.introspection_client_secret)
        if any(parts) and not all(parts):
            raise ValueError(f"{PREFIX}INTROSPECTION_URL, _CLIENT_ID and _CLIENT_SECRET need each other")
        return self


def load_token_settings(overrides: Mapping[str, Any] | None = None) -> TokenSettings:
    """Read flags and environment.

    Raises:
        SettingsError: naming every setting that cannot be used.
    """
    return read(TokenSettings, overrides)
