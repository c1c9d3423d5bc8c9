"""Reaching the human through an MCP client, whatever it says it can do and whatever it answers."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from mcp import MCPError
from mcp_types import ClientCapabilities, ElicitationCapability, FormElicitationCapability, UrlElicitationCapability

from mcp_dockerhub_security.human import Answer, InputRequired, Reply, Unreachable
from mcp_dockerhub_security.identity import Principal
from mcp_dockerhub_security.mcp_adapter import RefusedStateMiddleware, _answer, _SessionHuman, request_state_security
from tests.upstreams.guard_parts import FakeCatalogue, make_guard

pytestmark = pytest.mark.anyio

MODERN, OLD = "2026-07-28", "2025-11-25"
FORM = ElicitationCapability(form=FormElicitationCapability())


def context(
    version: str = MODERN, elicitation: ElicitationCapability | None = FORM, params: Any = None, **session: Any
) -> Any:
    capabilities = ClientCapabilities(elicitation=elicitation)
    session = {"client_capabilities": capabilities, "can_send_request": True, "client_params": None, **session}
    return SimpleNamespace(
        session=SimpleNamespace(**session),
        protocol_version=version,
        params=params,
        request_id=1,
        request=None,
        method="tools/call",
    )


async def ask(ctx: Any) -> Answer:
    return await _SessionHuman(ctx).ask("Run it?", "nonce", 5)


@pytest.mark.parametrize("elicitation", [FORM, ElicitationCapability()])
async def test_in_the_stateless_era_the_question_is_the_answer(elicitation: ElicitationCapability) -> None:
    with pytest.raises(InputRequired) as caught:
        await ask(context(MODERN, elicitation))
    assert (caught.value.question, caught.value.nonce) == ("Run it?", "nonce")


@pytest.mark.parametrize("version", [MODERN, OLD])
@pytest.mark.parametrize("elicitation", [None, ElicitationCapability(url=UrlElicitationCapability())])
async def test_a_client_without_forms_cannot_ask(version: str, elicitation: ElicitationCapability | None) -> None:
    with pytest.raises(Unreachable):
        await ask(context(version, elicitation))


async def test_a_client_that_declares_nothing_cannot_ask() -> None:
    with pytest.raises(Unreachable):
        await ask(context(client_capabilities=None))


async def test_without_a_way_back_nobody_can_be_asked() -> None:
    with pytest.raises(Unreachable):
        await ask(context(OLD, can_send_request=False))


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ({"action": "accept", "content": {"confirm": True}}, Answer.ACCEPT),
        ({"action": "accept", "content": {"confirm": 1}}, Answer.DECLINE),
        ({"action": "accept", "content": {"confirm": "yes"}}, Answer.DECLINE),
        ({"action": "accept", "content": ["confirm"]}, Answer.DECLINE),
        ({"action": "accept"}, Answer.DECLINE),
        ({"action": "decline", "content": {"confirm": True}}, Answer.DECLINE),
        ({"action": "cancel"}, Answer.CANCEL),
        ({"action": "ACCEPT", "content": {"confirm": True}}, Answer.CANCEL),
        ({"action": ["accept"]}, Answer.CANCEL),
        ({}, Answer.CANCEL),
        (None, Answer.CANCEL),
        ("accept", Answer.CANCEL),
    ],
)
def test_anything_but_a_clear_yes_is_none(response: object, answer: Answer) -> None:
    assert _answer(response) is answer


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {},
        {"requestState": "n"},
        {"inputResponses": {}},
        {"requestState": 5, "inputResponses": {}},
        {"requestState": "", "inputResponses": {}},
        {"requestState": "n" * 101, "inputResponses": {}},
        {"requestState": "n", "inputResponses": "x"},
    ],
)
def test_a_request_without_state_or_responses_brings_no_reply(params: Any) -> None:
    assert _SessionHuman(context(params=params)).reply is None


def test_a_reply_to_another_question_says_nothing_to_ours() -> None:
    responses = {"other": {"action": "accept", "content": {"confirm": True}}}
    human = _SessionHuman(context(params={"requestState": "n", "inputResponses": responses}))
    assert human.reply == Reply("n", Answer.CANCEL)


async def test_only_refusals_of_state_are_recorded() -> None:
    parts = make_guard()
    middleware = RefusedStateMiddleware(parts.guard)

    async def refusing(data: Any) -> None:
        async def call_next(ctx: Any) -> None:
            raise MCPError(-32602, "no", data)

        with pytest.raises(MCPError):
            await middleware(context(params={"name": "t"}), call_next)

    for data, recorded in ((None, 0), ({"reason": "other"}, 0), ({"reason": "invalid_request_state"}, 1)):
        await refusing(data)
        assert len(parts.log.tail()) == recorded
    assert parts.observer.refusals == [("consent_state", "CONSENT_REQUIRED")]


def test_state_is_bound_to_tenant_principal_and_client(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_guard()
    security = request_state_security(parts.guard, ["k" * 32])
    assert security.ttl == 120
    bind = security.bind_principal
    assert bind is not None
    assert str(bind(context())).startswith("\nlocal:ada\n")
    other = Principal("x", "token", "acme", frozenset(), "app")
    monkeypatch.setattr(parts.guard, "identify", lambda request: other)
    assert bind(context()) == "acme\nx\napp"


def test_a_defect_while_looking_for_what_is_missing_is_not_hidden() -> None:
    class Broken(FakeCatalogue):
        def find(self, method: str, name: str) -> Any:
            raise ZeroDivisionError

    parts = make_guard()
    parts.guard._catalogue = cast("Any", Broken())
    with pytest.raises(ZeroDivisionError):
        parts.guard.missing(Principal("x", "token", "", frozenset()), "tools/call", "t")
