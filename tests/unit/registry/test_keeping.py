"""Documents that outlive the process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import NotFound
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import Registries, RegistryConfig
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.store import Store
from tests.upstreams.app_client import AppClient
from tests.upstreams.content import Seeded
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio
HOST = "registry.test"


class _Private:
    private = True
    partition = ""

    def check_target(self, registry: str, repository: str) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    held = InMemoryRegistry()
    yield held
    held.close()


@pytest.fixture
def image(registry: InMemoryRegistry) -> Seeded:
    return registry.add_image("team/app", "1")


def client(registry: InMemoryRegistry, folder: Path | None) -> RegistryClient:
    """A client of a process of its own: only the store is what others left."""
    registries = Registries.build(
        [RegistryConfig.create(HOST, "https://registry.test", username="alice", password="wonderland")]
    )
    return RegistryClient(AppClient(registry), Cache(), registries, Store(folder) if folder else None)


def pinned(image: Seeded) -> Reference:
    return Reference.parse(f"{HOST}/team/app@{image.digest}")


async def test_the_next_process_asks_for_no_document_again(
    registry: InMemoryRegistry, image: Seeded, tmp_path: Path
) -> None:
    first = await client(registry, tmp_path).image(ANONYMOUS, pinned(image))
    registry.clear()
    second = await client(registry, tmp_path).image(ANONYMOUS, pinned(image))
    assert registry.requests == []
    assert second.value.manifest == first.value.manifest
    assert second.value.config == first.value.config
    assert (first.source, second.source) == ("live", "cache")
    assert abs((second.fetched_at - first.fetched_at).total_seconds()) < 5


async def test_blobs_are_kept_too(registry: InMemoryRegistry, tmp_path: Path) -> None:
    digest = Digest(registry.put_blob("team/app", b"a document"))
    descriptor = Descriptor("text/plain", digest, 10)
    repository = Reference.parse(f"{HOST}/team/app").repository
    for source in ("live", "cache"):
        found = await client(registry, tmp_path).blob(ANONYMOUS, repository, descriptor, 100)
        assert (found.value, found.source) == (b"a document", source)
    assert registry.count("GET") == 1


async def test_what_was_fetched_with_credentials_is_never_kept_nor_read_for_others(
    registry: InMemoryRegistry, image: Seeded, tmp_path: Path
) -> None:
    await client(registry, tmp_path).image(_Private(), pinned(image))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    asked = registry.count("GET")
    await client(registry, tmp_path).image(ANONYMOUS, pinned(image))
    assert registry.count("GET") == 2 * asked


async def test_a_document_of_one_repository_is_not_there_in_another(
    registry: InMemoryRegistry, image: Seeded, tmp_path: Path
) -> None:
    await client(registry, tmp_path).manifest(ANONYMOUS, pinned(image))
    with pytest.raises(NotFound):
        await client(registry, tmp_path).manifest(ANONYMOUS, Reference.parse(f"{HOST}/other/app@{image.digest}"))


async def test_a_kept_document_that_is_not_what_its_digest_says_is_fetched_again(
    registry: InMemoryRegistry, image: Seeded, tmp_path: Path
) -> None:
    address = f"https://registry.test/team/app@{image.digest}"
    Store(tmp_path).put("manifest", address, image.media_type.encode() + b"\n" + image.raw + b" ")
    found = await client(registry, tmp_path).manifest(ANONYMOUS, pinned(image))
    assert (found.value.raw, found.source) == (image.raw, "live")


async def test_without_a_store_nothing_is_kept(registry: InMemoryRegistry, image: Seeded) -> None:
    for _ in range(2):
        assert (await client(registry, None).manifest(ANONYMOUS, pinned(image))).source == "live"


async def test_what_is_made_of_a_public_blob_is_shared_and_of_a_private_one_is_not(registry: InMemoryRegistry) -> None:
    one = client(registry, None)
    digest = Digest("sha256:" + "0" * 64)
    app, other = (Reference.parse(f"{HOST}/{name}").repository for name in ("team/app", "team/other"))
    assert one.derived_key(ANONYMOUS, app, "x", digest) == one.derived_key(ANONYMOUS, other, "x", digest)
    private = [one.derived_key(_Private(), repository, "x", digest) for repository in (app, other)]
    assert private[0] != private[1]
    assert {key.identity for key in private} == {one.endpoint(_Private(), app).credential.identity}
