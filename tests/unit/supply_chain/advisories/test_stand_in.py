"""The stand-in OSV against what the real service answered."""

import json

import pytest

from tests.upstreams.osv import NEWER_THAN_RECORDED, OsvState, Recording, real_records, recordings

DATES, PAIRS = recordings()


@pytest.fixture(scope="module")
def state() -> OsvState:
    return OsvState.recorded()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_every_recorded_batch_is_answered_exactly_as_it_was(state: OsvState, pair: Recording) -> None:
    queries = [
        {"commit": query}
        if isinstance(query, str)
        else {"package": {"ecosystem": query[0], "name": query[1]}, "version": query[2]}
        for query in pair.queries
    ]
    status, body, _ = state.answer("POST", "/v1/querybatch", json.dumps({"queries": queries}).encode())
    expected = [{"vulns": [{"id": n, "modified": DATES[n]} for n in ids]} if ids else {} for ids in pair.results]
    assert status == 200
    assert json.loads(body) == {"results": expected}


def test_the_recordings_are_all_there_and_a_good_part_is_evaluated_from_real_records() -> None:
    assert len(PAIRS) == 24
    real = {record["id"] for record in real_records() if not record["id"].startswith(("ALPINE-", "WOLFI-"))}
    assert len(DATES) == 496
    assert len(real & set(DATES)) == 138
    assert not NEWER_THAN_RECORDED & set(DATES)


def test_more_than_a_thousand_queries_and_package_urls_are_refused() -> None:
    state = OsvState.of_records()
    for queries in ([{"commit": "x"}] * 1001, [{"package": {"purl": "pkg:npm/a@1"}}]):
        assert state.answer("POST", "/v1/querybatch", json.dumps({"queries": queries}).encode())[0] == 400
