"""From an image to its packages by its layers: each fetched, verified and read once, whoever asks and however often."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cache, Cached, Fetched, Key
from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.images.reading import task_group
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Digest, Reference, Repository
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.freshness import combined
from mcp_dockerhub.registry.models import Descriptor, Image
from mcp_dockerhub.store import Store
from mcp_dockerhub.supply_chain.catalogue.inventory import Gaps, inventory
from mcp_dockerhub.supply_chain.catalogue.layer import MAX_JSON, LayerFacts, NotFacts, read_facts
from mcp_dockerhub.supply_chain.catalogue.overlay import Overlay
from mcp_dockerhub.supply_chain.catalogue.process import WorkerFailed, WorkerLimits, run_worker
from mcp_dockerhub.supply_chain.catalogue.survey import FORMAT
from mcp_dockerhub.supply_chain.packages import GapKind, PackageSet
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from mcp_dockerhub.transport.deadline import own_deadline

MAX_LAYERS: Final = 512
MAX_FACTS: Final = 64 * 1024 * 1024
"""Bytes of the findings of all layers of one image; real images have less than one hundredth."""
_KIND: Final = f"layer facts {FORMAT}"
_FOREIGN: Final = "it is kept outside the registry"
_TICK: Final = 0.5
"""Seconds between two reports of progress."""

T = TypeVar("T")
Progress = Callable[[int, int], Awaitable[None]]
"""Told how many bytes of how many have been read so far."""


@dataclass(frozen=True, slots=True)
class CatalogueLimits:
    """What one catalogue may cost."""

    seconds: float = 300.0
    """For one layer, from its first byte to its result."""
    image_bytes: int = 8 * 1024**3
    """Compressed bytes of all layers together."""
    workers: int = 2
    """Layers read at the same time, over all callers."""
    worker: WorkerLimits = field(default_factory=WorkerLimits)


@dataclass(frozen=True, slots=True)
class LayerContents:
    """One layer of an image and what it holds besides packages."""

    descriptor: Descriptor
    facts: LayerFacts | None
    """Sizes, privileged files, caches and gaps; what only counts for the image as a whole is left out. None where
    the layer was not read."""
    problem: str = ""
    """Why it was not."""


class _NotRead(TooLarge):
    """A layer that costs more than the limits allow: said to all who wait for it, and not remembered."""


@dataclass(slots=True)
class _Flow:
    """How much of one layer has come, for whoever waits for it."""

    received: int = 0


@dataclass(frozen=True, slots=True)
class _Repository:
    """Where layers come from, as one caller may read it."""

    registry: RegistryClient
    access: Access
    repository: Repository

    def key(self, layer: Descriptor) -> Key:
        return self.registry.derived_key(self.access, self.repository, _KIND, layer.digest)

    def stream(self, layer: Descriptor, seconds: float) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self.registry.layer_stream(self.access, self.repository, layer, seconds=seconds)


class LayerReader:
    """Reads layers for all callers of a process."""

    def __init__(self, cache: Cache, store: Store | None = None, limits: CatalogueLimits | None = None) -> None:
        """``store`` keeps what was learnt about public layers beyond the life of the process."""
        self._cache = cache
        self._store = store
        self.limits = limits or CatalogueLimits()
        self._flows: dict[Key, _Flow] = {}
        self._slots: asyncio.Semaphore | None = None

    async def read(self, repository: _Repository, layer: Descriptor) -> Cached[bytes]:
        """What a layer holds, for ``unpacked``: known already, or read now.

        Raises what ``RegistryClient.layer_stream`` raises, TooLarge when the layer costs more than the limits allow.
        """
        key = repository.key(layer)
        return await self._cache.get(key, lambda: self._learn(key, repository, layer))

    def received(self, repository: _Repository, layer: Descriptor) -> int:
        """Bytes of a layer that have come so far; none when nobody is reading it."""
        flow = self._flows.get(repository.key(layer))
        return flow.received if flow else 0

    async def _learn(self, key: Key, repository: _Repository, layer: Descriptor) -> Fetched[bytes]:
        store = self._store if key.identity == ANONYMOUS_CREDENTIAL.identity else None
        stored = await store.read(_KIND, layer.digest) if store else None
        if stored is not None and await asyncio.to_thread(_is_usable, stored.content):
            return Fetched(stored.content, len(stored.content), stored.kept_at)
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.limits.workers)
        flow = self._flows[key] = _Flow()
        try:
            async with self._slots:
                with own_deadline(self.limits.seconds):
                    packed = await self._work(flow, repository, layer)
        finally:
            self._flows.pop(key, None)
        if store:
            await store.keep(_KIND, layer.digest, packed)
        return Fetched(packed, len(packed))

    async def _work(self, flow: _Flow, repository: _Repository, layer: Descriptor) -> bytes:
        """The findings about a layer, its digest checked, packed as they are kept."""

        def received(size: int) -> None:
            flow.received += size

        seconds = self.limits.seconds
        try:
            async with asyncio.timeout(seconds), repository.stream(layer, seconds) as chunks:
                raw = await run_worker(chunks, self.limits.worker, received)
            return await asyncio.to_thread(_packed, raw)
        except TimeoutError:
            raise _NotRead(f"it did not come and was not read within {seconds:.0f} s") from None
        except (WorkerFailed, NotFacts) as problem:
            raise _NotRead(str(problem)) from None


@dataclass(frozen=True, slots=True)
class _Part:
    """A layer and what is known about it, packed: of an image with many, only one at a time is unpacked."""

    descriptor: Descriptor
    packed: Cached[bytes] | None
    problem: str = ""


class LayerCataloguer:
    """The cataloguer of one caller, who is told of its progress."""

    def __init__(self, reader: LayerReader, progress: Progress | None = None) -> None:
        self._reader = reader
        self._progress = progress

    async def catalogue(self, sources: Sources, access: Access, ref: Reference, image: Image) -> Cached[PackageSet]:
        """The packages of ``image``, a version of ``ref.repository``'s.

        Layers that cost more than the limits allow, and foreign ones, are gaps of its coverage. Raises TooLarge for
        an image beyond them as a whole, and what fetching a layer raises.
        """
        parts = await self._parts(_Repository(sources.registry, access, ref.repository), image)
        found = await asyncio.to_thread(_merged, parts, image.platform.os)
        return _combined(found, parts)

    async def layers(
        self, sources: Sources, access: Access, ref: Reference, image: Image
    ) -> Cached[tuple[LayerContents, ...]]:
        """What each layer of ``image`` holds, from the bottom up; raises as ``catalogue`` does."""
        parts = await self._parts(_Repository(sources.registry, access, ref.repository), image)
        found = await asyncio.to_thread(lambda: tuple(map(_contents, parts)))
        return _combined(found, parts)

    async def _parts(self, repository: _Repository, image: Image) -> list[_Part]:
        layers = image.manifest.layers
        distinct = {layer.digest: layer for layer in layers if not layer.is_foreign}
        _check(len(layers), sum(layer.size for layer in distinct.values()), self._reader.limits)
        async with task_group() as group:
            # The largest first: it decides how long all take.
            order = sorted(distinct.values(), key=lambda layer: -layer.size)
            tasks = {layer.digest: group.create_task(self._part(repository, layer)) for layer in order}
            if self._progress is not None:
                group.create_task(self._report(self._progress, repository, distinct, tasks))
        return [
            tasks[layer.digest].result() if layer.digest in tasks else _Part(layer, None, _FOREIGN) for layer in layers
        ]

    async def _part(self, repository: _Repository, layer: Descriptor) -> _Part:
        try:
            return _Part(layer, await self._reader.read(repository, layer))
        except _NotRead as problem:
            return _Part(layer, None, problem.message)

    async def _report(
        self,
        progress: Progress,
        repository: _Repository,
        layers: Mapping[Digest, Descriptor],
        tasks: Mapping[Digest, "asyncio.Task[_Part]"],
    ) -> None:
        """Tell how far the layers have come, until they all have, and then once more."""
        total = sum(layer.size for layer in layers.values())
        told = -1
        waiting = set(tasks.values())
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=_TICK)
            done = sum(
                layer.size if tasks[digest].done() else self._reader.received(repository, layer)
                for digest, layer in layers.items()
            )
            # Progress only ever grows, whatever happens to a layer's connection.
            if done > told:
                told = done
                await progress(done, total)


def _combined(found: T, parts: list[_Part]) -> Cached[T]:
    """As fresh as the layers it was made from; of no layer at all, as fresh as can be."""
    known = [part.packed for part in parts if part.packed is not None]
    return combined(found, *known) if known else Cached(found, "live", datetime.now(UTC))


def _check(count: int, size: int, limits: CatalogueLimits) -> None:
    if count > MAX_LAYERS:
        raise TooLarge(f"The image has {count} layers; at most {MAX_LAYERS} are read.")
    if size > limits.image_bytes:
        raise TooLarge(
            f"The image's layers have {size} bytes; at most {limits.image_bytes} are read.",
            hint="An image with an SBOM attached needs no layer read; the operator can raise "
            "MCP_DOCKERHUB_SCAN_MAX_BYTES.",
        )


def _packed(raw: bytes) -> bytes:
    """Findings as they are kept, once they are known to be such."""
    read_facts(raw)
    return zlib.compress(raw)


def _unpacked(packed: bytes) -> LayerFacts:
    return read_facts(_unzipped(packed))


def _unzipped(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_JSON)
    except zlib.error as error:
        raise NotFacts("damaged") from error


def _is_usable(packed: bytes) -> bool:
    try:
        _unpacked(packed)
    except NotFacts:
        return False
    return True


def _contents(part: _Part) -> LayerContents:
    if part.packed is None:
        return LayerContents(part.descriptor, None, part.problem)
    facts = _unpacked(part.packed.value)
    nothing: frozenset[str] = frozenset()
    return LayerContents(
        part.descriptor, replace(facts, evidence={}, links={}, removed=nothing, emptied=nothing, replaced=nothing)
    )


def _merged(parts: list[_Part], system: str) -> PackageSet:
    overlay, gaps = Overlay(), Gaps()
    if system == "windows":
        gaps.add(GapKind.UNREAD, "Windows, its updates and its programs")
    room = MAX_FACTS
    for part in parts:
        digest = part.descriptor.digest
        raw = _unzipped(part.packed.value) if part.packed else b""
        room -= len(raw)
        if part.packed is None or room < 0:
            problem = part.problem or "the image has too many findings"
            gaps.add(GapKind.LIMIT, f"layer that was not read: {problem}", layer=digest)
            continue
        facts = read_facts(raw)
        overlay.lay(digest, facts)
        for gap in facts.gaps:
            gaps.add(gap.kind, gap.what, gap.examples, count=gap.count, layer=digest)
    return inventory(overlay, gaps)
