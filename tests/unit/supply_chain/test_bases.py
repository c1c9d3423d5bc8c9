"""The base image: what a Dockerfile says, what a build records, what the layers show."""

from typing import Any

import pytest

from mcp_dockerhub.images.base_updates import base_updates
from mcp_dockerhub.images.bases import StatedBase
from mcp_dockerhub.images.compare import compare_images
from mcp_dockerhub.images.dockerfile import image_dockerfile
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.base_images import agreed, by_dockerfile, by_record
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.dockerfiles import base_of_dockerfile
from mcp_dockerhub.supply_chain.provenance.build import Build, ImageSource, SourceFile
from tests.upstreams.attestations import V02, buildkit_v02, recorded, statement
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
BASE = "ghcr.io/o/base:3"
PARTS = (b"base one", b"base two")
BASE_ANNOTATION = "org.opencontainers.image.base.name"


# FROM


@pytest.mark.parametrize(
    ("text", "arguments", "target", "base"),
    [
        ("FROM alpine", {}, "", "alpine"),
        ("FROM --platform=$BUILDPLATFORM alpine:3 AS build\nFROM scratch\n", {}, "", None),
        ("FROM a AS build\nFROM b\nCOPY --from=build / /", {}, "", "b"),
        ("FROM a AS build\nFROM Build AS last", {}, "", "a"),
        ("FROM a AS one\nFROM b AS two", {}, "one", "a"),
        ("FROM a AS one\nFROM b AS two", {}, "0", "a"),
        ("FROM a AS one", {}, "missing", None),
        ("FROM a AS one", {}, "7", None),
        ("ARG V=3.20\nFROM alpine:${V}", {}, "", "alpine:3.20"),
        ("ARG V=3.20\nFROM alpine:$V", {"V": "3.21"}, "", "alpine:3.21"),
        ("ARG V\nFROM alpine:$V", {}, "", None),
        ("FROM alpine:${V:-3.20}", {}, "", "alpine:3.20"),
        ("ARG V=x\nFROM alpine${V:+:3}", {}, "", "alpine:3"),
        ("ARG A=\"a:1\" B='b:2'\nFROM ${B}", {}, "", "b:2"),
        ("ARG A=a\nARG B=${A}:1\nFROM ${B}", {}, "", "a:1"),
        ("FROM a\nARG V=1\nFROM b:$V", {}, "", None),
        ("from a as x\nfrom x", {}, "", "a"),
        ("FROM \\\n  # a comment\n\n  alpine \\\n  AS x", {}, "", "alpine"),
        ("# escape=`\nFROM `\n alpine", {}, "", "alpine"),
        ("# syntax=docker/dockerfile:1\n# escape=\\\nFROM alpine", {}, "", "alpine"),
        ("FROM alpine\nRUN <<EOF\nFROM evil\nEOF\n", {}, "", "alpine"),
        ("FROM alpine\nCOPY <<-'A' <<B /x/\nFROM evil\nA\nFROM evil\nB\n", {}, "", "alpine"),
        ("FROM alpine\nRUN <<EOF\nnever ends", {}, "", "alpine"),
        ("FROM alpine \\", {}, "", "alpine"),
        ("RUN nothing", {}, "", None),
        ("", {}, "", None),
        ("FROM x AS x\nFROM x", {}, "", "x"),
    ],
)
def test_the_image_a_stage_stands_on_is_found(
    text: str, arguments: dict[str, str], target: str, base: str | None
) -> None:
    assert base_of_dockerfile(text, arguments, target) == base


def test_thousands_of_stages_are_bounded() -> None:
    text = "\n".join(f"FROM s{place} AS s{place + 1}" for place in range(5_000))
    assert base_of_dockerfile(text, {}) == "s0"


# Composition


def add_base(registry: InMemoryRegistry, **more: Any) -> Seeded:
    return registry.add_image("o/base", "3", layers=PARTS, history=[{"created_by": "ADD rootfs /"}] * 2, **more)


def add_app(
    registry: InMemoryRegistry,
    predicate: dict[str, Any] | None,
    *,
    layers: tuple[bytes, ...] = (*PARTS, b"the app"),
    **more: Any,
) -> Seeded:
    history = [{"created_by": "ADD rootfs /"}] * 2 + [{"created_by": "COPY app / # buildkit"}] * (len(layers) - 2)
    image = registry.add_image("o/app", layers=layers, history=history, **more)
    children = []
    if predicate is not None:
        children.append(registry.add_attestation("o/app", image, [statement(image.digest, V02, predicate)]))
    registry.add_index("o/app", "v1", [image, *children])
    return image


def material(digest: str, name: str = "ghcr.io/o/base@3") -> dict[str, Any]:
    return {"uri": f"pkg:docker/{name}?platform=linux%2Famd64", "digest": {"sha256": digest.removeprefix("sha256:")}}


async def found_for(chain: SupplyChain) -> tuple[StatedBase | None, Provenance]:
    seen = Provenance()
    image: Image = (await chain.sources.registry.image(Caller(), APP, None)).value
    return await chain.bases(Caller())(APP, image, seen), seen


async def test_the_build_record_names_the_base_whose_layers_the_image_begins_with(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    base = add_base(registry)
    layers = [{"digest": layer["digest"]} for layer in base.layers]
    metadata = recorded("FROM other", {"step0": layers[:1], "step1": layers, "step2": [{"digest": "sha256:other"}]})
    metadata["layers"] = {f"{step}:0": chain for step, chain in metadata["layers"].items()}
    names = ("ghcr.io/o/below:1", f"{BASE}@{base.digest}", "ghcr.io/o/other:1")
    steps = [
        {"id": f"step{place}", "op": {"Op": {"source": {"identifier": f"docker-image://{name}"}}}}
        for place, name in enumerate(names)
    ]
    extra = {"https://mobyproject.org/buildkit@v1#metadata": metadata}
    add_app(registry, buildkit_v02(metadata=extra, buildConfig={"llbDefinition": steps}))
    found, _ = await found_for(chain)
    assert found is not None
    assert (found.name, found.digest, found.where, found.confidence) == (BASE, base.digest, "provenance", "high")


async def test_what_is_no_reference_names_no_base(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    add_app(registry, None)
    image: Image = (await chain.sources.registry.image(Caller(), APP, None)).value
    first = (image.manifest.layers[0].digest,)
    build = Build(
        predicate_type=V02,
        build_type="",
        builder="",
        images=(ImageSource("No Reference", first),),
        files=(SourceFile("Dockerfile", "FROM No*Reference"),),
    )
    assert by_record(build, image) is None
    assert by_dockerfile(build) is None


async def test_the_recorded_dockerfile_and_the_materials_agree(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    base = add_base(registry)
    arguments = {"parameters": {"args": {"build-arg:V": "3"}}}
    predicate = buildkit_v02("ARG V=2\nFROM ghcr.io/o/base:$V", materials=[material(base.digest)], invocation=arguments)
    add_app(registry, predicate)
    found, _ = await found_for(chain)
    assert found is not None
    assert (found.name, found.digest, found.where, found.confidence) == (BASE, base.digest, "dockerfile", "high")
    assert len(found.evidence) == 2


async def test_a_dockerfile_alone_is_less_sure(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    add_app(registry, buildkit_v02(f"FROM {BASE}", materials=[]))
    found, _ = await found_for(chain)
    assert found is not None
    assert (found.name, found.digest, found.confidence) == (BASE, "", "medium")


async def test_an_annotation_is_surer_where_the_provenance_lists_it(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    base = add_base(registry)
    add_app(registry, buildkit_v02(materials=[material(base.digest)]), annotations={BASE_ANNOTATION: BASE})
    found, _ = await found_for(chain)
    assert found is not None
    assert (found.where, found.digest, found.confidence) == ("annotation", base.digest, "high")


async def test_of_several_materials_the_layers_decide(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    base = add_base(registry)
    tool = registry.add_image("o/tool", "1", layers=(b"tool",))
    materials = [
        material("0" * 64, "docker/dockerfile@1"),
        material(tool.digest, "ghcr.io/o/tool@1"),
        material("9" * 64, "ghcr.io/o/missing@1"),
        material(base.digest),
        {"uri": "pkg:docker/%20bad@1", "digest": {"sha256": "1" * 64}},
        {"uri": "https://github.com/o/app.git", "digest": {"sha1": "1" * 40}},
    ]
    add_app(registry, buildkit_v02(materials=materials))
    found, seen = await found_for(chain)
    assert found is not None
    assert (found.name, found.digest, found.where, found.confidence) == (BASE, base.digest, "layers", "high")
    assert seen.warnings == [], "candidates that cannot be read only cost certainty"


async def test_a_single_material_is_the_base_unless_layers_say_more(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    add_app(registry, buildkit_v02(materials=[material("9" * 64, "ghcr.io/o/gone@1")]))
    found, _ = await found_for(chain)
    assert found is not None
    assert (found.name, found.confidence) == ("ghcr.io/o/gone:1", "medium")


async def test_with_nothing_but_a_label_the_label_counts_little(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    materials = [material("8" * 64, "ghcr.io/o/a@1"), material("9" * 64, "ghcr.io/o/b@1")]
    add_app(registry, buildkit_v02(materials=materials), config={"Labels": {BASE_ANNOTATION: BASE}})
    found, _ = await found_for(chain)
    assert found is not None
    assert (found.where, found.confidence) == ("label", "low")


async def test_damaged_provenance_is_a_warning_where_something_else_is_asked(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app", annotations={BASE_ANNOTATION: BASE})
    child = registry.add_attestation("o/app", image, [statement("sha256:" + "0" * 64, V02, buildkit_v02())])
    registry.add_index("o/app", "v1", [image, child])
    found, seen = await found_for(chain)
    assert found is not None
    assert found.where == "annotation"
    assert any("could not be used" in warning for warning in seen.warnings)


def test_two_statements_that_differ_do_not_strengthen_each_other() -> None:
    one = StatedBase(BASE, "", "annotation")
    assert agreed(one, StatedBase("ghcr.io/o/other:1", "", "provenance")) is one
    assert agreed(one, None) is one
    assert agreed(StatedBase("a:1", "sha256:1", "annotation"), StatedBase("b:1", "sha256:1", "label")).confidence == (
        "medium"
    )


# The tools that use it


async def test_updates_are_judged_by_the_base_that_was_found(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    base = add_base(registry)
    add_app(registry, buildkit_v02(f"FROM {BASE}", materials=[material(base.digest)]))
    access = Caller()
    found = await base_updates(chain.sources, access, APP, None, None, chain.bases(access))
    assert (found.status, found.base_from, found.base_confidence) == ("current", "dockerfile", "high")
    registry.add_image("o/base", "3", layers=(b"new one", b"new two"))
    chain.sources.registry._wire.cache.clear()
    newer = await base_updates(chain.sources, access, APP, None, None, chain.bases(access))
    assert (newer.status, newer.built_on) == ("outdated", base.digest)


async def test_comparing_names_both_bases(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    base = add_base(registry)
    add_app(registry, buildkit_v02(f"FROM {BASE}", materials=[material(base.digest)]))
    registry.add_image("o/other", "1")
    access = Caller()
    other = Reference.parse("ghcr.io/o/other:1")
    found = await compare_images(chain.sources, access, APP, other, None, chain.bases(access))
    assert (found.image1.base, found.image1.base_confidence) == (f"{BASE}@{base.digest}", "high")
    assert (found.image2.base, found.image2.base_confidence) == (None, None)
    assert "base" in found.render()


DOCKERFILE = f"FROM {BASE}\nARG NPM_TOKEN=abc\nENV DB_PASSWORD hunter2\nENV MODE=x\n"


async def test_the_recorded_dockerfile_is_shown_to_the_byte_but_for_secrets(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    add_app(registry, buildkit_v02(DOCKERFILE))
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert (found.origin, found.name, found.repository) == ("provenance", "Dockerfile", None)
    assert found.content == f"FROM {BASE}\nARG NPM_TOKEN=[withheld]\nENV DB_PASSWORD [withheld]\nENV MODE=x\n"
    assert any("withheld" in warning for warning in found.warnings)


async def test_instructions_in_another_language_are_no_dockerfile(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    metadata = recorded("VERSION 0.8\nFROM other:1\nbuild:\n")
    metadata["source"]["infos"][0] |= {"filename": "Earthfile", "language": "Earthfile"}
    add_app(registry, buildkit_v02(metadata={"https://mobyproject.org/buildkit@v1#metadata": metadata}))
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert (found.origin, "VERSION" in found.content) == ("reconstructed", False)


async def test_a_stage_that_is_not_the_last_is_named(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    parameters = {"configSource": {"entryPoint": "Dockerfile"}, "parameters": {"args": {"target": "slim"}}}
    add_app(registry, buildkit_v02("FROM a AS slim\nFROM b", invocation=parameters))
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert any("stage 'slim'" in warning for warning in found.warnings)


async def test_a_repository_and_commit_are_a_pointer(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    source = {"uri": "https://github.com/o/app.git", "digest": {"sha1": "a" * 40}, "entryPoint": "Dockerfile"}
    add_app(registry, buildkit_v02(invocation={"configSource": source}))
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert found.origin == "pointer"
    assert found.repository is not None
    assert (found.repository.commit, found.repository.path, found.repository.checked) == ("a" * 40, "Dockerfile", True)
    assert "kept at https://github.com/o/app.git aaaaaaaaaaaa Dockerfile" in found.render()
    assert "FROM scratch" in found.content


@pytest.mark.parametrize(
    ("revision", "origin"), [("a" * 40, "pointer"), ("v1.2.3", "pointer"), ("unknown", "reconstructed")]
)
async def test_labels_are_a_pointer_where_they_name_a_commit(
    chain: SupplyChain, registry: InMemoryRegistry, revision: str, origin: str
) -> None:
    labels = {
        "org.opencontainers.image.source": "https://github.com/o/app",
        "org.opencontainers.image.revision": revision,
    }
    registry.add_image("o/app", "v1", config={"Labels": labels})
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert found.origin == origin


async def test_a_reconstruction_starts_at_the_very_base_where_that_is_sure(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    base = add_base(registry)
    add_app(registry, buildkit_v02(materials=[material(base.digest)]), annotations={BASE_ANNOTATION: BASE})
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert found.content.splitlines()[1:] == [f"FROM {BASE}@{base.digest}", "COPY app /"]
    assert any("above its base" in warning for warning in found.warnings)


async def test_a_base_that_is_gone_leaves_the_whole_history(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    gone = "9" * 64
    add_app(registry, buildkit_v02(materials=[material(gone)]), annotations={BASE_ANNOTATION: BASE})
    access = Caller()
    found = await image_dockerfile(chain.sources, access, APP, None, chain.records(access), chain.bases(access))
    assert "FROM scratch" in found.content
    assert found.base == BASE
