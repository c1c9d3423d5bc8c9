"""The pipeline: pinned, with the least rights, in the right order, and calling nothing that is not there."""

import os
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
FILES: Final = sorted((ROOT / ".github/workflows").glob("*.yml"))
# «on» is YAML 1.1 for true.
WORKFLOWS: Final[dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
TEXT: Final = {path.name: path.read_text(encoding="utf-8") for path in [*FILES, ROOT / "action.yml"]}
USES: Final = re.compile(r"uses: (\S+)(?: # (\S+))?")


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = WORKFLOWS[workflow]["jobs"][job]["steps"]
    return found


def position(workflow: str, job: str, text: str) -> int:
    """Where the step is that runs or uses this."""
    return next(n for n, step in enumerate(steps(workflow, job)) if text in f"{step.get('run')} {step.get('uses')}")


def test_all_of_them_are_there() -> None:
    assert {"ci", "codeql", "image", "nightly", "release", "scorecard"} <= set(WORKFLOWS)


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_starts_without_rights_and_each_job_names_its_own(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["permissions"]
        assert "timeout-minutes" in job or "uses" in job


def test_every_action_is_pinned_by_one_commit_that_says_its_release() -> None:
    commits: dict[str, set[tuple[str, str]]] = {}
    for text in TEXT.values():
        for name, release in USES.findall(text):
            if name.startswith("$/"):
                assert (ROOT / name.removeprefix("$/")).exists()
                continue
            action, _, commit = name.partition("@")
            assert re.fullmatch(r"[0-9a-f]{40}", commit), name
            assert re.fullmatch(r"v\d+\.\d+\.\d+", release), name
            commits.setdefault("/".join(action.split("/")[:2]), set()).add((commit, release))
    assert {action for action, found in commits.items() if len(found) > 1} == set()


@pytest.mark.parametrize("name", sorted(TEXT))
def test_every_script_that_is_called_exists_and_can_be_run(name: str) -> None:
    for script in re.findall(r"(?<![\w/])scripts/[\w.-]*\w", TEXT[name]):
        path = ROOT / script
        assert path.exists(), script
        assert script.endswith(".py") or os.access(path, os.X_OK), script


def test_no_shell_step_is_longer_than_a_line_or_holds_an_expression() -> None:
    for name, workflow in WORKFLOWS.items():
        for job in workflow["jobs"].values():
            for step in job.get("steps", ()):
                assert "\n" not in step.get("run", "").strip(), f"{name}: {step}"
                assert "${{" not in step.get("run", ""), f"{name}: {step}"


def test_a_release_publishes_only_what_was_tested_on_verified_bases_and_signs_it() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert set(jobs["image"]["needs"]) == {"sources", "gate"}
    assert jobs["gate"]["uses"] == "$/.github/workflows/image.yml"
    order = ("scripts/image-bases", "scripts/image-push", "scripts/image-sign", "actions/attest-build-provenance")
    assert [position("release", "image", text) for text in order] == sorted(
        position("release", "image", text) for text in order
    )
    for job in ("pypi", "github", "registry"):
        assert "image" in jobs[job]["needs"], job


def test_a_release_takes_nothing_from_a_cache() -> None:
    text = TEXT["release.yml"]
    assert "actions/cache" not in text
    assert "BUILD_CACHE" not in text
