"""Keys at hand: cached, rotated, kept through outages, fetched at a bounded rate."""

import asyncio
import logging

import pytest

from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable, Flaw, TokenRefused
from mcp_dockerhub_security.tokens.key_store import FETCH_EVERY, FETCHES, FRESH_FOR, KEPT_FOR
from tests.upstreams.issuer_tokens import new_key
from tests.upstreams.token_parts import Parts

pytestmark = pytest.mark.anyio


async def find(parts: Parts) -> None:
    key = parts.source.keys[-1]
    assert (await parts.keys.find(key.key_id, key.algorithm)).key_id == key.key_id


async def test_keys_are_fetched_once_and_then_at_hand() -> None:
    parts = Parts()
    for _ in range(10):
        await find(parts)
    assert parts.source.fetches == 1
    assert parts.keys.problem() is None


async def test_many_who_need_the_keys_at_once_share_one_fetch() -> None:
    parts = Parts()
    parts.source.gate = asyncio.Event()
    waiting = [asyncio.create_task(find(parts)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    parts.source.gate.set()
    await asyncio.gather(*waiting)
    assert parts.source.fetches == 1


async def test_one_who_leaves_does_not_stop_the_fetch_for_the_others() -> None:
    parts = Parts()
    parts.source.gate = asyncio.Event()
    first, second = asyncio.create_task(find(parts)), asyncio.create_task(find(parts))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    parts.source.gate.set()
    await second
    assert first.cancelled()
    assert parts.source.fetches == 1


async def test_a_new_key_is_found_without_a_restart() -> None:
    parts = Parts()
    await find(parts)
    parts.source.keys.append(new_key())
    await find(parts)
    assert parts.source.fetches == 2


async def test_made_up_key_names_make_the_issuer_busy_at_a_bounded_rate_only() -> None:
    parts = Parts()
    await find(parts)
    for number in range(200):
        with pytest.raises(TokenRefused) as caught:
            await parts.keys.find(f"made-up-{number}", "ES256")
        assert caught.value.flaw is Flaw.KEY_UNKNOWN
    assert parts.source.fetches == FETCHES
    parts.monotonic.now += FETCH_EVERY
    for number in range(200):
        with pytest.raises(TokenRefused):
            await parts.keys.find(f"made-up-{number}", "ES256")
    assert parts.source.fetches == FETCHES + 1


async def test_known_keys_are_used_without_waiting_while_newer_ones_are_fetched() -> None:
    parts = Parts()
    await find(parts)
    parts.monotonic.now += FRESH_FOR
    parts.source.gate = asyncio.Event()
    await find(parts)
    await find(parts)
    parts.source.gate.set()
    await parts.settled()
    assert parts.source.fetches == 2


async def test_a_withdrawn_key_is_no_longer_used_once_the_set_was_fetched_again() -> None:
    parts = Parts()
    await find(parts)
    withdrawn = parts.source.keys[0]
    key = await parts.keys.find(withdrawn.key_id, "ES256")
    parts.source.keys = [new_key()]
    parts.monotonic.now += FRESH_FOR
    assert parts.keys.trusts(key)
    await parts.settled()
    assert not parts.keys.trusts(key)
    with pytest.raises(TokenRefused):
        await parts.keys.find(withdrawn.key_id, "ES256")


async def test_the_last_good_keys_serve_while_the_issuer_is_down(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    await find(parts)
    parts.source.down = True
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            parts.monotonic.now += FRESH_FOR
            await find(parts)
            await parts.settled()
    assert parts.source.fetches > 10
    assert parts.keys.problem() == "the issuer's keys cannot be fetched; the last ones are used"
    assert len(caplog.records) == 1
    parts.source.down = False
    await find(parts)
    await parts.settled()
    assert parts.keys.problem() is None


async def test_the_last_good_keys_are_not_believed_for_ever() -> None:
    parts = Parts()
    await find(parts)
    key = await parts.keys.find(parts.source.keys[0].key_id, "ES256")
    parts.source.down = True
    parts.monotonic.now += KEPT_FOR
    assert not parts.keys.trusts(key)
    await parts.settled()
    with pytest.raises(AuthorityUnavailable):
        await find(parts)
    assert parts.keys.problem() == "the issuer's keys cannot be fetched"


@pytest.mark.parametrize("document", [b"<html>maintenance</html>", b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}'])
async def test_a_broken_key_set_does_not_replace_a_good_one(document: bytes) -> None:
    parts = Parts()
    await find(parts)
    parts.source.document = document
    parts.monotonic.now += FRESH_FOR
    await find(parts)
    await parts.settled()
    await find(parts)
    assert parts.keys.problem() is not None


async def test_without_any_keys_nothing_is_said_about_a_token() -> None:
    parts = Parts()
    parts.source.down = True
    for _ in range(20):
        with pytest.raises(AuthorityUnavailable):
            await find(parts)
    assert parts.source.fetches == FETCHES
    parts.source.down = False
    parts.monotonic.now += FETCH_EVERY
    await find(parts)


async def test_an_unknown_key_during_an_outage_is_not_held_against_the_token() -> None:
    parts = Parts()
    await find(parts)
    parts.source.down = True
    with pytest.raises(AuthorityUnavailable):
        await parts.keys.find("new-key", "ES256")


async def test_closing_stops_the_fetch() -> None:
    parts = Parts()
    parts.source.gate = asyncio.Event()
    waiting = asyncio.create_task(find(parts))
    await asyncio.sleep(0)
    await parts.keys.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
