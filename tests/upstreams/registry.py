"""A registry in memory on a loopback port, for tests and the demonstration.

    with InMemoryRegistry(auth="token") as registry:
        registry.add_image("library/nginx", "alpine")
        registry.url            # http://127.0.0.1:PORT
        registry.behaviour.head = "not_allowed"
        registry.count("GET", "/manifests/")

Alone: ``python -m tests.upstreams.registry --port 0 --seed FILE`` prints ``{"url": …}`` and serves until it is stopped.
"""

import argparse
import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import uvicorn

from tests.upstreams.content import Seeded, Seeder, digest_of
from tests.upstreams.registry_app import RegistryApp, Repository
from tests.upstreams.registry_behaviour import Behaviour, Recorded, Scripted

__all__ = ["Behaviour", "InMemoryRegistry", "Recorded", "Seeded", "Seeder"]

STOP_TIMEOUT = 10.0


class InMemoryRegistry(Seeder):
    """A registry served from a thread of its own; ``behaviour`` fields can be given as arguments."""

    def __init__(self, behaviour: Behaviour | None = None, *, port: int = 0, **fields: Any) -> None:
        self.behaviour = behaviour or Behaviour(**fields)
        self.app = RegistryApp(self.behaviour)
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.app.base_url = self.url
        config = uvicorn.Config(
            self.app, lifespan="off", log_level="critical", http="h11", ws="none", server_header=False, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    @property
    def host(self) -> str:
        """As references name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def origins(self) -> frozenset[str]:
        """What the HTTP stack must be told is configured."""
        return frozenset({self.url})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT)
        assert not self._thread.is_alive(), "the registry did not stop"
        self.close()

    def close(self) -> None:
        """Give the port back; for registries that were never served."""
        self._socket.close()

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._running.set()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    def put_blob(self, repository: str, data: bytes) -> str:
        digest = digest_of(data)
        self.app.repositories.setdefault(repository, Repository()).blobs[digest] = data
        return digest

    def put_manifest(self, repository: str, reference: str, raw: bytes, media_type: str) -> str:
        return self.app.store_manifest(repository, reference, raw, media_type)

    def script(
        self,
        status: int,
        *,
        method: str = "*",
        path: str = "",
        body: bytes | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
        times: int = 1_000_000,
    ) -> None:
        """Answer requests whose path contains the expression ``path`` so, ``times`` times, before all else."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes) else {"content-type": "application/json"}
        self.app.scripts.append(Scripted(method, re.compile(path), status, {**kind, **(headers or {})}, raw, times))

    @property
    def requests(self) -> list[Recorded]:
        """All that arrived, in order."""
        return self.app.requests

    def count(self, method: str = "", path: str = "") -> int:
        """Requests with this method whose path contains ``path``; token requests only if asked for."""
        return sum(
            (not method or request.method == method)
            and path in request.path
            and (request.path != "/token" or path == "/token")
            for request in self.requests
        )

    def clear(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Accept requests but answer none until left."""
        gate = asyncio.Event()
        self.app.gate = gate
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Answer what waits."""
        gate, self.app.gate = self.app.gate, None
        if gate is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(gate.set)

    def seed(self, document: Mapping[str, Any]) -> None:
        """Fill from a seed file's content: see ``seed_from``."""
        seed_from(self, document)


def seed_from(seeder: Seeder, document: Mapping[str, Any]) -> None:
    """Push what ``{"images": [{"repository", "tags", "platforms", …arguments of add_image}]}`` describes.

    Layers are given as texts. With more than one platform the tags name an index. ``tag_lists`` maps repositories
    to further tags, all on the repository's first image.
    """
    first: dict[str, Seeded] = {}
    for entry in document.get("images", []):
        options = {key: value for key, value in entry.items() if key not in ("repository", "tags", "platforms")}
        if "layers" in options:
            options["layers"] = [layer.encode() for layer in options["layers"]]
        repository, tags = entry["repository"], entry["tags"]
        platforms = entry.get("platforms", ["linux/amd64"])
        if len(platforms) > 1:
            pushed, _ = seeder.add_multi_platform(repository, tags[0], platforms, **options)
        else:
            pushed = seeder.add_image(repository, tags[0], platform=platforms[0], **options)
        seeder.add_tags(repository, pushed, tags[1:])
        first.setdefault(repository, pushed)
    for repository, tags in document.get("tag_lists", {}).items():
        seeder.add_tags(repository, first[repository], tags)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="An OCI registry in memory, on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=Path, help="JSON file: images to hold")
    options = parser.parse_args(arguments)
    registry = InMemoryRegistry(port=options.port)
    if options.seed:
        registry.seed(json.loads(options.seed.read_text()))
    with registry:
        print(json.dumps({"url": registry.url}), flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
