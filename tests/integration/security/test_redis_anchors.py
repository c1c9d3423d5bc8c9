"""Heads kept in a real Redis."""

from pathlib import Path

import pytest

from mcp_dockerhub_security.audit import AuditHead, AuditLog
from mcp_dockerhub_security.audit_keeper import AuditKeeper
from mcp_dockerhub_security.audit_verify import verify
from mcp_dockerhub_security.redis_anchors import RedisAnchors
from mcp_dockerhub_security.redis_link import RedisLink, RedisUnavailableError
from tests.upstreams.redis import BINARY, MISSING, RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(BINARY is None, reason=MISSING)]


async def test_replicas_anchor_their_chains_and_a_cut_off_log_is_found(redis: RedisServer, tmp_path: Path) -> None:
    link = RedisLink(redis.url, timeout=5)
    anchors = RedisAnchors(link)
    paths = [tmp_path / f"{name}.log" for name in ("one", "two")]
    for path in paths:
        log = AuditLog.open(path)
        for _ in range(3):
            log.append("outcome", {})
        await AuditKeeper([log], anchors=anchors).finish()
    known = await anchors.all()
    assert len(known) == 2
    reports = [verify(path, anchors=known) for path in paths]
    assert [(report.proof.anchor, report.satisfies) for report in reports] == [(4, True)] * 2
    assert {anchor.file for anchor in known.values()} == {"one.log", "two.log"}
    paths[0].write_bytes(b"".join(paths[0].read_bytes().splitlines(keepends=True)[:2]))
    (tmp_path / "one.log.checkpoints").unlink()
    assert verify(paths[0], anchors=known).kind == "truncated"
    await link.aclose()


async def test_anchors_expire_and_what_is_none_is_passed_over(redis: RedisServer) -> None:
    link = RedisLink(redis.url, prefix="another", timeout=5)
    anchors = RedisAnchors(link)
    await anchors.store("c1", AuditHead(7, "d" * 64), time="t", instance="i", file="f")
    redis.command("SET", "another:audit:head:c2", "not json")
    redis.command("SET", "another:audit:head:c3", '{"surprise": 1}')
    assert list(await anchors.all()) == ["c1"]
    assert await anchors.find("c2") is None
    assert await anchors.find("nobody") is None
    assert 399 * 86_400 < int(redis.command("TTL", "another:audit:head:c1")[1:-2]) <= 400 * 86_400
    assert await link.sismember("nothing", "x") == 0
    await link.aclose()


async def test_without_redis_there_are_no_anchors() -> None:
    link = RedisLink("redis://127.0.0.1:1")
    with pytest.raises(RedisUnavailableError):
        await RedisAnchors(link).all()
    await link.aclose()
