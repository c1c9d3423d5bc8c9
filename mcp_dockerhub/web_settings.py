"""What only a server on HTTP needs to know; read from the environment when that transport is chosen, and not before."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mcp_dockerhub.environment import EnvironmentSettings, Names, read, setting, split_names
from mcp_dockerhub.settings import PREFIX, SettingsError

PATH: Final = "/mcp"
"""Where the protocol is served."""
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
MIB: Final = 1024 * 1024
_HOST: Final = re.compile(r"(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9][a-z0-9._-]{0,252})(?::(?:[0-9]{1,5}|\*))?", re.IGNORECASE)
_ORIGIN: Final = re.compile(rf"[a-z][a-z0-9+.-]{{0,20}}://{_HOST.pattern}/?", re.IGNORECASE)


class WebSettings(EnvironmentSettings):
    """The effective configuration of the HTTP transport, frozen."""

    host: str = setting(f"{PREFIX}HOST", "127.0.0.1", "Address to listen on. Any but loopback needs tokens.")
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias=f"{PREFIX}PORT",
        description="Port to listen on, 0 for any free one.",
    )
    public_url: str = setting(
        f"{PREFIX}PUBLIC_URL",
        "",
        "The canonical URI of this server, such as `https://mcp.example.com/mcp`: the resource that tokens must name "
        "(RFC 8707).",
    )
    issuer: str = setting(f"{PREFIX}ISSUER", "", "Issuer of access tokens, exactly as their `iss` says.")
    jwks_url: str = setting(f"{PREFIX}JWKS_URL", "", "Where the issuer's keys are. Default: from its metadata.")
    allowed_hosts: Names = setting(
        f"{PREFIX}ALLOWED_HOSTS",
        (),
        "Comma-separated values of the Host header to answer to: `name`, `name:port` or `name:*`. "
        "Default on loopback: its names, and the public URL's.",
    )
    allowed_origins: Names = setting(
        f"{PREFIX}ALLOWED_ORIGINS",
        (),
        "Comma-separated origins whose pages may call, such as `https://app.example.com`. Default: the public URL's; "
        "on loopback also its own, on any port.",
    )
    trusted_proxies: Names = setting(
        f"{PREFIX}TRUSTED_PROXIES",
        (),
        "Comma-separated addresses or networks of the proxies in front, whose word on client addresses counts.",
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = setting(
        f"{PREFIX}FORWARDED_HEADER",
        "x-forwarded-for",
        "The header those proxies write: the other one would be the client's own and is ignored.",
    )
    insecure_no_auth: bool = setting(
        f"{PREFIX}INSECURE_NO_AUTH",
        False,
        "Serve without token checks: everybody who can reach the port on this machine is the local user.",
    )
    tls_cert_file: Path | None = setting(
        f"{PREFIX}TLS_CERT_FILE", None, "Certificate chain as PEM, to speak TLS without a proxy in front."
    )
    tls_key_file: Path | None = setting(f"{PREFIX}TLS_KEY_FILE", None, "Its private key as PEM.")
    sessions: bool = setting(
        f"{PREFIX}SESSIONS",
        False,
        "Keep sessions for protocol versions up to 2025-11-25, so that they can be asked for consent. "
        "Replicas then need affinity by `Mcp-Session-Id`.",
    )
    json_response: bool = setting(
        f"{PREFIX}JSON_RESPONSE", False, "Answer with JSON only, never with an event stream; no progress, no consent."
    )
    max_body_bytes: int = Field(
        default=MIB,
        ge=4096,
        le=16 * MIB,
        validation_alias=f"{PREFIX}MAX_BODY_BYTES",
        description="Largest request body, in bytes.",
    )
    max_concurrency: int = Field(
        default=256,
        ge=2,
        le=10_000,
        validation_alias=f"{PREFIX}MAX_CONCURRENCY",
        description="Requests served at once; one caller gets at most half. More are told to come back.",
    )
    request_timeout: float = Field(
        default=300.0,
        gt=0,
        le=3600,
        validation_alias=f"{PREFIX}REQUEST_TIMEOUT",
        description="Seconds one request may take once it has arrived: a tool, and where the client is asked while it "
        "waits (sessions), its human.",
    )
    drain_timeout: float = Field(
        default=20.0,
        ge=0,
        le=3600,
        validation_alias=f"{PREFIX}DRAIN_TIMEOUT",
        description="Seconds that requests in flight get to end after SIGTERM.",
    )

    @field_validator("allowed_hosts", "allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_names(value)

    @field_validator("public_url", "issuer", "jwks_url")
    @classmethod
    def _secure_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("must be an https URL without credentials and fragment")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must be https: tokens and keys travel by it")
        return value

    @property
    def resource(self) -> str:
        """The canonical URI tokens must name: the public URL, on loopback by default what is listened on."""
        return (
            self.public_url or f"{'https' if self.tls_cert_file else 'http'}://{_authority(self.host, self.port)}{PATH}"
        )

    @property
    def on_loopback(self) -> bool:
        """Nobody outside this machine can connect."""
        return is_loopback(self.host)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host headers to answer to, defaults filled in."""
        if self.allowed_hosts or not self.on_loopback:
            return self.allowed_hosts
        public = urlsplit(self.public_url).netloc
        return (*(f"{name}:*" for name in LOOPBACK_NAMES), *LOOPBACK_NAMES, *([public] if public else ()))

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may call, defaults filled in."""
        if self.allowed_origins:
            return self.allowed_origins
        parts = urlsplit(self.public_url)
        public = (f"{parts.scheme}://{parts.netloc}",) if self.public_url else ()
        own = tuple(f"http://{name}:*" for name in LOOPBACK_NAMES) if self.on_loopback else ()
        return (*public, *own)


def load_web_settings(overrides: Mapping[str, Any] | None = None) -> WebSettings:
    """Read flags and environment, and refuse what would expose the server.

    Raises:
        SettingsError: naming every setting that cannot be used, and why.
    """
    settings = read(WebSettings, overrides)
    if problems := [*_exposure(settings), *_inconsistency(settings)]:
        raise SettingsError("\n".join(problems))
    return settings


def _exposure(settings: WebSettings) -> list[str]:
    """Why this server must not listen where it is told to."""
    if settings.insecure_no_auth:
        return _without_tokens(settings)
    problems = []
    if not settings.issuer:
        problems.append(
            f"{PREFIX}ISSUER: needed to check access tokens; to serve this machine alone without them, "
            f"set {PREFIX}INSECURE_NO_AUTH=true."
        )
    if not settings.on_loopback:
        problems += [
            f"{PREFIX}{name}: needed to listen on {settings.host}, which others can reach: {reason}."
            for name, value, reason in (
                ("PUBLIC_URL", settings.public_url, "tokens must be bound to this server's own URI"),
                ("ALLOWED_HOSTS", settings.allowed_hosts, "the Host header is checked against them"),
            )
            if not value
        ]
    return problems


def _without_tokens(settings: WebSettings) -> list[str]:
    name = f"{PREFIX}INSECURE_NO_AUTH"
    problems = []
    if not settings.on_loopback:
        problems.append(f"{name}: only on loopback, and {PREFIX}HOST is {settings.host}.")
    if settings.issuer:
        problems.append(f"{name}: contradicts {PREFIX}ISSUER; set one of them.")
    if settings.trusted_proxies:
        problems.append(f"{name}: not behind a proxy ({PREFIX}TRUSTED_PROXIES), which would open it to others.")
    foreign = [host for host in settings.hosts if not is_loopback(_name(host))]
    if foreign:
        problems.append(f"{name}: {PREFIX}ALLOWED_HOSTS and {PREFIX}PUBLIC_URL may only name loopback.")
    return problems


def _inconsistency(settings: WebSettings) -> list[str]:
    problems = []
    if settings.issuer and not settings.public_url and not settings.port:
        problems.append(f"{PREFIX}PUBLIC_URL: needed with port 0, where tokens could not know what to name.")
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        problems.append(f"{PREFIX}TLS_CERT_FILE, {PREFIX}TLS_KEY_FILE: one needs the other.")
    if settings.sessions and settings.json_response:
        problems.append(
            f"{PREFIX}JSON_RESPONSE: a session's questions need event streams; unset it or {PREFIX}SESSIONS."
        )
    if not all(map(_HOST.fullmatch, settings.allowed_hosts)):
        problems.append(f"{PREFIX}ALLOWED_HOSTS: each is name, name:port or name:*, without https:// and wildcards.")
    if not all(map(_ORIGIN.fullmatch, settings.allowed_origins)):
        problems.append(f"{PREFIX}ALLOWED_ORIGINS: each is scheme://name[:port], such as https://app.example.com.")
    for network in settings.trusted_proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            problems.append(f"{PREFIX}TRUSTED_PROXIES: not an address or a network in CIDR form.")
    return problems


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, is this machine's loopback and nothing else."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _name(entry: str) -> str:
    """The host of an entry of the allow-list, without its port."""
    if entry.startswith("["):
        return entry.partition("]")[0] + "]"
    return entry.rpartition(":")[0] if ":" in entry else entry
