"""From settings to what knows vulnerabilities. Nothing here connects to anything or opens a file."""

from datetime import timedelta
from pathlib import Path

from mcp_dockerhub.advisory_settings import EPSS, KEV, OFF, AdvisorySettings
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.supply_chain.advisories import epss, kev
from mcp_dockerhub.supply_chain.advisories.feeds import Listing, Source, from_file, from_url
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.model import Advisories, Database
from mcp_dockerhub.supply_chain.advisories.osv_api import OsvApi
from mcp_dockerhub.transport.client import HttpClient


def build_advisories(settings: AdvisorySettings, http: HttpClient, cache: Cache) -> Advisories:
    """The database the operator chose, and the lists beside it: with a local database its own, unless named."""
    database: Database
    known: Source | None
    likely: Source | None
    if settings.database is None:
        database = OsvApi(http, cache, settings.osv_url)
        known = source_of(settings.kev_url or KEV, kev.LISTING, http, cache)
        likely = source_of(settings.epss_url or EPSS, epss.LISTING, http, cache)
    else:
        database = local = LocalDatabase(settings.database, timedelta(days=settings.database_max_age))
        known = local.feed("kev", kev.WHAT)
        if settings.kev_url:
            known = source_of(settings.kev_url, kev.LISTING, http, cache)
        likely = local.feed("epss", epss.WHAT)
        if settings.epss_url:
            likely = source_of(settings.epss_url, epss.LISTING, http, cache)
    return Advisories(
        database,
        kev.Kev(known) if known is not None else None,
        epss.Epss(likely) if likely is not None else None,
    )


def source_of(place: str, listing: Listing, http: HttpClient, cache: Cache) -> Source | None:
    """Where a list is read from: a URL, a path, or nowhere."""
    if place == OFF:
        return None
    if Path(place).is_absolute():
        return from_file(Path(place), listing)
    return from_url(http, cache, place, listing)
