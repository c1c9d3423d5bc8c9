"""Registries as an operator configures them, and reading what settings point to."""

import json
import tomllib
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.reference import parse_registry

MAX_FILE: Final = 1024 * 1024
PREFIX: Final = "MCP_DOCKERHUB_"


class SettingsError(Exception):
    """The configuration cannot be used; the message names each setting and what is wrong, never a secret."""


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
        return registry_host(value)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return origin(value) if value else value

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.token is not None and self.password is not None:
            raise ValueError("give a password or a token, not both")
        if self.password is not None and not self.username:
            raise ValueError("a password needs a username")
        return self


def registry_host(value: str) -> str:
    """A registry's host as references name it, aliases of Docker Hub included. Raises ValueError for any other text."""
    try:
        return parse_registry(value)
    except InvalidInput as error:
        raise ValueError("must be a host name with an optional port") from error


def origin(value: str) -> str:
    """An http or https URL without anything but a place. Raises ValueError for any other."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not carry credentials, a query or a fragment")
    return value.rstrip("/")


def read_text(path: Path, name: str) -> str:
    """The text of the file that the setting ``name`` points to. Raises SettingsError."""
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


def parse_registries(text: str) -> object:
    """JSON, or the JSON or TOML of the file at a path; not validated. Raises SettingsError."""
    name = f"{PREFIX}REGISTRIES"
    if not text.lstrip().startswith(("[", "{")):
        path = Path(text)
        text = read_text(path, name)
        if path.suffix == ".toml":
            return _decode(tomllib.loads, text, name).get("registries", ())
    value = _decode(json.loads, text, name)
    return value.get("registries", ()) if isinstance(value, dict) else value


def _decode(loads: Any, text: str, name: str) -> Any:
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name}: neither JSON nor the path of a JSON or TOML file.") from error
