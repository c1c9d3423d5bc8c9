"""The OSV API: which advisories concern these packages (``querybatch``), and what each of them says (``vulns``).

By the API's documentation (google/osv.dev, docs/post-v1-querybatch.md): at most 1,000 queries in a batch, answers in
the order asked, ``{}`` for "nothing known", and a ``next_page_token`` on each result that goes on, whose query is then
asked again with that token.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from mcp_dockerhub.cache import Cache, Cached, Fetched, Key, Kind
from mcp_dockerhub.images.reading import for_each
from mcp_dockerhub.supply_chain.advisories.asking import defect, document, whole
from mcp_dockerhub.supply_chain.advisories.coverage import outside, probes
from mcp_dockerhub.supply_chain.advisories.merging import merge
from mcp_dockerhub.supply_chain.advisories.model import (
    Advisory,
    DatabaseFacts,
    Hit,
    Matches,
    Progress,
    Query,
    Unmatched,
)
from mcp_dockerhub.supply_chain.advisories.ranges import hit_of, unreadable
from mcp_dockerhub.supply_chain.advisories.records import identifier, read_advisory
from mcp_dockerhub.supply_chain.advisories.versions import is_readable
from mcp_dockerhub.transport.client import HttpClient, Response, Upstream

T = TypeVar("T")

MAX_BATCH: Final = 1000
MAX_PAGES: Final = 100
"""Answers to one batch: a service that never comes to an end is not waited for."""
MAX_ADVISORIES: Final = 50_000
"""Distinct ones of one call."""
MAX_NAMED: Final = 1_000_000
"""Advisories that the answers to one call name, each as often as it is named: pages could go on for long."""
_BATCH_LIMIT: Final = 32 * 1024 * 1024
"""What the API itself is bounded by over HTTP/1.1."""
_RECORD_LIMIT: Final = 8 * 1024 * 1024
_DETAILS_AT_ONCE: Final = 200
"""Advisories read between two words of progress; how many requests are under way is ``for_each``'s bound."""
_FIELDS: Final = frozenset({"vulns", "next_page_token"})
"""Of a result."""
_BATCH: Final = "/v1/querybatch"
_RECORD: Final = "/v1/vulns/"
_OBJECT_FACTOR: Final = 2
_QUERY_BYTES: Final = 400
"""Of a question, as it is kept with its answer."""

Found = Mapping[Query, tuple[tuple[str, str], ...]]
"""Identifier and date of change (text) of what concerns each query; queries without any are there too."""


@dataclass(slots=True)
class _Tally:
    """What one call did."""

    requests: int = 0
    named: int = 0
    stale: list[datetime] = field(default_factory=list)

    def take(self, cached: Cached[T]) -> T:
        if cached.source == "stale":
            self.stale.append(cached.fetched_at)
        return cached.value


class OsvApi:
    """The ``Database`` at ``base_url``. Answers are remembered as long as the cache keeps vulnerabilities, records by
    identifier and date of change for as long as there is room."""

    def __init__(self, http: HttpClient, cache: Cache, base_url: str) -> None:
        self._http = http
        self._cache = cache
        self._upstream = Upstream("osv", base_url, "osv")
        self._name = f"OSV API ({urlsplit(base_url).netloc})"

    async def match(self, queries: Sequence[Query], progress: Progress | None = None) -> Matches:
        """See ``Database.match``."""
        tally = _Tally()
        wanted = tuple(dict.fromkeys(queries))
        watched = probes(wanted)
        asked = sorted({*wanted, *watched}, key=lambda query: (query.ecosystem, query.name, query.version))
        found: dict[Query, tuple[tuple[str, str], ...]] = {}
        for start in range(0, len(asked), MAX_BATCH):
            found |= await self._batch(tuple(asked[start : start + MAX_BATCH]), tally)
            if progress is not None:
                await progress(len({name for query in wanted for name, _ in found.get(query, ())}))
        listed = {query.ecosystem for query, names in found.items() if names}
        missing = tuple(outside(wanted, listed.__contains__, "OSV"))
        found = {query: found[query] for query in wanted}
        records = await self._records(found, tally, progress)
        unmatched = (*missing, *_unreadable(wanted, missing))
        return Matches(merge(_hits(found, records)), unmatched, self._facts(tally), tally.requests)

    def edition(self) -> str:
        """See ``Database.edition``: a service is always of now."""
        return ""

    def _facts(self, tally: _Tally) -> DatabaseFacts:
        if not tally.stale:
            return DatabaseFacts(self._name)
        oldest = min(tally.stale)
        warning = f"{self._name} cannot be asked now: these are its answers of {oldest:%Y-%m-%d %H:%M} UTC."
        return DatabaseFacts(self._name, oldest, warnings=(warning,))

    async def _batch(self, queries: tuple[Query, ...], tally: _Tally) -> Found:
        async def fetch() -> Fetched[Found]:
            return await self._ask(queries, tally)

        # Named by what is asked: an image that is scanned again asks the same.
        key = Key(Kind.VULNERABILITIES, "", "anonymous", self._upstream.base_url, queries)
        return tally.take(await self._cache.get(key, fetch))

    async def _ask(self, queries: tuple[Query, ...], tally: _Tally) -> Fetched[Found]:
        found: dict[Query, dict[str, str]] = {query: {} for query in queries}
        open_: list[tuple[Query, str]] = [(query, "") for query in queries]
        size = 0
        for _ in range(MAX_PAGES):
            tally.requests += 1
            body = {"queries": [_question(query, token) for query, token in open_]}
            answer = await self._http.request(self._upstream, "POST", _BATCH, json=body, limit=_BATCH_LIMIT)
            size += len(whole(answer, "OSV for a batch of packages"))
            following: list[tuple[Query, str]] = []
            for (query, _), result in zip(open_, _results(answer, len(open_)), strict=True):
                ids, token = _read_result(result)
                found[query] |= ids
                tally.named += len(ids)
                if token:
                    following.append((query, token))
            if tally.named > MAX_NAMED:
                raise defect("OSV for a batch of packages", f"names advisories more than {MAX_NAMED:,} times")
            if not following:
                kept = {query: tuple(ids.items()) for query, ids in found.items()}
                return Fetched(kept, size * _OBJECT_FACTOR + len(queries) * _QUERY_BYTES)
            open_ = following
        raise defect("OSV for a batch of packages", f"goes on after {MAX_PAGES} pages")

    async def _records(self, found: Found, tally: _Tally, progress: Progress | None) -> Mapping[str, Advisory]:
        """One look at each distinct advisory, however many packages it concerns."""
        changed: dict[str, str] = {}
        for name, modified in (entry for entries in found.values() for entry in entries):
            changed[name] = max(modified, changed.get(name, ""))
        if len(changed) > MAX_ADVISORIES:
            raise defect("OSV for a batch of packages", f"names more than {MAX_ADVISORIES:,} advisories")
        records: dict[str, Advisory] = {}
        wanted = sorted(changed.items())
        for start in range(0, len(wanted), _DETAILS_AT_ONCE):
            part = wanted[start : start + _DETAILS_AT_ONCE]
            read = await for_each(part, self._reader(tally))
            records |= {name: record for (name, _), record in zip(part, read, strict=True)}
            if progress is not None:
                await progress(len(wanted))
        return records

    def _reader(self, tally: _Tally) -> Callable[[tuple[str, str]], Awaitable[Advisory]]:
        async def read(entry: tuple[str, str]) -> Advisory:
            name, modified = entry

            async def fetch() -> Fetched[Advisory]:
                tally.requests += 1
                what = f"OSV for {name}"
                path = _RECORD + quote(name, safe="")
                answer = await self._http.request(self._upstream, "GET", path, limit=_RECORD_LIMIT)
                return Fetched(_read_record(whole(answer, what), name, what), len(answer.body) * _OBJECT_FACTOR)

            # A record that changes gets another date: what is under this one never goes out of date.
            key = Key(Kind.DOCUMENT, "", "anonymous", self._upstream.base_url, (name, modified))
            return tally.take(await self._cache.get(key, fetch))

        return read


def _question(query: Query, token: str) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "package": {"ecosystem": query.ecosystem, "name": query.name},
        "version": query.version,
    }
    return {**asked, "page_token": token} if token else asked


def _results(answer: Response, count: int) -> list[Any]:
    what = "OSV for a batch of packages"
    body = document(answer.body, what)
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        raise defect(what, "has no results")
    if len(results) != count:
        raise defect(what, f"has {len(results)} results for {count} packages")
    return results


def _read_result(result: Any) -> tuple[dict[str, str], str]:
    """Identifiers with their dates, and the token of the next page (empty on the last)."""
    what = "OSV for a batch of packages"
    if not isinstance(result, dict):
        raise defect(what, "has a result that is no object")
    listed, said = result.get("vulns"), result.get("next_page_token")
    if listed is None and said is None and not _FIELDS.issuperset(result):
        # Only an empty one says that nothing is known: this one may say that it could not be found out.
        raise defect(what, "has a result without advisories that is not empty")
    entries, token = [] if listed is None else listed, "" if said is None else said
    if not isinstance(entries, list) or not isinstance(token, str):
        raise defect(what, "has a result of another shape")
    found: dict[str, str] = {}
    for entry in entries:
        try:
            name, modified = identifier(entry["id"]), entry.get("modified") or ""
        except (TypeError, KeyError, AttributeError, ValueError):
            raise defect(what, "names an advisory without its identifier") from None
        found[name] = modified if isinstance(modified, str) else ""
    return found, token


def _read_record(body: bytes, name: str, what: str) -> Advisory:
    try:
        record = read_advisory(document(body, what))
    except ValueError as problem:
        raise defect(what, f"is not an OSV record ({problem})") from None
    if record.id != name:
        raise defect(what, "is another record")
    return record


def _hits(found: Found, records: Mapping[str, Advisory]) -> Iterator[Hit]:
    for query, names in found.items():
        for name, _ in names:
            if records[name].withdrawn is None:
                yield hit_of(query, records[name])


def _unreadable(queries: Sequence[Query], missing: Sequence[Unmatched]) -> Iterator[Unmatched]:
    """The API answers for them too, but by lists of versions alone: what it does not name may still be there."""
    said = {entry.query for entry in missing}
    for query in queries:
        if query not in said and not is_readable(query.ecosystem, query.version):
            yield unreadable(query)
