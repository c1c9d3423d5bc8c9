"""The memory limit is found wherever the kernel puts it."""

from pathlib import Path

import pytest

from mcp_dockerhub_monitoring.cgroup import GroupMemory, group_memory

UNLIMITED_V1 = "9223372036854771712"


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "membership"


def v1(directory: Path, limit: str, usage: str = "1000", inactive: str = "100") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "memory.limit_in_bytes").write_text(limit + "\n")
    (directory / "memory.usage_in_bytes").write_text(usage + "\n")
    (directory / "memory.stat").write_text(f"cache 5\ninactive_file 7\ntotal_inactive_file {inactive}\n")


def v2(directory: Path, limit: str, usage: str = "1000", inactive: str = "100") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "memory.max").write_text(limit + "\n")
    (directory / "memory.current").write_text(usage + "\n")
    (directory / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


def test_version_two_in_a_container_shows_its_own_group_at_the_root(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    v2(tmp_path, "4000")
    assert group_memory(tmp_path, membership) == GroupMemory(usage=900, limit=4000)


def test_the_tightest_limit_of_all_enclosing_groups_counts(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/outer/inner\n")
    v2(tmp_path / "outer" / "inner", "9000")
    v2(tmp_path / "outer", "3000", usage="2500")
    assert group_memory(tmp_path, membership) == GroupMemory(usage=2400, limit=3000)


def test_version_two_without_a_limit_has_none(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/unit.scope\n")
    v2(tmp_path / "unit.scope", "max")
    assert group_memory(tmp_path, membership) is None


def test_version_one_is_read_from_the_memory_controller(tmp_path: Path, membership: Path) -> None:
    membership.write_text("5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n")
    v1(tmp_path / "memory" / "docker" / "abc", "5000")
    v1(tmp_path / "memory", UNLIMITED_V1)
    assert group_memory(tmp_path, membership) == GroupMemory(usage=900, limit=5000)


def test_version_one_with_the_hosts_path_falls_back_to_the_mount(tmp_path: Path, membership: Path) -> None:
    membership.write_text("4:memory:/docker/only-on-the-host\n")
    v1(tmp_path / "memory", "5000")
    assert group_memory(tmp_path, membership) == GroupMemory(usage=900, limit=5000)


def test_version_one_without_a_limit_has_none(tmp_path: Path, membership: Path) -> None:
    membership.write_text("4:memory:/\n")
    v1(tmp_path / "memory", UNLIMITED_V1)
    assert group_memory(tmp_path, membership) is None


def test_a_path_out_of_the_namespace_is_not_followed(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/../../elsewhere\n")
    v2(tmp_path / "root", "4000")
    v2(tmp_path.parent / "elsewhere", "1")
    assert group_memory(tmp_path / "root", membership) == GroupMemory(usage=900, limit=4000)


def test_missing_statistics_count_all_use(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    v2(tmp_path, "4000")
    (tmp_path / "memory.stat").unlink()
    assert group_memory(tmp_path, membership) == GroupMemory(usage=1000, limit=4000)


def test_statistics_without_the_line_count_all_use(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    v2(tmp_path, "4000")
    (tmp_path / "memory.stat").write_text("anon 5\nodd\n")
    assert group_memory(tmp_path, membership) == GroupMemory(usage=1000, limit=4000)


def test_more_droppable_than_used_is_no_use(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    v2(tmp_path, "4000", usage="10", inactive="50")
    assert group_memory(tmp_path, membership) == GroupMemory(usage=0, limit=4000)


@pytest.mark.parametrize("text", [None, "", "nonsense\n", "1:name=systemd:/\n"])
def test_a_system_without_control_groups_has_none(tmp_path: Path, membership: Path, text: str | None) -> None:
    if text is not None:
        membership.write_text(text)
    v2(tmp_path, "4000")
    assert group_memory(tmp_path, membership) is None


def test_garbage_in_the_files_is_no_limit(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    v2(tmp_path, "4000")
    (tmp_path / "memory.max").write_bytes(b"\xff\xfe")
    assert group_memory(tmp_path, membership) is None
    v2(tmp_path, "4000")
    (tmp_path / "memory.stat").write_bytes(b"\xff\xfe")
    assert group_memory(tmp_path, membership) == GroupMemory(usage=1000, limit=4000)
