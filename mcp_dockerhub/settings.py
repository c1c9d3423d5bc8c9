"""What every way of running needs to know.

Every setting is documented in ``docs/configuration.md``, which is generated from the modules of settings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from mcp_dockerhub.environment import EnvironmentSettings, Names, read, setting, split_names
from mcp_dockerhub.registry_settings import (
    MAX_FILE,
    PREFIX,
    RegistrySetting,
    SettingsError,
    origin,
    parse_registries,
    registry_host,
)

__all__ = [
    "CALL_TIMEOUT",
    "MAX_FILE",
    "PREFIX",
    "TOOLSETS",
    "RegistrySetting",
    "Settings",
    "SettingsError",
    "describe",
    "load_settings",
]

TOOLSETS: Final = ("images", "supply_chain", "server")
CALL_TIMEOUT: Final = 60.0
"""Seconds a whole call may take, everything included."""
CACHE_KINDS: Final = frozenset({"search", "repository", "tags", "tag_digest", "dockerfile", "vulnerabilities"})
NO_USERNAME: Final = (
    "DOCKERHUB_TOKEN is set without DOCKERHUB_USERNAME: it cannot be exchanged, so Docker Hub is read anonymously."
)


class Settings(EnvironmentSettings):
    """The effective configuration, frozen; environment names are the fields' aliases."""

    transport: Literal["stdio", "http"] = setting(
        f"{PREFIX}TRANSPORT", "stdio", "`stdio` for one client, `http` for a team."
    )
    dockerhub_username: str = setting(
        "DOCKERHUB_USERNAME",
        "",
        "Docker Hub user name, or the organisation's name for an organisation access token.",
    )
    dockerhub_token: SecretStr | None = setting(
        "DOCKERHUB_TOKEN",
        None,
        "Personal or organisation access token. Without a user name it cannot be used.",
    )
    dockerhub_password: SecretStr | None = setting(
        "DOCKERHUB_PASSWORD", None, "Password, where no token is at hand; a token is better."
    )
    docker_config: Path | None = setting(
        "DOCKER_CONFIG",
        None,
        "Directory of docker's `config.json`, whose `auths` are honoured. Default: `~/.docker`.",
    )
    hub_url: str = setting(f"{PREFIX}HUB_URL", "https://hub.docker.com", "Base URL of the Docker Hub API.")
    registry_url: str = setting(
        f"{PREFIX}REGISTRY_URL",
        "https://registry-1.docker.io",
        "Where `docker.io/…` is fetched from: Docker Hub's registry, a mirror or a registry on loopback.",
    )
    registries: Annotated[tuple[RegistrySetting, ...], NoDecode] = setting(
        f"{PREFIX}REGISTRIES",
        (),
        "Further registries, as JSON or as the path of a JSON or TOML file (TOML: `[[registries]]` tables): "
        '`[{"host": "registry.example.com", "url": "https://…", "username": "…", "password": "…", "token": "…"}]`.',
    )
    allowed_registries: Names = setting(
        f"{PREFIX}ALLOWED_REGISTRIES",
        (),
        "Comma-separated hosts that a reference may name. Default: the well-known public registries "
        "and those that are configured.",
    )
    https_proxy: SecretStr | None = setting(
        "HTTPS_PROXY", None, "Forward proxy for https requests. The proxy then resolves names."
    )
    no_proxy: Names = setting(
        "NO_PROXY",
        (),
        "Comma-separated hosts reached without it: names (with their subdomains), addresses or networks, each also "
        "with a port; `*` is all.",
    )
    ca_file: Path | None = setting("SSL_CERT_FILE", None, "Certificates to trust instead of the system's, as PEM.")
    sigstore_trusted_root: Path | None = setting(
        f"{PREFIX}SIGSTORE_TRUSTED_ROOT",
        None,
        "Sigstore `trusted_root.json` to verify keyless signatures by. Default: the one of the `sigstore` extra.",
    )
    toolsets: Names = setting(
        f"{PREFIX}TOOLSETS", TOOLSETS, f"Comma-separated toolsets to offer, of {', '.join(TOOLSETS)}."
    )
    tools: Names = setting(f"{PREFIX}TOOLS", (), "Comma-separated tools to offer in addition to the toolsets'.")
    exclude_tools: Names = setting(f"{PREFIX}EXCLUDE_TOOLS", (), "Comma-separated tools never to offer; wins.")
    read_only: bool = setting(f"{PREFIX}READ_ONLY", False, "Offer nothing that writes, whatever else is set.")
    allow_writes: bool = setting(f"{PREFIX}ALLOW_WRITES", False, "Offer tools that write.")
    rate_limit: str = setting(
        f"{PREFIX}RATE_LIMIT",
        "10/second;60/minute;1000/hour",
        "Calls each principal may make; all windows hold.",
    )
    rate_limit_heavy: str = setting(
        f"{PREFIX}RATE_LIMIT_HEAVY", "100/hour", "The same for scans, builds and writes, on top."
    )
    audit_file: str = setting(
        f"{PREFIX}AUDIT_FILE",
        "",
        "Path of the audit log (JSON Lines, hash-chained); `-` is stderr. Default: none kept.",
    )
    policy_file: Path | None = setting(
        f"{PREFIX}POLICY_FILE", None, "TOML file that says who may use which tools on which images."
    )
    state_keys: SecretStr | None = setting(
        f"{PREFIX}STATE_KEYS",
        None,
        "Keys that seal what clients hand back with a human's consent: comma-separated, each at least 32 characters, "
        "the first in use, all accepted. Replicas need the same. Default: a key of this process.",
    )
    lockdown: bool = setting(
        f"{PREFIX}LOCKDOWN", False, "Leave out free text of publishers that are neither official nor verified."
    )
    cache_max_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024 * 1024,
        validation_alias=f"{PREFIX}CACHE_MAX_BYTES",
        description="Memory budget of the cache, in bytes.",
    )
    cache_ttl: Annotated[dict[str, float], NoDecode] = setting(
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
    metrics_host: str = setting(
        f"{PREFIX}METRICS_HOST", "127.0.0.1", "Address that port listens on. It is not authenticated."
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        f"{PREFIX}LOG_LEVEL", "info", "Least severe record written to stderr."
    )
    log_format: Literal["json", "console"] = setting(f"{PREFIX}LOG_FORMAT", "json", "Form of log records.")
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "OTLP collector (HTTP) that traces are sent to. Needs the `otel` extra; its other `OTEL_*` variables hold too.",
    )
    trace_upstreams: bool = setting(
        f"{PREFIX}TRACE_UPSTREAMS", False, "Tell upstreams the trace context of the call a request belongs to."
    )
    health_thresholds: Annotated[dict[str, float], NoDecode] = setting(
        f"{PREFIX}HEALTH_THRESHOLDS",
        {},
        "When a part of the server counts as worse, such as `latency_degraded=3,process_memory_bytes=800000000`; "
        "names and defaults are in the runbook.",
    )
    commit: str = Field(
        default="",
        pattern=r"^[\w.+-]{0,64}$",
        validation_alias=f"{PREFIX}COMMIT",
        description="The commit this was built from, which the image says.",
    )
    image_digest: str = Field(
        default="",
        pattern=r"^(sha256:[0-9a-f]{64})?$",
        validation_alias=f"{PREFIX}IMAGE_DIGEST",
        description="Digest of the image this runs in, where the deployment knows it; `get_server_info` shows it.",
    )

    @field_validator("toolsets", "tools", "exclude_tools", "allowed_registries", "no_proxy", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_names(value)

    @field_validator("toolsets")
    @classmethod
    def _known_toolsets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(TOOLSETS))
        if unknown:
            raise ValueError(f"unknown toolset; known are {', '.join(TOOLSETS)}")
        return value

    @field_validator("allowed_registries")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(registry_host(host) for host in value)

    @field_validator("hub_url", "registry_url")
    @classmethod
    def _urls(cls, value: str) -> str:
        return origin(value)

    @field_validator("registries", mode="before")
    @classmethod
    def _load_registries(cls, value: object) -> object:
        return parse_registries(value) if isinstance(value, str) else value

    @field_validator("registries")
    @classmethod
    def _one_per_host(cls, value: tuple[RegistrySetting, ...]) -> tuple[RegistrySetting, ...]:
        hosts = [registry.host for registry in value]
        if len(set(hosts)) < len(hosts):
            raise ValueError("each host once")
        return value

    @field_validator("cache_ttl", "health_thresholds", mode="before")
    @classmethod
    def _parse_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): number.strip() for name, _, number in pairs}

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
            *(registry.url for registry in self.registries if registry.url),
        ]
        return frozenset(f"{parts.scheme}://{parts.netloc}".lower() for parts in map(urlsplit, urls))


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read flags and environment.

    Raises:
        SettingsError: naming every setting that cannot be used, without its value.
    """
    return read(Settings, overrides)


def describe(settings: BaseSettings) -> list[tuple[str, str]]:
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
        place = f" at {value.url}" if value.url else ""
        return f"{value.host}{place}{account}"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "(none)"
    if isinstance(value, dict):
        return ",".join(f"{key}={item:g}" for key, item in value.items()) or "(defaults)"
    return str(value).lower() if isinstance(value, bool) else str(value)
