"""From an image in a registry to its packages."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.cache import Cache, Cached
from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import Registries, RegistryConfig
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.store import Store
from mcp_dockerhub.supply_chain.catalogue import cataloguer as module
from mcp_dockerhub.supply_chain.catalogue.cataloguer import CatalogueLimits, LayerCataloguer, LayerReader, Progress
from mcp_dockerhub.supply_chain.catalogue.process import WorkerFailed, WorkerLimits, run_worker
from mcp_dockerhub.supply_chain.packages import GapKind, PackageSet
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, StreamedResponse
from tests.upstreams.app_client import AppClient
from tests.upstreams.layers import OS_RELEASE, STATUS, Member, metadata, tar_of
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio
BASE = tar_of([Member("etc/os-release", OS_RELEASE), Member("var/lib/dpkg/status", STATUS)])
APP = tar_of([Member("app/six-1.dist-info/METADATA", metadata("six", "1")), Member("bin/su", b"x", mode=0o4755)])
OTHER = tar_of([Member("app/.wh.six-1.dist-info"), Member("app/idna-3.dist-info/METADATA", metadata("idna", "3"))])


class _Private:
    private = True
    partition = ""

    def check_target(self, registry: str, repository: str) -> None:
        pass


class Process:
    """One process: a client, a cache, and perhaps what others left in a folder."""

    made: ClassVar["list[Process]"] = []

    def __init__(
        self, registry: InMemoryRegistry, folder: Path | None = None, limits: CatalogueLimits | None = None
    ) -> None:
        self.http = AppClient(registry)
        self.cache = Cache()
        store = Store(folder) if folder else None
        registries = Registries.build(
            [RegistryConfig.create("registry.test", "https://registry.test", username="alice", password="wonderland")]
        )
        client = RegistryClient(self.http, self.cache, registries)
        hub = HubClient(self.http, self.cache, "https://hub.test", ANONYMOUS_CREDENTIAL)
        self.sources = Sources(client, hub)
        self.reader = LayerReader(self.cache, store, limits)
        self.made.append(self)

    async def catalogue(
        self, name: str = "app:1", progress: Progress | None = None, access: Any = ANONYMOUS
    ) -> Cached[PackageSet]:
        ref = Reference.parse(f"registry.test/{name}")
        image = (await self.sources.registry.image(access, ref)).value
        return await LayerCataloguer(self.reader, progress).catalogue(self.sources, access, ref, image)

    async def names(self, name: str = "app:1", access: Any = ANONYMOUS) -> set[str]:
        return {package.name for package in (await self.catalogue(name, access=access)).value.packages}


@pytest.fixture(autouse=True)
async def _every_process_ends_properly() -> AsyncIterator[None]:
    yield
    while Process.made:
        await Process.made.pop().cache.aclose()


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    held = InMemoryRegistry()
    held.add_image("app", "1", layers=[BASE, APP])
    held.add_image("app", "2", layers=[BASE, APP, OTHER])
    held.add_image("elsewhere", "1", layers=[BASE])
    yield held
    held.close()


def layers_asked(registry: InMemoryRegistry) -> int:
    return registry.count("GET", "/blobs/") - registry.count("GET", "config")


def blobs(registry: InMemoryRegistry) -> list[str]:
    return [request.path for request in registry.requests if "/blobs/" in request.path]


async def test_the_packages_of_all_layers_are_listed(registry: InMemoryRegistry) -> None:
    found = await Process(registry).catalogue()
    assert [(one.type, one.name) for one in found.value.packages] == [
        ("deb", "libc6"),
        ("deb", "openssl"),
        ("deb", "libssl3"),
        ("pypi", "six"),
    ]
    assert found.value.packages[0].layer != found.value.packages[3].layer
    assert (found.value.found, found.source, found.value.coverage.complete) == ("catalogue", "live", True)


async def test_an_image_of_windows_is_never_said_to_hold_nothing(registry: InMemoryRegistry) -> None:
    registry.add_image("app", "windows", layers=[tar_of([Member("Files/app.exe", b"MZ")])], platform="windows/amd64")
    found = (await Process(registry).catalogue("app:windows")).value
    assert [(gap.kind, "Windows" in gap.what) for gap in found.coverage.gaps] == [(GapKind.UNREAD, True)]
    assert found.packages == ()


async def test_an_image_on_the_same_base_costs_its_own_layers_only(registry: InMemoryRegistry) -> None:
    process = Process(registry)
    await process.catalogue()
    registry.clear()
    assert await process.names("app:2") == {"libc6", "openssl", "libssl3", "idna"}
    assert len(blobs(registry)) == 2  # its configuration and one layer
    registry.clear()
    assert await process.names("elsewhere:1") == {"libc6", "openssl", "libssl3"}
    assert len(blobs(registry)) == 1


async def test_an_image_already_read_costs_nothing(registry: InMemoryRegistry) -> None:
    process = Process(registry)
    await process.catalogue()
    registry.clear()
    assert (await process.catalogue()).source == "cache"
    assert registry.requests == []


async def test_the_next_process_knows_what_the_last_one_read(registry: InMemoryRegistry, tmp_path: Path) -> None:
    first = await Process(registry, tmp_path).catalogue()
    registry.clear()
    second = await Process(registry, tmp_path).catalogue()
    assert second.value == first.value
    assert len(blobs(registry)) == 1  # the configuration: this client has no store
    assert second.fetched_at <= first.fetched_at or (second.fetched_at - first.fetched_at).total_seconds() < 5


async def test_a_kept_result_that_is_none_is_read_again(registry: InMemoryRegistry, tmp_path: Path) -> None:
    await Process(registry, tmp_path).catalogue()
    store = Store(tmp_path)
    ref = Reference.parse("registry.test/app:1")
    process = Process(registry, tmp_path)
    image = (await process.sources.registry.image(ANONYMOUS, ref)).value
    for layer in image.manifest.layers:
        assert store.get(module._KIND, layer.digest) is not None
        store.put(module._KIND, layer.digest, b"nonsense")
    registry.clear()
    assert len(await process.names()) == 4
    assert len(blobs(registry)) == 2


async def test_private_layers_are_neither_kept_nor_shared(registry: InMemoryRegistry, tmp_path: Path) -> None:
    process = Process(registry, tmp_path)
    await process.catalogue(access=_Private())
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"] == []
    registry.clear()
    await process.catalogue()
    assert len(blobs(registry)) == 3
    registry.clear()
    await process.catalogue(access=_Private())
    assert blobs(registry) == []


@pytest.mark.parametrize("flipped", [20, 60, -3])
async def test_a_layer_altered_on_the_way_is_refused_and_nothing_of_it_is_kept(
    registry: InMemoryRegistry, tmp_path: Path, flipped: int
) -> None:
    process = Process(registry, tmp_path)
    ref = Reference.parse("registry.test/app:1")
    image = (await process.sources.registry.image(ANONYMOUS, ref)).value
    digest = image.manifest.layers[1].digest
    blobs_of = registry.app.repositories["app"].blobs
    raw = bytearray(blobs_of[digest])
    raw[flipped] ^= 1
    blobs_of[digest] = bytes(raw)
    with pytest.raises(UpstreamInvalid):
        await process.catalogue()
    assert Store(tmp_path).get(module._KIND, digest) is None


async def test_callers_who_ask_at_the_same_time_share_one_download(registry: InMemoryRegistry) -> None:
    process = Process(registry)
    found = await asyncio.gather(*(process.catalogue() for _ in range(4)))
    assert all(one.value == found[0].value for one in found)
    assert len(blobs(registry)) == 3


async def test_progress_grows_to_the_size_of_all_layers(
    registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TICK", 0.001)
    told: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        told.append((done, total))

    await Process(registry).catalogue(progress=progress)
    assert told == sorted(set(told))
    assert told[-1][0] == told[-1][1] > 0


async def test_what_else_lies_in_the_layers_is_told_layer_by_layer(registry: InMemoryRegistry) -> None:
    process = Process(registry)
    ref = Reference.parse("registry.test/app:1")
    image = (await process.sources.registry.image(ANONYMOUS, ref)).value
    found = (await LayerCataloguer(process.reader).layers(process.sources, ANONYMOUS, ref, image)).value
    assert [layer.descriptor for layer in found] == list(image.manifest.layers)
    facts = [layer.facts for layer in found]
    assert facts[0] is not None
    assert facts[1] is not None
    assert [file.path for file in facts[1].privileged] == ["bin/su"]
    assert (facts[0].entries, facts[0].evidence) == (2, {})


async def test_a_layer_beyond_the_limits_is_a_gap_and_tried_again(
    registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = run_worker, [WorkerFailed("it needs too much")] * 2

    async def failing(*arguments: Any) -> bytes:
        if failures:
            raise failures.pop()
        return await real(*arguments)

    monkeypatch.setattr(module, "run_worker", failing)
    process = Process(registry)
    found = (await process.catalogue()).value
    assert found.packages == ()
    assert [(gap.kind, gap.what) for gap in found.coverage.gaps] == [
        (GapKind.LIMIT, "layer that was not read: it needs too much")
    ] * 2
    ref = Reference.parse("registry.test/app:1")
    failures.append(WorkerFailed("again"))
    image = (await process.sources.registry.image(ANONYMOUS, ref)).value
    contents = (await LayerCataloguer(process.reader).layers(process.sources, ANONYMOUS, ref, image)).value
    assert sorted(layer.problem for layer in contents) == ["", "again"]
    assert len(await process.names()) == 4


async def test_a_worker_that_says_nonsense_is_a_gap(
    registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lying(*_: Any) -> bytes:
        return b"{}"

    monkeypatch.setattr(module, "run_worker", lying)
    assert {gap.kind for gap in (await Process(registry).catalogue()).value.coverage.gaps} == {GapKind.LIMIT}


async def test_an_image_beyond_the_limits_is_not_begun(
    registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TooLarge, match="at most 100"):
        await Process(registry, limits=CatalogueLimits(image_bytes=100)).catalogue()
    monkeypatch.setattr(module, "MAX_LAYERS", 1)
    with pytest.raises(TooLarge, match="2 layers"):
        await Process(registry).catalogue()


async def test_an_image_with_too_many_findings_says_which_layers_are_left_out(
    registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FACTS", 700)
    found = (await Process(registry).catalogue()).value
    assert [gap.what for gap in found.coverage.gaps if gap.layer] == [
        "layer that was not read: the image has too many findings"
    ]


async def test_a_foreign_layer_is_a_gap(registry: InMemoryRegistry) -> None:
    process = Process(registry)
    ref = Reference.parse("registry.test/app:1")
    image = (await process.sources.registry.image(ANONYMOUS, ref)).value
    foreign = Descriptor("x", image.manifest.layers[0].digest, 9, urls=("https://elsewhere.test",))
    changed = _with_layers(image, (foreign, image.manifest.layers[1]))
    found = (await LayerCataloguer(process.reader).catalogue(process.sources, ANONYMOUS, ref, changed)).value
    assert [one.name for one in found.packages] == ["six"]
    assert [gap.what for gap in found.coverage.gaps] == ["layer that was not read: it is kept outside the registry"]


def _with_layers(image: Any, layers: tuple[Descriptor, ...]) -> Any:
    from dataclasses import replace

    return replace(image, manifest=replace(image.manifest, layers=layers))


class Stalled(AppClient):
    """Layers begin and never end."""

    begun = 0
    open = 0

    @asynccontextmanager
    async def stream(self, *arguments: Any, **options: Any) -> AsyncIterator[StreamedResponse]:
        async with super().stream(*arguments, **options) as answer:

            async def chunks() -> AsyncIterator[bytes]:
                async for chunk in answer.chunks:
                    yield chunk[:20]
                self.begun += 1
                await asyncio.Event().wait()

            self.open += 1
            try:
                yield StreamedResponse(answer.status, answer.headers, answer.url, chunks())
            finally:
                self.open -= 1


@pytest.fixture
def stalled(registry: InMemoryRegistry) -> Process:
    process = Process(registry, limits=CatalogueLimits(workers=1))
    process.http = Stalled(registry)
    process.sources = Sources(RegistryClient(process.http, process.cache, Registries.build([])), process.sources.hub)
    return process


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_call_that_is_cancelled_stops_its_downloads_within_a_second(stalled: Process) -> None:
    http = stalled.http
    assert isinstance(http, Stalled)
    task = asyncio.create_task(stalled.catalogue())
    await until(lambda: http.begun)
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: http.open == 0 and not stalled.reader._flows)


async def test_a_layer_that_never_ends_is_given_up(stalled: Process) -> None:
    stalled.reader.limits = CatalogueLimits(seconds=0.3, workers=2, worker=WorkerLimits())
    found = (await stalled.catalogue()).value
    assert {gap.what for gap in found.coverage.gaps} == {
        "layer that was not read: it did not come and was not read within 0 s"
    }
