"""The reusable action: pinned, and nothing a caller writes becomes part of a script."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_dockerhub.cli import _parser

ROOT = Path(__file__).resolve().parents[3]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SCAN = next(step for step in STEPS if step.get("id") == "scan")


def test_every_action_it_uses_is_pinned_by_its_commit() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) for name in used)


def test_dependencies_are_installed_by_their_hashes() -> None:
    install = next(step for step in STEPS if step.get("name") == "Install")
    assert "--require-hashes" in install["run"]
    assert (ROOT / "requirements" / "runtime.lock").exists()


def test_no_script_holds_an_expression() -> None:
    assert not any("${{" in step.get("run", "") for step in STEPS)


def test_every_input_is_described_and_used() -> None:
    text = "\n".join(str(step) for step in STEPS)
    for name, declared in ACTION["inputs"].items():
        assert declared["description"].endswith(".")
        assert f"inputs.{name}" in text


def run(tmp_path: Path, code: int = 0, **inputs: str) -> tuple[int, list[str], str]:
    """The script of the step with a stand-in for Python; exit code, arguments and outputs."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done > "$ARGUMENTS"\nexit {code}\n')
    python.chmod(0o755)
    defaults = {name: str(value.get("default", "")) for name, value in ACTION["inputs"].items()}
    given = {**defaults, **{name.replace("_", "-"): value for name, value in inputs.items()}}
    environment = {
        variable: given[match[1]]
        for variable, value in SCAN["env"].items()
        if (match := re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value))
    }
    paths = {"PYTHON": str(python), "ARGUMENTS": str(tmp_path / "arguments"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", SCAN["run"]],
        env={**environment, **paths, "PATH": "/usr/bin:/bin"},
        check=False,
    )
    return done.returncode, (tmp_path / "arguments").read_text().splitlines(), (tmp_path / "output").read_text()


def test_only_what_is_given_becomes_an_option(tmp_path: Path) -> None:
    code, arguments, output = run(tmp_path, image="app:1")
    assert arguments == ["-m", "mcp_dockerhub", "scan", "--format=table", "--fail-on=any", "--", "app:1"]
    assert (code, output) == (0, "exit-code=0\n")


@pytest.mark.parametrize("code", [1, 2])
def test_the_step_ends_as_the_scan_did_and_says_how(tmp_path: Path, code: int) -> None:
    assert run(tmp_path, code, image="app:1")[::2] == (code, f"exit-code={code}\n")


def test_every_option_reaches_the_command_and_is_one_it_has(tmp_path: Path) -> None:
    _, arguments, _ = run(
        tmp_path,
        image="-app:1; $(exit 9)",
        platform="linux/arm64",
        format="sarif",
        output="a b.sarif",
        fail_on="high",
        ignore_unfixed="true",
        ignore="ignore.toml",
        vex="one.json\n\ntwo.json",
        baseline="app:0",
        deny_license="GPL-*,MIT",
        allow_incomplete="true",
    )
    found = _parser().parse_args(arguments[2:])
    assert found.image == "-app:1; $(exit 9)"
    assert (found.platform, found.format, str(found.output), found.fail_on) == (
        "linux/arm64",
        "sarif",
        "a b.sarif",
        "high",
    )
    assert (found.ignore_unfixed, found.allow_incomplete, str(found.ignore)) == (True, True, "ignore.toml")
    assert [str(path) for path in found.vex] == ["one.json", "two.json"]
    assert (found.baseline, found.deny_license) == ("app:0", ["GPL-*,MIT"])
