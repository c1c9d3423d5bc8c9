"""Lines on standard error only, with nothing in them that was not meant to be there."""

import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub_monitoring.logs import (
    FIELDS,
    MAX_TEXT,
    WITHHELD,
    LineHandler,
    Repeats,
    event_of,
    request_id,
    safe_text,
    safe_value,
)

SECRETS = [
    "dckr_pat_AbCdEfGhIjKlMnOp",
    "ghp_0123456789abcdef",
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
]


def record(message: object, *args: object, name: str = "mcp_dockerhub.cache", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


class Lines:
    """A handler writing to memory."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.handler = LineHandler(stream=self.stream, **options)

    def emit(self, made: logging.LogRecord) -> None:
        self.handler.handle(made)

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_a_line_holds_time_level_logger_event_and_allowed_fields() -> None:
    lines = Lines()
    lines.emit(record("call ended", tool="docker_list_tags", seconds=0.25))
    (event,) = lines.read()
    assert event.pop("timestamp").endswith("+00:00")
    assert event == {
        "level": "info",
        "logger": "mcp_dockerhub.cache",
        "event": "call ended",
        "tool": "docker_list_tags",
        "seconds": 0.25,
    }


def test_values_of_fields_that_are_not_allowed_are_withheld_by_name() -> None:
    lines = Lines()
    lines.emit(record("call ended", password="hunter2", arguments={"image": "x"}))
    assert "hunter2" not in lines.stream.getvalue()
    assert lines.read()[0]["withheld"] == ["arguments", "password"]


def test_fields_can_be_added_to_the_allow_list() -> None:
    lines = Lines(fields=FIELDS | {"image"})
    lines.emit(record("call ended", image="nginx"))
    assert lines.read()[0]["image"] == "nginx"


def test_lines_carry_the_request_and_the_context_of_the_moment() -> None:
    lines = Lines(context=lambda: {"trace_id": "abc"})
    token = request_id.set("7")
    lines.emit(record("inside"))
    request_id.reset(token)
    lines.emit(record("outside"))
    inside, outside = lines.read()
    assert (inside["request_id"], inside["trace_id"]) == ("7", "abc")
    assert "request_id" not in outside


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "template",
    ["{}", "failed with {} in it", "Authorization: Bearer {}", "https://user:{}@host/x", "https://host/x?token={}"],
)
def test_credentials_in_free_text_are_withheld(secret: str, template: str) -> None:
    shown = safe_text(template.format(secret))
    assert secret not in shown
    assert WITHHELD in shown


@pytest.mark.parametrize(
    "text", ["password=hunter2!", '"token": "s3cr3t"', "api_key: abcdef", "basic dXNlcjpwYXNz", "https://u:p@h/x"]
)
def test_named_credentials_are_withheld(text: str) -> None:
    shown = safe_text(text)
    for secret in ("hunter2", "s3cr3t", "abcdef", "dXNlcjpwYXNz", "u:p"):
        assert secret not in shown


@given(st.text(max_size=3000))
def test_any_text_becomes_one_bounded_line(text: str) -> None:
    shown = safe_text(text)
    assert len(shown) <= MAX_TEXT
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set(shown) & set("\u202e\u2066\u200b\u2028\ufeff")


def test_values_that_are_not_plain_are_named_by_type() -> None:
    assert safe_value({"a": 1}) == "<dict>"
    assert safe_value(None) is None
    assert safe_value(True) is True
    assert safe_value(1.5) == 1.5
    assert safe_value("x\ny") == "x\\x0ay"


def event(made: logging.LogRecord) -> dict[str, object]:
    return event_of(made, FIELDS, {})


def test_arguments_of_our_own_messages_are_filled_in_and_those_of_others_are_not() -> None:
    assert event(record("took %d s", 3))["event"] == "took 3 s"
    assert event(record("GET %s", "https://h/?q=1", name="httpx2"))["event"] == "GET %s"
    assert event(record("GET %s", "x", name="mcp_dockerhub_imposter"))["event"] == "GET %s"


def test_a_message_that_does_not_fit_its_arguments_is_shown_as_it_is() -> None:
    assert event(record("%d %d", 3))["event"] == "%d %d"


def test_a_message_that_is_no_text_is_named_by_type() -> None:
    assert event(record({"secret": 1}))["event"] == "<dict>"


def raised() -> BaseException:
    try:
        try:
            raise KeyError("inner")  # noqa: TRY301
        except KeyError as inner:
            raise ValueError("Bearer abcdef123456 failed") from inner
    except ValueError as error:
        return error


def test_an_exception_is_shown_by_type_place_and_causes_without_values() -> None:
    error = raised()
    made = record("failed")
    made.exc_info = (type(error), error, error.__traceback__)
    shown = event(made)["error"]
    assert isinstance(shown, dict)
    assert shown["type"] == "ValueError"
    assert shown["message"] == f"Bearer {WITHHELD} failed"
    assert shown["causes"] == ["KeyError"]
    assert shown["stack"][0].startswith("monitoring/test_logs.py:")
    assert shown["stack"][0].endswith(" raised")


def test_a_chain_of_causes_that_never_ends_is_cut() -> None:
    error = ValueError("x")
    error.__context__ = error
    made = record("failed")
    made.exc_info = (ValueError, error, None)
    shown = event(made)["error"]
    assert isinstance(shown, dict)
    assert len(shown["causes"]) == 5


def test_repeats_are_dropped_and_their_number_is_told() -> None:
    now = 0.0
    lines = Lines(repeats=Repeats(limit=3, period=60, clock=lambda: now))
    for _ in range(10):
        lines.emit(record("circuit opened"))
    lines.emit(record("something else"))
    now = 60.0
    lines.emit(record("circuit opened"))
    events = lines.read()
    assert [shown["event"] for shown in events] == ["circuit opened"] * 3 + ["something else", "circuit opened"]
    assert events[-1]["repeats_dropped"] == 7
    assert "repeats_dropped" not in events[0]


def test_the_kinds_of_records_remembered_are_bounded() -> None:
    repeats = Repeats(limit=1, clock=lambda: 0.0)
    for number in range(2000):
        assert repeats.admit(record(f"message {number}")) == 0
    assert len(repeats._kinds) == Repeats.MAX_KINDS


def test_a_record_that_cannot_be_shown_costs_one_line_without_its_values() -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("no trace")

    lines = Lines(context=broken)
    lines.emit(record("call ended", tool="x"))
    assert lines.read() == [{"level": "error", "event": "log record lost", "line": 1}]


def test_a_closed_stream_is_survived() -> None:
    lines = Lines()
    lines.stream.close()
    lines.emit(record("call ended"))


def test_the_console_style_is_for_people() -> None:
    lines = Lines(style="console")
    lines.emit(record("call ended", tool="docker_list_tags"))
    assert "call ended" in lines.stream.getvalue()
    assert "tool=docker_list_tags" in lines.stream.getvalue()


PROGRAM = """
import logging, sys, warnings
from mcp_dockerhub_monitoring.logs import configure_logging
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
configure_logging(*sys.argv[1:])
own, other = logging.getLogger("mcp_dockerhub.server"), logging.getLogger("mcp.server")
own.debug("own debug")
other.info("other info")
before = "structlog" in sys.modules
own.info("own info", extra={"tool": "x", "arguments": "hidden"})
other.warning("other warning")
other.debug("other debug")
warnings.warn("careful")
if "structlog" in sys.modules:
    import structlog
    structlog.get_logger("mcp_dockerhub.x").info("from structlog", tool="y", token="hidden")
print(before, file=sys.stderr)
"""


def run(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    assert "hidden" not in done.stderr
    return done.stderr.splitlines()


def test_nothing_reaches_standard_output_and_structlog_waits_for_the_first_line() -> None:
    *lines, before = run("info", "json")
    assert before == "False"
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events[:2]] == ["own info", "other warning"]
    assert events[2]["logger"] == "py.warnings"
    assert events[3] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "logger": "mcp_dockerhub.x",
        "event": "from structlog",
        "tool": "y",
        "withheld": ["token"],
    }


def test_debug_shows_other_libraries_too() -> None:
    *lines, before = run("debug", "json")
    assert before == "True"
    shown = [json.loads(line)["event"] for line in lines]
    assert {"own debug", "other info", "other debug"} <= set(shown)


def test_a_high_level_silences_the_rest() -> None:
    assert run("error") == ["False"]
