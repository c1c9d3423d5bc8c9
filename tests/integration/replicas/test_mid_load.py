"""An issuer that fails, a Redis that loses its memory and a replica that is killed, all while 32 clients call.

Whatever is answered "yes" was rightly so and is in an audit log; nobody gets more than the limit; and who must not
get in never does.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from mcp_dockerhub_security.audit_verify import verify
from tests.clients.crowd import Crowd, Told, crowd
from tests.integration.replicas.conftest import Team, until
from tests.upstreams.issuer import Issuer
from tests.upstreams.issuer_tokens import SigningKey, new_key

pytestmark = pytest.mark.anyio

CLIENTS = 32
USERS = 60
EACH = 6
"""Calls an hour for each of them."""
READ = ("docker_list_tags", {"repository": "nginx"})


def forged(issuer: Issuer) -> str:
    """Signed by nobody the issuer knows, in the name of the key it uses."""
    return SigningKey(issuer.key.key_id, "ES256", new_key().private).sign(issuer.claims())


def intruders(issuer: Issuer) -> dict[str, str]:
    """Tokens that must not open anything, by what is wrong with them."""
    return {
        "revoked": issuer.mint(jti="taken-back"),
        "forged": forged(issuer),
        "expired": issuer.mint(exp=int(time.time()) - 60, iat=int(time.time()) - 600),
        "foreign": issuer.mint(aud="https://other.example.com/mcp"),
        "unknown key": new_key().sign(issuer.claims()),
        "scopeless": issuer.mint(scope="openid"),
    }


async def test_what_fails_in_mid_load_loses_no_record_and_lets_nobody_in(start_team: Callable[..., Team]) -> None:
    team = start_team(MCP_DOCKERHUB_RATE_LIMIT=f"{EACH}/hour", MCP_DOCKERHUB_AUDIT_FSYNC="intent")
    team.redis.command("SADD", "mcp-dockerhub:revoked", "taken-back")
    tokens = {f"user{number}": team.issuer.mint(sub=f"user{number}") for number in range(USERS)}
    async with crowd(team.proxy.port, CLIENTS) as clients:
        load = Load(clients, tokens, intruders(team.issuer))
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(load.run())
            try:
                await break_everything(team, load)
            finally:
                load.over = True
    check_grants(clients)
    for server in team.servers[1:]:
        assert server.stop() == 0
    check_records(team, clients.told)


async def break_everything(team: Team, load: "Load") -> None:
    """One thing after the other, each once calls are admitted again."""
    await load.admitted(40)
    team.issuer.outage = "drop"
    await load.admitted(40)
    team.issuer.outage = ""
    team.redis.kill()
    await load.answered(60)
    team.redis.start()
    team.redis.command("SADD", "mcp-dockerhub:revoked", "taken-back")
    await load.admitted(40)
    team.servers[0].process.kill()
    await load.admitted(40)
    await load.answered(200)


class Load:
    """Everybody in turn, good and bad; good users also beyond what they may have."""

    def __init__(self, clients: Crowd, tokens: dict[str, str], bad: dict[str, str]) -> None:
        self.over = False
        self._clients = clients
        self._next = self._turns(tokens, bad)

    def _turns(self, tokens: dict[str, str], bad: dict[str, str]) -> Iterator[tuple[str, str]]:
        # A few users at a time, so that some are left for what comes late.
        users = iter(tokens.items())
        intruding = itertools.cycle(bad.items())
        current: list[tuple[str, str]] = []
        for turn in itertools.count():
            if turn % (4 * EACH) == 0 and (found := next(users, None)) is not None:
                current = [*current[-3:], found]
            yield from current
            yield next(intruding)

    async def run(self) -> None:
        while not self.over:
            who, token = next(self._next)
            await self._clients.call(who, token, *READ)

    async def admitted(self, more: int) -> None:
        """Wait for that many more yeses."""
        wanted = self._admitted() + more
        await until(lambda: self._admitted() >= wanted)

    async def answered(self, more: int) -> None:
        wanted = len(self._clients.told) + more
        await until(lambda: len(self._clients.told) >= wanted)

    def _admitted(self) -> int:
        return sum(told.code == "ok" for told in self._clients.told)


def check_grants(clients: Crowd) -> None:
    admitted = Counter(told.who for told in clients.told if told.code == "ok")
    assert set(admitted) <= {f"user{number}" for number in range(USERS)}, "an intruder got in"
    assert max(admitted.values()) <= EACH
    # 429 because the bad tokens of the others come from the same address, and too many of them close it for a while.
    assert {told.status for told in clients.told if told.who == "scopeless"} <= {0, 403, 429, 502, 503}
    kept_out = {told.status for told in clients.told if told.who not in admitted and told.who != "scopeless"}
    # A user whose calls were all refused for the limit or an outage is told so with 200.
    assert {401} <= kept_out <= {0, 200, 401, 429, 502, 503}


def check_records(team: Team, told: list[Told]) -> None:
    """Every answer of a tool call, yes or no, has its record; a killed process's log is whole up to its end."""
    outcomes = {record["request_id"]: record["outcome"] for record in team.records() if record.get("tool")}
    acknowledged = {one.request_id: one.code for one in told if one.status == 200 and one.code != "broken"}
    assert len(acknowledged) > 160
    assert acknowledged == {request: outcomes.get(request) for request in acknowledged}
    reports = [verify(log) for log in team.logs]
    assert all(report.intact for report in reports), [report.text for report in reports]
    assert [report.closed for report in reports] == [False, True, True]
