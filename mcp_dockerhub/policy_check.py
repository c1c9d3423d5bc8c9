"""``mcp-dockerhub policy check``: what the policy says to a call, and why, without making it.

Exit codes: 0 it would be allowed; 1 it would be refused; 2 the question makes no sense.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_dockerhub.application import LazyClients, operator_scopes
from mcp_dockerhub.policies import load_document
from mcp_dockerhub.settings import Settings
from mcp_dockerhub.tools.catalogue import Catalogue
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_security.identity import LocalIdentity
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.policy import ALL_SCOPES, Decision, Policy, PolicyDocument
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.refusals import ReportableError
from mcp_dockerhub_security.request import Request
from mcp_dockerhub_security.validation import check_arguments

ALLOWED: Final = 0
REFUSED: Final = 1
UNUSABLE: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """The question."""

    tool: str
    arguments: Mapping[str, Any]
    role: str = ""
    """Empty: the local user, as on stdio."""
    tenant: str = ""
    address: str = ""


class Senseless(Exception):
    """The question cannot be answered; the message says why."""


def check(settings: Settings, asked: Asked, *, as_json: bool = False) -> int:
    """Print the decision and return the exit code. Raises SettingsError for a policy that cannot be used."""
    try:
        decision = _decide(settings, asked)
    except Senseless as error:
        sys.stderr.write(f"mcp-dockerhub: {error}\n")
        return UNUSABLE
    if as_json:
        sys.stdout.write(json.dumps(_structured(decision), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(asked, decision)) + "\n")
    return ALLOWED if decision.allowed else REFUSED


def _decide(settings: Settings, asked: Asked) -> Decision:
    document = load_document(settings)
    catalogue = Catalogue.of_settings(settings)
    spec = {**Catalogue.of_everything().tools, **catalogue.tools}.get(asked.tool)
    if spec is None:
        raise Senseless(f"{asked.tool[:100]} is no tool of this server.")
    try:
        parsed = spec.parse(check_arguments(asked.arguments))
    except Exception as error:
        if not isinstance(error, ReportableError):
            raise
        raise Senseless(f"{error.message} {error.hint}".rstrip()) from None
    clients = LazyClients(settings, Metrics(catalogue), document.tenants.named if document else {})
    policy = Policy(clients, clients, document, tenants=clients.of_tenants())
    principal = _principal(settings, asked, document)
    decision = policy.decide(principal, spec.operation, parsed.targets, tool=spec.name, address=asked.address)
    if decision.allowed and spec.name not in catalogue.tools:
        hint = "It is left out by --toolsets, --exclude-tools or --read-only, or needs --allow-writes."
        return Decision(False, "not_offered", decision.level, message="The server does not offer it.", hint=hint)
    return decision


def _principal(settings: Settings, asked: Asked, document: PolicyDocument | None) -> Principal:
    """Somebody with this role, a token with every scope, and a login of just now; without a role, the local user."""
    named = document or PolicyDocument()
    if asked.tenant and asked.tenant not in named.tenants.named:
        raise Senseless(f"The policy has no tenant {asked.tenant[:100]}.")
    if not asked.role:
        if asked.tenant:
            raise Senseless("The local user has no tenant: say --as ROLE too.")
        return LocalIdentity(operator_scopes(settings)).identify(Request(""))
    mentioned = set(named.roles).union(*(rule.roles for rule in named.rules))
    if asked.role not in mentioned:
        raise Senseless(f"The policy has no role {asked.role[:100]}.")
    return Principal(
        "policy-check",
        "token",
        asked.tenant,
        frozenset(ALL_SCOPES),
        roles=frozenset({asked.role}),
        auth_time=time.time(),
    )


def _lines(asked: Asked, decision: Decision) -> list[str]:
    lines = [
        f"{'allowed' if decision.allowed else 'refused'}: {asked.tool} for {_who(asked)}",
        f"  rule   {_rule(decision.rule)}",
        f"  level  {decision.level.value}{_meaning(decision)}",
    ]
    for verdict in decision.verdicts:
        said, what = "yes" if verdict.allowed else "no", verdict.target or "no target"
        lines.append(f"  {said:<5}  {what} at {verdict.level.value}: {_rule(verdict.rule)}")
    return lines if decision.allowed else [*lines, f"  {decision.message}", f"  {decision.hint}"]


def _who(asked: Asked) -> str:
    if not asked.role:
        return "the local user"
    return f"role {asked.role}" + (f" of tenant {asked.tenant}" if asked.tenant else "")


def _meaning(decision: Decision) -> str:
    if decision.level is Level.MEDIUM:
        return ", read with configured credentials"
    if decision.level is Level.LOW and decision.allowed and not decision.private:
        return ", read anonymously"
    if decision.level.has_effects and decision.allowed:
        fresh = " and a login of the last 5 minutes" if decision.level is Level.RESTRICTED else ""
        return f", needs a human's consent{fresh}"
    return ""


def _rule(rule: str) -> str:
    name = rule.removeprefix("policy ")
    return f'"{name}" of the policy file' if name != rule else f"{rule} (built in)"


def _structured(decision: Decision) -> dict[str, Any]:
    verdicts = [
        {
            "target": str(verdict.target) if verdict.target else None,
            "level": verdict.level.value,
            "allowed": verdict.allowed,
            "rule": verdict.rule,
        }
        for verdict in decision.verdicts
    ]
    shown = {"allowed": decision.allowed, "rule": decision.rule, "level": decision.level.value, "verdicts": verdicts}
    return shown if decision.allowed else {**shown, "message": decision.message, "hint": decision.hint}
