"""Reading local images as the scan does, without the rest of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import Registries
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.scan.local.registry import LocalRegistry
from mcp_dockerhub.scan.target import Local, opened, parse_target
from tests.upstreams.layers import Member, tar_of
from tests.upstreams.scripted_http import ScriptedHttp

MAX = 10_000_000
BASE = tar_of([Member("etc/os-release", b"ID=alpine\n")])
TOP = tar_of([Member("app/main.py", b"print()\n")])


@contextmanager
def reading(text: str, max_bytes: int = MAX) -> Iterator[tuple[RegistryClient, Local]]:
    asked = parse_target(text)
    assert asked.place is not None
    with opened(asked.place, max_bytes) as local:
        http = LocalRegistry(local.ref.repository, local.contents, ScriptedHttp({}))
        yield RegistryClient(http, Cache(), Registries()), local


async def image_of(text: str, platform: str = "") -> Image:
    with reading(text) as (client, local):
        return (await client.image(ANONYMOUS, local.ref, Platform.parse(platform) if platform else None)).value


async def layers_of(text: str) -> list[bytes]:
    """The bytes of each layer, as the cataloguer reads them."""
    with reading(text) as (client, local):
        image = (await client.image(ANONYMOUS, local.ref)).value
        found = []
        for layer in image.manifest.layers:
            async with client.layer_stream(ANONYMOUS, local.ref.repository, layer, seconds=5) as chunks:
                found.append(b"".join([chunk async for chunk in chunks]))
        return found
