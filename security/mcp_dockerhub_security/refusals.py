"""Saying no: one exception for every rule of the security manager, and what any failure shows a client."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable

from mcp_dockerhub_security.text import clean_identifier

MAX_MESSAGE: Final = 500
MAX_HINT: Final = 300
MAX_CODE: Final = 40


class RefusalCode(StrEnum):
    """The codes of tool errors that the security manager itself produces."""

    INVALID_INPUT = "INVALID_INPUT"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    POLICY_DENIED = "POLICY_DENIED"
    CONSENT_REQUIRED = "CONSENT_REQUIRED"
    TOO_LARGE = "TOO_LARGE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a client can get for its user so that the same call may be let through."""

    scopes: tuple[str, ...] = ()
    """All scopes that are missing, for an ``insufficient_scope`` challenge (RFC 6750, section 3.1)."""
    max_age_s: int | None = None
    """Seconds since the login, for an ``insufficient_user_authentication`` challenge (RFC 9470, section 3)."""


class Refusal(Exception):
    """A call that is not let through, with what to do about it.

    ``code`` is one of the tool error codes; ``rule`` names the rule that refused, for the audit record and
    the metrics, and comes from a closed set. ``retry_after_s`` is in seconds. The message is for the model:
    it never carries the refused value, a secret, or more than ``MAX_MESSAGE`` characters. ``needs`` is for whoever
    answers over HTTP, where a client can be told how to get further.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        rule: str,
        hint: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
        needs: Needs | None = None,
    ) -> None:
        self.code = str(code)
        self.message = clean_identifier(message, MAX_MESSAGE)
        self.hint = clean_identifier(hint, MAX_HINT)
        self.rule = rule
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.needs = needs
        super().__init__(self.message)


def invalid_input(message: str, *, rule: str, hint: str = "Correct the argument and call again.") -> Refusal:
    """An argument breaks a rule."""
    return Refusal(RefusalCode.INVALID_INPUT, message, rule=rule, hint=hint)


def policy_denied(message: str, *, rule: str, hint: str = "The operator must allow it.") -> Refusal:
    """The operator's policy forbids it."""
    return Refusal(RefusalCode.POLICY_DENIED, message, rule=rule, hint=hint)


@runtime_checkable
class ReportableError(Protocol):
    """Any exception that may be shown to the client as it is; every other one is reported as INTERNAL."""

    code: str
    message: str
    hint: str
    retryable: bool
    retry_after_s: float | None


def error_content(error: BaseException) -> dict[str, Any]:
    """``{code, message, hint, retryable, retry_after_s?}`` of a failure, cleaned and bounded (under 2 KB).

    What is not a ReportableError becomes INTERNAL and says nothing of itself: its text may hold anything.
    """
    if not isinstance(error, ReportableError):
        return {
            "code": str(RefusalCode.INTERNAL),
            "message": "The server failed to answer this call.",
            "hint": "This is a defect; the server's log has the details.",
            "retryable": False,
        }
    content: dict[str, Any] = {
        "code": clean_identifier(str(error.code), MAX_CODE),
        "message": clean_identifier(error.message, MAX_MESSAGE),
        "hint": clean_identifier(error.hint, MAX_HINT),
        "retryable": bool(error.retryable),
    }
    if error.retry_after_s is not None:
        content["retry_after_s"] = round(float(error.retry_after_s), 3)
    return content
