"""The API path and the local path answer alike."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.local.updating import Updated
from mcp_dockerhub.supply_chain.advisories.model import Affected, Event, Query, Range
from mcp_dockerhub.supply_chain.advisories.osv_api import OsvApi
from mcp_dockerhub.supply_chain.advisories.ranges import judge
from tests.upstreams.osv import DirectHttp, OsvState, real_records, recordings
from tests.upstreams.osv_cases import ECOSYSTEMS, answers, by_ecosystem, queries_of
from tests.upstreams.osv_evaluation import is_vulnerable

Update = Callable[..., Awaitable[Updated]]
URL = "https://osv.invalid"


@pytest.mark.anyio
async def test_both_paths_agree_on_the_packages_of_all_real_records(update: Update, database: LocalDatabase) -> None:
    records = real_records()
    state = OsvState.of_records(records)
    await update(state, *ECOSYSTEMS)
    # One in six, which takes seconds; `python -m benchmarks.advisories` compares all of them.
    queries = queries_of(records, listed=2)[::6]
    counts = by_ecosystem(queries)
    assert counts.total() > 2_000
    assert set(counts) == set(ECOSYSTEMS)
    api = await OsvApi(DirectHttp(state), Cache(), URL).match(queries)
    local = await database.match(queries)
    assert answers(api) == answers(local)
    # An advisory whose own versions cannot be compared is seen by the local path only: the API keeps that to itself.
    only_here = set(local.unmatched) - set(api.unmatched)
    assert set(api.unmatched) <= set(local.unmatched)
    assert all("cannot be compared with the versions in PYSEC-" in entry.reason for entry in only_here)
    assert len(only_here) < 30


@pytest.mark.anyio
async def test_both_paths_agree_on_every_package_of_the_recordings(update: Update, database: LocalDatabase) -> None:
    state = OsvState.recorded()
    _, pairs = recordings()
    asked = {Query(*query) for pair in pairs for query in pair.queries if not isinstance(query, str)}
    queries = sorted((query for query in asked if query.ecosystem != "GIT"), key=str)
    await update(state, *ECOSYSTEMS, "Packagist", "NuGet")
    api = await OsvApi(DirectHttp(state), Cache(), URL).match(queries)
    local = await database.match(queries)
    assert answers(api) == answers(local)
    assert len(local.hits) > 300


VERSIONS = {
    "npm": ["0.0.1", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0"],
    "PyPI": ["0.1", "1.0rc1", "1.0", "1.0.post1", "1.10", "2.0"],
    "Debian:12": ["0.1-1", "1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1.0-10", "1:0.1-1"],
    "Alpine:v3.20": ["0.1-r0", "1.0_rc1-r0", "1.0-r0", "1.0-r10", "1.0.1-r0", "1.10-r0"],
    "Maven": ["0.1.0", "1.0.0", "1.0.1", "1.10.0", "2.0.0", "10.0.0"],
    "RubyGems": ["0.1.0", "1.0.0", "1.0.1", "1.10.0", "2.0.0", "10.0.0"],
    "NuGet": ["0.1.0", "1.0.0-beta", "1.0.0", "1.0.1", "1.10.0", "2.0.0"],
    "Packagist": ["0.1.0", "1.0.0", "1.0.1", "1.10.0", "2.0.0", "10.0.0"],
    "crates.io": ["0.1.0", "1.0.0-alpha.2", "1.0.0-alpha.11", "1.0.0", "1.10.0", "2.0.0"],
}


@given(data=st.data(), ecosystem=st.sampled_from(sorted(VERSIONS)))
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
def test_any_range_is_evaluated_as_the_schema_says(data: st.DataObject, ecosystem: str) -> None:
    versions = VERSIONS[ecosystem]
    event = st.one_of(
        st.tuples(st.just("introduced"), st.sampled_from(["0", *versions])),
        st.tuples(st.sampled_from(["fixed", "last_affected"]), st.sampled_from(versions)),
        st.tuples(st.just("limit"), st.sampled_from(["*", *versions])),
    )
    ranges = data.draw(st.lists(st.lists(event, min_size=1, max_size=5, unique_by=lambda e: e[1]), max_size=2))
    named = data.draw(st.lists(st.sampled_from(versions), max_size=2))
    version = data.draw(st.sampled_from(versions))
    entry = Affected(
        ecosystem,
        "p",
        tuple(named),
        tuple(Range("ECOSYSTEM", tuple(Event(kind, at) for kind, at in found)) for found in ranges),  # type: ignore[arg-type]
    )
    record: dict[str, Any] = {
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": "p"},
                "versions": named,
                "ranges": [{"events": [{kind: at} for kind, at in found]} for found in ranges],
            }
        ]
    }
    expected = "affected" if is_vulnerable(ecosystem, "p", version, record) else "unaffected"
    assert judge(Query(ecosystem, "p", version), [entry]) == expected
