"""The only reader of the environment.

Every setting is documented in ``docs/configuration.md``, which is generated from this module. Secrets may
be given as ``NAME`` or, better, as ``NAME_FILE`` holding the path of a file with the value.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

TOOLSETS: Final = ("images", "server")
CALL_TIMEOUT: Final = 60.0
"""Seconds a whole call may take, everything included."""
MAX_FILE: Final = 1024 * 1024
PREFIX: Final = "MCP_DOCKERHUB_"
CACHE_KINDS: Final = frozenset({"search", "repository", "tags", "tag_digest", "dockerfile", "vulnerabilities"})
SECRETS: Final = ("DOCKERHUB_TOKEN", "DOCKERHUB_PASSWORD", f"{PREFIX}REGISTRIES")
NO_USERNAME: Final = (
    "DOCKERHUB_TOKEN is set without DOCKERHUB_USERNAME: it cannot be exchanged, so Docker Hub is read anonymously."
)
Names = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """The configuration cannot be used; the message names each setting and what is wrong, never a value."""


class RegistrySetting(BaseModel):
    """One further registry: how to reach it and who we are there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    """As references name it, with a port where it has one."""
    url: str = ""
    """Origin to fetch from; ``https://HOST`` unless given. The only way to allow plain http or a private address."""
    username: str = ""
    password: SecretStr | None = None
    token: SecretStr | None = None
    """A ready bearer token, sent as it is."""

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        parts = urlsplit(f"//{value}")
        if not parts.hostname or parts.path or parts.username or value != parts.netloc:
            raise ValueError("must be a host name with an optional port")
        return value.lower()

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return _origin(value) if value else value

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.token is not None and self.password is not None:
            raise ValueError("give a password or a token, not both")
        if self.password is not None and not self.username:
            raise ValueError("a password needs a username")
        return self

    @property
    def base_url(self) -> str:
        return self.url or f"https://{self.host}"


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not carry credentials, a query or a fragment")
    return value.rstrip("/")


def _setting(name: str, default: Any, description: str) -> Any:
    return Field(default=default, validation_alias=name, description=description)


class Settings(BaseSettings):
    """The effective configuration, frozen; environment names are the fields' aliases."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=True, populate_by_name=True, hide_input_in_errors=True
    )

    dockerhub_username: str = _setting(
        "DOCKERHUB_USERNAME",
        "",
        "Docker Hub user name, or the organisation's name for an organisation access token.",
    )
    dockerhub_token: SecretStr | None = _setting(
        "DOCKERHUB_TOKEN",
        None,
        "Personal or organisation access token. Without a user name it cannot be used.",
    )
    dockerhub_password: SecretStr | None = _setting(
        "DOCKERHUB_PASSWORD", None, "Password, where no token is at hand; a token is better."
    )
    docker_config: Path | None = _setting(
        "DOCKER_CONFIG",
        None,
        "Directory of docker's `config.json`, whose `auths` are honoured. Default: `~/.docker`.",
    )
    hub_url: str = _setting(f"{PREFIX}HUB_URL", "https://hub.docker.com", "Base URL of the Docker Hub API.")
    registry_url: str = _setting(
        f"{PREFIX}REGISTRY_URL",
        "https://registry-1.docker.io",
        "Where `docker.io/…` is fetched from: Docker Hub's registry, a mirror or a registry on loopback.",
    )
    registries: Annotated[tuple[RegistrySetting, ...], NoDecode] = _setting(
        f"{PREFIX}REGISTRIES",
        (),
        "Further registries, as JSON or as the path of a JSON or TOML file (TOML: `[[registries]]` tables): "
        '`[{"host": "registry.example.com", "url": "https://…", "username": "…", "password": "…", "token": "…"}]`.',
    )
    allowed_registries: Names = _setting(
        f"{PREFIX}ALLOWED_REGISTRIES",
        (),
        "Comma-separated hosts that a reference may name. Default: the well-known public registries "
        "and those that are configured.",
    )
    https_proxy: SecretStr | None = _setting(
        "HTTPS_PROXY", None, "Forward proxy for all requests. The proxy then resolves names."
    )
    ca_file: Path | None = _setting("SSL_CERT_FILE", None, "Certificates to trust instead of the system's, as PEM.")
    toolsets: Names = _setting(
        f"{PREFIX}TOOLSETS", TOOLSETS, f"Comma-separated toolsets to offer, of {', '.join(TOOLSETS)}."
    )
    tools: Names = _setting(f"{PREFIX}TOOLS", (), "Comma-separated tools to offer in addition to the toolsets'.")
    exclude_tools: Names = _setting(f"{PREFIX}EXCLUDE_TOOLS", (), "Comma-separated tools never to offer; wins.")
    read_only: bool = _setting(f"{PREFIX}READ_ONLY", False, "Offer nothing that writes, whatever else is set.")
    allow_writes: bool = _setting(f"{PREFIX}ALLOW_WRITES", False, "Offer tools that write.")
    rate_limit: str = _setting(
        f"{PREFIX}RATE_LIMIT",
        "10/second;60/minute;1000/hour",
        "Calls each principal may make; all windows hold.",
    )
    rate_limit_heavy: str = _setting(
        f"{PREFIX}RATE_LIMIT_HEAVY", "100/hour", "The same for scans, builds and writes, on top."
    )
    audit_file: str = _setting(
        f"{PREFIX}AUDIT_FILE",
        "",
        "Path of the audit log (JSON Lines, hash-chained); `-` is stderr. Default: none kept.",
    )
    cache_max_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024 * 1024,
        validation_alias=f"{PREFIX}CACHE_MAX_BYTES",
        description="Memory budget of the cache, in bytes.",
    )
    cache_ttl: Annotated[dict[str, float], NoDecode] = _setting(
        f"{PREFIX}CACHE_TTL",
        {},
        f"Times to live in seconds by kind, such as `tags=600,search=60`. Kinds: {', '.join(sorted(CACHE_KINDS))}.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        validation_alias=f"{PREFIX}METRICS_PORT",
        description="Port for `/metrics`, `/healthz` and `/readyz`; none unless given, 0 for any free one.",
    )
    metrics_host: str = _setting(
        f"{PREFIX}METRICS_HOST", "127.0.0.1", "Address that port listens on. It is not authenticated."
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        f"{PREFIX}LOG_LEVEL", "info", "Least severe record written to stderr."
    )
    log_format: Literal["json", "console"] = _setting(f"{PREFIX}LOG_FORMAT", "json", "Form of log records.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment; no dotenv file is ever read."""
        return (init_settings, _EnvironmentWithFiles(settings_cls))

    @field_validator("toolsets", "tools", "exclude_tools", "allowed_registries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("toolsets")
    @classmethod
    def _known_toolsets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(TOOLSETS))
        if unknown:
            raise ValueError(f"unknown toolset; known are {', '.join(TOOLSETS)}")
        return value

    @field_validator("allowed_registries")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in value)

    @field_validator("hub_url", "registry_url")
    @classmethod
    def _urls(cls, value: str) -> str:
        return _origin(value)

    @field_validator("registries", mode="before")
    @classmethod
    def _load_registries(cls, value: object) -> object:
        return _parse_registries(value) if isinstance(value, str) else value

    @field_validator("registries")
    @classmethod
    def _one_per_host(cls, value: tuple[RegistrySetting, ...]) -> tuple[RegistrySetting, ...]:
        hosts = [registry.host for registry in value]
        if len(set(hosts)) < len(hosts):
            raise ValueError("each host once")
        return value

    @field_validator("cache_ttl", mode="before")
    @classmethod
    def _parse_ttl(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {kind.strip(): seconds.strip() for kind, _, seconds in pairs}

    @field_validator("cache_ttl")
    @classmethod
    def _known_kinds(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := set(value) - CACHE_KINDS:
            raise ValueError(f"{len(unknown)} unknown kind(s); known are {', '.join(sorted(CACHE_KINDS))}")
        if any(not 0 <= seconds < 10**9 for seconds in value.values()):
            raise ValueError("seconds must not be negative")
        return value

    @property
    def hub_secret(self) -> SecretStr | None:
        """The Docker Hub token, else the password."""
        return self.dockerhub_token or self.dockerhub_password

    @property
    def token_without_username(self) -> bool:
        """A secret that cannot be exchanged: the server runs anonymously and says so."""
        return self.hub_secret is not None and not self.dockerhub_username

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of this configuration cannot be used."""
        return (NO_USERNAME,) if self.token_without_username else ()

    @property
    def configured_origins(self) -> frozenset[str]:
        """Exactly the origins the operator named: exempt from the https and public-address rules."""
        urls = [
            self.hub_url,
            self.registry_url,
            *(registry.base_url for registry in self.registries if registry.url),
        ]
        return frozenset(f"{parts.scheme}://{parts.netloc}".lower() for parts in map(urlsplit, urls))


class _EnvironmentWithFiles(EnvSettingsSource):
    """The environment, where ``NAME_FILE`` names a file that holds the value of a secret."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        files: dict[str, str | None] = {}
        for name in SECRETS:
            path = os.environ.get(f"{name}_FILE")
            if path is None:
                continue
            if os.environ.get(name):
                raise SettingsError(f"{name} and {name}_FILE are both set; give one of them.")
            files[name] = _read_text(Path(path), f"{name}_FILE").strip()
        # An empty variable means "not set": compose files and client forms pass such.
        self.env_vars = {name: value for name, value in {**self.env_vars, **files}.items() if value}


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise SettingsError(f"{name}: the file is larger than {MAX_FILE} bytes.")
        return content.decode()
    except OSError as error:
        raise SettingsError(f"{name}: the file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: the file is not UTF-8 text.") from error


def _parse_registries(text: str) -> object:
    name = f"{PREFIX}REGISTRIES"
    if not text.lstrip().startswith(("[", "{")):
        path = Path(text)
        text = _read_text(path, name)
        if path.suffix == ".toml":
            return _decode(tomllib.loads, text, name).get("registries", ())
    value = _decode(json.loads, text, name)
    return value.get("registries", ()) if isinstance(value, dict) else value


def _decode(loads: Any, text: str, name: str) -> Any:
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name}: neither JSON nor the path of a JSON or TOML file.") from error


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read flags and environment.

    Raises:
        SettingsError: naming every setting that cannot be used, without its value.
    """
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        problems = sorted(
            {f"{_name_of(detail['loc'])}: {detail['msg']}" for detail in error.errors(include_input=False)}
        )
        raise SettingsError("\n".join(problems)) from None


def _name_of(location: tuple[int | str, ...]) -> str:
    first = str(location[0]) if location else "settings"
    field = Settings.model_fields.get(first)
    name = str(field.validation_alias) if field else first
    return ".".join([name, *map(str, location[1:])])


def describe(settings: Settings) -> list[tuple[str, str]]:
    """The effective configuration as (environment name, value), secrets masked."""
    return [
        (str(field.validation_alias), _shown(getattr(settings, name)))
        for name, field in type(settings).model_fields.items()
    ]


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "(set)"
    if value is None or value == "":
        return "(not set)"
    if isinstance(value, RegistrySetting):
        account = f" as {value.username}" if value.username else " with a token" if value.token else ""
        return f"{value.host} at {value.base_url}{account}"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "(none)"
    if isinstance(value, dict):
        return ",".join(f"{key}={item:g}" for key, item in value.items()) or "(defaults)"
    return str(value).lower() if isinstance(value, bool) else str(value)
