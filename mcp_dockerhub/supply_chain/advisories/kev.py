"""CISA's catalogue of known exploited vulnerabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import anyio.to_thread

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.supply_chain.advisories.asking import defect, document
from mcp_dockerhub.supply_chain.advisories.feeds import Listing, Published, Source
from mcp_dockerhub.supply_chain.advisories.model import Feed, KevEntry

WHAT: Final = "the catalogue of known exploited vulnerabilities"
_MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class _Catalogue:
    body: bytes
    entries: Mapping[str, KevEntry]
    dated: date | None


class Kev:
    """The ``KevFeed`` that a source publishes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: _Catalogue | None = None

    async def lookup(self, cves: Sequence[str]) -> Feed[KevEntry]:
        """See ``KevFeed.lookup``."""
        try:
            published = await self._source()
            if self._read is None or self._read.body != published.body:
                self._read = await anyio.to_thread.run_sync(read_catalogue, published)
        except DockerHubError as error:
            return Feed(
                {}, available=False, warning=f"Which vulnerabilities are exploited is not known: {error.message}"
            )
        found = {cve: self._read.entries[cve] for cve in dict.fromkeys(cves) if cve in self._read.entries}
        warning = ""
        if published.kept_since is not None:
            warning = f"The catalogue of exploited vulnerabilities is that of {published.kept_since:%Y-%m-%d}."
        return Feed(found, self._read.dated, warning=warning)


def read_catalogue(published: Published) -> _Catalogue:
    """The whole catalogue. Raises UpstreamInvalid for anything else, a count that does not agree included."""
    found = document(published.body, WHAT)
    listed = found.get("vulnerabilities") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not listed:
        raise defect(WHAT, "lists no vulnerabilities")
    count = found.get("count")
    if isinstance(count, int) and count != len(listed):
        raise defect(WHAT, f"has {len(listed)} of {count} entries")
    entries = [_entry(entry) for entry in listed]
    return _Catalogue(published.body, {entry.cve: entry for entry in entries}, _date(found.get("dateReleased")))


def _entry(entry: Any) -> KevEntry:
    cve = entry.get("cveID") if isinstance(entry, dict) else None
    added = _date(entry.get("dateAdded")) if cve else None
    if not isinstance(cve, str) or added is None:
        raise defect(WHAT, "has an entry without its number or date")
    return KevEntry(
        cve,
        added,
        _date(entry.get("dueDate")),
        entry.get("knownRansomwareCampaignUse") == "Known",
        _text(entry.get("vulnerabilityName")),
        _text(entry.get("requiredAction")),
    )


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""


LISTING: Final = Listing(WHAT, lambda body: read_catalogue(Published(body)))
