"""What a token lacks, said with the right challenge."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from mcp_dockerhub_security.identity import ADMIN, READ, WRITE
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.challenge import Challenges
from mcp_dockerhub_security.tokens.step_up import Needs, TokenStepUp, recently_authenticated
from tests.upstreams.token_parts import NOW, Clock

pytestmark = pytest.mark.anyio

NEEDS = {
    "public": None,
    "read": Needs(frozenset({READ})),
    "write": Needs(frozenset({READ, WRITE})),
    "delete": Needs(frozenset({ADMIN}), recent=True),
}


@dataclass
class Operations:
    """Satisfies Requirements."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    def of(self, principal: Principal, method: str, name: str) -> Needs | None:
        self.asked.append((method, name))
        return NEEDS.get(name)


def principal(*scopes: str, auth_time: float | None = None) -> Principal:
    return Principal("issuer#ada", "token", "", frozenset(scopes), auth_time=auth_time)


async def answer(who: Principal, name: Any, method: str = "tools/call") -> tuple[int, str] | None:
    step_up = TokenStepUp(Operations(), Challenges("https://x/meta"), clock=Clock())
    challenge = await step_up.authorize(who, method, {"name": name})
    return None if challenge is None else (challenge.status, challenge.rule)


async def test_enough_scope_passes() -> None:
    assert await answer(principal(READ), "read") is None
    assert await answer(principal(READ, WRITE), "write") is None
    assert await answer(principal(), "public") is None


async def test_a_missing_scope_is_challenged_with_403() -> None:
    assert await answer(principal(), "read") == (403, "scope_insufficient")
    assert await answer(principal(READ), "write") == (403, "scope_insufficient")
    assert await answer(principal(READ, WRITE), "delete") == (403, "scope_insufficient")


async def test_a_stale_login_is_challenged_with_401() -> None:
    assert await answer(principal(ADMIN), "delete") == (401, "authentication_too_old")
    assert await answer(principal(ADMIN, auth_time=NOW - 301), "delete") == (401, "authentication_too_old")
    assert await answer(principal(ADMIN, auth_time=NOW - 300), "delete") is None
    assert await answer(principal(READ, WRITE, auth_time=NOW - 9999), "write") is None


async def test_the_missing_scope_comes_first() -> None:
    assert await answer(principal(READ), "delete") == (403, "scope_insufficient")


@pytest.mark.parametrize("name", ["unknown", "", None, 7, ["read"], {"name": "read"}])
async def test_what_would_be_refused_anyway_is_left_to_the_guard(name: Any) -> None:
    assert await answer(principal(), name) is None


@pytest.mark.parametrize("params", [None, [], "read", 7, {}, {"ref": None}, {"ref": "read"}])
async def test_parameters_may_hold_anything(params: Any) -> None:
    step_up = TokenStepUp(Operations(), Challenges("https://x/meta"))
    for method in ("tools/call", "resources/read", "completion/complete", "ping", ""):
        assert await step_up.authorize(principal(), method, params) is None


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/call", {"name": "read"}, "read"),
        ("prompts/get", {"name": "read"}, "read"),
        ("resources/read", {"uri": "read"}, "read"),
        ("completion/complete", {"ref": {"name": "read"}}, "read"),
        ("completion/complete", {"ref": {"uri": "read"}}, "read"),
    ],
)
async def test_every_operation_is_found_by_its_name(method: str, params: dict[str, Any], name: str) -> None:
    operations = Operations()
    step_up = TokenStepUp(operations, Challenges("https://x/meta"))
    assert await step_up.authorize(principal(), method, params) is not None
    assert operations.asked == [(method, name)]


async def test_methods_that_name_no_operation_need_nothing() -> None:
    assert await answer(principal(), "delete", "tools/list") is None


def test_recent_means_known_and_within_five_minutes() -> None:
    assert not recently_authenticated(principal(), NOW)
    assert recently_authenticated(principal(auth_time=NOW - 300), NOW)
    assert not recently_authenticated(principal(auth_time=NOW - 300.5), NOW)
