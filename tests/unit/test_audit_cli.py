"""``mcp-dockerhub audit``, as auditors and scripts use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_dockerhub.cli import main
from mcp_dockerhub_security.audit import AuditLog, AuditOptions
from mcp_dockerhub_security.audit_keys import Signer
from tests.upstreams.audit_parts import lines, written


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MCP_DOCKERHUB_"):
            monkeypatch.delenv(name)


def test_a_pair_of_keys_is_made_and_proves_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, path = tmp_path / "audit.pem", tmp_path / "audit.log"
    assert main(["audit", "keygen", str(key)]) == 0
    assert "MCP_DOCKERHUB_AUDIT_KEY_FILE" in capsys.readouterr().out
    assert main(["audit", "keygen", str(key)]) == 2
    assert "File exists" in capsys.readouterr().err
    written(path, 3, options=AuditOptions(signer=Signer.load(key.read_text())))
    public = ["--public-key", f"{key}.pub"]
    assert main(["audit", "verify", *public, str(path)]) == 0
    assert "PROVEN by a signed checkpoint: everything up to sequence 4." in capsys.readouterr().out
    path.write_bytes(b"".join(lines(path)[1:]))
    assert main(["audit", "verify", *public, str(path)]) == 1
    assert capsys.readouterr().out.startswith("NOT INTACT: audit.log, line 1")


def test_a_proof_that_was_asked_for_and_is_not_there_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "keygen", str(tmp_path / "audit.pem")])
    path = written(tmp_path / "audit.log", 3)
    assert main(["audit", "verify", str(path)]) == 0
    assert main(["audit", "verify", "--public-key", str(tmp_path / "audit.pem.pub"), str(path)]) == 1
    assert "No checkpoint is signed by a given key." in capsys.readouterr().out


def test_without_a_file_every_log_at_the_configured_path_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.log"
    monkeypatch.setenv("MCP_DOCKERHUB_AUDIT_FILE", str(path))
    first = AuditLog.open(path)
    first.append("outcome", {"number": 1})
    written(path, 2)
    first.close()
    assert main(["audit", "verify"]) == 0
    shown = capsys.readouterr().out
    assert f"{path}:" in shown
    assert f"{path}.2:" in shown
    second = path.with_name("audit.log.2")
    second.write_bytes(second.read_bytes().replace(b'"number":0', b'"number":5'))
    assert main(["audit", "verify"]) == 1
    assert main(["audit", "tail", "--event", "outcome", "--json"]) == 0
    found = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["number"] for line in found if line.startswith("{")] == [1, 5, 1]


def test_tail_and_query_show_what_matches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog.open(path)
    for number in range(30):
        log.append("outcome", {"principal": ("ada", "bob")[number % 2], "tool": "docker_list_tags", "outcome": "ok"})
    log.close()
    assert main(["audit", "tail", "-n", "3", str(path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in shown] == ["outcome", "outcome", "checkpoint"]
    assert main(["audit", "tail", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 20
    assert main(["audit", "query", "--principal", "ada", "--since", "2h", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 15
    assert main(["audit", "query", "--until", "2020-01-01", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["audit", "query", "--event", "checkpoint", "--json", str(path)]) == 0
    assert capsys.readouterr().out.encode() == lines(path)[-1]


@pytest.mark.parametrize(
    "command",
    [
        ["tail", "-n", "many", "x"],
        ["tail", "-n", "-1", "x"],
        ["query", "--since", "yesterday", "x"],
        ["query", "--colour", "x"],
        ["erase"],
        [],
    ],
)
def test_a_wrong_command_is_a_usage_error(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["audit", *command])
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_what_cannot_be_read_is_exit_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "audit.log", 1)
    (tmp_path / "nonsense.pub").write_text("no key")
    for command, message in (
        (["verify", str(tmp_path / "nothing")], "cannot be read (nothing): No such file"),
        (["tail", str(tmp_path)], "Is a directory"),
        (["verify", "--public-key", str(tmp_path / "nonsense.pub"), str(path)], "nonsense.pub is not a public key"),
        (["verify", "--public-key", str(tmp_path / "none.pub"), str(path)], "cannot be read (none.pub)"),
        (["verify"], "which log?"),
        (["verify", "--anchors", str(path)], "MCP_DOCKERHUB_REDIS_URL"),
    ):
        assert main(["audit", *command]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_URL", "redis://:s3cret@127.0.0.1:1")
    assert main(["audit", "verify", "--anchors", str(path)]) == 2
    assert capsys.readouterr().err == "mcp-dockerhub: --anchors: Redis cannot be reached.\n"
    monkeypatch.setenv("MCP_DOCKERHUB_REDIS_URL", "s3cret")
    assert main(["audit", "verify", "--anchors", str(path)]) == 2
    assert "s3cret" not in capsys.readouterr().err
    monkeypatch.setenv("MCP_DOCKERHUB_AUDIT_FILE", "x")
    monkeypatch.setenv("MCP_DOCKERHUB_LOG_LEVEL", "loud")
    assert main(["audit", "tail"]) == 2


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 3_000)
    script = '"$1" -m mcp_dockerhub audit query --json "$2" | head -n 1'
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script, "bash", sys.executable, str(path)],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert result.stderr == b""
    assert result.stdout.count(b"\n") == 1
