"""Small stand-ins for what the composition root hands to the Guard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.consent import Consent
from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.guard import Guard, ParsedCall, Request
from mcp_dockerhub_security.identity import LocalIdentity, local_scopes
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.limits import LimitRules, MemoryLimiter
from mcp_dockerhub_security.policy import Policy
from mcp_dockerhub_security.recorder import Recorder
from mcp_dockerhub_security.refusals import policy_denied
from mcp_dockerhub_security.validation import parse_arguments

ALLOWED = frozenset({"docker.io", "registry.example.com"})

LOW = Operation(Level.LOW)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class ImageArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    image: str
    registry: str = "docker.io"
    limit: int = 25


@dataclass
class FakeSpec:
    name: str = "docker_get_image_details"
    operation: Operation = LOW

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        parsed = parse_arguments(ImageArguments, arguments)
        target = Target(parsed.registry, f"library/{parsed.image}", f"{parsed.registry}/library/{parsed.image}:latest")
        return ParsedCall(parsed, (target,))


@dataclass
class FakeCatalogue:
    specs: Sequence[FakeSpec] = (FakeSpec(),)

    def find(self, method: str, name: str) -> FakeSpec | None:
        return next((spec for spec in self.specs if spec.name == name), None)

    def names(self, method: str) -> list[str]:
        return [spec.name for spec in self.specs]


class AllowList:
    """Satisfies the policy's RegistryRules."""

    def check_registry(self, host: str) -> None:
        if host not in ALLOWED:
            raise policy_denied(f"The registry {host} is not one that this server may read.", rule="egress_registry")


@dataclass
class Credentials:
    """Satisfies the policy's CredentialLookup."""

    registries: frozenset[str] = frozenset()

    def has(self, registry: str) -> bool:
        return registry in self.registries


@dataclass
class Counting:
    """A SecurityObserver that remembers."""

    refusals: list[tuple[str, str]] = field(default_factory=list)
    limits: list[tuple[str, str]] = field(default_factory=list)
    audits: list[str] = field(default_factory=list)
    removed: list[tuple[str, int]] = field(default_factory=list)

    def refused(self, rule: str, code: str) -> None:
        self.refusals.append((rule, code))

    def limit(self, decision: str, window: str) -> None:
        self.limits.append((decision, window))

    def audit(self, event: str, seconds: float) -> None:
        assert seconds >= 0
        self.audits.append(event)

    def sanitized(self, kind: str, count: int) -> None:
        self.removed.append((kind, count))


@dataclass
class Parts:
    """A Guard and what it was made of."""

    guard: Guard
    log: AuditLog
    observer: Counting
    clock: Clock
    limiter: MemoryLimiter


def make_guard(
    *,
    specs: Sequence[FakeSpec] = (FakeSpec(),),
    credentials: frozenset[str] = frozenset(),
    allow_writes: bool = False,
    calls: str = "100/second",
    heavy: str = "2/hour",
    log: AuditLog | None = None,
    consent: Consent | None = None,
) -> Parts:
    """A Guard over fakes at its edges, real parts inside."""
    clock, observer = Clock(), Counting()
    log = log or AuditLog(instance="test")
    limiter = MemoryLimiter(LimitRules(calls, heavy), clock=clock)
    guard = Guard(
        LocalIdentity(local_scopes(credentials=bool(credentials), allow_writes=allow_writes), "ada"),
        limiter,
        FakeCatalogue(specs),
        Policy(AllowList(), Credentials(credentials)),
        Recorder(log, observer),
        observer,
        consent=consent,
    )
    return Parts(guard, log, observer, clock, limiter)


def tool_request(arguments: Any = None, name: Any = "docker_get_image_details", **fields: Any) -> Request:
    """A ``tools/call`` as the adapter would make it."""
    arguments = {"image": "nginx"} if arguments is None else arguments
    params = {"name": name, "arguments": arguments}
    return Request("tools/call", name, arguments, params, request_id="7", client="probe/1.0", **fields)
