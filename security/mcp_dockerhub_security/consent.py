"""Asking the human before a call with effects: one question, one execution.

A question has a nonce, kept until the answer comes, for at most ``LIFETIME`` seconds, with a digest of who asked for
what: the answer counts once, and only for the same principal and client, operation, arguments and targets. Where
nobody can be asked the call is refused. A client may answer without its human; nothing on this side of it can tell.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mcp_dockerhub_security.consent_store import ConsentStore, ConsentStoreError, MemoryConsentStore
from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.human import Answer, Human, Reply, Unreachable
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.refusals import Refusal, RefusalCode
from mcp_dockerhub_security.text import clean_identifier

LIFETIME: Final = 120.0
"""Seconds a human has to answer."""

_NONCE_BYTES: Final = 24
_MAX_SHOWN: Final = 20
_MAX_VALUE: Final = 300
_CONSEQUENCE: Final[Mapping[Level, str]] = {
    Level.HIGH: "It changes something.",
    Level.RESTRICTED: "It deletes, builds or publishes something, and may not be undone.",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """One call that would change something."""

    principal: Principal
    method: str
    name: str
    level: Level
    arguments: Mapping[str, Any]
    """Raw, as the client sent them."""
    targets: tuple[Target, ...]
    human: Human | None

    def digest(self) -> str:
        """What consent is bound to; raw arguments and normalised targets, so neither can be exchanged."""
        who = [self.principal.tenant, self.principal.id, self.principal.client]
        facts = [*who, self.method, self.name, self.arguments, list(map(str, self.targets))]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Consent(Protocol):
    """Asks for one execution of one operation with exactly these arguments."""

    async def require(self, effect: Effect) -> None:
        """Return when the human said yes; raise Refusal (CONSENT_REQUIRED) otherwise, or InputRequired."""


class NoConsent:
    """A transport that cannot ask: the answer is never a silent yes."""

    async def require(self, effect: Effect) -> None:
        """Raise Refusal (CONSENT_REQUIRED)."""
        raise _unavailable()


class HumanConsent:
    """See the module's text."""

    def __init__(self, store: ConsentStore | None = None, *, lifetime: float = LIFETIME) -> None:
        self._store = store or MemoryConsentStore()
        self._lifetime = lifetime

    async def require(self, effect: Effect) -> None:
        """Return when the human said yes; raise Refusal (CONSENT_REQUIRED) otherwise, or InputRequired."""
        human = effect.human
        if human is None:
            raise _unavailable()
        digest = effect.digest()
        try:
            reply = human.reply or await self._ask(human, effect, digest)
            used = await self._store.take(reply.nonce)
        except ConsentStoreError:
            raise _refusal(
                "The answer cannot be kept safe right now, so nothing that changes anything is done.",
                "store_unavailable",
                "Try again later; reads still work.",
                retryable=True,
            ) from None
        if used is None or not secrets.compare_digest(used, digest):
            raise _refusal(
                "This consent was given for another call, was used already, or is too old.",
                "invalid",
                "Call again without it: the human will be asked anew.",
            )
        if reply.answer is not Answer.ACCEPT:
            verb = "declined" if reply.answer is Answer.DECLINE else "dismissed the question"
            rule = "declined" if reply.answer is Answer.DECLINE else "cancelled"
            raise _refusal(f"The human {verb}.", rule, "Do not repeat the call unless the human asks for it.")

    async def _ask(self, human: Human, effect: Effect, digest: str) -> Reply:
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        await self._store.put(nonce, digest, self._lifetime)
        try:
            return Reply(nonce, await human.ask(question(effect), nonce, self._lifetime))
        except Unreachable:
            await self._store.take(nonce)
            raise _unavailable() from None
        except TimeoutError:
            await self._store.take(nonce)
            hint = "Call again when the human is there."
            raise _refusal("The human did not answer in time.", "expired", hint, retryable=True) from None


def question(effect: Effect) -> str:
    """What the human reads: the operation, every argument on a line of its own, and what may come of it."""
    lines = [f"Run {clean_identifier(effect.name, 100)} once?"]
    shown = list(effect.arguments.items())[:_MAX_SHOWN]
    lines += [f"- {clean_identifier(str(name), 60)}: {_shown(str(name), value)}" for name, value in shown]
    if len(effect.arguments) > _MAX_SHOWN:
        lines.append(f"- and {len(effect.arguments) - _MAX_SHOWN} more arguments that do not fit here")
    targets = dict.fromkeys(map(str, effect.targets))
    lines += [f"This is about {clean_identifier(target, _MAX_VALUE)}." for target in list(targets)[:_MAX_SHOWN]]
    return "\n".join([*lines, _CONSEQUENCE.get(effect.level, "")]).rstrip()


def _shown(name: str, value: Any) -> str:
    # Most processes never ask anybody anything.
    from mcp_dockerhub_security.redaction import redact_pair

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return clean_identifier(redact_pair(name, text), _MAX_VALUE)


def _unavailable() -> Refusal:
    return _refusal(
        "This operation changes something and needs the consent of a human, who cannot be asked here.",
        "unavailable",
        "Use a client that supports elicitation.",
    )


def _refusal(message: str, rule: str, hint: str, *, retryable: bool = False) -> Refusal:
    return Refusal(RefusalCode.CONSENT_REQUIRED, message, rule=f"consent_{rule}", hint=hint, retryable=retryable)
