"""Records are found by what they say, in every file of a log, and shown safely."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security.audit import AuditLog, AuditOptions
from mcp_dockerhub_security.audit_query import Filter, parse_time, query, render, tail
from mcp_dockerhub_security.audit_segments import rotated
from tests.upstreams.audit_parts import WallClock


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Sixty calls, one a minute, by three people on two tools, over several files."""
    path, clock = tmp_path / "audit.log", WallClock()
    writer = AuditLog.open(path, options=AuditOptions(max_bytes=6_000), now=clock)
    for number in range(60):
        refused = number % 10 == 0
        writer.append(
            "refusal" if refused else "outcome",
            {
                "number": number,
                "principal": ("ada", "bob", "eve")[number % 3],
                "tenant": ("red", "blue")[number % 2],
                "tool": ("docker_list_tags", "docker_get_manifest")[number % 2],
                "target": [f"docker.io/library/nginx:{number}"],
                "decision": "deny" if refused else "allow",
                "rule": "limit 1/minute" if refused else "",
                "outcome": "RATE_LIMITED" if refused else "ok",
            },
        )
        clock.pass_(minutes=1)
    writer.close()
    assert len(rotated(path)) >= 2
    return path


def numbers(found: Any) -> list[int]:
    return [record["number"] for record, _ in found if "number" in record]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), list(range(60))),
        (Filter(principal="ada"), list(range(0, 60, 3))),
        (Filter(tenant="blue", principal="bob"), [n for n in range(60) if n % 2 and n % 3 == 1]),
        (Filter(tool="docker_list_tags"), list(range(0, 60, 2))),
        (Filter(target="nginx:59"), [59]),
        (Filter(outcome="RATE_LIMITED"), list(range(0, 60, 10))),
        (Filter(decision="deny", principal="eve"), [20, 50]),
        (Filter(event="refusal"), list(range(0, 60, 10))),
        (Filter(since=datetime(2026, 11, 21, 9, 50, tzinfo=UTC)), list(range(50, 60))),
        (Filter(until=datetime(2026, 11, 21, 9, 3, tzinfo=UTC)), [0, 1, 2]),
        (Filter(principal="nobody"), []),
    ],
)
def test_a_query_gives_what_matches_oldest_first(log: Path, wanted: Filter, expected: list[int]) -> None:
    assert numbers(query(log, wanted)) == expected


def test_a_tail_gives_the_last_that_match(log: Path) -> None:
    assert numbers(tail(log, 5, Filter(event="outcome"))) == [55, 56, 57, 58, 59]
    assert numbers(tail(log, 4, Filter(principal="ada"))) == [48, 51, 54, 57]
    assert numbers(tail(log, 1_000, Filter(event="outcome"))) == [n for n in range(60) if n % 10]
    assert list(tail(log, 0, Filter())) == []
    assert tail(log, 1, Filter())[0][0]["reason"] == "close"


def test_lines_are_given_as_they_are_in_the_log(log: Path) -> None:
    for record, line in query(log, Filter(principal="eve")):
        assert json.loads(line) == record


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'[1]\nnonsense\n{"number":1,"time":"never","target":"text"}\n' + b"[" * 60_000 + b"\n")
    assert numbers(query(path, Filter())) == [1]
    assert numbers(query(path, Filter(target="text"))) == []
    assert numbers(query(path, Filter(since=datetime(2020, 1, 1, tzinfo=UTC)))) == []


def test_a_log_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(query(tmp_path / "x", Filter()))
    with pytest.raises(FileNotFoundError):
        tail(tmp_path / "x", 5, Filter())


def test_a_record_is_shown_on_one_line_and_controls_no_terminal(log: Path) -> None:
    record, _ = next(iter(query(log, Filter(decision="deny"))))
    assert render(record) == (
        "2026-11-21T09:00:00.000Z  refusal  ada  docker_list_tags  docker.io/library/nginx:0  RATE_LIMITED  "
        "(limit 1/minute)"
    )
    hostile = {"time": "t", "principal": "\x1b[31mred\nx", "tool": "a" * 1_000}
    assert "\x1b" not in render(hostile)
    assert "\n" not in render(hostile)
    assert len(render(hostile)) < 500
    assert render({"event": "checkpoint", "reason": "close"}) == "checkpoint  close"


def test_moments_are_in_utc_unless_they_say_otherwise() -> None:
    assert parse_time("2026-11-21T09:00") == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert parse_time("2026-11-21T10:00:00+01:00") == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert parse_time("2026-11-21") == datetime(2026, 11, 21, tzinfo=UTC)
    with pytest.raises(ValueError, match="Invalid isoformat"):
        parse_time("yesterday")
