"""One question, one answer, one execution."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from mcp_dockerhub_security.consent import LIFETIME, Effect, HumanConsent, NoConsent, question
from mcp_dockerhub_security.consent_store import ConsentStoreError, MemoryConsentStore, RedisConsentStore
from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.human import Answer, Human, InputRequired, Reply, Unreachable
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.redis_link import RedisLink
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.guard_parts import Clock

pytestmark = pytest.mark.anyio

ANN = Principal("ann", "token", "acme", frozenset())
TARGET = Target("docker.io", "acme/app", "docker.io/acme/app:1")


class Present:
    """Somebody who answers at once."""

    def __init__(self, answer: Answer = Answer.ACCEPT, error: Exception | None = None) -> None:
        self.answer = answer
        self.error = error
        self.asked: list[tuple[str, str, float]] = []

    @property
    def reply(self) -> Reply | None:
        return None

    async def ask(self, question: str, nonce: str, timeout_s: float) -> Answer:
        self.asked.append((question, nonce, timeout_s))
        if self.error is not None:
            raise self.error
        return self.answer


class Later(Present):
    """Somebody whose answer comes with the repeated request."""

    def __init__(self, reply: Reply | None = None) -> None:
        super().__init__()
        self._reply = reply

    @property
    def reply(self) -> Reply | None:
        return self._reply

    async def ask(self, question: str, nonce: str, timeout_s: float) -> Answer:
        raise InputRequired(question, nonce)


def effect(human: Human | None = None, **changes: Any) -> Effect:
    base = Effect(ANN, "tools/call", "test_delete", Level.RESTRICTED, {"repository": "acme/app"}, (TARGET,), human)
    return replace(base, **changes)


async def refused(consent: HumanConsent, asked: Effect) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await consent.require(asked)
    assert caught.value.code == "CONSENT_REQUIRED"
    return caught.value


async def nonce_of(consent: HumanConsent, asked: Effect | None = None) -> str:
    with pytest.raises(InputRequired) as caught:
        await consent.require(asked or effect(Later()))
    return caught.value.nonce


def accepted(nonce: str) -> Later:
    return Later(Reply(nonce, Answer.ACCEPT))


async def test_a_yes_lets_one_call_through() -> None:
    human = Present()
    await HumanConsent().require(effect(human))
    ((_, _, timeout),) = human.asked
    assert timeout == LIFETIME == 120.0


@pytest.mark.parametrize(("answer", "rule"), [(Answer.DECLINE, "declined"), (Answer.CANCEL, "cancelled")])
async def test_anything_else_does_not(answer: Answer, rule: str) -> None:
    refusal = await refused(HumanConsent(), effect(Present(answer)))
    assert (refusal.rule, refusal.retryable) == (f"consent_{rule}", False)


async def test_without_a_human_the_answer_is_no() -> None:
    assert (await refused(HumanConsent(), effect(None))).rule == "consent_unavailable"
    with pytest.raises(Refusal, match="cannot be asked"):
        await NoConsent().require(effect(Present()))


@pytest.mark.parametrize(
    ("error", "rule", "retryable"), [(Unreachable(), "unavailable", False), (TimeoutError(), "expired", True)]
)
async def test_who_cannot_be_asked_or_does_not_answer_said_nothing(
    error: Exception, rule: str, retryable: bool
) -> None:
    store = MemoryConsentStore()
    human = Present(error=error)
    refusal = await refused(HumanConsent(store), effect(human))
    assert (refusal.rule, refusal.retryable) == (f"consent_{rule}", retryable)
    assert await store.take(human.asked[0][1]) is None


async def test_an_answer_that_comes_with_the_repeated_request_counts_once() -> None:
    consent = HumanConsent()
    nonce = await nonce_of(consent)
    await consent.require(effect(accepted(nonce)))
    assert (await refused(consent, effect(accepted(nonce)))).rule == "consent_invalid"


@pytest.mark.parametrize("answer", [Answer.DECLINE, Answer.CANCEL])
async def test_a_no_uses_the_question_up(answer: Answer) -> None:
    consent = HumanConsent()
    nonce = await nonce_of(consent)
    await refused(consent, effect(Later(Reply(nonce, answer))))
    assert (await refused(consent, effect(accepted(nonce)))).rule == "consent_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"principal": replace(ANN, id="bob")},
        {"principal": replace(ANN, tenant="other")},
        {"principal": replace(ANN, client="another-app")},
        {"method": "resources/read"},
        {"name": "test_change"},
        {"arguments": {"repository": "acme/other"}},
        {"arguments": {"repository": "acme/app", "force": True}},
        {"arguments": {}},
        {"targets": ()},
        {"targets": (replace(TARGET, reference="docker.io/acme/app:2"),)},
    ],
)
async def test_an_answer_counts_for_its_own_question_only(changes: dict[str, Any]) -> None:
    consent = HumanConsent()
    nonce = await nonce_of(consent)
    assert (await refused(consent, effect(accepted(nonce), **changes))).rule == "consent_invalid"
    # And it is gone: whoever tried may not try again.
    assert (await refused(consent, effect(accepted(nonce)))).rule == "consent_invalid"


async def test_arguments_in_another_order_are_the_same_arguments() -> None:
    consent = HumanConsent()
    nonce = await nonce_of(consent, effect(Later(), arguments={"a": 1, "b": [1, 2]}))
    await consent.require(effect(accepted(nonce), arguments={"b": [1, 2], "a": 1}))


@pytest.mark.parametrize(("age", "counts"), [(119.9, True), (120.0, False), (10_000.0, False)])
async def test_an_answer_has_two_minutes(age: float, counts: bool) -> None:
    clock = Clock()
    consent = HumanConsent(MemoryConsentStore(clock=clock))
    nonce = await nonce_of(consent)
    clock.now += age
    if counts:
        await consent.require(effect(accepted(nonce)))
    else:
        assert (await refused(consent, effect(accepted(nonce)))).rule == "consent_invalid"


async def test_of_two_that_answer_at_once_one_counts() -> None:
    consent = HumanConsent()
    nonce = await nonce_of(consent)
    results = await asyncio.gather(
        *(consent.require(effect(accepted(nonce))) for _ in range(8)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1


async def test_nonces_are_long_and_never_the_same() -> None:
    consent = HumanConsent()
    nonces = {await nonce_of(consent) for _ in range(50)}
    assert len(nonces) == 50
    assert min(map(len, nonces)) >= 32


async def test_a_made_up_nonce_is_refused() -> None:
    assert (await refused(HumanConsent(), effect(accepted("x")))).rule == "consent_invalid"


@pytest.mark.parametrize("failing", ["put", "take"])
async def test_a_store_that_fails_refuses(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise ConsentStoreError

    store = MemoryConsentStore()
    monkeypatch.setattr(store, failing, fail)
    refusal = await refused(HumanConsent(store), effect(Present()))
    assert (refusal.rule, refusal.retryable) == ("consent_store_unavailable", True)


class DeadLink:
    """A Redis that is not there."""

    prefix = "test"

    async def run(self, command: object) -> None:
        raise ConnectionError


async def test_a_redis_that_is_down_fails_the_store() -> None:
    store = RedisConsentStore(cast("RedisLink", DeadLink()))
    with pytest.raises(ConsentStoreError):
        await store.put("n", "d", 1)
    with pytest.raises(ConsentStoreError):
        await store.take("n")


async def test_the_memory_store_is_bounded_and_forgets_what_is_over() -> None:
    clock = Clock()
    store = MemoryConsentStore(clock=clock, max_open=3)
    for name in "abcd":
        await store.put(name, name, 10)
    assert await store.take("a") is None
    assert await store.take("b") == "b"
    clock.now += 11
    await store.put("e", "e", 10)
    assert list(store._open) == ["e"]


def test_the_question_shows_every_argument_on_a_line_of_its_own_and_what_may_come_of_it() -> None:
    arguments = {"repository": "acme/app", "tags": ["1", "2"], "force": True}
    assert question(effect(arguments=arguments)).splitlines() == [
        "Run test_delete once?",
        "- repository: acme/app",
        '- tags: ["1", "2"]',
        "- force: true",
        "This is about docker.io/acme/app:1.",
        "It deletes, builds or publishes something, and may not be undone.",
    ]
    assert "It changes something." in question(effect(level=Level.HIGH))


def test_the_question_cannot_be_written_by_whoever_calls() -> None:
    arguments = {"note": "x\n- force: false\nRun nothing", "a\u202eb\x1b[31m": "y" * 5_000, "token": "s3cret"}
    text = question(effect(arguments=arguments))
    assert len(text.splitlines()) == 6
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "s3cret" not in text
    assert "cut" in text
    assert len(text) < 2_000


def test_a_question_with_very_many_arguments_says_how_many_it_does_not_show() -> None:
    text = question(effect(arguments={f"a{n}": n for n in range(50)}))
    assert "and 30 more arguments that do not fit here" in text
