"""OSV records and the ratings in them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.supply_chain.advisories.model import Rating, Reference
from mcp_dockerhub.supply_chain.advisories.records import read_advisory, read_affected, read_time
from mcp_dockerhub.supply_chain.advisories.severity import cvss_rating, ratings_of
from tests.upstreams.osv import real_records

V4 = "CVSS:4.0/AV:N/AC:H/AT:P/PR:L/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N"
V31_LOW = "CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:N"
V31_CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
RECORD: dict[str, Any] = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2024-1", "CVE-2024-1"],
    "upstream": ["CVE-2024-2"],
    "related": ["CVE-2024-3"],
    "summary": "s" * 600,
    "details": "d" * 5000,
    "published": "2024-01-02T03:04:05.123456789Z",
    "modified": "2024-02-03T04:05:06Z",
    "severity": [{"type": "CVSS_V3", "score": V31_CRITICAL}],
    "references": [{"type": "FIX", "url": "https://example.com/1"}, {"url": "https://example.com/2"}, 3],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "p"},
            "versions": ["1.0"],
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}  # fmt: skip


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    import copy

    record = copy.deepcopy(RECORD)
    place: Any = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return record


def test_a_record_is_read_with_all_that_is_shown_and_cut_where_it_is_long() -> None:
    found = read_advisory(RECORD)
    assert (found.id, found.aliases, found.upstream, found.related) == (
        "GHSA-aaaa-bbbb-cccc",
        ("CVE-2024-1",),
        ("CVE-2024-2",),
        ("CVE-2024-3",),
    )
    assert (len(found.summary), len(found.details)) == (500, 4000)
    assert found.summary.endswith("…")
    assert found.published == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.modified == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert found.references == (Reference("FIX", "https://example.com/1"), Reference("WEB", "https://example.com/2"))
    assert found.affected[0].versions == ()
    assert read_affected(RECORD["affected"][0]).versions == ("1.0",)
    assert found.cves == ("CVE-2024-1", "CVE-2024-2")


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        changed(["id"], None),
        changed(["id"], ""),
        changed(["id"], "a\nb"),
        changed(["id"], "x" * 201),
        changed(["aliases"], "CVE-2024-1"),
        changed(["aliases"], [1]),
        changed(["affected"], {}),
        changed(["affected", 0], "p"),
        changed(["affected", 0, "package"], "p"),
        changed(["affected", 0, "versions"], "1.0"),
        changed(["affected", 0, "versions"], [1]),
        changed(["affected", 0, "ranges"], "x"),
        changed(["affected", 0, "ranges", 0], "x"),
        changed(["affected", 0, "ranges", 0, "type"], "OTHER"),
        changed(["affected", 0, "ranges", 0, "events"], {}),
        changed(["affected", 0, "ranges", 0, "events"], [{}]),
        changed(["affected", 0, "ranges", 0, "events"], [{"introduced": "1" * 301}]),
    ],
)
def test_a_record_without_the_shape_that_matching_needs_is_refused(broken: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_advisory(broken)


def test_what_matching_does_not_need_may_be_anything() -> None:
    found = read_advisory(
        {"id": "X", "summary": 3, "details": None, "published": "yesterday", "severity": "bad", "references": "no"}
    )
    assert (found.summary, found.details, found.published, found.ratings, found.references) == ("", "", None, (), ())
    assert found.affected == ()


def test_times_have_any_number_of_digits_and_a_zone_or_none() -> None:
    assert read_time("2024-01-02T03:04:05.1Z") == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read_time("2024-01-02T03:04:05+00:00") == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read_time("2024-01-02T03:04:05") == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read_time(5) is None


def test_every_real_record_is_read() -> None:
    assert all(read_advisory(record).id == record["id"] for record in real_records())


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "affected", "package", "ranges", "events", "introduced", "severity", "type", "score", "aliases"]), inner))  # fmt: skip  # noqa: E501


@given(JSON)
def test_any_document_is_read_or_refused(document: Any) -> None:
    try:
        read_advisory(document)
    except ValueError:
        return


def test_scores_come_from_the_vectors_best_scale_first_and_worst_first_within_it() -> None:
    # The severities of a real Ubuntu record.
    found = ratings_of(
        {
            "severity": [
                {"type": "Ubuntu", "score": "medium"},
                {"type": "CVSS_V3", "score": V31_LOW},
                {"type": "CVSS_V3", "score": V31_CRITICAL},
                {"type": "CVSS_V4", "score": V4},
                {"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"},
            ]
        }
    )
    assert [(rating.by, rating.score, rating.severity) for rating in found] == [
        ("CVSS:4.0", 2.3, "low"),
        ("CVSS:3.1", 9.8, "critical"),
        ("CVSS:3.1", 4.2, "medium"),
        ("CVSS:2.0", 10.0, "high"),
        ("Ubuntu priority", None, "medium"),
    ]


@pytest.mark.parametrize(
    ("entry", "rating"),
    [
        (
            {"ecosystem_specific": {"urgency": "unimportant"}},
            Rating("negligible", None, "unimportant", "Debian urgency"),
        ),
        ({"database_specific": {"severity": "MODERATE"}}, Rating("medium", None, "MODERATE", "GHSA")),
        (
            {"severity": [{"type": "Ubuntu", "score": "negligible"}]},
            Rating("negligible", None, "negligible", "Ubuntu priority"),
        ),
    ],
)
def test_the_publishers_own_word_counts_and_is_said_to_be_theirs(entry: dict[str, Any], rating: Rating) -> None:
    assert ratings_of(entry) == (rating,)


@pytest.mark.parametrize(
    "entry",
    [
        {"ecosystem_specific": {"urgency": "not yet assigned"}},
        {"database_specific": ["HIGH"]},
        {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]},
        {"severity": [{"type": "CVSS_V3", "score": "x" * 400}]},
        {"severity": [{"type": "CVSS_V9", "score": V4}]},
        {"severity": [{"type": 3, "score": V4}, {"type": "CVSS_V4", "score": 9.8}, "high"]},
    ],
)
def test_a_rating_that_is_none_is_not_made_up(entry: dict[str, Any]) -> None:
    assert ratings_of(entry) == ()


@pytest.mark.parametrize(
    ("vector", "score", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, "negligible"),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5, "high"),
        ("CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.8, "low"),
    ],
)
def test_the_bands_are_those_of_the_specification(vector: str, score: float, severity: str) -> None:
    found = cvss_rating("CVSS_V3", vector)
    assert found is not None
    assert (found.score, found.severity) == (score, severity)


@given(
    kind=st.sampled_from(["CVSS_V2", "CVSS_V3", "CVSS_V4"]),
    vector=st.sampled_from([V4, V31_LOW, "AV:N/AC:L/Au:N/C:C/I:C/A:C"]),
    start=st.integers(0, 60),
    length=st.integers(0, 6),
    put=st.text(alphabet="CVSS:3.14/AVNACLPRUIHSMXT\n", max_size=6),
)
def test_any_vector_is_read_or_left_out(kind: str, vector: str, start: int, length: int, put: str) -> None:
    found = cvss_rating(kind, vector[:start] + put + vector[start + length :])
    assert found is None or 0.0 <= (found.score or 0.0) <= 10.0
