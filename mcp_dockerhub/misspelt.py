"""Variables that look like settings and are none: a protection whose name is misspelt is not there."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from pydantic_settings import BaseSettings

from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.environment import SECRETS, variables
from mcp_dockerhub.protection_settings import ProtectionSettings
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.settings import PREFIX, Settings

MOST: Final = 10
"""Names that are worth a sentence each."""


def configuration_warnings(settings: Settings) -> tuple[str, ...]:
    """What of the configuration cannot be used, as far as its names and values show it."""
    policy = ""
    with suppress(OSError):  # nobody starts with a policy that cannot be read
        policy = settings.policy_file.read_text("utf-8", "replace") if settings.policy_file else ""
    # A policy may keep its secrets (password_env, token_env) in variables of any name.
    others = [name for name in variables() if f'"{name}"' not in policy and f"'{name}'" not in policy]
    return (*settings.warnings, *misspelt(others))


def misspelt(names: Iterable[str]) -> tuple[str, ...]:
    """A sentence about each of ``names`` that begins as settings do and is that of none."""
    strange = {name for name in names if name.upper().startswith(PREFIX)}
    known = _names(Settings, ProtectionSettings, ScanSettings, AdvisorySettings)
    if strange <= known:
        return ()
    # Loaded by HTTP only, otherwise.
    from mcp_dockerhub.token_settings import TokenSettings
    from mcp_dockerhub.web_settings import WebSettings

    known |= _names(TokenSettings, WebSettings)
    return tuple(_said(name, known) for name in sorted(strange - known)[:MOST])


def _names(*kinds: type[BaseSettings]) -> frozenset[str]:
    aliases = frozenset(str(field.validation_alias) for kind in kinds for field in kind.model_fields.values())
    return aliases | {f"{name}_FILE" for name in SECRETS}


def _said(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    # Without what all begin with, which would make any two look alike.
    own = [other.removeprefix(PREFIX) for other in known if other.startswith(PREFIX)]
    alike = get_close_matches(name.upper().removeprefix(PREFIX), own, n=1, cutoff=0.75)
    meant = f"; did you mean {PREFIX}{alike[0]}?" if alike else "; docs/configuration.md lists all."
    return f"{name} is set and is no setting{meant}"
