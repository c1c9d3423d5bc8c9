"""The line of progress: on a terminal, and nowhere else."""

import io

import pytest

from mcp_dockerhub.scan.progress import progress_for

pytestmark = pytest.mark.anyio


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")


async def test_a_terminal_shows_one_line_that_is_gone_at_the_end() -> None:
    stream = Terminal()
    progress = progress_for(stream)
    await progress.layers(500_000, 1_000_000)
    assert stream.getvalue() == "\rreading layers [############............] 500 kB of 1.00 MB"
    await progress.layers(0, 0)
    await progress.advisories(7)
    assert "asking for advisories: 7 ids found so far" in stream.getvalue()
    progress.say("x" * 200)
    progress.clear()
    assert stream.getvalue().endswith("\r" + " " * 78 + "\r")
    before = stream.getvalue()
    progress.clear()
    assert stream.getvalue() == before


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
async def test_a_pipeline_shows_nothing(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    stream = Terminal()
    await progress_for(stream).advisories(1)
    progress_for(stream).clear()
    assert stream.getvalue() == ""


async def test_a_file_gets_nothing() -> None:
    stream = io.StringIO()
    await progress_for(stream).layers(1, 2)
    assert stream.getvalue() == ""
