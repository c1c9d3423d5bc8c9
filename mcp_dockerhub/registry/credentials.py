"""Credentials from docker's own ``config.json`` (docker/cli, ``configfile``).

Only ``auths`` is read: helper programs are named in ``warnings``, so that nobody wonders why a login is not used.
A file that cannot be read or understood costs its credentials, never the server.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.reference import parse_registry
from mcp_dockerhub.transport.client import Credential

MAX_CONFIG_BYTES: Final = 1024 * 1024
IDENTITY_TOKEN_USER: Final = "<token>"  # noqa: S105 - the user name docker stores next to an identity token
_SECRETS: Final = ("auth", "password", "identitytoken", "registrytoken")
_API_PATHS: Final = frozenset({"", "v1", "v2"})


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """What docker's configuration file says about registries."""

    credentials: Mapping[str, Credential] = field(default_factory=dict)
    """By host as a reference names it."""
    warnings: tuple[str, ...] = ()
    """What could not be used, without secrets."""


def docker_config_path(docker_config: str | None, home: Path | None) -> Path | None:
    """``$DOCKER_CONFIG/config.json``, else ``~/.docker/config.json``; None when neither is known."""
    if docker_config:
        return Path(docker_config) / "config.json"
    return home / ".docker" / "config.json" if home else None


def load_docker_config(path: Path | None) -> DockerConfig:
    """Read the file; a missing one is no configuration, a broken one is a warning."""
    if path is None:
        return DockerConfig()
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return DockerConfig()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return DockerConfig(warnings=(f"Docker's config.json cannot be read ({reason}): its logins are not used.",))
    if len(raw) > MAX_CONFIG_BYTES:
        return DockerConfig(warnings=("Docker's config.json is larger than 1 MiB: its logins are not used.",))
    return parse_docker_config(raw)


def parse_docker_config(raw: bytes) -> DockerConfig:
    """Credentials of ``auths``; entries that are empty (kept by a helper) are passed over."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return DockerConfig(warnings=("Docker's config.json is not a JSON object: its logins are not used.",))
    warnings = _helper_warnings(document)
    auths = document.get("auths") or {}
    if not isinstance(auths, dict):
        return DockerConfig(warnings=(*warnings, "'auths' in docker's config.json is not an object: it is not used."))
    credentials: dict[str, Credential] = {}
    for key, entry in auths.items():
        host = _host(key)
        if host is None or not entry or (isinstance(entry, dict) and not any(map(entry.get, _SECRETS))):
            continue
        try:
            credentials[host] = _credential(host, entry)
        except ValueError:
            warnings.append(f"The login for {host} in docker's config.json is malformed: it is not used.")
    return DockerConfig(credentials, tuple(warnings))


def _helper_warnings(document: Mapping[str, Any]) -> list[str]:
    present = [name for name in ("credsStore", "credHelpers") if document.get(name)]
    if not present:
        return []
    return [f"Docker's config.json names credential helpers ({', '.join(present)}): they are not asked."]


def _host(key: str) -> str | None:
    """The registry a key of ``auths`` means; None for keys of one namespace or of docker's own token store."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host, _, path = bare.partition("/")
    if path.strip("/") not in _API_PATHS:
        return None
    try:
        return parse_registry(host)
    except InvalidInput:
        return None


def _credential(host: str, entry: Any) -> Credential:
    """Raise ValueError unless the entry is usable."""
    if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values() if v is not None):
        raise ValueError(host)
    if token := entry.get("registrytoken"):
        return Credential(f"{host}:registry-token", "", token, "bearer")
    username, secret = entry.get("username") or "", entry.get("password") or ""
    if auth := entry.get("auth"):
        username, secret = _decode(auth)
    if token := entry.get("identitytoken"):
        return Credential(f"{host}:identity-token", username, token, "identity_token")
    if not username or not secret:
        raise ValueError(host)
    if username == IDENTITY_TOKEN_USER:
        return Credential(f"{host}:identity-token", "", secret, "identity_token")
    return Credential(f"{host}:{username}", username, secret, "basic")


def _decode(auth: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(auth, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError from error
    username, _, secret = text.partition(":")
    # Docker pads the decoded form with NUL bytes; its own reader cuts them off.
    return username, secret.strip("\0")
