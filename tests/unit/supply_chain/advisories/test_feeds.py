"""KEV and EPSS: what they say, and that their absence is said and never taken for "not exploited"."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import TooLarge, UpstreamUnavailable
from mcp_dockerhub.supply_chain.advisories import epss, feeds
from mcp_dockerhub.supply_chain.advisories.epss import Epss
from mcp_dockerhub.supply_chain.advisories.feeds import Published, Source, from_file, from_url
from mcp_dockerhub.supply_chain.advisories.kev import LISTING as KEV_LISTING
from mcp_dockerhub.supply_chain.advisories.kev import Kev
from tests.upstreams.osv import SEED, DirectHttp, OsvState

pytestmark = pytest.mark.anyio

KEV = (SEED / "kev.json").read_bytes()
EPSS = (SEED / "epss.csv").read_bytes()


def giving(body: bytes) -> Source:
    async def read() -> Published:
        return Published(body)

    return read


def urls(http: DirectHttp, cache: Cache | None = None) -> tuple[Kev, Epss]:
    cache = cache or Cache()
    known = from_url(http, cache, "https://kev.invalid/kev.json", KEV_LISTING)
    return Kev(known), Epss(from_url(http, cache, "https://epss.invalid/epss.csv.gz", epss.LISTING))


async def test_a_known_exploited_vulnerability_has_its_dates() -> None:
    kev, _ = urls(DirectHttp(OsvState.of_records()))
    found = await kev.lookup(["CVE-2020-13927", "CVE-1999-0001", "CVE-2020-13927"])
    (entry,) = found.entries.values()
    assert (entry.cve, entry.added, entry.due) == ("CVE-2020-13927", date(2022, 1, 18), date(2022, 7, 18))
    assert (found.available, found.warning, found.dated) == (True, "", date(2025, 8, 25))


async def test_a_score_is_a_probability_and_a_rank() -> None:
    _, scores = urls(DirectHttp(OsvState.of_records()))
    found = await scores.lookup(["CVE-1999-0003", "CVE-1999-00", "cve,epss,percentile", "#model_version"])
    (score,) = found.entries.values()
    assert (score.cve, score.score, score.percentile) == ("CVE-1999-0003", 0.89352, 0.99521)
    assert (found.available, found.dated) == (True, date(2025, 12, 26))


async def test_what_is_no_such_list_is_not_kept_until_the_next_one() -> None:
    state = OsvState.of_records()
    kev, scores = urls(DirectHttp(state))
    state.broken["/"] = (200, b"<html>sign in</html>")
    assert not (await kev.lookup(["CVE-2020-13927"])).available
    assert not (await scores.lookup(["CVE-1999-0003"])).available
    state.broken.clear()
    assert len((await kev.lookup(["CVE-2020-13927"])).entries) == 1
    assert len((await scores.lookup(["CVE-1999-0003"])).entries) == 1


async def test_lists_are_fetched_once() -> None:
    state = OsvState.of_records()
    kev, scores = urls(DirectHttp(state))
    for _ in range(3):
        await kev.lookup(["CVE-2020-13927"])
        await scores.lookup(["CVE-1999-0003"])
    assert len(state.requests) == 2


async def test_a_list_that_cannot_be_had_is_said_and_not_an_error() -> None:
    kev, scores = urls(DirectHttp(OsvState.of_records(), failing=UpstreamUnavailable("No connection.")))
    for found in (await kev.lookup(["CVE-2020-13927"]), await scores.lookup(["CVE-2020-13927"])):
        assert not found.available
        assert not found.entries
        assert "not known: No connection." in found.warning


async def test_old_lists_are_used_while_new_ones_cannot_be_had_and_that_is_said() -> None:
    now = 0.0
    http = DirectHttp(OsvState.of_records())
    kev, scores = urls(http, Cache(clock=lambda: now))
    await kev.lookup(["CVE-2020-13927"])
    await scores.lookup(["CVE-2020-13927"])
    now = 3 * 3600.0
    http.failing = UpstreamUnavailable("No connection.")
    assert "is that of 20" in (await kev.lookup(["CVE-2020-13927"])).warning
    assert (await scores.lookup(["CVE-2020-13927"])).warning == "The EPSS scores are those of 2025-12-26."


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(KEV), **fields}).encode()


ENTRY = json.loads(KEV)["vulnerabilities"][0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        changed(vulnerabilities=None),
        changed(vulnerabilities=[]),
        changed(count=3),
        changed(count=1, vulnerabilities=[{}]),
        changed(count=1, vulnerabilities=["CVE-2020-13927"]),
        changed(count=1, vulnerabilities=[{**ENTRY, "cveID": 5}]),
        changed(count=1, vulnerabilities=[{**ENTRY, "dateAdded": "soon"}]),
    ],
)
async def test_a_catalogue_of_another_shape_says_nothing(body: bytes) -> None:
    found = await Kev(giving(body)).lookup(["CVE-2020-13927"])
    assert (found.available, dict(found.entries)) == (False, {})


async def test_a_catalogue_may_leave_out_what_is_only_shown() -> None:
    body = changed(count=None, vulnerabilities=[{"cveID": "CVE-1", "dateAdded": "2024-01-01"}])
    (entry,) = (await Kev(giving(body)).lookup(["CVE-1"])).entries.values()
    assert (entry.due, entry.ransomware, entry.name) == (None, False, "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>\n",
        gzip.compress(EPSS)[:-20],
        b"\x1f\x8b" + b"x" * 50,
        EPSS.replace(b"0.89352", b"often"),
        EPSS.replace(b"0.89352", b"1.5"),
        EPSS.replace(b"0.89352,0.99521", b"0.89352"),
        b"cve,epss,percentile\n" + b"x" * 2000,
    ],
)
async def test_scores_of_another_shape_say_nothing(body: bytes) -> None:
    found = await Epss(giving(body)).lookup(["CVE-1999-0003"])
    assert (found.available, dict(found.entries)) == (False, {})


async def test_scores_without_a_date_are_scores() -> None:
    for comment in (b"", b"#score_date:2025-13-45\n"):
        found = await Epss(giving(comment + b"cve,epss,percentile\nCVE-1,0.5,0.9\n")).lookup(["CVE-1"])
        assert (found.available, found.dated, len(found.entries)) == (True, None, 1)


async def test_scores_that_unpack_beyond_all_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epss, "MAX_PLAIN", 100)
    assert not (await Epss(giving(gzip.compress(EPSS))).lookup(["CVE-1"])).available


async def test_a_list_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kev.json"
    kev = Kev(from_file(path, KEV_LISTING))
    missing = await kev.lookup(["CVE-2020-13927"])
    assert "cannot be read: No such file" in missing.warning
    path.write_bytes(KEV)
    assert len((await kev.lookup(["CVE-2020-13927"])).entries) == 1


async def test_a_file_beyond_all_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "FEED_LIMIT", 10)
    (tmp_path / "kev.json").write_bytes(KEV)
    with pytest.raises(TooLarge):
        await from_file(tmp_path / "kev.json", KEV_LISTING)()
