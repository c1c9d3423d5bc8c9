"""One order of decisions, one record of each call, however it ends."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.audit_verify import verify
from mcp_dockerhub_security.consent import Effect
from mcp_dockerhub_security.grant import current_grant
from mcp_dockerhub_security.guard import ParsedCall, Request
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.observer import NULL_OBSERVER
from mcp_dockerhub_security.recorder import Recorder
from mcp_dockerhub_security.refusals import Refusal
from tests.upstreams.guard_parts import FakeSpec, Parts, make_guard, tool_request

pytestmark = pytest.mark.anyio

WRITE = FakeSpec("docker_delete_tag", Operation(Level.RESTRICTED, heavy=True))
HEAVY = FakeSpec("docker_get_vulnerabilities", Operation(Level.LOW, heavy=True))


class Yes:
    """A human who agrees, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Level]] = []

    async def require(self, effect: Effect) -> None:
        self.asked.append((effect.name, effect.level))


class FullDisk:
    """A sink that takes nothing, or does not sync."""

    size = 0

    def __init__(self, *, sync_only: bool = False) -> None:
        self.sync_only = sync_only

    def write(self, line: bytes) -> None:
        if not self.sync_only:
            raise OSError(28, "No space left on device")

    def syncer(self) -> Callable[[], None]:
        def sync() -> None:
            raise OSError(5, "Input/output error")

        return sync

    def rotate(self, day: str) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


async def refused(parts: Parts, request: Request) -> Refusal:
    with pytest.raises(Refusal) as caught:
        async with parts.guard.admit(request):
            pytest.fail("was admitted")
    return caught.value


def last(parts: Parts) -> dict[str, Any]:
    return dict(parts.log.tail(1)[0])


async def test_an_admitted_call_is_granted_and_recorded() -> None:
    parts = make_guard()
    async with parts.guard.admit(tool_request(trace_id="f" * 32)) as grant:
        assert current_grant("tools/call", "docker_get_image_details") is grant
        assert parts.log.tail() == []
    assert (grant.arguments.image, grant.level, grant.private, grant.partition) == ("nginx", Level.LOW, False, "")
    record = last(parts)
    assert {name: record[name] for name in ("event", "method", "tool", "arguments", "target", "principal")} == {
        "event": "outcome",
        "method": "tools/call",
        "tool": "docker_get_image_details",
        "arguments": {"image": "str:5"},
        "target": ["docker.io/library/nginx:latest"],
        "principal": "local:ada",
    }
    assert {name: record[name] for name in ("client", "tenant", "decision", "rule", "level", "outcome")} == {
        "client": "probe/1.0",
        "tenant": "",
        "decision": "allow",
        "rule": "level_low",
        "level": "LOW",
        "outcome": "ok",
    }
    assert (record["request_id"], record["trace_id"]) == ("7", "f" * 32)
    assert record["duration_ms"] >= 0
    assert parts.observer.limits == [("allowed", "")]
    assert parts.observer.audits == ["outcome"]
    assert parts.observer.refusals == []


async def test_the_grant_ends_with_the_call() -> None:
    parts = make_guard()
    async with parts.guard.admit(tool_request()):
        pass
    with pytest.raises(Refusal, match="not granted"):
        current_grant("tools/call", "docker_get_image_details")


async def test_concurrent_calls_have_grants_of_their_own() -> None:
    parts = make_guard(specs=[FakeSpec(), HEAVY])
    inside = asyncio.Barrier(2)

    async def call(name: str) -> str:
        async with parts.guard.admit(tool_request(name=name)):
            async with asyncio.timeout(5):
                await inside.wait()
            return current_grant("tools/call", name).name

    names = ["docker_get_image_details", "docker_get_vulnerabilities"]
    assert await asyncio.gather(*(call(name) for name in names)) == names


async def test_credentials_make_a_read_medium_and_private() -> None:
    parts = make_guard(credentials=frozenset({"docker.io"}))
    async with parts.guard.admit(tool_request()) as grant:
        assert (grant.private, grant.level) == (True, Level.MEDIUM)
    assert last(parts)["rule"] == "level_medium"


@pytest.mark.parametrize(
    ("request_", "code", "rule"),
    [
        (tool_request(name="docker_get_image_detail"), "INVALID_INPUT", "unknown_operation"),
        (tool_request(name=5), "INVALID_INPUT", "unknown_operation"),
        (tool_request(["image"]), "INVALID_INPUT", "arguments_not_object"),
        (tool_request({"image": 5}), "INVALID_INPUT", "arguments_invalid"),
        (tool_request({"image": "x" * 1_000_000}), "INVALID_INPUT", "string_too_long"),
        (tool_request({"image": ["x" * 2_000] * 50}), "INVALID_INPUT", "params_too_large"),
        (tool_request({"image": "a", "registry": "evil.example"}), "POLICY_DENIED", "egress_registry"),
    ],
)
async def test_refusals_are_recorded_with_their_rule(request_: Request, code: str, rule: str) -> None:
    parts = make_guard()
    refusal = await refused(parts, request_)
    assert (refusal.code, refusal.rule) == (code, rule)
    record = last(parts)
    assert (record["event"], record["decision"], record["rule"], record["outcome"]) == ("refusal", "deny", rule, code)
    assert parts.observer.refusals == [(rule, code)]
    assert len(json.dumps(record)) < 4_000


async def test_what_the_client_wrote_is_recorded_cleaned_and_bounded() -> None:
    parts = make_guard()
    request = replace(tool_request(name="evil\x1b[31m\u202e" + "x" * 5_000), params={})
    await refused(parts, request)
    tool = last(parts)["tool"]
    assert tool.startswith("evilx")
    assert len(tool) <= 100


async def test_a_flood_of_refused_calls_is_refused_cheaply() -> None:
    parts = make_guard(calls="1/minute")
    bad = tool_request(["image"])
    for _ in range(60):
        await refused(parts, bad)
    refusal = await refused(parts, bad)
    assert (refusal.code, refusal.rule) == ("RATE_LIMITED", "limit attempts")
    assert parts.observer.limits == [("refused", "attempts")]


async def test_refused_calls_do_not_use_up_the_allowed_ones() -> None:
    parts = make_guard(calls="2/minute")
    for _ in range(10):
        await refused(parts, tool_request({"image": 5}))
    for _ in range(2):
        async with parts.guard.admit(tool_request()):
            pass
    refusal = await refused(parts, tool_request())
    assert refusal.rule == "limit 2/minute"
    assert parts.observer.limits[-1] == ("refused", "2/minute")


async def test_heavy_calls_use_their_own_window() -> None:
    parts = make_guard(specs=[HEAVY], heavy="1/hour")
    async with parts.guard.admit(tool_request(name=HEAVY.name)):
        pass
    assert (await refused(parts, tool_request(name=HEAVY.name))).rule == "limit heavy 1/hour"


async def test_policy_is_asked_before_the_call_limits() -> None:
    parts = make_guard(calls="1/minute")
    for _ in range(3):
        refusal = await refused(parts, tool_request({"image": "a", "registry": "evil.example"}))
        assert refusal.code == "POLICY_DENIED"
    async with parts.guard.admit(tool_request()):
        pass


async def test_protocol_methods_are_recorded_and_limited_but_not_parsed() -> None:
    parts = make_guard(calls="1/minute")
    for _ in range(3):
        async with parts.guard.admit(Request("tools/list", params={"cursor": "x"})) as grant:
            assert (grant.name, grant.level, grant.private) == ("", Level.PUBLIC, False)
    assert (last(parts)["method"], last(parts)["rule"]) == ("tools/list", "protocol")
    for _ in range(57):
        async with parts.guard.admit(Request("ping")):
            pass
    assert (await refused(parts, Request("ping"))).rule == "limit attempts"


async def test_a_protocol_method_with_huge_parameters_is_refused() -> None:
    assert (await refused(make_guard(), Request("tools/list", params={"cursor": "x" * 70_000}))).code == "INVALID_INPUT"


async def test_resources_are_found_by_their_uri() -> None:
    template = FakeSpec("docker://image/{+name}/{tag}")
    parts = make_guard(specs=[template])
    request = Request("resources/read", template.name, {"image": "nginx"})
    async with parts.guard.admit(request) as grant:
        assert grant.name == template.name
    assert "resource" in (await refused(parts, Request("resources/read", "docker://nothing", {}))).message


async def test_writes_are_denied_by_default() -> None:
    parts = make_guard(specs=[WRITE], consent=Yes())
    refusal = await refused(parts, tool_request(name=WRITE.name))
    assert (refusal.code, refusal.rule) == ("POLICY_DENIED", "writes_not_allowed")


async def test_writes_need_consent_that_cannot_be_assumed() -> None:
    parts = make_guard(specs=[WRITE], allow_writes=True)
    refusal = await refused(parts, tool_request(name=WRITE.name))
    assert refusal.code == "CONSENT_REQUIRED"
    assert [record["event"] for record in parts.log.tail()] == ["refusal"]


async def test_an_allowed_write_is_on_the_disk_before_it_happens(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    consent = Yes()
    parts = make_guard(specs=[WRITE], allow_writes=True, consent=consent, log=AuditLog.open(path))
    async with parts.guard.admit(tool_request(name=WRITE.name)):
        (intent,) = path.read_text().splitlines()
        assert json.loads(intent)["event"] == "intent"
        assert json.loads(intent)["decision"] == "allow"
        assert "outcome" not in json.loads(intent)
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["intent", "outcome"]
    assert consent.asked == [(WRITE.name, Level.RESTRICTED)]
    assert verify(path).intact
    parts.log.close()


@pytest.mark.parametrize("sink", [FullDisk(), FullDisk(sync_only=True)])
async def test_a_write_that_cannot_be_recorded_is_refused(sink: FullDisk) -> None:
    parts = make_guard(specs=[WRITE], allow_writes=True, consent=Yes(), log=AuditLog(sink))
    refusal = await refused(parts, tool_request(name=WRITE.name))
    assert (refusal.code, refusal.rule, refusal.retryable) == ("INTERNAL", "audit_unavailable", True)
    assert parts.log.failing


async def test_a_read_goes_on_when_it_cannot_be_recorded() -> None:
    parts = make_guard(log=AuditLog(FullDisk()))
    async with parts.guard.admit(tool_request()):
        pass
    assert parts.log.failing
    assert parts.observer.audits == ["failed"]


async def test_a_failure_inside_is_recorded_by_its_code() -> None:
    parts = make_guard()
    with pytest.raises(RuntimeError):
        async with parts.guard.admit(tool_request()):
            raise RuntimeError("secret detail")
    assert last(parts)["outcome"] == "INTERNAL"
    assert "secret" not in json.dumps(last(parts))


async def test_a_refusal_inside_is_an_outcome_of_an_allowed_call() -> None:
    parts = make_guard()
    with pytest.raises(Refusal):
        async with parts.guard.admit(tool_request()) as grant:
            grant.check_target("evil.example", "x/y")
    record = last(parts)
    assert (record["event"], record["decision"], record["outcome"]) == ("outcome", "allow", "POLICY_DENIED")
    assert parts.observer.refusals == [("egress_registry", "POLICY_DENIED")]


async def test_a_cancelled_call_is_recorded() -> None:
    parts = make_guard()
    inside = asyncio.Event()

    async def call() -> None:
        async with parts.guard.admit(tool_request()):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    async with asyncio.timeout(5):
        await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (last(parts)["event"], last(parts)["outcome"]) == ("outcome", "cancelled")


async def test_a_call_cancelled_while_its_human_is_asked_is_recorded() -> None:
    asked = asyncio.Event()

    class Thinking:
        async def require(self, effect: Effect) -> None:
            asked.set()
            await asyncio.Event().wait()

    parts = make_guard(specs=[WRITE], allow_writes=True, consent=Thinking())
    task = asyncio.create_task(refused(parts, tool_request(name=WRITE.name)))
    async with asyncio.timeout(5):
        await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (last(parts)["decision"], last(parts)["outcome"], last(parts)["rule"]) == ("deny", "cancelled", "cancelled")


async def test_an_error_of_the_servers_own_kind_while_parsing_is_a_refusal() -> None:
    class Own(Exception):
        code, message, hint, retryable, retry_after_s = "INVALID_INPUT", "No such tag.", "", False, None

    class Failing(FakeSpec):
        def parse(self, arguments: Any) -> ParsedCall:
            raise Own

    parts = make_guard(specs=[Failing()])
    with pytest.raises(Own):
        async with parts.guard.admit(tool_request()):
            pytest.fail("was admitted")
    assert (last(parts)["rule"], last(parts)["outcome"]) == ("arguments_invalid", "INVALID_INPUT")


async def test_a_defect_while_deciding_fails_closed() -> None:
    class Broken(FakeSpec):
        def parse(self, arguments: Any) -> ParsedCall:
            raise ZeroDivisionError

    parts = make_guard(specs=[Broken()])
    with pytest.raises(ZeroDivisionError):
        async with parts.guard.admit(tool_request()):
            pytest.fail("was admitted")
    assert (last(parts)["decision"], last(parts)["rule"], last(parts)["outcome"]) == ("deny", "error", "INTERNAL")


async def test_the_outcome_can_be_said_where_no_exception_says_it() -> None:
    parts = make_guard()
    admission = parts.guard.admit(tool_request())
    admission.conclude("ignored before it began")
    async with admission:
        admission.conclude("NOT_FOUND")
    assert last(parts)["outcome"] == "NOT_FOUND"


async def test_nobody_needs_to_be_told() -> None:
    parts = make_guard()
    recorder = Recorder(parts.log, NULL_OBSERVER)
    record = recorder.open(tool_request(name={"not": "text"}))
    recorder.close(record)
    NULL_OBSERVER.limit("allowed", "")
    NULL_OBSERVER.sanitized("ansi", 1)
    assert (last(parts)["event"], last(parts)["tool"], last(parts)["principal"]) == ("refusal", "", "")


async def test_the_guard_can_name_who_asks() -> None:
    assert make_guard().guard.identify(tool_request()).id == "local:ada"


async def test_many_targets_are_recorded_up_to_a_bound() -> None:
    class Many(FakeSpec):
        def parse(self, arguments: Any) -> ParsedCall:
            parsed = super().parse(arguments)
            return ParsedCall(parsed.arguments, parsed.targets * 50)

    parts = make_guard(specs=[Many()])
    async with parts.guard.admit(tool_request()):
        pass
    assert len(last(parts)["target"]) == 20
