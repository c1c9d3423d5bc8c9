"""Who may use the server over HTTP: token checks, or nobody but this machine."""

from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mcp_dockerhub.application import Application, operator_scopes
from mcp_dockerhub.policies import PolicyRequirements
from mcp_dockerhub.web.authentication import Authenticator, EverybodyIs, StepUp
from mcp_dockerhub_monitoring.checks import state_check
from mcp_dockerhub_monitoring.health import Status
from mcp_dockerhub_security.identity import LocalIdentity
from mcp_dockerhub_security.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_dockerhub.web.scope import App, Receive, Scope, Send
    from mcp_dockerhub.web_settings import WebSettings


@dataclass(frozen=True, slots=True)
class Access:
    """What checks callers, and what it publishes."""

    authenticator: Authenticator
    step_up: StepUp | None = None
    documents: "Mapping[str, App]" = field(default_factory=dict)
    """Unauthenticated documents by path, such as the metadata of RFC 9728."""
    running: AbstractAsyncContextManager[Any] = field(default_factory=nullcontext)
    """Entered while the server runs: clients for keys, introspection, revocation."""


def local_access(application: Application) -> Access:
    """Without token checks: every caller is whoever runs the process."""
    identity = LocalIdentity(operator_scopes(application.settings))
    return Access(EverybodyIs(identity.identify(Request(method=""))))


def token_access(application: Application, web: "WebSettings") -> Access:
    """By access tokens of the configured issuer. Raises SettingsError where they could not be checked."""
    from mcp_dockerhub.services import stack_options
    from mcp_dockerhub.token_settings import load_token_settings
    from mcp_dockerhub.web.tokens import TokenChecks

    settings = application.settings
    writes = settings.allow_writes and not settings.read_only
    checks = TokenChecks.build(
        web,
        load_token_settings(),
        stack_options(settings),
        writes=writes,
        revocations=application.protection.revocations(),
        observer=application.metrics,
    )
    # Known keys and tokens serve on without the issuer: it makes no replica unready.
    application.health.add("issuer", state_check(checks.problem, failing=Status.DEGRADED))
    metadata = Document(checks.resource.encoded())
    return Access(
        checks.authenticator,
        checks.step_up(PolicyRequirements(application.guard)),
        dict.fromkeys(checks.resource.paths, metadata),
        aclosing(checks),
    )


def access_of(application: Application, web: "WebSettings") -> Access:
    """What the settings ask for."""
    return local_access(application) if web.insecure_no_auth else token_access(application, web)


class Document:
    """ASGI application: a JSON document that never changes."""

    def __init__(self, content: bytes, *, max_age: int = 3600) -> None:
        self._content = content
        self._headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", f"public, max-age={max_age}".encode()),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(self._headers)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self._content})
