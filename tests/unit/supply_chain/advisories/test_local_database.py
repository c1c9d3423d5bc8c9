"""The local database: made, renewed, matched with."""

import json
import zipfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.errors import Unsupported, UpstreamUnavailable
from mcp_dockerhub.supply_chain.advisories.epss import Epss
from mcp_dockerhub.supply_chain.advisories.feeds import Published
from mcp_dockerhub.supply_chain.advisories.kev import Kev
from mcp_dockerhub.supply_chain.advisories.local import archive
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.local.updating import Updated
from mcp_dockerhub.supply_chain.advisories.model import Query
from tests.upstreams.osv import SEED, OsvState
from tests.upstreams.osv_cases import python, vulnerable

pytestmark = pytest.mark.anyio

Update = Callable[..., Awaitable[Updated]]


async def test_a_hit_has_its_record_its_fix_and_its_rating(update: Update, database: LocalDatabase) -> None:
    severity = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    record = vulnerable("PYSEC-1", aliases=["CVE-2024-1"], severity=severity, summary="bad", details="d" * 9000)
    updated = await update(OsvState.of_records([record]), "PyPI")
    assert (updated.archives["PyPI"].advisories, updated.unchanged, updated.warnings) == (1, (), ())
    found = await database.match([python(), python(version="2.0"), python("q"), python()])
    (hit,) = found.hits
    assert (hit.query, hit.advisory.id, hit.fixed, len(hit.advisory.details)) == (
        python(),
        "CVE-2024-1",
        ("2.0",),
        4000,
    )
    assert hit.rating is not None
    assert (found.unmatched, found.requests, found.database.local) == ((), 0, True)
    assert found.database.ecosystems is not None
    assert list(found.database.ecosystems) == ["PyPI"]
    assert found.database.updated == updated.archives["PyPI"].updated


async def test_what_it_does_not_hold_is_unmatched_with_what_to_run(update: Update, database: LocalDatabase) -> None:
    await update(OsvState.of_records([vulnerable("PYSEC-1")]), "PyPI", "Debian")
    asked = [Query("npm", "p", "1.0.0"), Query("Debian:99", "p", "1"), python(version="what?"), python("q", "1.0")]
    found = await database.match(asked)
    assert found.hits == ()
    assert {entry.query: entry.reason for entry in found.unmatched} == {
        asked[0]: "the local database has no advisories for npm; run mcp-dockerhub db update --ecosystem 'npm'",
        asked[1]: "The local database lists nothing at all about Debian:99",
        asked[2]: "its version 'what?' cannot be compared with others of PyPI",
    }


async def test_an_advisory_that_cannot_be_compared_with_makes_its_package_unmatched(
    update: Update, database: LocalDatabase
) -> None:
    odd = vulnerable("PYSEC-2")
    odd["affected"][0]["ranges"][0]["events"][1]["fixed"] = "some day"
    await update(OsvState.of_records([vulnerable("PYSEC-1"), odd]), "PyPI")
    found = await database.match([python()])
    assert [hit.advisory.id for hit in found.hits] == ["PYSEC-1"]
    assert [entry.reason for entry in found.unmatched] == ["it cannot be compared with the versions in PYSEC-2"]


@pytest.mark.parametrize("ecosystem", ["NuGet", "Packagist"])
async def test_names_that_have_no_case_are_found_in_any(
    update: Update, database: LocalDatabase, ecosystem: str
) -> None:
    await update(OsvState.of_records([vulnerable("GHSA-1", "Vendor.Json/Core", ecosystem)]), ecosystem)
    asked = [Query(ecosystem, name, "1.0.0") for name in ("vendor.json/core", "Vendor.Json/Core", "VENDOR.JSON/CORE")]
    found = await database.match(asked)
    assert [(hit.query, hit.fixed) for hit in found.hits] == [(query, ("2.0",)) for query in asked]


async def test_withdrawn_advisories_are_no_hits_and_come_back_when_they_do(
    update: Update, database: LocalDatabase
) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1"), vulnerable("PYSEC-2")])
    state.withdraw("PYSEC-1")
    await update(state, "PyPI")
    assert [hit.advisory.id for hit in (await database.match([python()])).hits] == ["PYSEC-2"]
    state.publish(vulnerable("PYSEC-1"))
    await update(state, "PyPI")
    assert len((await database.match([python()])).hits) == 2


async def test_an_update_takes_what_changed_and_forgets_what_is_gone(
    update: Update, database: LocalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{n}", f"p{n}") for n in range(50)])
    await update(state, "PyPI")
    state.publish(vulnerable("PYSEC-3", "renamed"))
    state.publish(vulnerable("PYSEC-99", "new"))
    del state.records["PYSEC-7"]
    read: list[bytes] = []
    plain = archive._read

    def counted(ecosystem: str, raw: bytes) -> Any:
        read.append(raw)
        return plain(ecosystem, raw)

    monkeypatch.setattr(archive, "_read", counted)
    updated = await update(state, "PyPI")
    assert (len(read), updated.archives["PyPI"].advisories) == (2, 50)
    asked = [python(name) for name in ("p3", "renamed", "new", "p7", "p8")]
    assert [hit.query.name for hit in (await database.match(asked)).hits] == ["renamed", "new", "p8"]


async def test_an_archive_that_did_not_change_is_not_fetched_again(update: Update, database: LocalDatabase) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    await update(state, "PyPI")
    updated = await update(state, "PyPI")
    assert updated.unchanged == ("PyPI",)
    assert len((await database.match([python()])).hits) == 1


async def test_another_ecosystem_is_added_to_what_is_held(update: Update, database: LocalDatabase) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1"), vulnerable("GHSA-1", "p", "npm")])
    await update(state, "PyPI")
    await update(state, "npm")
    assert len((await database.match([python(), Query("npm", "p", "1.0.0")])).hits) == 2
    assert list(database.archives()) == ["PyPI", "npm"]


async def test_records_that_cannot_be_read_are_counted_and_said(update: Update, database: LocalDatabase) -> None:
    state = OsvState.of_records([vulnerable("PYSEC-1")])
    packed = BytesIO(state.archive("PyPI"))
    with zipfile.ZipFile(packed, "a") as changed:
        changed.writestr("PYSEC-2.json", "{")
        changed.writestr("PYSEC-3.json", json.dumps({"id": "PYSEC-3", "affected": {}}))
        half = vulnerable("PYSEC-4", "\ud800")
        changed.writestr("PYSEC-4.json", json.dumps(half))
        changed.writestr("README.md", "not an advisory")
    state.broken["/PyPI/all.zip"] = (200, packed.getvalue())
    updated = await update(state, "PyPI")
    assert (updated.archives["PyPI"].advisories, updated.archives["PyPI"].unreadable) == (4, 3)
    found = await database.match([python()])
    assert found.database.warnings == ("3 advisories of PyPI in the local database could not be read.",)


async def test_its_age_is_warned_about(update: Update, path: Path) -> None:
    await update(OsvState.of_records([vulnerable("PYSEC-1")]), "PyPI")
    later = LocalDatabase(path, timedelta(days=7), lambda: datetime.now(UTC) + timedelta(days=8, hours=1))
    assert (await later.match([python()])).database.warnings == (
        "The local database is 8 days old: newer advisories are not in it. Run mcp-dockerhub db update.",
    )
    assert (await later.match([Query("npm", "p", "1")])).database.warnings == ()
    earlier = LocalDatabase(path, timedelta(days=7), lambda: datetime.now(UTC) - timedelta(hours=23))
    assert (await earlier.match([python()])).database.warnings == ()
    (warning,) = (
        await LocalDatabase(path, now=lambda: datetime.now(UTC) - timedelta(days=2)).match([python()])
    ).database.warnings
    assert "which is to come" in warning


async def test_progress_says_how_many_advisories_are_found_so_far(update: Update, database: LocalDatabase) -> None:
    await update(OsvState.of_records([vulnerable(f"PYSEC-{n}", f"p{n}") for n in range(450)]), "PyPI")
    told: list[int] = []

    async def progress(count: int) -> None:
        told.append(count)

    await database.match([python(f"p{n}") for n in range(450)], progress)
    assert told == [200, 400, 450]


async def test_the_lists_beside_it_are_kept_and_used_without_a_network(update: Update, database: LocalDatabase) -> None:
    async def kev() -> Published:
        return Published((SEED / "kev.json").read_bytes())

    async def gone() -> Published:
        raise UpstreamUnavailable("No connection.")

    state = OsvState.of_records([vulnerable("PYSEC-1")])
    updated = await update(state, "PyPI", feeds={"kev": kev, "epss": gone})
    assert updated.warnings == ("epss: No connection.",)
    found = await Kev(database.feed("kev", "KEV")).lookup(["CVE-2020-13927"])
    assert (len(found.entries), found.available) == (1, True)
    assert found.warning.startswith("The catalogue of exploited vulnerabilities is that of 20")
    scores = await Epss(database.feed("epss", "EPSS")).lookup(["CVE-2020-13927"])
    assert (scores.available, "does not hold EPSS" in scores.warning) == (False, True)


# What cannot be used


async def test_without_a_file_it_is_an_error_with_what_to_run(database: LocalDatabase) -> None:
    with pytest.raises(Unsupported, match="does not exist") as raised:
        await database.match([python()])
    assert "db update" in raised.value.hint


@pytest.mark.parametrize("content", [b"", b"not a database at all, but something long enough to be read" * 20])
async def test_a_file_that_is_something_else_is_an_error(database: LocalDatabase, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(Unsupported):
        await database.match([python()])


async def test_a_damaged_file_is_an_error_and_an_update_makes_it_anew(
    update: Update, database: LocalDatabase, path: Path
) -> None:
    state = OsvState.of_records([vulnerable(f"PYSEC-{n}", "p") for n in range(300)])
    await update(state, "PyPI")
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(Unsupported, match="damaged"):
        await database.match([python()])
    path.write_bytes(b"rubbish")
    await update(state, "PyPI")
    assert len((await database.match([python()])).hits) == 300
