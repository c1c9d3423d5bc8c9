"""A stand-in Docker Hub: the read endpoints of its API, tokens, rate limits and faults, from seed files.

As a process: ``python -m tests.upstreams.hub --port 0 --seed FILE`` prints ``{"url": …}`` and serves until it is
stopped. In a test: ``with running_hub(HubState(...)) as hub``. Validated against ``contracts/hub.json``.
"""

import argparse
import base64
import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.upstreams.hub_faults import Fault, FaultLayer, named
from tests.upstreams.hub_seed import SeedRepository, load, repositories

TOKEN_LIFETIME = 600
MAX_PAGE = 100
SEARCH_WINDOW = 2500
_ALIAS = "/v2/repositories/{namespace}/{repository}"
_DOCUMENTED = "/v2/namespaces/{namespace}/repositories/{repository}"

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came; ``headers`` in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class HubState:
    """What the stand-in serves and how it behaves; may be changed while it runs."""

    repositories: dict[str, SeedRepository] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    """User names and their secrets."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[Recorded] = field(default_factory=list)
    limit: int = 180
    """Requests per minute and client; then 429."""
    clock: Callable[[], float] = time.time
    search_v4: bool = True
    tags_want_login: bool = False
    """The documented routes of tags refuse anonymous callers, the older ones answer."""
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    window: tuple[int, int] = (0, 0)
    """The minute that is counted, and its requests so far."""

    @classmethod
    def seeded(cls, *documents: Mapping[str, Any], **options: Any) -> "HubState":
        """From documents in the seed format."""
        accounts = {name: secret for seed in documents for name, secret in seed.get("accounts", {}).items()}
        return cls(repositories(documents), accounts, **options)

    def paths(self, *, method: str | None = None) -> list[str]:
        """Paths that were requested, in order, control and tokens left out."""
        return [r.path for r in self.requests if method in (None, r.method) and r.path != "/v2/auth/token"]


class Refused(Exception):
    """An answer other than the one asked for."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class _Api:
    """The endpoints."""

    def __init__(self, state: HubState) -> None:
        self._state = state

    async def token(self, request: Request) -> Response:
        body = await request.json()
        name, secret = body.get("identifier"), body.get("secret")
        if name not in self._state.accounts or self._state.accounts[name] != secret:
            raise Refused(401, {"detail": "Incorrect authentication credentials"})
        expires = self._state.clock() + TOKEN_LIFETIME
        token = f"{_segment({'alg': 'none'})}.{_segment({'exp': int(expires)})}.{secrets.token_hex(16)}"
        self._state.tokens[token] = (name, expires)
        return JSONResponse({"access_token": token})

    async def repositories(self, request: Request) -> Response:
        orders: dict[str, Callable[[SeedRepository], Any]] = {
            "name": lambda r: r.name,
            "last_updated": lambda r: r.updated,
            "pull_count": lambda r: r.pull_count,
        }
        ordering = request.query_params.get("ordering", "-last_updated")
        key = orders.get(ordering.removeprefix("-"))
        if key is None:
            raise Refused(400, {"fields": {"ordering": "invalid"}, "text": "Invalid ordering value"})
        part = request.query_params.get("name", "")
        namespace = request.path_params["namespace"]
        named_so = [r for r in self._visible(request) if r.namespace == namespace and part in r.name]
        ordered = sorted(named_so, key=key, reverse=ordering.startswith("-"))
        return self._page(request, [r.list_entry() for r in ordered])

    async def repository(self, request: Request) -> Response:
        return JSONResponse(self._repository(request).details())

    async def tags(self, request: Request) -> Response:
        repository = self._repository(request)
        part = request.query_params.get("name", "")
        names = [name for name in repository.tags if part in name]
        ordering = request.query_params.get("ordering", "last_updated")
        if ordering in ("name", "-name"):
            names.sort(reverse=ordering == "-name")
        else:
            # Newest first without the minus, as recorded.
            dates = {name: repository.tags[name].get("last_updated") or "" for name in names}
            names.sort(key=lambda name: (dates[name], name), reverse=ordering != "-last_updated")
        return self._page(request, names, repository.tag)

    async def tag(self, request: Request) -> Response:
        repository = self._repository(request)
        return JSONResponse(repository.tag(self._tag(repository, request)))

    async def tag_images(self, request: Request) -> Response:
        repository = self._repository(request)
        return JSONResponse(repository.tag_images(self._tag(repository, request)))

    async def search(self, request: Request) -> Response:
        if not self._state.search_v4:
            raise Refused(404, {"message": "not found"})
        asked = request.query_params
        start, size = _number(asked.get("from"), 0), _number(asked.get("size"), 10)
        if start < 0 or not 0 <= size <= MAX_PAGE or start + size > SEARCH_WINDOW:
            raise Refused(400, {"message": "from + size must not exceed 2500"})
        found = [r.found() for r in self._matches(asked.get("query", "")) if _passes(r, asked)]
        return JSONResponse({"total": len(found), "results": found[start : start + size]})

    async def search_before(self, request: Request) -> Response:
        found = [r.found_before() for r in self._matches(request.query_params.get("query", ""))]
        return self._page(request, found, no_link="")

    def _matches(self, query: str) -> list[SeedRepository]:
        words = query.lower().split()
        hits = [
            r
            for r in self._state.repositories.values()
            if not r.is_private and all(w in f"{r.path} {r.facts.get('description', '')}".lower() for w in words)
        ]
        return sorted(hits, key=lambda r: (r.familiar != query, r.badge != "official", -r.pull_count, r.path))

    def _visible(self, request: Request) -> list[SeedRepository]:
        account = self._account(request)
        everything = self._state.repositories.values()
        return [r for r in everything if not r.is_private or _may_read(r, account)]

    def _repository(self, request: Request) -> SeedRepository:
        account = self._account(request)
        documented = request.url.path.startswith("/v2/namespaces/")
        if self._state.tags_want_login and documented and not account and "/tags" in request.url.path:
            raise Refused(401, {"detail": "authentication required"})
        asked = request.path_params
        repository = self._state.repositories.get(f"{asked['namespace']}/{asked['repository']}")
        if repository is None or (repository.is_private and not _may_read(repository, account)):
            raise Refused(404, {"message": "object not found", "errinfo": {}})
        return repository

    @staticmethod
    def _tag(repository: SeedRepository, request: Request) -> str:
        name = str(request.path_params["tag"])
        if name not in repository.tags:
            raise Refused(404, {"message": "tag not found"})
        return name

    def _account(self, request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            return None
        name, expires = self._state.tokens.get(token, ("", 0.0))
        if scheme.lower() != "bearer" or expires <= self._state.clock():
            raise Refused(401, {"detail": "invalid token"})
        return name

    def _page(
        self,
        request: Request,
        entries: Sequence[Any],
        word: Callable[[Any], Any] = lambda entry: entry,
        no_link: str | None = None,
    ) -> Response:
        page = _number(request.query_params.get("page"), 1)
        size = min(_number(request.query_params.get("page_size"), 10), MAX_PAGE)
        if page < 1 or size < 1:
            raise Refused(400, {"message": "invalid page"})
        chosen = entries[(page - 1) * size : page * size]
        if not chosen and page > 1:
            raise Refused(404, {"message": "page not found"})
        more = page * size < len(entries)
        return JSONResponse(
            {
                "count": len(entries),
                "next": str(request.url.include_query_params(page=page + 1)) if more else None,
                "previous": str(request.url.include_query_params(page=page - 1)) if page > 1 else no_link,
                "results": [word(entry) for entry in chosen],
            }
        )


class _Control:
    """Switches of a stand-in that runs in a process of its own."""

    def __init__(self, state: HubState) -> None:
        self._state = state

    async def faults(self, request: Request) -> Response:
        """POST ``{"name": …, "path"?, "times"?, …}`` adds a named fault; DELETE takes all away."""
        if request.method == "DELETE":
            self._state.faults.clear()
        else:
            self._state.faults.append(named(**await request.json()))
        return Response(status_code=204)

    async def requests(self, request: Request) -> Response:
        """GET what came in; DELETE forgets it."""
        if request.method == "DELETE":
            self._state.requests.clear()
        entries = [{"method": r.method, "path": r.path, "query": dict(r.query)} for r in self._state.requests]
        return JSONResponse(entries)


def create_app(state: HubState) -> ASGIApp:
    """The stand-in as an ASGI application."""
    api, control = _Api(state), _Control(state)

    def answer(handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            query, headers = dict(request.query_params), dict(request.headers)
            state.requests.append(Recorded(request.method, request.url.path, query, headers))
            try:
                limits = _count(state)
                response = await handler(request)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status, headers=_limit_headers(state))
            response.headers.update(limits)
            return response

        return handle

    below: tuple[tuple[str, Handler], ...] = (
        ("", api.repository),
        ("/tags", api.tags),
        ("/tags/{tag}", api.tag),
        ("/tags/{tag}/images", api.tag_images),
    )
    routes = [Route(f"{base}{rest}", answer(h)) for base in (_DOCUMENTED, _ALIAS) for rest, h in below]
    routes += [Route(f"{_ALIAS}{rest}/", answer(h)) for rest, h in below]
    routes += [
        Route("/v2/auth/token", answer(api.token), methods=["POST"]),
        Route("/v2/namespaces/{namespace}/repositories", answer(api.repositories)),
        Route("/api/search/v4", answer(api.search)),
        Route("/v2/search/repositories/", answer(api.search_before)),
        Route("/_control/faults", control.faults, methods=["POST", "DELETE"]),
        Route("/_control/requests", control.requests, methods=["GET", "DELETE"]),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return FaultLayer(app, state.faults)


@contextlib.contextmanager
def running_hub(state: HubState) -> Iterator[str]:
    """Serve on a free loopback port from a thread; yields the URL."""
    with running_app(create_app(state)) as url:
        yield url


@contextlib.contextmanager
def running_app(app: ASGIApp) -> Iterator[str]:
    """As ``running_hub``, for any application."""
    server = _server(app)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def _server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _count(state: HubState) -> dict[str, str]:
    minute = int(state.clock() // 60)
    used = state.window[1] if state.window[0] == minute else 0
    state.window = (minute, used + 1)
    if used >= state.limit:
        raise Refused(429, {"detail": "Rate limit exceeded"})
    return _limit_headers(state)


def _limit_headers(state: HubState) -> dict[str, str]:
    minute, used = state.window
    reset = str((minute + 1) * 60)
    if used > state.limit:
        return {"X-Retry-After": reset}
    return {
        "X-RateLimit-Limit": str(state.limit),
        "X-RateLimit-Remaining": str(state.limit - used),
        "X-RateLimit-Reset": reset,
    }


def _may_read(repository: SeedRepository, account: str | None) -> bool:
    readers = repository.facts.get("readers")
    return account is not None and (readers is None or account in readers)


def _passes(repository: SeedRepository, asked: Mapping[str, str]) -> bool:
    """The search's filters: comma separated words, any of which will do."""
    has = {
        "badges": {repository.badge or "none"},
        "type": {repository.facts.get("repository_type", "image")},
        "architectures": set(repository.facts.get("architectures", repository.platforms("architecture"))),
        "operating_systems": set(repository.facts.get("operating_systems", repository.platforms("os"))),
    }
    return all(has[name] & set(asked[name].split(",")) for name in has if asked.get(name))


def _number(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        raise Refused(400, {"message": "not a number"}) from None


def _segment(claims: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=Path, action="append", default=[])
    parser.add_argument("--limit", type=int, default=180, help="requests per minute before 429")
    parser.add_argument("--account", action="append", default=[], help="NAME:SECRET that may log in")
    options = parser.parse_args(arguments)
    state = HubState.seeded(*load(options.seed), limit=options.limit)
    state.accounts |= dict(entry.split(":", 1) for entry in options.account)
    with socket.create_server(("127.0.0.1", options.port)) as listener, contextlib.suppress(KeyboardInterrupt):
        print(json.dumps({"url": _url(listener)}), flush=True)
        _server(create_app(state)).run(sockets=[listener])


if __name__ == "__main__":
    main()
