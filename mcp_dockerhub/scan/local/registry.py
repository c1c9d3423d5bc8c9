"""A local source answered for as a registry would: the same code reads both, and verifies both alike."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Literal

from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.registry.media_types import OCI_INDEX
from mcp_dockerhub.registry.verify import parse_digest
from mcp_dockerhub.scan.local.contents import Contents
from mcp_dockerhub.scan.local.files import File
from mcp_dockerhub.transport.client import DEFAULT_BODY_LIMIT, HttpClient, Response, StreamedResponse, Upstream

Headers = Mapping[str, tuple[str, ...]]

_UNKNOWN: Final[dict[str, str]] = {"manifests": "MANIFEST_UNKNOWN", "blobs": "BLOB_UNKNOWN"}


class LocalRegistry:
    """An ``HttpClient`` that answers for one repository from ``contents`` and passes everything else on."""

    def __init__(self, repository: Repository, contents: Contents, http: HttpClient) -> None:
        self._host = repository.registry
        self._prefix = f"/v2/{repository.path}/"
        self._contents = contents
        self._http = http

    async def request(
        self,
        upstream: Upstream,
        method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        """As ``HttpClient`` says."""
        if self._is_ours(upstream, path):
            answer = await asyncio.to_thread(self._answer, path, limit)
            return Response(answer.status, answer.headers, b"" if method == "HEAD" else answer.body, answer.url)
        return await self._http.request(
            upstream, method, path, params=params, headers=headers, json=json, scope=scope, limit=limit
        )

    def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
        seconds: float | None = None,
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        """As ``HttpClient`` says. What lies here never breaks off, so nothing is asked for in parts."""
        if self._is_ours(upstream, path):
            return self._streamed(path, limit)
        return self._http.stream(upstream, path, headers=headers, scope=scope, limit=limit, seconds=seconds)

    def _is_ours(self, upstream: Upstream, path: str) -> bool:
        return upstream.name == self._host and path.startswith(self._prefix)

    @asynccontextmanager
    async def _streamed(self, path: str, limit: int) -> AsyncIterator[StreamedResponse]:
        file = await asyncio.to_thread(self._blob, path)
        if file is None:
            yield StreamedResponse(404, {}, path, _pieces(_error("blobs")))
            return
        with file:
            if file.size > limit:
                raise TooLarge(f"A blob of {self._host} is larger than {limit} bytes.")
            yield StreamedResponse(200, {}, path, _chunks(file))

    def _answer(self, path: str, limit: int) -> Response:
        kind, name = path.split("/")[-2:]
        if kind == "manifests":
            return self._manifest(name, path, limit)
        if kind == "blobs":
            file = self._blob(path)
            return _missing(kind, path) if file is None else _whole(file, path, limit)
        if kind == "referrers":
            digest = parse_digest(name)
            listed = self._contents.referrers(digest) if digest else []
            body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
            return Response(200, {"content-type": (OCI_INDEX,)}, body, path)
        return _missing(kind, path)

    def _manifest(self, name: str, path: str, limit: int) -> Response:
        digest = parse_digest(name)
        found = self._contents.manifest(digest) if digest else None
        if digest is None or found is None:
            return _missing("manifests", path)
        media_type, raw = found
        if len(raw) > limit:
            raise TooLarge(f"A manifest of {self._host} is larger than {limit} bytes.")
        known: dict[str, tuple[str, ...]] = {"content-type": (media_type,)} if media_type else {}
        return Response(
            200, {**known, "docker-content-digest": (digest,), "content-length": (str(len(raw)),)}, raw, path
        )

    def _blob(self, path: str) -> File | None:
        digest = parse_digest(path.rpartition("/")[2])
        return self._contents.blob(digest) if digest else None


def _whole(file: File, path: str, limit: int) -> Response:
    with file:
        if file.size > limit:
            raise TooLarge(f"{path} is larger than {limit} bytes.")
        return Response(200, {}, b"".join(file.chunks()), path)


def _missing(kind: str, path: str) -> Response:
    return Response(404, {"content-type": ("application/json",)}, _error(kind), path)


def _error(kind: str) -> bytes:
    return json.dumps({"errors": [{"code": _UNKNOWN.get(kind, "UNSUPPORTED")}]}).encode()


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _chunks(file: File) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read):
        yield chunk
