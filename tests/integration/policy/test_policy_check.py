"""``mcp-dockerhub policy check`` answers without calling, and the file is checked before anything starts."""

import json
from pathlib import Path

import pytest

from mcp_dockerhub import cli

POLICY = """
version = 1
[roles.dev]
scopes = ["dockerhub:read", "dockerhub:read:private"]
[roles.ops]
scopes = ["dockerhub:read", "dockerhub:read:private", "dockerhub:write", "dockerhub:admin"]
[tenants.acme]
[[tenants.acme.registries]]
host = "registry.acme.example"
username = "bot"
password_env = "ACME_PASSWORD"
[[rules]]
name = "office-only"
effect = "deny"
levels = ["MEDIUM"]
addresses = ["10.66.0.0/16"]
[[rules]]
name = "no-centos"
effect = "deny"
repositories = ["library/centos"]
reason = "Use library/almalinux."
[[rules]]
name = "ops-change"
effect = "allow"
levels = ["HIGH", "RESTRICTED"]
roles = ["ops"]
"""
PRIVATE = '{"image": "registry.acme.example/team/app:1"}'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("ACME_PASSWORD", "s3cret")
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    monkeypatch.setenv("MCP_DOCKERHUB_POLICY_FILE", str(path))
    return path


def check(*arguments: str) -> int:
    return cli.main(["policy", "check", *arguments])


def test_an_allowed_read_says_level_and_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("docker_get_manifest", '{"image": "nginx:1"}') == 0
    assert capsys.readouterr().out.splitlines() == [
        "allowed: docker_get_manifest for the local user",
        "  rule   level_low (built in)",
        "  level  LOW",
        "  yes    docker.io/library/nginx:1 at LOW: level_low (built in)",
    ]


def test_a_denial_says_rule_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = '{"image1": "nginx:1", "image2": "centos:7"}'
    assert check("--as", "dev", "--tenant", "acme", "docker_compare_images", arguments) == 1
    assert capsys.readouterr().out.splitlines() == [
        "refused: docker_compare_images for role dev of tenant acme",
        '  rule   "no-centos" of the policy file',
        "  level  LOW",
        "  yes    docker.io/library/nginx:1 at LOW: level_low (built in)",
        '  no     docker.io/library/centos:7 at LOW: "no-centos" of the policy file',
        '  The policy denies docker_compare_images on docker.io/library/centos:7: rule "no-centos".',
        "  Use library/almalinux.",
    ]


def test_the_tenants_credentials_are_told_but_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("docker_get_manifest", PRIVATE, "--as", "dev", "--tenant", "acme", "--address", "::1") == 0
    shown = capsys.readouterr().out
    assert "level  MEDIUM, read with configured credentials" in shown
    assert "s3cret" not in shown


def test_the_address_decides_where_a_rule_asks_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["docker_get_manifest", PRIVATE, "--as", "dev", "--tenant", "acme", "--address"]
    assert check(*arguments, "10.66.1.1") == 0
    assert "level  LOW, read anonymously" in capsys.readouterr().out
    assert check(*arguments, "10.67.1.1") == 0
    assert "level  MEDIUM" in capsys.readouterr().out


def test_changes_name_what_else_they_need(
    effects: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_TOOLS", "probe_change,probe_delete")
    monkeypatch.setenv("MCP_DOCKERHUB_ALLOW_WRITES", "true")
    arguments = ["--tenant", "acme", '{"repository": "docker.io/acme/app"}']
    assert check("--as", "ops", "probe_delete", arguments[2], *arguments[:2]) == 0
    assert "RESTRICTED, needs a human's consent and a login of the last 5 minutes" in capsys.readouterr().out
    assert check("--as", "ops", "probe_change", arguments[2], *arguments[:2]) == 0
    assert "HIGH, needs a human's consent\n" in capsys.readouterr().out
    assert check("--as", "dev", "probe_change", arguments[2], *arguments[:2]) == 1
    assert "None of the caller's roles" in capsys.readouterr().out
    monkeypatch.setenv("MCP_DOCKERHUB_EXCLUDE_TOOLS", "health_check")
    assert check("--as", "dev", "health_check", "--tenant", "acme") == 1
    assert "left out by --toolsets, --exclude-tools" in capsys.readouterr().out
    assert effects == []


def test_the_decision_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--json", "docker_get_manifest", '{"image": "centos:7"}') == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["allowed"], shown["rule"], shown["level"]) == (False, "policy no-centos", "LOW")
    assert shown["verdicts"] == [
        {"target": "docker.io/library/centos:7", "level": "LOW", "allowed": False, "rule": "policy no-centos"}
    ]
    assert shown["hint"] == "Use library/almalinux."
    assert check("--json", "health_check") == 0
    assert json.loads(capsys.readouterr().out)["verdicts"][0]["target"] is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no_such_tool", "{}"], "no_such_tool is no tool of this server."),
        (["docker_get_manifest", "{}"], "image: field required"),
        (["docker_get_manifest", '{"image": "///"}'], "image"),
        (["docker_get_manifest", "[]"], "not a JSON object"),
        (["docker_get_manifest", "{"], "not JSON"),
        (["--as", "boss", "health_check"], "The policy has no role boss."),
        (["--as", "dev", "--tenant", "other", "health_check"], "The policy has no tenant other."),
        (["--tenant", "acme", "health_check"], "The local user has no tenant"),
    ],
)
def test_a_question_without_sense_is_no_denial(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(*arguments) == 2
    captured = capsys.readouterr()
    assert problem in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("command", [["policy", "check", "health_check"], ["call", "health_check"], ["serve"]])
def test_a_file_with_a_mistake_stops_every_command(
    command: list[str], environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.write_text(POLICY.replace("repositories", "repositorys"))
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert "MCP_DOCKERHUB_POLICY_FILE: the policy cannot be used" in error
    assert "policy.toml line 20: rules[2].repositorys: unknown key; did you mean repositories?" in error


def test_without_a_policy_the_defaults_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MCP_DOCKERHUB_POLICY_FILE")
    assert check("docker_get_manifest", '{"image": "nginx:1"}') == 0
    assert check("--as", "dev", "docker_get_manifest", '{"image": "nginx:1"}') == 2
    assert "no role dev" in capsys.readouterr().err


@pytest.mark.parametrize("keys", ["short", "k" * 32 + "," + "k" * 32, " , "])
def test_state_keys_that_cannot_be_used_stop_the_server(
    keys: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_STATE_KEYS", keys)
    code = cli.main(["call", "health_check"])
    error = capsys.readouterr().err
    if keys.strip(" ,"):
        assert code == 2
        assert "MCP_DOCKERHUB_STATE_KEYS: each key has at least 32 characters" in error
        assert keys not in error
    else:
        assert code == 0
