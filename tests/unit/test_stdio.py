"""Lines of a pipe: whole, bounded, and ending when told."""

import asyncio
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.stdio import LineReader

LIMIT = 50


async def _lines(chunks: list[bytes]) -> list[str]:
    stream = asyncio.StreamReader()
    reader = LineReader(stream, limit=LIMIT)
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    return [line async for line in reader]


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12)))
def test_lines_come_out_as_they_went_in_however_they_were_cut(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    for size in (1, 3, 1000):
        chunks = [data[i : i + size] for i in range(0, len(data), size)]
        assert asyncio.run(_lines(chunks)) == lines


def test_a_line_beyond_the_limit_becomes_one_broken_line_and_the_next_is_whole() -> None:
    for size in (7, 100_000):
        data = b"a" * 200_000 + b"\nb\n"
        chunks = [data[i : i + size] for i in range(0, len(data), size)]
        assert asyncio.run(_lines(chunks)) == ["{", "b"]


def test_a_last_line_without_its_end_counts() -> None:
    assert asyncio.run(_lines([b"a\nb"])) == ["a", "b"]
    assert asyncio.run(_lines([b"a" * 100])) == ["{"]


def test_bytes_that_are_not_text_are_replaced() -> None:
    assert asyncio.run(_lines([b"\xff\n"])) == ["\ufffd"]


def test_ending_the_input_ends_the_iteration() -> None:
    async def scenario() -> list[str]:
        stream = asyncio.StreamReader()
        reader = LineReader(stream)
        stream.feed_data(b"one\n")
        seen = []
        async with asyncio.timeout(10):
            async for line in reader:
                seen.append(line)
                reader.end()
        return seen

    assert asyncio.run(scenario()) == ["one"]


STRAY = """
import asyncio, os
from mcp_dockerhub.stdio import standard_streams

async def main():
    async with standard_streams() as streams:
        print("stray print", flush=True)
        os.write(1, b"stray write\\n")
        await streams.outgoing.write("message\\n")
        await streams.outgoing.flush()

asyncio.run(main())
print("after")
"""


def test_nothing_but_messages_appears_on_stdout_while_the_channel_is_open() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRAY], stdin=subprocess.PIPE, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines() == ["message", "after"]
    assert {"stray print", "stray write"} <= set(done.stderr.splitlines())
