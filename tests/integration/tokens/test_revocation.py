"""Tokens taken back, on every replica at once, and a Redis that goes away."""

from collections.abc import Iterator

import pytest

from mcp_dockerhub.token_settings import load_token_settings
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.web.tokens import TokenChecks
from mcp_dockerhub.web_settings import load_web_settings
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.redis_link import RETRY, RedisLink
from mcp_dockerhub_security.tokens.redis_revocation import KEY, RedisRevocationList, restored_key
from tests.integration.tokens.conftest import RESOURCE
from tests.upstreams import redis
from tests.upstreams.issuer import Issuer
from tests.upstreams.redis import RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(redis.BINARY is None, reason=redis.MISSING)]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Replica:
    """One process's token checks, over the Redis that all share."""

    def __init__(self, issuer: Issuer, url: str, *, strict: bool = True) -> None:
        self.now = 1_000.0
        self.link = RedisLink(url, clock=lambda: self.now)
        web = load_web_settings({"public_url": RESOURCE, "issuer": issuer.url})
        self.checks = TokenChecks.build(
            web, load_token_settings(), StackOptions(), revocations=RedisRevocationList(self.link, strict=strict)
        )

    async def status(self, token: str) -> int:
        found = await self.checks.authenticator.authenticate([f"Bearer {token}"], "192.0.2.1")
        return 200 if isinstance(found, Principal) else found.status

    async def aclose(self) -> None:
        await self.checks.aclose()
        await self.link.aclose()


async def test_a_revoked_token_is_refused_on_every_replica_with_the_next_request(
    server: RedisServer, issuer: Issuer
) -> None:
    replicas = [Replica(issuer, server.url) for _ in range(3)]
    token, other = issuer.mint(jti="taken-back"), issuer.mint()
    assert [await replica.status(token) for replica in replicas] == [200, 200, 200]
    server.command("SADD", KEY, "taken-back")
    assert [await replica.status(token) for replica in replicas] == [401, 401, 401]
    assert [await replica.status(other) for replica in replicas] == [200, 200, 200]
    for replica in replicas:
        await replica.aclose()


async def test_without_redis_nothing_is_accepted_until_it_is_back(server: RedisServer, issuer: Issuer) -> None:
    replica = Replica(issuer, server.url)
    token = issuer.mint()
    assert await replica.status(token) == 200
    server.kill()
    assert await replica.status(token) == 503
    assert await replica.status(issuer.mint()) == 503
    server.start()
    replica.now += RETRY + 1
    assert await replica.status(token) == 200
    await replica.aclose()


async def test_where_the_operator_prefers_it_known_revocations_hold_without_redis(
    server: RedisServer, issuer: Issuer
) -> None:
    replica = Replica(issuer, server.url, strict=False)
    token, revoked = issuer.mint(), issuer.mint(jti="taken-back")
    server.command("SADD", KEY, "taken-back")
    assert await replica.status(revoked) == 401
    server.kill()
    assert await replica.status(token) == 200
    assert await replica.status(revoked) == 401
    await replica.aclose()


async def test_a_redis_that_forgets_lets_no_token_back_in_that_was_refused(server: RedisServer, issuer: Issuer) -> None:
    replica = Replica(issuer, server.url)
    token = issuer.mint(jti="taken-back")
    server.command("SADD", KEY, "taken-back")
    assert await replica.status(token) == 401
    server.kill()
    server.start()
    assert await replica.status(token) == 401
    server.command("SADD", restored_key(KEY), "taken-back")
    assert await replica.status(token) == 200
    await replica.aclose()
