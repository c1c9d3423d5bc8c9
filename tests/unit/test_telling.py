"""What a client hears while its call goes on, and that it hears nothing afterwards."""

from typing import Any, cast

import pytest

from mcp_dockerhub.server import _Telling

pytestmark = pytest.mark.anyio


class Client:
    """Stands for the context of a request."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float | None, str | None]] = []

    async def report_progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        self.told.append((progress, total, message))


async def test_ids_found_count_on_from_the_bytes_read() -> None:
    client = Client()
    read, found = _Telling(cast("Any", client)).told
    await read(500, 1000)
    await found(1)
    await found(1200)
    assert client.told == [
        (500, 1000, "500 B of 1.00 kB of the layers read"),
        (501, None, "1 advisory id found so far"),
        (1700, None, "1,200 advisory ids found so far"),
    ]


async def test_a_client_whose_call_is_over_hears_nothing_of_what_others_still_wait_for() -> None:
    client = Client()
    telling = _Telling(cast("Any", client))
    telling.stop()
    for tell in (telling.found(1), telling.read(1, 2)):
        await tell
    assert client.told == []
