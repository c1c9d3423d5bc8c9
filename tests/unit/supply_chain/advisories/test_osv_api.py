"""The OSV API client against the stand-in, and against everything such a service may answer instead."""

import json
from typing import Any

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import (
    DockerHubError,
    RateLimited,
    TooLarge,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.supply_chain.advisories import osv_api
from mcp_dockerhub.supply_chain.advisories.model import Query
from mcp_dockerhub.supply_chain.advisories.osv_api import OsvApi
from tests.upstreams.osv import DirectHttp, OsvState, real_records, recordings
from tests.upstreams.osv_cases import python, vulnerable

pytestmark = pytest.mark.anyio

URL = "https://osv.invalid"
BATCH, RECORD = "/v1/querybatch", "/v1/vulns/"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_hit_has_its_record_its_fix_and_its_rating() -> None:
    severity = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    state = OsvState.of_records([vulnerable("PYSEC-1", aliases=["CVE-2024-1"], severity=severity, summary="bad")])
    found = await OsvApi(DirectHttp(state), Cache(), URL).match([python(), python("q")])
    (hit,) = found.hits
    assert (hit.query, hit.advisory.id, hit.advisory.aliases) == (python(), "CVE-2024-1", ("PYSEC-1",))
    assert (hit.advisory.summary, hit.fixed) == ("bad", ("2.0",))
    assert hit.rating is not None
    assert hit.rating.severity == "critical"
    assert (found.unmatched, found.database.name, found.database.local) == ((), "OSV API (osv.invalid)", False)


async def test_one_batch_and_one_request_per_distinct_advisory_and_none_when_asked_again() -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{n}", f"p{n % 20}") for n in range(60)])
    database = OsvApi(DirectHttp(state), Cache(), URL)
    queries = [python(f"p{n}", version) for n in range(20) for version in ("1.0", "1.1")] * 3
    found = await database.match(queries)
    assert (len(found.hits), found.requests) == (120, 61)
    assert (state.count(BATCH), state.count(RECORD)) == (1, 60)
    again = await database.match(queries[::-1])
    assert (len(again.hits), again.requests, len(state.requests)) == (120, 0, 61)


@pytest.mark.parametrize(("packages", "batches"), [(999, 1), (1000, 1), (1001, 2), (2500, 3)])
async def test_a_thousand_packages_are_a_batch(packages: int, batches: int) -> None:
    state = OsvState.of_records()
    found = await OsvApi(DirectHttp(state), Cache(), URL).match([python(f"p{n}") for n in range(packages)])
    assert (found.requests, state.count(BATCH)) == (batches, batches)


async def test_pages_are_followed_for_those_queries_that_have_more() -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{n:03}") for n in range(25)] + [vulnerable("PYSEC-X", "q")])
    state.page_size = 10
    found = await OsvApi(DirectHttp(state), Cache(), URL).match([python(), python("q")])
    assert len(found.hits) == 26
    assert state.count(BATCH) == 3


async def test_a_record_that_changed_is_read_again_and_the_others_are_not() -> None:
    clock = Clock()
    state = OsvState.of_records([vulnerable("PYSEC-1"), vulnerable("PYSEC-2")])
    database = OsvApi(DirectHttp(state), Cache(clock=clock), URL)
    await database.match([python()])
    clock.now = 3 * 3600.0
    state.publish(vulnerable("PYSEC-2", summary="new") | {"modified": "2025-01-01T00:00:00Z"})
    found = await database.match([python()])
    assert [hit.advisory.summary for hit in found.hits] == ["", "new"]
    assert (state.count(BATCH), state.count(RECORD)) == (2, 3)


async def test_progress_says_how_many_advisories_are_found_so_far() -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{n}", f"p{n}") for n in range(1200)])
    told: list[int] = []

    async def progress(count: int) -> None:
        told.append(count)

    await OsvApi(DirectHttp(state), Cache(), URL).match([python(f"p{n}") for n in range(1200)], progress)
    assert told[0] == 1000
    assert told[-1] == 1200
    assert told == sorted(told)


async def test_what_is_withdrawn_between_the_two_answers_is_no_hit() -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    http = DirectHttp(state)
    plain = http.request

    async def request(*args: Any, **options: Any) -> Any:
        answer = await plain(*args, **options)
        state.withdraw("PYSEC-1")
        return answer

    http.request = request  # type: ignore[method-assign]
    assert (await OsvApi(http, Cache(), URL).match([python()])).hits == ()


async def test_a_version_that_cannot_be_compared_is_unmatched_and_still_hit_where_it_is_named() -> None:
    named = {"package": {"ecosystem": "PyPI", "name": "p"}, "versions": ["2.0.0-final"]}
    state = OsvState.of_records([vulnerable("PYSEC-1"), {**vulnerable("PYSEC-2"), "affected": [named]}])
    found = await OsvApi(DirectHttp(state), Cache(), URL).match([python(version="2.0.0-final")])
    assert [hit.advisory.id for hit in found.hits] == ["PYSEC-2"]
    (unmatched,) = found.unmatched
    assert "'2.0.0-final' cannot be compared" in unmatched.reason


async def test_a_release_that_the_service_lists_nothing_about_is_unmatched_not_clean() -> None:
    state = OsvState.of_records()
    asked = [Query(f"Alpine:v3.{minor}", "musl", "what?" if minor == 99 else "1.2.3-r4") for minor in (20, 99)]
    found = await OsvApi(DirectHttp(state), Cache(), URL).match(asked)
    assert (found.hits, found.requests) == ((), 1)
    assert [(entry.query, entry.reason) for entry in found.unmatched] == [
        (asked[1], "OSV lists nothing at all about Alpine:v3.99")
    ]


async def test_a_release_is_known_by_any_advisory_about_it() -> None:
    state = OsvState.of_records([vulnerable("X", "zlib", "Alpine:v3.99")])
    found = await OsvApi(DirectHttp(state), Cache(), URL).match([Query("Alpine:v3.99", "zlib", "1.0")])
    assert (len(found.hits), found.unmatched) == (1, ())


async def test_every_recorded_answer_comes_through_the_client() -> None:
    _, pairs = recordings()
    state = OsvState.recorded()
    expected = {
        Query(*query): set(ids)
        for pair in pairs
        for query, ids in zip(pair.queries, pair.results, strict=True)
        if not isinstance(query, str)
    }
    found = await OsvApi(DirectHttp(state), Cache(), URL).match(list(expected))
    real = {record["id"] for record in real_records() if record.get("withdrawn")}
    got: dict[Query, set[str]] = {query: set() for query in expected}
    for hit in found.hits:
        got[hit.query] |= {hit.advisory.id, *hit.advisory.aliases, *hit.advisory.related}
    missing = {query: ids - got[query] - real for query, ids in expected.items() if ids - got[query] - real}
    assert not missing
    assert {query for query, ids in got.items() if ids} == {query for query, ids in expected.items() if ids}
    assert found.requests == 1 + len(state.records.keys() & {name for ids in expected.values() for name in ids})


def answered(body: Any, status: int = 200) -> tuple[int, bytes]:
    return status, body if isinstance(body, bytes) else json.dumps(body).encode()


NONE: dict[str, Any] = {}
DEFECTS: list[tuple[str, tuple[int, bytes], type[DockerHubError]]] = [
    (path, answered(body, status), error)
    for path in (BATCH, RECORD)
    for body, status, error in [
        (b"", 200, UpstreamInvalid),
        (b"<html>", 200, UpstreamInvalid),
        (b"[" * 100_000, 200, UpstreamInvalid),
        ([], 200, UpstreamInvalid),
        (NONE, 200, UpstreamInvalid),
        (NONE, 400, UpstreamInvalid),
        (NONE, 404, UpstreamInvalid),
        (NONE, 429, RateLimited),
        (NONE, 500, UpstreamUnavailable),
        (NONE, 503, UpstreamUnavailable),
        (NONE, 504, UpstreamTimeout),
        (b" " * (33 * 1024 * 1024), 200, TooLarge),
    ]
] + [
    (BATCH, answered(body), UpstreamInvalid)
    for body in [
        {"results": None},
        {"results": []},
        {"results": [{}, {}]},
        {"results": [None]},
        {"results": [{"error": "deadline exceeded"}]},
        {"results": [{"vulns": {}}]},
        {"results": [{"vulns": "x"}]},
        {"results": [{"vulns": [None]}]},
        {"results": [{"vulns": [{}]}]},
        {"results": [{"vulns": [{"id": 3}]}]},
        {"results": [{"vulns": [{"id": "a\nb"}]}]},
        {"results": [{"next_page_token": 3}]},
        {"results": [{"next_page_token": "always"}]},
    ]
] + [
    (RECORD, answered(body), UpstreamInvalid)
    for body in [{"id": "ANOTHER"}, {"id": "PYSEC-1", "affected": {}}]
]  # fmt: skip


@pytest.mark.parametrize(("path", "answer", "error"), DEFECTS)
async def test_every_defect_is_an_error_and_never_an_answer(
    path: str, answer: tuple[int, bytes], error: type[DockerHubError]
) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    state.broken[path] = answer
    with pytest.raises(error) as raised:
        await OsvApi(DirectHttp(state), Cache(), URL).match([python()])
    assert len(raised.value.message) <= 500


async def test_a_defect_is_not_remembered() -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    database = OsvApi(DirectHttp(state), Cache(), URL)
    for path in (BATCH, RECORD):
        state.broken = {path: (503, b"")}
        with pytest.raises(UpstreamUnavailable):
            await database.match([python()])
    state.broken = {}
    assert len((await database.match([python()])).hits) == 1


async def test_a_missing_part_of_the_shape_that_means_nothing_found_is_nothing_found() -> None:
    state = OsvState.of_records()
    state.broken[BATCH] = answered({"results": [{"vulns": None, "next_page_token": None}]})
    assert (await OsvApi(DirectHttp(state), Cache(), URL).match([python()])).hits == ()


async def test_an_advisory_without_a_date_of_change_is_read_all_the_same() -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    state.broken[BATCH] = answered({"results": [{"vulns": [{"id": "PYSEC-1", "modified": 3}]}]})
    assert len((await OsvApi(DirectHttp(state), Cache(), URL).match([python()])).hits) == 1


async def test_more_advisories_than_anything_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osv_api, "MAX_ADVISORIES", 1)
    state = OsvState.of_records([vulnerable("PYSEC-1"), vulnerable("PYSEC-2")])
    with pytest.raises(UpstreamInvalid, match="more than 1 advisories"):
        await OsvApi(DirectHttp(state), Cache(), URL).match([python()])


async def test_pages_that_name_advisories_without_end_are_left_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(osv_api, "MAX_NAMED", 10)
    state = OsvState.of_records()
    ids = [{"id": f"X-{number}"} for number in range(4)]
    state.broken[BATCH] = answered({"results": [{"vulns": ids, "next_page_token": "more"}]})
    with pytest.raises(UpstreamInvalid, match="names advisories more than 10 times"):
        await OsvApi(DirectHttp(state), Cache(), URL).match([python()])
    assert state.count(BATCH) == 3


async def test_an_unreachable_service_is_an_error_not_an_empty_list() -> None:
    http = DirectHttp(OsvState.of_records(), failing=UpstreamUnavailable("No connection."))
    with pytest.raises(UpstreamUnavailable):
        await OsvApi(http, Cache(), URL).match([python()])


async def test_old_answers_are_given_with_a_warning_while_the_service_is_down() -> None:
    clock = Clock()
    http = DirectHttp(OsvState.of_records([vulnerable("PYSEC-1")]))
    database = OsvApi(http, Cache(clock=clock), URL)
    await database.match([python()])
    clock.now = 3 * 3600.0
    http.failing = UpstreamUnavailable("No connection.")
    found = await database.match([python()])
    assert len(found.hits) == 1
    assert found.database.updated is not None
    assert "cannot be asked now" in found.database.warnings[0]


async def test_a_name_from_the_service_stays_one_part_of_the_path() -> None:
    state = OsvState.of_records()
    state.broken[BATCH] = answered({"results": [{"vulns": [{"id": "../../secret?x", "modified": ""}]}]})
    with pytest.raises(UpstreamInvalid):
        await OsvApi(DirectHttp(state), Cache(), URL).match([python()])
    assert state.requests[-1] == ("GET", "/v1/vulns/..%2F..%2Fsecret%3Fx")
