"""What a failure shows a client, and how levels are declared."""

import json

import pytest

from mcp_dockerhub_security.levels import Level, Operation, operation_of, secure_operation
from mcp_dockerhub_security.refusals import (
    Refusal,
    RefusalCode,
    ReportableError,
    error_content,
    invalid_input,
    policy_denied,
)


class Elsewhere(Exception):
    """An error of another package, with the attributes that make it reportable."""

    code = "NOT_FOUND"
    message = "There is no\x1b[31m such image.\u202e" + "x" * 5_000
    hint = "Search\x00 first."
    retryable = False
    retry_after_s = 1.23456


def test_a_refusal_is_reportable_and_cleaned() -> None:
    refusal = invalid_input("bad\x1b[31m\nvalue" + "y" * 900, rule="r")
    assert isinstance(refusal, ReportableError)
    assert refusal.code == "INVALID_INPUT"
    assert refusal.message.startswith("badvalue")
    assert len(refusal.message) <= 500
    assert str(refusal) == refusal.message


def test_error_content_of_a_refusal_names_what_to_do() -> None:
    assert error_content(policy_denied("No.", rule="r")) == {
        "code": "POLICY_DENIED",
        "message": "No.",
        "hint": "The operator must allow it.",
        "retryable": False,
    }


def test_error_content_of_any_reportable_error_is_clean_and_small() -> None:
    content = error_content(Elsewhere())
    assert content["message"].startswith("There is no such image.x")
    assert content["hint"] == "Search first."
    assert content["retry_after_s"] == 1.235
    assert len(json.dumps(content)) < 2_000


def test_any_other_error_says_nothing_of_itself() -> None:
    content = error_content(ValueError("password=hunter2"))
    assert content["code"] == "INTERNAL"
    assert "hunter2" not in str(content)


def test_a_wait_is_part_of_the_content() -> None:
    refusal = Refusal(RefusalCode.RATE_LIMITED, "Slow down.", rule="r", retryable=True, retry_after_s=2)
    assert error_content(refusal)["retry_after_s"] == 2.0
    assert error_content(refusal)["retryable"] is True


def test_a_level_is_declared_by_the_decorator_and_found_again() -> None:
    @secure_operation(level=Level.HIGH, heavy=True)
    def write() -> None: ...

    assert operation_of(write) == Operation(Level.HIGH, heavy=True)


def test_medium_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="LOW"):
        secure_operation(level=Level.MEDIUM)


def test_an_undeclared_handler_is_an_error() -> None:
    with pytest.raises(LookupError, match="operation_of"):
        operation_of(operation_of)


def test_only_writes_and_worse_have_effects() -> None:
    assert [level for level in Level if level.has_effects] == [Level.HIGH, Level.RESTRICTED]
