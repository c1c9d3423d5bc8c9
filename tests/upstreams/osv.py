"""A stand-in OSV: ``querybatch``, ``vulns``, the archives per ecosystem, and beside them KEV and EPSS.

It evaluates its records by ``osv_evaluation`` alone. ``seed/osv`` holds real records and recorded answers of the real
service; the stand-in is held against the recordings, never the other way round.

In a test: ``with running_osv(OsvState.of_records(...)) as url``, or without sockets ``DirectHttp(state)``.
"""

import gzip
import hashlib
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.transport.client import DEFAULT_BODY_LIMIT, Response, StreamedResponse, Upstream
from tests.upstreams.hub import running_app
from tests.upstreams.osv_evaluation import is_vulnerable, matches

SEED = Path(__file__).parent / "seed" / "osv"
MAX_BATCH = 1000
JSON = "application/json"
COVERED = (
    *(f"Debian:{number}" for number in range(9, 14)),
    *(f"Ubuntu:{year}.04:LTS" for year in range(14, 26, 2)),
    *(f"Alpine:v3.{minor}" for minor in range(15, 24)),
)


def real_records() -> list[dict[str, Any]]:
    """Every real advisory at hand: PyPI, Go, hardened images, a few of the distributions."""
    with gzip.open(SEED / "records.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@dataclass(frozen=True, slots=True)
class Recording:
    """One batch that the real service answered."""

    name: str
    queries: tuple[Any, ...]
    """``(ecosystem, name, version)``, or a commit."""
    results: tuple[tuple[str, ...], ...]


def recordings() -> tuple[dict[str, str], list[Recording]]:
    """Identifier to date of change at the time, and the batches."""
    found = json.loads((SEED / "recorded.json").read_text())
    pairs = [
        Recording(
            pair["name"],
            tuple(query if isinstance(query, str) else tuple(query) for query in pair["queries"]),
            tuple(map(tuple, pair["results"])),
        )
        for pair in found["pairs"]
    ]
    return found["modified"], pairs


@dataclass
class OsvState:
    """What is served, and how; may be changed while it runs."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    kev: bytes = b""
    epss: bytes = b""
    page_size: int = 1000
    """Advisories of one query on one page."""
    broken: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Path prefix to the status and body it answers with instead."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path, in order."""
    index: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, Any]] = (), covered: Iterable[str] = COVERED) -> "OsvState":
        """With ``records``; the releases in ``covered`` are known, by an advisory that concerns no real version."""
        state = cls(kev=(SEED / "kev.json").read_bytes(), epss=gzip.compress((SEED / "epss.csv").read_bytes(), mtime=0))
        for release in covered:
            state.publish(
                {
                    "id": f"COVERED-{release.replace(':', '-')}",
                    "modified": "2020-01-01T00:00:00Z",
                    "affected": [
                        {
                            "package": {"ecosystem": release, "name": "openssl"},
                            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.0.1"}]}],
                        }
                    ],
                }
            )
        for record in records:
            state.publish(record)
        return state

    @classmethod
    def recorded(cls) -> "OsvState":
        """What the recorded batches need: real records where there are any, else one made from the answers.

        A made one names the versions that were answered with it. Real records are taken as of the recordings: what
        was published or corrected after them is left out, by name.
        """
        dates, pairs = recordings()
        real = {record["id"]: record for record in real_records() if record["id"] not in NEWER_THAN_RECORDED}
        made: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
        for pair in pairs:
            for query, ids in zip(pair.queries, pair.results, strict=True):
                for name in ids:
                    key, version = (("GIT", ""), query) if isinstance(query, str) else (query[:2], query[2])
                    made[name][key].add(version)
        state = cls.of_records(real.values())
        for name, packages in made.items():
            if name in real:
                state.records[name]["modified"] = dates[name]
            affected = [
                {"package": {"ecosystem": ecosystem, "name": package}, "versions": sorted(versions)}
                for (ecosystem, package), versions in packages.items()
                if name not in real or not _concerns(real[name], ecosystem, package)
            ]
            if affected:
                entries = [*state.records.get(name, {}).get("affected", ()), *affected]
                state.publish({**state.records.get(name, {}), "id": name, "modified": dates[name], "affected": entries})
        return state

    def publish(self, record: Mapping[str, Any]) -> None:
        """Add a record, or replace the one of its name."""
        self.records[record["id"]] = dict(record)
        for package in {entry["package"]["name"] for entry in record["affected"]}:
            if record["id"] not in self.index[package]:
                self.index[package].append(record["id"])

    def withdraw(self, name: str) -> None:
        self.records[name]["withdrawn"] = "2026-01-01T00:00:00Z"
        self.records[name]["modified"] = "2026-01-01T00:00:00Z"

    def answer(self, method: str, path: str, body: bytes = b"", etag: str = "") -> tuple[int, bytes, str]:
        """Status, body and entity tag."""
        self.requests.append((method, path))
        for prefix, (status, content) in self.broken.items():
            if path.startswith(prefix):
                return status, content, ""
        if path == "/v1/querybatch" and method == "POST":
            return *self._batch(body), ""
        if path.startswith("/v1/vulns/"):
            record = self.records.get(path.removeprefix("/v1/vulns/"))
            return (200, json.dumps(record).encode(), "") if record else (404, b'{"code":5}', "")
        files = {"/kev.json": lambda: self.kev, "/epss.csv.gz": lambda: self.epss}
        if path.endswith("/all.zip"):
            files[path] = lambda: self.archive(path.split("/")[-2].replace("%20", " "))
        if path not in files:
            return 404, b"", ""
        content = files[path]()
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        return (304, b"", tag) if etag == tag else (200, content, tag)

    def archive(self, ecosystem: str) -> bytes:
        """``all.zip`` of an ecosystem without release: one file for each record that mentions it."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, record in sorted(self.records.items()):
                named = {entry["package"]["ecosystem"].split(":")[0] for entry in record["affected"]}
                if ecosystem in named or (ecosystem == "Docker Hardened Images" and "DHI" in named):
                    archive.writestr(zipfile.ZipInfo(f"{name}.json"), json.dumps(record))
        return packed.getvalue()

    def count(self, prefix: str) -> int:
        """Requests so far whose path starts so."""
        return sum(path.startswith(prefix) for _, path in self.requests)

    def _batch(self, body: bytes) -> tuple[int, bytes]:
        queries = json.loads(body)["queries"]
        if len(queries) > MAX_BATCH or any("purl" in query.get("package", {}) for query in queries):
            return 400, b'{"code":3}'
        return 200, json.dumps({"results": [self._result(query) for query in queries]}).encode()

    def _result(self, query: Mapping[str, Any]) -> dict[str, Any]:
        ids = self._commit(query["commit"]) if "commit" in query else self._package(query)
        start = int(query.get("page_token") or 0)
        page = ids[start : start + self.page_size]
        result: dict[str, Any] = {}
        if page:
            result["vulns"] = [{"id": name, "modified": self.records[name]["modified"]} for name in page]
        if start + self.page_size < len(ids):
            result["next_page_token"] = str(start + self.page_size)
        return result

    def _package(self, query: Mapping[str, Any]) -> list[str]:
        package, version = query["package"], query["version"]
        return sorted(
            name
            for name in self.index.get(package["name"], ())
            if not self.records[name].get("withdrawn")
            and is_vulnerable(package["ecosystem"], package["name"], version, self.records[name])
        )

    def _commit(self, commit: str) -> list[str]:
        return sorted(name for name in self.index.get("", ()) if is_vulnerable("GIT", "", commit, self.records[name]))


NEWER_THAN_RECORDED = frozenset(
    {
        "GO-2026-5026",
        "GO-2026-5972",
        "GO-2026-6088",
        "GO-2026-6089",
        "GO-2026-6090",
        "GO-2026-6091",
        "GO-2026-6218",
        "PYSEC-2021-108",  # its range was narrowed between the record at hand (2021) and the recording (2026)
    }
)


def _concerns(record: Mapping[str, Any], ecosystem: str, name: str) -> bool:
    packages = (entry["package"] for entry in record["affected"])
    return any(package["name"] == name and matches(package["ecosystem"], ecosystem) for package in packages)


@contextmanager
def running_osv(state: OsvState) -> Iterator[str]:
    """Serve on a free loopback port; yields the origin."""

    async def handle(request: Request) -> HttpResponse:
        etag = request.headers.get("if-none-match", "")
        path = request.scope["raw_path"].decode() if "raw_path" in request.scope else request.url.path
        status, body, tag = state.answer(request.method, path, await request.body(), etag)
        return HttpResponse(body, status, {"etag": tag} if tag else {}, JSON)

    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])
    with running_app(app) as url:
        yield url


def osv_settings(url: str) -> dict[str, str]:
    """The environment that points a server at the stand-in for everything about vulnerabilities."""
    return {
        "MCP_DOCKERHUB_OSV_URL": url,
        "MCP_DOCKERHUB_OSV_ARCHIVE_URL": url,
        "MCP_DOCKERHUB_KEV_URL": f"{url}/kev.json",
        "MCP_DOCKERHUB_EPSS_URL": f"{url}/epss.csv.gz",
    }


class DirectHttp:
    """An HttpClient that asks a stand-in in this process, without sockets."""

    def __init__(self, state: OsvState, *, failing: Exception | None = None) -> None:
        self.state = state
        self.failing = failing
        """Raised by every request, such as UpstreamUnavailable."""

    async def request(
        self,
        upstream: Upstream,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        status, body, named = self._answer(method, path, json, headers)
        if len(body) > limit:
            raise TooLarge(f"More than {limit} bytes.")
        return Response(status, named, body, f"{upstream.base_url}{path}")

    @asynccontextmanager
    async def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
        seconds: float | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        status, body, named = self._answer("GET", path, None, headers)

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 64 * 1024):
                if start > limit:
                    raise TooLarge(f"More than {limit} bytes.")
                yield body[start : start + 64 * 1024]

        yield StreamedResponse(status, named, f"{upstream.base_url}{path}", chunks())

    def _answer(
        self, method: str, path: str, content: Any, headers: Mapping[str, str] | None
    ) -> tuple[int, bytes, Mapping[str, tuple[str, ...]]]:
        if self.failing is not None:
            raise self.failing
        body = b"" if content is None else json.dumps(content).encode()
        etag = (headers or {}).get("if-none-match", "")
        status, answer, tag = self.state.answer(method, path, body, etag)
        return status, answer, {"etag": (tag,)} if tag else {}
