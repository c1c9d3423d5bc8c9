"""The rules for accepted findings, which need no engine."""

import importlib.util
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

TODAY = date(2030, 6, 1)


def _script() -> ModuleType:
    """The script, by its path: scripts are no package, and the tests run without the checkout on their path."""
    path = Path(__file__).parents[2] / "scripts/scan_policy.py"
    spec = importlib.util.spec_from_file_location("scan_policy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


policy = _script()
SOUND = {
    "vulnerability": {"name": "CVE-2030-0001"},
    "products": [{"@id": "pkg:pypi/example@1.0"}],
    "status": "not_affected",
    "justification": "vulnerable_code_not_in_execute_path",
    "impact_statement": "the affected part is never imported by the server",
    "status_notes": "expires: 2030-12-01",
}


def test_a_statement_with_a_reason_and_an_end_counts() -> None:
    assert list(policy.wrong_with(SOUND, TODAY)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"justification": ""}, "no justification"),
        ({"impact_statement": "no"}, "no impact statement"),
        ({"status_notes": ""}, "no end"),
        ({"status_notes": "expires: 2030-05-31"}, "expired"),
        ({"status_notes": "expires: 2032-01-01"}, "more than a year"),
        ({"status": "ignored"}, "no status"),
    ],
)
def test_a_statement_without_one_of_them_does_not(change: dict[str, str], problem: str) -> None:
    assert problem in " ".join(policy.wrong_with({**SOUND, **change}, TODAY))


def test_a_finding_that_is_called_fixed_needs_a_reason_and_an_end_too() -> None:
    assert len(list(policy.wrong_with({"vulnerability": {"name": "CVE-1"}, "status": "fixed"}, TODAY))) == 2
    sound = {name: value for name, value in SOUND.items() if name != "justification"}
    assert list(policy.wrong_with({**sound, "status": "fixed"}, TODAY)) == []


def test_a_statement_may_say_that_something_is_being_looked_at_without_an_end() -> None:
    assert list(policy.wrong_with({"vulnerability": {"name": "CVE-1"}, "status": "under_investigation"}, TODAY)) == []


def test_an_ignored_finding_needs_a_statement() -> None:
    entries = (
        "misconfigurations:\n  - id: AVD-1\n    statement: the probe needs this and nothing else does\n  - id: AVD-2\n"
    )
    assert list(policy.wrong_with_ignored(entries)) == ["AVD-2 has no statement"]
