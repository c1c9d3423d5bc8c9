"""What made an image as large as it is, step by step."""

from typing import Any

import pytest

from mcp_dockerhub.images.dockerfile import MAX_DOCKERFILE, image_dockerfile, reconstruct
from mcp_dockerhub.images.history import MAX_STEPS, image_history
from mcp_dockerhub.images.layers import MAX_LAYERS, analyze_layers
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.withheld import withhold
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import HistoryEntry
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

REF = Reference.parse("ghcr.io/o/app:v1")
NAME = "o/app"
HISTORY: list[dict[str, Any]] = [
    {"created": "2026-01-01T00:00:00Z", "created_by": "ADD rootfs.tar.gz / # buildkit", "comment": "buildkit"},
    {"created": "2026-02-01T00:00:00Z", "created_by": "ENV API_TOKEN=s3cret LANG=C", "empty_layer": True},
    {"created": "2026-02-01T00:00:00Z", "created_by": "RUN /bin/sh -c apk add --no-cache x # buildkit"},
    {"created": "2026-02-01T00:00:00Z", "created_by": 'CMD ["x"]', "empty_layer": True},
]


async def test_each_layer_is_shown_with_its_share_and_the_step_that_made_it(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME, "v1", history=HISTORY)
    found = await analyze_layers(sources, access, REF, None)
    sizes = [layer["size"] for layer in image.layers]
    assert [(layer.digest, layer.size) for layer in found.layers] == [
        (layer["digest"], layer["size"]) for layer in image.layers
    ]
    assert [layer.instruction for layer in found.layers] == ["ADD rootfs.tar.gz /", "RUN apk add --no-cache x"]
    assert found.size == sum(sizes)
    assert sum(layer.share for layer in found.layers) == pytest.approx(100, abs=0.2)
    assert (found.empty_layers, found.empty_steps) == (0, 2)
    assert found.largest == image.layers[sizes.index(max(sizes))]["digest"]
    lines = found.render().splitlines()
    assert lines[0] == (
        f"ghcr.io/o/app:v1 (linux/amd64): {found.size} B compressed in 2 layers, 0 empty; 2 steps made none"
    )
    assert lines[1].split() == ["#", "size", "share", "digest", "made", "by"]
    assert lines[3].endswith("  RUN apk add --no-cache x")


async def test_layers_are_not_blamed_on_steps_that_do_not_match(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image(NAME, "v1", history=HISTORY[:2])
    found = await analyze_layers(sources, access, REF, None)
    assert [layer.instruction for layer in found.layers] == [None, None]
    assert any("not matched" in warning for warning in found.warnings)
    history = await image_history(sources, access, REF, None)
    assert [step.size for step in history.steps] == [None, 0]
    assert any("not matched" in warning for warning in history.warnings)


async def test_an_image_of_nothing_has_no_largest_layer(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image(NAME, "v1", layers=(), history=[{"created_by": 'CMD ["x"]', "empty_layer": True}])
    found = await analyze_layers(sources, access, REF, None)
    assert (found.size, found.layers, found.largest) == (0, [], None)
    assert "0 B compressed in 0 layers" in found.render()


async def test_a_thousand_layers_are_cut_with_a_warning(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image(NAME, "v1", layers=[b"x"] * (MAX_LAYERS + 1))
    found = await analyze_layers(sources, access, REF, None)
    assert len(found.layers) == MAX_LAYERS
    assert f"Only the first {MAX_LAYERS} of {MAX_LAYERS + 1} layers are listed." in found.warnings
    assert len(found.render().splitlines()) < 60


async def test_layers_kept_elsewhere_are_pointed_out(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": "sha256:" + "1" * 64,
        "size": 7,
        "urls": ["https://example.com/layer"],
    }
    registry.add_image(NAME, "v1", extra_manifest={"layers": [foreign]})
    found = await analyze_layers(sources, access, REF, None)
    assert (found.size, len(found.warnings)) == (7, 2)


async def test_history_lists_every_step_oldest_first_with_its_layer(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    image = registry.add_image(NAME, "v1", history=HISTORY)
    found = await image_history(sources, access, REF, None)
    assert [step.created_by for step in found.steps] == [
        "ADD rootfs.tar.gz / # buildkit",
        "ENV API_TOKEN=[withheld] LANG=C",
        "RUN /bin/sh -c apk add --no-cache x # buildkit",
        'CMD ["x"]',
    ]
    assert [step.layer for step in found.steps] == [image.layers[0]["digest"], None, image.layers[1]["digest"], None]
    assert [step.comment for step in found.steps] == ["buildkit", None, None, None]
    assert found.total == 4
    lines = found.render().splitlines()
    assert lines[0] == "ghcr.io/o/app:v1 (linux/amd64): 4 steps, oldest first"
    assert lines[3].split() == ["2026-02-01", "0", "B", "ENV", "API_TOKEN=[withheld]", "LANG=C"]


async def test_an_endless_history_is_cut(registry: InMemoryRegistry, sources: Sources, access: Caller) -> None:
    steps = [{"created_by": f"ENV A={number}", "empty_layer": True} for number in range(MAX_STEPS + 3)]
    registry.add_image(NAME, "v1", layers=(), history=steps)
    found = await image_history(sources, access, REF, None)
    assert (len(found.steps), found.total) == (MAX_STEPS, MAX_STEPS + 3)
    assert f"Only the first {MAX_STEPS} of {MAX_STEPS + 3} steps are listed." in found.warnings
    assert len(found.render().splitlines()) < 60


async def test_the_dockerfile_is_reconstructed_and_says_so(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image(
        NAME, "v1", history=HISTORY, annotations={"org.opencontainers.image.base.name": "alpine:3.20\nRUN evil"}
    )
    found = await image_dockerfile(sources, access, REF, None)
    assert found.origin == "reconstructed"
    assert found.content.splitlines() == [
        "# Reconstructed from the history of ghcr.io/o/app:v1 (linux/amd64)",
        "# Base image by its own word: alpine:3.20 RUN evil; its steps are included",
        "FROM scratch",
        "ADD rootfs.tar.gz /",
        "ENV API_TOKEN=[withheld] LANG=C",
        "RUN apk add --no-cache x",
        'CMD ["x"]',
    ]
    assert found.render().splitlines()[:2] == [
        "Dockerfile of ghcr.io/o/app:v1 (linux/amd64), reconstructed:",
        "# Reconstructed from the history of ghcr.io/o/app:v1 (linux/amd64)",
    ]
    assert any("does not build as it stands" in warning for warning in found.warnings)


async def test_without_history_there_is_nothing_to_reconstruct(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    registry.add_image(NAME, "v1", extra_config={"history": []})
    found = await image_dockerfile(sources, access, REF, None)
    assert (found.base, found.content.splitlines()[-1]) == (None, "FROM scratch")
    assert any("no history" in warning for warning in found.warnings)


def step(said: str, comment: str = "") -> HistoryEntry:
    return HistoryEntry(None, said, comment=comment)


@pytest.mark.parametrize("before", ["|2 ", "RUN |2 "])
def test_a_build_argument_is_withheld_whole_whatever_it_holds(before: str) -> None:
    said = f"{before}API_TOKEN=two words A=b c /bin/sh -c make install"
    assert withhold(said) == f"{before}API_TOKEN=[withheld] A=b c /bin/sh -c make install"


def test_a_shell_holds_until_the_next_one() -> None:
    history = [
        step("/bin/sh -c #(nop)  SHELL [/bin/bash -o pipefail -c]"),
        step("/bin/bash -o pipefail -c a | b"),
        step("RUN /bin/bash -o pipefail -c c # buildkit"),
    ]
    assert reconstruct(history) == ['SHELL ["/bin/bash", "-o", "pipefail", "-c"]', "RUN a | b", "RUN c"]


def test_steps_that_say_nothing_are_left_out_and_comments_stand_in() -> None:
    assert reconstruct([step(""), step("", "jib classes"), step("  ")]) == ["# jib classes"]


def test_a_reconstruction_has_an_end() -> None:
    lines = reconstruct([step("RUN " + "x" * 10_000)] * 20)
    assert sum(map(len, lines)) < MAX_DOCKERFILE
    assert lines[-1] == "# … the history goes on: cut here"
