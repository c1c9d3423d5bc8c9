"""From settings to a policy: the file is read once, at start."""

from typing import TYPE_CHECKING, Final

from mcp_dockerhub.environment import environment_value
from mcp_dockerhub.settings import PREFIX, Settings, SettingsError
from mcp_dockerhub.tools.catalogue import Catalogue

if TYPE_CHECKING:
    from mcp_dockerhub_security.guard import Guard
    from mcp_dockerhub_security.policy import PolicyDocument
    from mcp_dockerhub_security.principal import Principal
    from mcp_dockerhub_security.tokens.step_up import Needs

_NAME: Final = f"{PREFIX}POLICY_FILE"


def load_document(settings: Settings) -> "PolicyDocument | None":
    """The policy that the settings name; None where they name none.

    Raises:
        SettingsError: the file cannot be used; with one line per problem, naming line and key.
    """
    if settings.policy_file is None:
        return None
    from mcp_dockerhub_security.policy_file import PolicyFileError, load_policy

    try:
        return load_policy(settings.policy_file, Catalogue.of_everything().tools, environment_value)
    except PolicyFileError as error:
        raise SettingsError(f"{_NAME}: the policy cannot be used:\n{error}") from None


class PolicyRequirements:
    """What tokens must have for an operation, as the policy in force says; the token layer's ``Requirements``."""

    def __init__(self, guard: "Guard") -> None:
        self._guard = guard

    def of(self, principal: "Principal", method: str, name: str) -> "Needs | None":
        """What is missing; None for nothing, and for what would be refused whatever the token says."""
        from mcp_dockerhub_security.tokens.step_up import Needs

        missing = self._guard.missing(principal, method, name)
        if missing is None:
            return None
        return Needs(frozenset(missing.scopes), recent=missing.max_age_s is not None)
