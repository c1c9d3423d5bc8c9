"""What outlives the process."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_dockerhub import store as module
from mcp_dockerhub.store import Store, StoreUnusable

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files(directory: Path) -> list[Path]:
    return sorted(path for path in (directory / "v1").glob("??/*") if path.is_file())


def age(directory: Path, name: str, seconds: float) -> None:
    path = Store(directory)._path("kind", name)
    os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))


async def test_what_was_kept_is_read_by_another_process(directory: Path) -> None:
    await Store(directory).keep("kind", "name", b"content")
    found = await Store(directory).read("kind", "name")
    assert found is not None
    assert found.content == b"content"
    assert await Store(directory).read("kind", "other") is None
    assert await Store(directory).read("other", "name") is None


def test_the_time_it_was_kept_survives_use(directory: Path) -> None:
    store = Store(directory)
    store.put("kind", "name", b"x")
    first = store.get("kind", "name")
    age(directory, "name", 7200)
    again = store.get("kind", "name")
    assert first is not None
    assert again is not None
    assert first.kept_at == again.kept_at


@pytest.mark.parametrize("place", [0, 5, 20, 60, -1])
def test_a_changed_byte_makes_an_entry_disappear(directory: Path, place: int) -> None:
    store = Store(directory)
    store.put("kind", "name", b"content of some length")
    (path,) = files(directory)
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    assert store.get("kind", "name") is None
    assert files(directory) == []
    assert store.stats().damaged == 1


def test_an_entry_cut_short_or_moved_is_not_believed(directory: Path) -> None:
    store = Store(directory)
    store.put("kind", "a", b"content")
    store.put("kind", "b", b"other")
    store._path("kind", "a").replace(store._path("kind", "b"))
    assert store.get("kind", "b") is None
    store.put("kind", "c", b"content")
    store._path("kind", "c").write_bytes(b"mdh")
    assert store.get("kind", "c") is None


def test_what_was_used_longest_ago_goes_first(directory: Path) -> None:
    store = Store(directory, 40 * 4096)
    for name in range(30):
        store.put("kind", str(name), b"x" * 3000)
        age(directory, str(name), 10_000 - name)
    assert store.get("kind", "0") is not None
    for name in range(30, 60):
        store.put("kind", str(name), b"x" * 3000)
    assert store.get("kind", "0") is not None
    assert store.get("kind", "1") is None
    assert store.get("kind", "59") is not None
    assert sum(-(-path.stat().st_size // 4096) * 4096 for path in files(directory)) <= 40 * 4096
    assert store.stats().evictions > 0


def test_entries_too_large_for_their_share_are_not_kept(directory: Path) -> None:
    store = Store(directory, MIB)
    store.put("kind", "large", b"x" * MIB)
    assert store.get("kind", "large") is None


def test_other_writers_count_too(directory: Path) -> None:
    first, second = Store(directory, 64 * 4096), Store(directory, 64 * 4096)
    for number in range(60):
        first.put("kind", f"first {number}", b"x" * 100)
        second.put("kind", f"second {number}", b"x" * 100)
    # Each looks again after a sixteenth of the limit, so that two of them are never further beyond it.
    assert len(files(directory)) <= 64 + 2 * 4


def test_while_another_clears_up_nobody_else_does(directory: Path) -> None:
    store = Store(directory, 64 * 4096)
    for number in range(10):
        store.put("kind", str(number), b"x")
    with module._lock(directory / "v1" / "lock") as mine:
        assert mine
        before = store.stats()
        store.clear_up()
        assert store.stats() == before


def test_what_crashed_writers_left_is_removed_once_it_is_old(directory: Path) -> None:
    store = Store(directory)
    for name, seconds in (("old", 7200), ("new", 0)):
        path = directory / "v1" / "tmp" / name
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))
    store.clear_up()
    assert [path.name for path in (directory / "v1" / "tmp").iterdir()] == ["new"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_directory_others_can_write_to_is_not_used(directory: Path) -> None:
    Store(directory)
    (directory / "v1").chmod(0o777)
    with pytest.raises(StoreUnusable, match="others can write"):
        Store(directory)


def test_a_link_in_the_stores_place_is_not_used(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    directory.mkdir()
    (directory / "v1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        Store(directory)


def test_where_nothing_can_be_written_there_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnusable, match="nothing can be kept"):
        Store(tmp_path / "file")
    with pytest.raises(StoreUnusable):
        Store(Path("/proc/1/cache"))


def test_a_disk_that_is_full_costs_the_entry_and_nothing_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(directory)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    store.put("kind", "name", b"x")
    assert store.get("kind", "name") is None
    assert store.stats().failures == 1
    assert list((directory / "v1" / "tmp").iterdir()) == []


def test_an_entry_that_cannot_be_read_is_a_miss(directory: Path) -> None:
    store = Store(directory)
    store._path("kind", "name").mkdir(parents=True)
    assert store.get("kind", "name") is None


def test_a_directory_removed_meanwhile_is_no_disaster(directory: Path) -> None:
    store = Store(directory)
    store.put("kind", "name", b"x")
    for path in (
        *files(directory),
        *(directory / "v1").glob("??"),
        directory / "v1" / "tmp",
        directory / "v1" / "lock",
    ):
        path.rmdir() if path.is_dir() else path.unlink()
    (directory / "v1").rmdir()
    store.put("kind", "name", b"x")
    store.clear_up()
    assert store.get("kind", "name") is None


WRITER = """
import sys
from pathlib import Path
from mcp_dockerhub.store import Store
store = Store(Path(sys.argv[1]), 2 * 1024 * 1024)
print("ready", flush=True)
number = 0
while True:
    number += 1
    store.put("kind", str(number % 500), str(number % 500).encode() * 4000)
"""


@pytest.fixture
def writers(directory: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_writers_that_are_killed_at_any_moment_leave_nothing_wrong(
    writers: list["subprocess.Popen[str]"], directory: Path
) -> None:
    store = Store(directory, 2 * MIB)
    wrong: list[bytes] = []

    def read(rounds: int) -> None:
        for number in range(rounds):
            found = store.get("kind", str(number % 500))
            if found is not None and found.content != str(number % 500).encode() * 4000:
                wrong.append(found.content[:20])

    reader = threading.Thread(target=read, args=(3000,))
    reader.start()
    reader.join(60)
    for process in writers:
        process.kill()
        process.wait()
    read(500)
    assert wrong == []
    assert store.stats().damaged == 0
    assert store.stats().hits > 0
    store.clear_up()
    assert store.stats().bytes <= 2 * MIB
