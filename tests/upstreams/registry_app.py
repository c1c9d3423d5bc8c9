"""The stand-in registry's protocol: an ASGI application over blobs and manifests in memory.

What the OCI distribution specification says, bent where ``Behaviour`` says so.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.upstreams.content import OCI_INDEX, digest_of
from tests.upstreams.registry_auth import TokenService, basic_user, challenge
from tests.upstreams.registry_behaviour import Behaviour, Recorded, Scripted
from tests.upstreams.registry_replies import Reply, error_reply, json_reply

Message = MutableMapping[str, Any]
_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs|tags|referrers)/(?P<ref>[^/]+)")


@dataclass
class Repository:
    """Content of one repository, in order of arrival."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Digest to media type and bytes."""
    tags: dict[str, str] = field(default_factory=dict)


class RegistryApp:
    """Serves ``repositories``; ``requests`` are all that arrived, answered or refused."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.base_url = ""
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Recorded] = []
        self.scripts: list[Scripted] = []
        self.tokens = TokenService(behaviour)
        self.gate: asyncio.Event | None = None
        """While set to an event that is not set, answers wait for it."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Recorded(scope["method"], scope["path"], scope["query_string"].decode(), headers)
        self.requests.append(request)
        if self.gate is not None:
            await self.gate.wait()
        reply = self.answer(request, body)
        sent = [(k.encode(), v.encode("latin-1")) for k, v in reply.headers]
        if "content-length" not in {k.lower() for k, _ in reply.headers}:
            sent.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": sent})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else reply.body})

    def answer(self, request: Recorded, body: bytes) -> Reply:
        scripted = self._scripted(request)
        if scripted is not None:
            return scripted
        if request.path == (urlsplit(self.behaviour.realm).path or "/token"):
            return self.tokens.answer(request.method, request.query, body, request.headers.get("authorization", ""))
        if request.path.startswith("/cdn/"):
            return self._cdn(request.path.removeprefix("/cdn/"))
        match = _ROUTE.fullmatch(request.path)
        refusal = self._refusal(request, match["name"] if match else "")
        if refusal is None:
            refusal = self._dispatch(request, match)
        return refusal.with_headers(
            [*self.behaviour.headers.items(), ("docker-distribution-api-version", "registry/2.0")]
        )

    def _scripted(self, request: Recorded) -> Reply | None:
        for script in self.scripts:
            if script.times > 0 and script.method in ("*", request.method) and script.path.search(request.path):
                script.times -= 1
                return Reply(script.status, script.body, list(script.headers.items()))
        return None

    def _refusal(self, request: Recorded, name: str) -> Reply | None:
        behaviour, sent = self.behaviour, request.headers.get("authorization", "")
        if behaviour.auth == "anonymous":
            return None
        if behaviour.auth == "basic":
            allowed = basic_user(sent, dict(behaviour.users)) is not None
        else:
            allowed = self.tokens.allows(sent, name)
        if allowed:
            return None
        if behaviour.refusal == "403" and sent:
            return error_reply(403, "DENIED", "requested access to the resource is denied")
        header = challenge(behaviour, self.base_url, name)
        return error_reply(401, "UNAUTHORIZED", "authentication required").with_headers([("www-authenticate", header)])

    def _dispatch(self, request: Recorded, match: re.Match[str] | None) -> Reply:
        if request.path in ("/v2", "/v2/"):
            return json_reply({})
        if match is None or request.method not in ("GET", "HEAD"):
            return error_reply(404 if match is None else 405, "UNSUPPORTED", "no such operation")
        repository = self.repositories.get(match["name"])
        if repository is None:
            return error_reply(404, "NAME_UNKNOWN", f"repository {match['name']} not known")
        handler = {
            "manifests": self._manifest,
            "blobs": self._blob,
            "tags": self._tags,
            "referrers": self._referrers,
        }[match["what"]]
        return handler(request, repository, match)

    def _manifest(self, request: Recorded, repository: Repository, match: re.Match[str]) -> Reply:
        behaviour = self.behaviour
        if request.method == "HEAD" and behaviour.head == "not_allowed":
            return error_reply(405, "UNSUPPORTED", "the operation is unsupported")
        digest = repository.tags.get(match["ref"], match["ref"])
        if digest not in repository.manifests or (request.method == "HEAD" and behaviour.head == "not_found"):
            return error_reply(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, raw = repository.manifests[digest]
        headers = [("content-type", behaviour.content_type or media_type)]
        if behaviour.digest_header and not (request.method == "HEAD" and behaviour.head == "no_digest"):
            headers.append(("docker-content-digest", digest))
        if behaviour.rate_limit:
            headers += zip(("ratelimit-limit", "ratelimit-remaining"), behaviour.rate_limit, strict=True)
        body = self._altered(raw)
        if behaviour.gzip_manifests and request.method == "GET":
            body = gzip.compress(body)
            headers.append(("content-encoding", "gzip"))
        return Reply(200, body, [*headers, *self._warnings()])

    def _blob(self, request: Recorded, repository: Repository, match: re.Match[str]) -> Reply:
        data = repository.blobs.get(match["ref"])
        if data is None:
            return error_reply(404, "BLOB_UNKNOWN", "blob unknown to registry")
        target = self.behaviour.redirect_blobs
        if target:
            target = target if "://" in target else f"{self.base_url}{target}"
            return Reply(307, b"", [("location", f"{target}/{match['ref']}?signature=do-not-log")])
        return self._content(data, match["ref"])

    def _cdn(self, digest: str) -> Reply:
        """Where blobs are redirected to: a content network, which sends none of a registry's headers."""
        for repository in self.repositories.values():
            if digest in repository.blobs:
                return Reply(
                    200, self._altered(repository.blobs[digest]), [("content-type", "application/octet-stream")]
                )
        return Reply(403, b"<Error>AccessDenied</Error>", [("content-type", "application/xml")])

    def _content(self, data: bytes, digest: str) -> Reply:
        headers = [("content-type", "application/octet-stream"), ("docker-content-digest", digest)]
        return Reply(200, self._altered(data), headers)

    def _altered(self, raw: bytes) -> bytes:
        return bytes([raw[0] ^ 1]) + raw[1:] if self.behaviour.corrupt and raw else raw

    def _warnings(self) -> list[tuple[str, str]]:
        return [("warning", value) for value in self.behaviour.warnings]

    def _tags(self, request: Recorded, repository: Repository, match: re.Match[str]) -> Reply:
        behaviour = self.behaviour
        query = parse_qs(request.query)
        asked = int(query.get("n", ["0"])[0])
        if behaviour.refuse_page_size_over and asked > behaviour.refuse_page_size_over:
            limit = behaviour.refuse_page_size_over
            return error_reply(405, "UNSUPPORTED", f"n must be less than or equal to {limit}")
        tags = sorted(repository.tags)
        size = min((n for n in (asked, behaviour.page_size) if n), default=len(tags) or 1)
        if behaviour.pagination == "none":
            size = len(tags) or 1
        last = query.get("last", [""])[0]
        start = next((i for i, tag in enumerate(tags) if tag > last), len(tags)) if last else 0
        page = tags[start : start + size]
        reply = json_reply({"name": match["name"], "tags": page or (None if behaviour.tags_null else [])})
        more = start + size < len(tags) or (behaviour.pagination == "trailing_empty" and len(page) == size)
        links = [("link", self._link(match["name"], page[-1], size))] if more else []
        return reply.with_headers([*links, *self._warnings()])

    def _link(self, name: str, last: str, size: int) -> str:
        """A ``Link`` to the next page of tags."""
        pagination = self.behaviour.pagination
        path = f"/v2/{name}/tags/list?last={quote(last)}&n={size}"
        bases = {
            "absolute": self.base_url,
            "wrong_scheme": self.base_url.replace("http://", "https://"),
            "other_origin": "https://tags.example.com",
        }
        if pagination == "circular":
            path = f"/v2/{name}/tags/list?last=&n={size}"
        if pagination == "artifactory":
            path = path.replace(f"/v2/{name}/", f"/v2/{name.rpartition('/')[2]}/")
        return f'<{bases.get(pagination, "")}{path}>; rel="next"'

    def _referrers(self, request: Recorded, repository: Repository, match: re.Match[str]) -> Reply:
        behaviour = self.behaviour
        if behaviour.referrers == "html":
            return Reply(200, b"<html>welcome</html>", [("content-type", "text/html")])
        if behaviour.referrers != "on":
            return error_reply(int(behaviour.referrers), "UNSUPPORTED", "no such route")
        query = parse_qs(request.query)
        found = self._about(repository, match["ref"])
        start = int(query.get("cursor", ["0"])[0])
        size = behaviour.referrers_page_size or len(found) or 1
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found[start : start + size]}
        reply = json_reply(index, content_type=OCI_INDEX).with_headers(self._warnings())
        if start + size < len(found):
            reply.headers.append(("link", f'<{request.path}?cursor={start + size}>; rel="next"'))
        return reply

    @staticmethod
    def _about(repository: Repository, digest: str) -> list[dict[str, Any]]:
        """Descriptors of the manifests whose subject is ``digest`` (distribution-spec, "Listing Referrers")."""
        found = []
        for own, (media_type, raw) in repository.manifests.items():
            document = json.loads(raw)
            if document.get("subject", {}).get("digest") == digest:
                kind = document.get("artifactType") or document.get("config", {}).get("mediaType", "")
                entry = {"mediaType": media_type, "digest": own, "size": len(raw), "artifactType": kind}
                found.append({**entry, **({"annotations": a} if (a := document.get("annotations")) else {})})
        return found

    def store_manifest(self, name: str, reference: str, raw: bytes, media_type: str) -> str:
        """Keep a manifest by its digest, and under ``reference`` where that is a tag."""
        repository = self.repositories.setdefault(name, Repository())
        digest = reference if ":" in reference else digest_of(raw)
        repository.manifests[digest] = (media_type, raw)
        if ":" not in reference:
            repository.tags[reference] = digest
        return digest
