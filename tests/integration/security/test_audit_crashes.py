"""What was acknowledged is in the log, whatever happens to the process or the disk."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_dockerhub_security.audit import AuditLog
from mcp_dockerhub_security.audit_keys import PublicKeys, generate_key
from mcp_dockerhub_security.audit_segments import files, rotated
from mcp_dockerhub_security.audit_verify import verify

WRITER = [sys.executable, "-m", "tests.upstreams.audit_writer"]
PATIENCE = 60


@pytest.fixture
def key(tmp_path: Path) -> Path:
    generate_key(tmp_path / "audit.pem")
    return tmp_path / "audit.pem"


def numbers(path: Path) -> list[int]:
    whole = [
        json.loads(line)
        for file in files(path)
        for line in file.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    return [record["number"] for record in whole if "number" in record]


@pytest.mark.parametrize("policy", ["intent", "always"])
def test_a_process_killed_in_mid_load_loses_nothing_it_acknowledged(tmp_path: Path, key: Path, policy: str) -> None:
    path = tmp_path / "audit.log"
    public = PublicKeys.load([key.with_name("audit.pem.pub")])
    acknowledged: set[int] = set()
    for first in (0, 10**6, 2 * 10**6):
        command = [*WRITER, str(path), policy, str(key), str(first), str(10**6)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines: list[str] = []
        while len(lines) < 400:
            lines.append(process.stdout.readline())
        process.kill()
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait(PATIENCE)
        # The last line may have been cut off by the kill.
        acknowledged |= {int(line) for line in lines if line.endswith("\n")}
        assert acknowledged <= set(numbers(path))
        # Continue it, as the next start would.
        AuditLog.open(path).close()
        report = verify(path, keys=public)
        assert report.intact, report.text
        assert report.proof.signature > 0
    assert rotated(path)


def test_a_disk_that_fills_up_loses_nothing_it_acknowledged(tmp_path: Path, key: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting a small file system needs root and unshare")
    disk = tmp_path / "disk"
    disk.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    # The mount is seen by the shell and its children alone, and is gone with them.
    script = (
        'mount -t tmpfs -o size=256k tmpfs "$1" || exit 77; '
        '"$2" -m tests.upstreams.audit_writer "$1/audit.log" intent "$3" 0 5000 > "$4/acknowledged"; '
        'cp -p "$1"/* "$4/"'
    )
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    result = subprocess.run(
        [*command, str(disk), sys.executable, str(key), str(out)], check=False, timeout=PATIENCE, capture_output=True
    )
    if result.returncode == 77 or b"unshare failed" in result.stderr:
        pytest.skip("this system lets nobody mount")
    assert result.returncode == 0, result.stderr
    *acknowledged, last = (out / "acknowledged").read_text().split()
    assert last == "stopped"
    assert 100 < len(acknowledged) < 5000
    path = out / "audit.log"
    assert {int(number) for number in acknowledged} <= set(numbers(path))
    report = verify(path)
    assert report.intact, report.text
    # With room again, it goes on where it stopped.
    log = AuditLog.open(path)
    log.append("outcome", {})
    log.close()
    assert verify(path).intact
    assert verify(path).recovered == 0
