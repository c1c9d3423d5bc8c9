"""What every answer says about itself."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from mcp_dockerhub.results import MAX_WARNINGS, QUOTED, Provenance, Result, Source, worst

PAST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Document:
    value: str
    source: Source
    fetched_at: datetime


class Answer(Result):
    def render(self) -> str:
        return self.text(["an answer"])


def test_of_several_documents_the_worst_source_and_the_oldest_time_count() -> None:
    seen = Provenance()
    assert seen.take(Document("a", "cache", PAST)) == "a"
    seen.take(Document("b", "stale", PAST - timedelta(days=1)))
    seen.take(Document("c", "live", PAST + timedelta(days=1)))
    assert (seen.source, seen.fetched_at) == ("stale", PAST - timedelta(days=1))


def test_before_the_first_document_an_answer_is_live() -> None:
    assert (Provenance().source, Provenance().fetched_at) == ("live", None)
    assert worst("live", "cache", "live") == "cache"


def test_a_document_fetched_for_this_answer_and_read_again_is_live() -> None:
    seen = Provenance()
    seen.take(Document("a", "cache", datetime.now(UTC) + timedelta(seconds=1)))
    assert seen.source == "live"


def test_a_document_kept_from_before_is_from_the_cache() -> None:
    seen = Provenance()
    seen.take(Document("a", "live", datetime.now(UTC)))
    seen.take(Document("b", "cache", PAST))
    assert seen.source == "cache"


def test_each_warning_is_said_once_and_not_too_many() -> None:
    seen = Provenance()
    seen.warn("b", "a")
    seen.warn("b")
    assert seen.warnings == ["b", "a"]
    seen.warn(*map(str, range(100)))
    assert len(seen.warnings) == MAX_WARNINGS


def test_what_registries_say_displaces_no_warning_of_ours() -> None:
    seen = Provenance()
    seen.warn(*(f"{QUOTED}all is well {n}" for n in range(100)))
    seen.warn("part is missing")
    assert seen.warnings[:2] == ["part is missing", f"{QUOTED}all is well 0"]
    assert len(seen.warnings) == MAX_WARNINGS


def test_the_text_ends_with_warnings_and_says_when_it_is_old() -> None:
    answer = Answer(source="stale", fetched_at=PAST, warnings=["part is missing"])
    assert answer.render().splitlines() == [
        "an answer",
        "! part is missing",
        "! The upstream could not be asked; this is from 2026-01-01 00:00 UTC.",
    ]
    assert Answer().render() == "an answer"


def test_a_result_must_say_how_it_is_read() -> None:
    with pytest.raises(NotImplementedError):
        Result().render()
