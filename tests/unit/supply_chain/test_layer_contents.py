"""docker_analyze_layers looks into layers: within a budget, within its patience, and says what it left out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.images.layers import LayerAnalysis, analyze_layers
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.supply_chain.catalogue.cataloguer import LayerContents
from mcp_dockerhub.supply_chain.catalogue.layer import LayerFacts, LeftCache, PrivilegedFile
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.layer_contents import BUDGET, affordable
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
Answer = Callable[[Image], Awaitable[tuple[LayerContents, ...]]]


class Survey:
    """Knows what is in layers without reading them."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[Image] = []

    async def layers(
        self, sources: Sources, access: Access, ref: Reference, image: Image
    ) -> Cached[tuple[LayerContents, ...]]:
        self.asked.append(image)
        return Cached(await self._answer(image), "live", datetime.now(UTC))


def facts(*privileged: PrivilegedFile, caches: tuple[LeftCache, ...] = ()) -> LayerFacts:
    return LayerFacts(compression="gzip", entries=1, size=1, privileged=privileged, caches=caches)


def knows(*layers: LayerFacts | None) -> Answer:
    async def answer(image: Image) -> tuple[LayerContents, ...]:
        return tuple(
            LayerContents(descriptor, found, "" if found else "it was not read within 300 s")
            for descriptor, found in zip(image.manifest.layers, layers, strict=True)
        )

    return answer


async def analysed(sources: Sources, registry: InMemoryRegistry, answer: Answer) -> tuple[LayerAnalysis, Survey]:
    history = [{"created_by": "RUN /bin/sh -c pip install flask # buildkit"}, {"created_by": "COPY app / # buildkit"}]
    registry.add_image("o/app", "v1", history=history, config={"User": "65532"})
    survey = Survey(answer)
    look_into = SupplyChain(sources, survey=survey).layer_contents(Caller())
    return await analyze_layers(sources, Caller(), APP, None, look_into), survey


async def test_what_a_layer_holds_outweighs_what_its_command_suggests(
    sources: Sources, registry: InMemoryRegistry
) -> None:
    found, _ = await analysed(sources, registry, knows(facts(), facts()))
    assert found.findings == []
    cache = LeftCache("pip cache", 12, 5_000_000, ("root/.cache/pip/http/a", "root/.cache/pip/http/b"))
    small = LeftCache("apt index cache", 1, 10, ("var/cache/apt/pkgcache.bin",))
    found, _ = await analysed(sources, registry, knows(facts(caches=(cache, small)), facts()))
    (finding,) = found.findings
    assert (finding.rule, finding.severity, finding.layer) == ("package_cache", "medium", found.layers[0].digest)
    assert finding.what == "The layer holds 5.00 MB of pip cache that nobody needs."
    assert finding.evidence == "/root/.cache/pip/http/a, /root/.cache/pip/http/b and 10 more"


async def test_files_that_give_rights_are_listed_with_the_rights(sources: Sources, registry: InMemoryRegistry) -> None:
    files = [
        PrivilegedFile("usr/bin/su", 0o4755, 0, False),
        PrivilegedFile("usr/bin/wall", 0o2755, 0, False),
        PrivilegedFile("usr/bin/ping", 0o755, 0, True),
        *(PrivilegedFile(f"opt/{place}", 0o4755, 0, False) for place in range(10)),
    ]
    found, _ = await analysed(sources, registry, knows(facts(), facts(*files)))
    (finding,) = [entry for entry in found.findings if entry.rule == "privileged_file"]
    assert finding.what.startswith("13 files of the layer")
    assert finding.evidence.startswith(
        "/usr/bin/su (setuid 0), /usr/bin/wall (setgid), /usr/bin/ping (capabilities), /opt/0 (setuid 0)"
    )
    assert finding.evidence.endswith("and 8 more")


async def test_a_layer_that_was_not_read_is_named(sources: Sources, registry: InMemoryRegistry) -> None:
    found, _ = await analysed(sources, registry, knows(None, facts()))
    assert [entry.rule for entry in found.findings] == ["package_cache"], "its command is all there is"
    assert any("were not looked into: it was not read within 300 s." in warning for warning in found.warnings)


async def test_what_fails_costs_only_its_part_of_the_answer(sources: Sources, registry: InMemoryRegistry) -> None:
    async def fails(image: Image) -> tuple[LayerContents, ...]:
        raise UpstreamUnavailable("The registry is down.")

    found, _ = await analysed(sources, registry, fails)
    assert len(found.layers) == 2
    assert "The files of the layers were not looked into: The registry is down." in found.warnings


async def test_what_takes_too_long_is_left(
    sources: Sources, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.layer_contents.PATIENCE", 0.01)
    never: asyncio.Future[tuple[LayerContents, ...]] = asyncio.get_running_loop().create_future()

    async def hangs(image: Image) -> tuple[LayerContents, ...]:
        return await never

    found, _ = await analysed(sources, registry, hangs)
    assert any("did not come within" in warning for warning in found.warnings)
    assert never.cancelled(), "nobody is kept waiting for it"


async def test_only_layers_that_fit_the_budget_are_read_smallest_first(
    sources: Sources, registry: InMemoryRegistry
) -> None:
    registry.add_image("o/app", "v1", layers=(b"a", b"b", b"c", b"d"))
    image = (await sources.registry.image(Caller(), APP, None)).value
    sizes = (BUDGET, BUDGET // 2, 10, BUDGET // 2 - 10)
    layers = tuple(replace(layer, size=size) for layer, size in zip(image.manifest.layers, sizes, strict=True))
    foreign = replace(layers[2], urls=("https://example.com/layer",))
    chosen = affordable(replace(image, manifest=replace(image.manifest, layers=layers)))
    assert chosen == layers[1:], "in the image's order"
    without = affordable(replace(image, manifest=replace(image.manifest, layers=(layers[0], foreign))))
    assert without == (layers[0],)


async def test_an_image_whose_layers_are_all_too_large_is_not_looked_into(
    sources: Sources, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.supply_chain.layer_contents.BUDGET", 1)
    found, survey = await analysed(sources, registry, knows())
    assert survey.asked == []
    assert "The files of 2 layers were not looked into: they are too large." in found.warnings


async def test_where_it_is_switched_off_nothing_is_looked_into(sources: Sources) -> None:
    assert SupplyChain(sources).layer_contents(Caller()) is None
