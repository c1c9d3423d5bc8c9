"""Everything that can go wrong on the way to an answer.

    DockerHubError
    ├── InvalidInput            the caller's argument breaks a rule
    ├── NotFound                a real 404, or an anonymous denial by a registry that hides what is missing
    ├── AuthenticationFailed    the upstream refused the configured credentials
    ├── Forbidden               the upstream knows us and says no
    ├── RateLimited             too many requests, by the upstream's word
    │   └── QuotaExhausted      its pull quota is spent
    ├── UpstreamTimeout         no answer within the deadline
    ├── UpstreamUnavailable     no connection, a server error, an open circuit
    ├── UpstreamInvalid         an answer that is not what the protocol promises
    ├── Unsupported             a true answer does not exist here
    ├── PolicyDenied            the operator's policy (egress included) forbids the target
    ├── TooLarge                a document beyond its limit
    └── Internal                a defect of ours

Each error says what was asked and what to do next. Messages never carry a secret, an upstream
body or a stack trace, and are cut at ``MAX_MESSAGE`` characters.
"""

from enum import StrEnum
from typing import ClassVar, Final

MAX_MESSAGE: Final = 500
MAX_HINT: Final = 300


class ErrorCode(StrEnum):
    """The closed set of codes a tool error can carry."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    UPSTREAM_INVALID = "UPSTREAM_INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    POLICY_DENIED = "POLICY_DENIED"
    CONSENT_REQUIRED = "CONSENT_REQUIRED"
    TOO_LARGE = "TOO_LARGE"
    INTERNAL = "INTERNAL"


class DockerHubError(Exception):
    """Base of all anticipated failures.

    ``retryable`` is a property of the class: the same call may succeed later without a change.
    ``retry_after_s`` is the wait in seconds the upstream asked for, where it did.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        self.message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        hint = hint or self.default_hint
        self.hint = hint if len(hint) <= MAX_HINT else hint[: MAX_HINT - 1] + "…"
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


class InvalidInput(DockerHubError):
    code = ErrorCode.INVALID_INPUT
    default_hint = "Correct the argument and call again."


class NotFound(DockerHubError):
    code = ErrorCode.NOT_FOUND
    default_hint = "Check the spelling, or search for the image first."


class AuthenticationFailed(DockerHubError):
    code = ErrorCode.AUTHENTICATION_FAILED
    default_hint = "The operator must check the credentials configured for this host."


class Forbidden(DockerHubError):
    code = ErrorCode.FORBIDDEN
    default_hint = "The configured account has no access; ask the owner of the repository."


class RateLimited(DockerHubError):
    code = ErrorCode.RATE_LIMITED
    retryable = True
    default_hint = "Wait before calling again."


class QuotaExhausted(RateLimited):
    code = ErrorCode.QUOTA_EXHAUSTED
    default_hint = "The pull quota is spent; wait for it to renew or configure credentials."


class UpstreamTimeout(DockerHubError):
    code = ErrorCode.UPSTREAM_TIMEOUT
    retryable = True
    default_hint = "The host is slow or hangs; try again later."


class UpstreamUnavailable(DockerHubError):
    code = ErrorCode.UPSTREAM_UNAVAILABLE
    retryable = True
    default_hint = "The host cannot be reached or fails; this says nothing about whether the image exists."


class UpstreamInvalid(DockerHubError):
    code = ErrorCode.UPSTREAM_INVALID
    default_hint = "The host answered against its protocol; check that it is a registry."


class Unsupported(DockerHubError):
    code = ErrorCode.UNSUPPORTED


class PolicyDenied(DockerHubError):
    code = ErrorCode.POLICY_DENIED
    default_hint = "The operator must allow this host or address."


class TooLarge(DockerHubError):
    code = ErrorCode.TOO_LARGE
    default_hint = "The document is beyond the size this server reads."


class Internal(DockerHubError):
    default_hint = "This is a defect; the server's log has the details."
