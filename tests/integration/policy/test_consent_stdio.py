"""Consent of the local user, through the whole server and the official client, in both protocol eras."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.client.session import ElicitationFnT
from mcp_types import ElicitRequestParams, ElicitResult, ErrorData, InputRequiredResult

from mcp_dockerhub.application import Application
from mcp_dockerhub.server import DockerHubServer
from tests.clients.inprocess import settings
from tests.upstreams.humans import Human, Round, error_of

pytestmark = pytest.mark.anyio

ERAS = ["legacy", "2026-07-28"]
ARGUMENTS = {"repository": "acme/app", "note": "hello"}


@asynccontextmanager
async def served(
    folder: Path, era: str, human: ElicitationFnT | None, **values: Any
) -> AsyncIterator[tuple[Client, Application]]:
    tools = ("probe_change", "probe_delete")
    application = Application.build(settings(folder, **{"allow_writes": True, "tools": tools, **values}))
    server = DockerHubServer(application)
    async with application.running(), Client(server, mode=era, elicitation_callback=human) as client:
        yield client, application


def records(application: Application, tool: str = "probe_change") -> list[tuple[str, str, str, str]]:
    found = [record for record in application.audit.tail() if record["tool"] == tool]
    return [(r["event"], r["consent"], r["rule"], r.get("outcome", "")) for r in found]


@pytest.mark.parametrize("era", ERAS)
async def test_a_human_who_accepts_lets_the_call_through_once(era: str, effects: list[str], tmp_path: Path) -> None:
    human = Human()
    async with served(tmp_path, era, human) as (client, application):
        result = await client.call_tool("probe_change", ARGUMENTS)
        assert result.structured_content is not None
        assert result.structured_content["what"] == "changed"
        assert effects == ["change docker.io/acme/app hello"]
        (question,) = human.asked
        assert question.splitlines() == [
            "Run probe_change once?",
            "- repository: acme/app",
            "- note: hello",
            "This is about docker.io/acme/app.",
            "It changes something.",
        ]
        await client.call_tool("probe_change", ARGUMENTS)
        assert len(human.asked) == 2
        done = [("intent", "accepted", "level_high", ""), ("outcome", "accepted", "level_high", "ok")]
        asking = [("outcome", "asked", "level_high", "input_required")] if era != "legacy" else []
        assert records(application) == [*asking, *done] * 2


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("action", "content", "rule"),
    [
        ("decline", {}, "consent_declined"),
        ("cancel", {}, "consent_cancelled"),
        ("accept", {"confirm": False}, "consent_declined"),
        ("accept", {}, "consent_declined"),
        ("accept", {"confirm": "true"}, "consent_declined"),
    ],
)
async def test_anything_but_a_clear_yes_is_a_no(
    era: str, action: str, content: dict[str, Any], rule: str, effects: list[str], tmp_path: Path
) -> None:
    async with served(tmp_path, era, Human(action, content)) as (client, application):
        error = error_of(await client.call_tool("probe_delete", {"repository": "acme/app"}))
        assert (error["code"], error["retryable"]) == ("CONSENT_REQUIRED", False)
        assert effects == []
        event, consent, found, outcome = records(application, "probe_delete")[-1]
        assert (event, found, outcome) == ("refusal", rule, "CONSENT_REQUIRED")
        assert rule == f"consent_{consent}"


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_cannot_ask_is_refused(era: str, effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path, era, None) as (client, application):
        error = error_of(await client.call_tool("probe_change", ARGUMENTS))
        assert error["code"] == "CONSENT_REQUIRED"
        assert "elicitation" in error["hint"]
        assert effects == []
        assert records(application)[-1][2] == "consent_unavailable"


@pytest.mark.parametrize("era", ERAS)
async def test_reads_ask_nobody(era: str, effects: list[str], tmp_path: Path) -> None:
    human = Human()
    async with served(tmp_path, era, human) as (client, _):
        await client.call_tool("get_server_info", {})
        assert human.asked == []


async def test_a_client_that_fails_to_ask_is_refused(effects: list[str], tmp_path: Path) -> None:
    async def failing(context: Any, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=-32603, message="no window")

    async with served(tmp_path, "legacy", failing) as (client, application):
        assert error_of(await client.call_tool("probe_change", ARGUMENTS))["code"] == "CONSENT_REQUIRED"
        assert effects == []
        assert records(application)[-1][2] == "consent_unavailable"


async def test_a_human_who_thinks_too_long_is_refused(
    effects: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def thinking(context: Any, params: ElicitRequestParams) -> ElicitResult:
        await asyncio.Event().wait()
        raise AssertionError

    async with served(tmp_path, "legacy", thinking) as (client, application):
        monkeypatch.setattr(application.guard._consent, "_lifetime", 0.05)
        async with asyncio.timeout(10):
            error = error_of(await client.call_tool("probe_change", ARGUMENTS))
        assert (error["code"], error["retryable"]) == ("CONSENT_REQUIRED", True)
        assert records(application)[-1][2] == "consent_expired"
        assert effects == []


async def test_an_answer_counts_once(effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path, "2026-07-28", Human()) as (client, application):
        question = await Round.start(client, "probe_change", ARGUMENTS)
        assert not (await question.answer()).is_error
        error = error_of(await question.answer())
        assert error["code"] == "CONSENT_REQUIRED"
        assert len(effects) == 1
        assert records(application)[-1][1:3] == ("invalid", "consent_invalid")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("probe_change", {"repository": "acme/app", "note": "something else"}),
        ("probe_change", {"repository": "acme/other", "note": "hello"}),
        ("probe_delete", {"repository": "acme/app"}),
    ],
)
async def test_an_answer_to_another_question_is_refused_and_recorded(
    tool: str, arguments: dict[str, str], effects: list[str], tmp_path: Path
) -> None:
    async with served(tmp_path, "2026-07-28", Human()) as (client, application):
        question = await Round.start(client, "probe_change", ARGUMENTS)
        with pytest.raises(MCPError, match="requestState"):
            await question.answer(arguments, tool)
        assert effects == []
        refused = application.audit.tail(1)[0]
        assert (refused["event"], refused["rule"], refused["tool"]) == ("refusal", "consent_state", tool)
        assert not (await question.answer()).is_error


async def test_a_forged_state_is_refused_and_floods_of_it_are_limited(effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path, "2026-07-28", Human(), rate_limit="1/minute") as (client, application):
        question = await Round.start(client, "probe_change", ARGUMENTS)
        question.state = "v1.AAAA"
        codes = []
        for _ in range(80):
            with pytest.raises(MCPError) as caught:
                await question.answer()
            codes.append(caught.value.error.code)
        assert set(codes) == {-32602, -32006}
        assert application.audit.tail(1)[0]["rule"] == "limit attempts"
        assert effects == []


async def test_an_answer_that_comes_too_late_is_refused(
    effects: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path, "2026-07-28", Human()) as (client, application):
        question = await Round.start(client, "probe_change", ARGUMENTS)
        store = application.guard._consent._store  # type: ignore[attr-defined]
        late = time.monotonic() + 121
        monkeypatch.setattr(store, "_clock", lambda: late)
        assert error_of(await question.answer())["code"] == "CONSENT_REQUIRED"
        assert effects == []


async def test_a_sealed_state_expires_by_itself(
    effects: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path, "2026-07-28", Human()) as (client, _):
        question = await Round.start(client, "probe_change", ARGUMENTS)
        late = time.time() + 121
        monkeypatch.setattr("mcp.server.request_state.time.time", lambda: late)
        with pytest.raises(MCPError, match="expired"):
            await question.answer()
        assert effects == []


async def test_state_without_an_answer_asks_again(effects: list[str], tmp_path: Path) -> None:
    async with served(tmp_path, "2026-07-28", Human()) as (client, _):
        question = await Round.start(client, "probe_change", ARGUMENTS)
        again = await client.session.call_tool(
            "probe_change", ARGUMENTS, request_state=question.state, allow_input_required=True
        )
        assert isinstance(again, InputRequiredResult)
        assert effects == []


async def test_without_allow_writes_nobody_is_asked(effects: list[str], tmp_path: Path) -> None:
    human = Human()
    async with served(tmp_path, "2026-07-28", human, allow_writes=False) as (client, _):
        assert error_of(await client.call_tool("probe_change", ARGUMENTS))["code"] == "INVALID_INPUT"
        assert human.asked == []
        assert "probe_change" not in {tool.name for tool in (await client.list_tools()).tools}
