"""The only reader of the environment.

Secrets may be given as ``NAME`` or, better, as ``NAME_FILE`` holding the path of a file with the value.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mcp_dockerhub.registry_settings import PREFIX, SettingsError, read_text

SECRETS: Final = (
    "DOCKERHUB_TOKEN",
    "DOCKERHUB_PASSWORD",
    f"{PREFIX}REGISTRIES",
    f"{PREFIX}STATE_KEYS",
    f"{PREFIX}INTROSPECTION_CLIENT_SECRET",
    f"{PREFIX}REDIS_URL",
    f"{PREFIX}AUDIT_KEY",
)
Names = Annotated[tuple[str, ...], NoDecode]


def setting(name: str, default: Any, description: str) -> Any:
    """A field read from the environment variable ``name``; the description is part of the documentation."""
    return Field(default=default, validation_alias=name, description=description)


def split_names(value: Any) -> Any:
    """A comma-separated list in text as a tuple; anything else unchanged."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Environment(EnvSettingsSource):
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
            files[name] = read_text(Path(path), f"{name}_FILE").strip()
        # An empty variable means "not set": compose files and client forms pass such.
        self.env_vars = {name: value for name, value in {**self.env_vars, **files}.items() if value}


class EnvironmentSettings(BaseSettings):
    """Settings of one concern, frozen; the aliases of the fields are the names of the variables."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=True, populate_by_name=True, hide_input_in_errors=True
    )

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
        return (init_settings, Environment(settings_cls))


_S = TypeVar("_S", bound=BaseSettings)


def read(kind: type[_S], overrides: Mapping[str, Any] | None = None) -> _S:
    """``load_settings`` for settings of any kind."""
    try:
        return kind(**(overrides or {}))
    except ValidationError as error:
        problems = sorted(
            {f"{_name_of(kind, detail['loc'])}: {detail['msg']}" for detail in error.errors(include_input=False)}
        )
        raise SettingsError("\n".join(problems)) from None


def _name_of(kind: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    first = str(location[0]) if location else "settings"
    field = kind.model_fields.get(first)
    name = str(field.validation_alias) if field else first
    return ".".join([name, *map(str, location[1:])])


def variables() -> tuple[str, ...]:
    """The names of all variables there are, settings or not."""
    return tuple(os.environ)


def environment_value(name: str) -> str | None:
    """A variable that a policy file names as the place of a secret; everything else is a setting."""
    return os.environ.get(name)
