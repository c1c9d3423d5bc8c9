"""Where what is known about vulnerabilities comes from: settings, and what is built from them."""

from pathlib import Path

import pytest

from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.environment import read
from mcp_dockerhub.services import build_clients
from mcp_dockerhub.settings import Settings, SettingsError
from mcp_dockerhub.supply_chain.advisories.composition import build_advisories
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.model import Query
from mcp_dockerhub.supply_chain.advisories.osv_api import OsvApi
from tests.upstreams.osv import SEED, DirectHttp, OsvState, osv_settings, running_osv

PREFIX = "MCP_DOCKERHUB_"


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> AdvisorySettings:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)
    return read(AdvisorySettings)


def test_by_default_the_public_services_are_asked_and_no_origin_is_exempt() -> None:
    found = read(AdvisorySettings)
    assert found.osv_url == "https://api.osv.dev"
    assert (found.database, found.configured_origins) == (None, frozenset())


def test_origins_that_the_operator_names_are_exempt_from_the_rules_of_egress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = settings(
        monkeypatch,
        OSV_URL="http://127.0.0.1:8080/osv/",
        OSV_ARCHIVE_URL="http://archives.LAN",
        KEV_URL="http://lists.lan/kev.json",
        EPSS_URL="/var/lib/epss.csv.gz",
    )
    assert found.osv_url == "http://127.0.0.1:8080/osv"
    assert found.configured_origins == {"http://127.0.0.1:8080", "http://archives.lan", "http://lists.lan"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OSV_URL", "api.osv.dev"),
        ("OSV_URL", "ftp://api.osv.dev"),
        ("OSV_URL", "https://user@api.osv.dev"),
        ("OSV_URL", "https://[broken"),
        ("OSV_ARCHIVE_URL", "/var/lib"),
        ("KEV_URL", "kev.json"),
        ("EPSS_URL", "off"),
        ("DATABASE_MAX_AGE", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=PREFIX + name):
        settings(monkeypatch, **{name: value})


@pytest.mark.anyio
async def test_without_a_database_the_api_and_the_public_lists_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    state = OsvState.of_records()
    for name, value in osv_settings("http://osv.lan").items():
        monkeypatch.setenv(name, value)
    found = build_advisories(read(AdvisorySettings), DirectHttp(state), Cache())
    assert isinstance(found.database, OsvApi)
    assert found.kev is not None
    assert found.epss is not None
    await found.database.match([Query("PyPI", "p", "1.0")])
    assert (await found.kev.lookup([])).available
    assert (await found.epss.lookup([])).available
    assert [path for _, path in state.requests] == ["/v1/querybatch", "/kev.json", "/epss.csv.gz"]


@pytest.mark.anyio
async def test_with_a_database_nothing_is_asked_over_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = OsvState.of_records()
    chosen = settings(monkeypatch, DATABASE=str(tmp_path / "advisories.db"), DATABASE_MAX_AGE="1.5")
    found = build_advisories(chosen, DirectHttp(state), Cache())
    assert isinstance(found.database, LocalDatabase)
    assert found.kev is not None
    assert found.epss is not None
    assert "does not exist" in (await found.kev.lookup(["CVE-1"])).warning
    assert "does not exist" in (await found.epss.lookup(["CVE-1"])).warning
    assert state.requests == []


@pytest.mark.anyio
async def test_with_a_database_a_named_list_counts_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = settings(
        monkeypatch, DATABASE=str(tmp_path / "db"), KEV_URL=str(SEED / "kev.json"), EPSS_URL=str(SEED / "epss.csv")
    )
    found = build_advisories(chosen, DirectHttp(OsvState.of_records()), Cache())
    assert found.kev is not None
    assert found.epss is not None
    assert (await found.kev.lookup(["CVE-2020-13927"])).entries
    assert (await found.epss.lookup(["CVE-1999-0003"])).entries


def test_lists_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for database in ({}, {"DATABASE": str(tmp_path / "db")}):
        chosen = settings(monkeypatch, KEV_URL="none", EPSS_URL="none", **database)
        found = build_advisories(chosen, DirectHttp(OsvState.of_records()), Cache())
        assert (found.kev, found.epss) == (None, None)


@pytest.mark.anyio
async def test_the_servers_own_clients_reach_a_service_on_loopback_where_it_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = {
        "id": "PYSEC-1",
        "modified": "2024-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "p"}, "versions": ["1.0"]}],
    }
    state = OsvState.of_records([record])
    with running_osv(state) as url:
        for name, value in osv_settings(url).items():
            monkeypatch.setenv(name, value)
        clients = build_clients(Settings())
        try:
            assert clients.advisories is not None
            found = await clients.advisories.database.match([Query("PyPI", "p", "1.0")])
            assert clients.advisories.kev is not None
            assert (await clients.advisories.kev.lookup(["CVE-2020-13927"])).entries
            assert clients.advisories.epss is not None
            assert (await clients.advisories.epss.lookup(["CVE-1999-0003"])).entries
        finally:
            await clients.aclose()
    assert ([hit.advisory.id for hit in found.hits], found.requests) == (["PYSEC-1"], 2)
