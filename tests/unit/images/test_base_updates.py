"""Whether an image stands on the current build of its base, and by what evidence."""

from typing import Any

import pytest

from mcp_dockerhub.errors import NotFound
from mcp_dockerhub.images.base_updates import base_updates, leading_match
from mcp_dockerhub.images.bases import BASE_DIGEST, BASE_NAME
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from tests.upstreams.callers import Caller
from tests.upstreams.content import Seeded
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
BASE = "ghcr.io/o/base:3"
OLD, NEW = (b"old base",), (b"new base", b"second layer")
BEFORE, THEN, AFTER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


def add_base(registry: InMemoryRegistry, layers: tuple[bytes, ...] = NEW, created: str = AFTER) -> Seeded:
    image = registry.add_image("o/base", layers=layers, created=created)
    return registry.add_index("o/base", "3", [image])


def add_app(registry: InMemoryRegistry, below: tuple[bytes, ...], **more: Any) -> Seeded:
    return registry.add_image("o/app", "v1", layers=(*below, b"the app"), created=THEN, **more)


def by_annotation(digest: str = "", name: str = BASE) -> dict[str, str]:
    return {BASE_NAME: name, **({BASE_DIGEST: digest} if digest else {})}


async def test_an_image_that_begins_with_the_layers_of_the_current_build_is_current(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    base = add_base(registry)
    add_app(registry, NEW, annotations=by_annotation(base.digest))
    found = await base_updates(sources, access, APP, None, None)
    assert (found.status, found.base, found.base_from) == ("current", BASE, "annotation")
    assert found.built_on == found.latest == base.digest
    assert found.evidence[-1] == "The image begins with all 2 layers of that build."
    assert found.render().splitlines() == [
        f"ghcr.io/o/app:v1 (linux/amd64) stands on the current build of {BASE} (by annotation)",
        f"- {BASE} points to {base.digest[:19]} now.",
        "- The image begins with all 2 layers of that build.",
    ]


async def test_layers_outweigh_a_digest_of_another_kind(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    """Official images name the digest of one platform's manifest, where the tag points to an index."""
    add_base(registry)
    add_app(registry, NEW, annotations=by_annotation("sha256:" + "1" * 64))
    assert (await base_updates(sources, access, APP, None, None)).status == "current"


async def test_another_digest_and_other_layers_mean_a_newer_build(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    old = "sha256:" + "1" * 64
    base = add_base(registry)
    add_app(registry, OLD, annotations=by_annotation(old))
    found = await base_updates(sources, access, APP, None, None)
    assert (found.status, found.built_on, found.latest) == ("outdated", old, base.digest)
    assert found.evidence[1:] == [
        "The image begins with 0 of the 2 layers of that build.",
        "The image says it was built on sha256:111111111111, which is another build.",
    ]


async def test_a_claim_that_the_layers_contradict_is_not_believed(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    base = add_base(registry)
    add_app(registry, OLD, annotations=by_annotation(base.digest))
    found = await base_updates(sources, access, APP, None, None)
    assert (found.status, found.evidence[-1]) == (
        "unknown",
        "The image says it was built on that digest, which its layers do not confirm (it may be squashed).",
    )


@pytest.mark.parametrize(("created", "status"), [(AFTER, "outdated"), (BEFORE, "unknown")])
async def test_without_a_digest_a_base_younger_than_the_image_cannot_be_in_it(
    registry: InMemoryRegistry, sources: Sources, access: Caller, created: str, status: str
) -> None:
    add_base(registry, created=created)
    add_app(registry, OLD, annotations=by_annotation())
    found = await base_updates(sources, access, APP, None, None)
    assert (found.status, found.built_on) == (status, None)


async def test_the_placeholder_time_of_reproducible_builds_proves_nothing(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    add_base(registry)
    registry.add_image("o/app", "v1", created="1980-01-01T00:00:01Z", annotations=by_annotation())
    assert (await base_updates(sources, access, APP, None, None)).status == "unknown"


async def test_an_image_that_names_no_base_is_unknown_and_a_base_can_be_given(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    base = add_base(registry)
    add_app(registry, NEW)
    nothing = await base_updates(sources, access, APP, None, None)
    assert (nothing.status, nothing.base, nothing.latest) == ("unknown", None, None)
    assert nothing.render().splitlines()[0] == "ghcr.io/o/app:v1 (linux/amd64): its base is unknown"
    given = await base_updates(sources, access, APP, None, Reference.parse(BASE))
    assert (given.status, given.base_from, given.latest) == ("current", "argument", base.digest)


async def test_a_given_base_that_the_image_names_too_keeps_its_digest(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    add_base(registry)
    old = "sha256:" + "1" * 64
    add_app(registry, OLD, annotations=by_annotation(old))
    given = await base_updates(sources, access, APP, None, Reference.parse(BASE))
    assert (given.status, given.base_from, given.built_on) == ("outdated", "argument", old)
    pinned = await base_updates(sources, access, APP, None, Reference.parse(f"{BASE}@sha256:{'2' * 64}"))
    assert pinned.built_on == "sha256:" + "2" * 64
    registry.add_image("o/other", "1")
    other = await base_updates(sources, access, APP, None, Reference.parse("ghcr.io/o/other:1"))
    assert other.built_on is None


async def test_a_given_base_that_is_missing_is_an_error(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    add_app(registry, NEW, annotations=by_annotation(name="no such / name"))
    with pytest.raises(NotFound):
        await base_updates(sources, access, APP, None, Reference.parse("ghcr.io/o/none:1"))


async def test_a_base_the_image_names_that_is_missing_is_unknown(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    add_app(registry, NEW, annotations=by_annotation())
    found = await base_updates(sources, access, APP, None, None)
    assert (found.status, found.latest, found.evidence) == (
        "unknown",
        None,
        [f"What {BASE} points to now is not known."],
    )
    assert found.warnings[0].startswith(f"The base {BASE} could not be asked for: ")
    assert f"may or may not stand on the current build of {BASE} (by annotation)" in found.render()


async def test_a_base_that_policy_forbids_is_not_asked_for(registry: InMemoryRegistry, sources: Sources) -> None:
    add_base(registry)
    add_app(registry, NEW, annotations=by_annotation())
    access = Caller(denied=frozenset({"ghcr.io/o/base"}))
    found = await base_updates(sources, access, APP, None, None)
    assert found.status == "unknown"
    assert registry.count(path="/o/base/") == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("No Reference!", "The image names a base that is no reference: "),
        ("ghcr.io/o/base@sha256:" + "3" * 64, "The base is named by digest only (sha256:333333333333)"),
    ],
)
async def test_a_base_without_a_usable_tag_is_unknown(
    registry: InMemoryRegistry, sources: Sources, access: Caller, name: str, said: str
) -> None:
    add_app(registry, NEW, annotations=by_annotation(name=name))
    found = await base_updates(sources, access, APP, None, None)
    assert found.status == "unknown"
    assert found.evidence[0].startswith(said)


@pytest.mark.parametrize(("claimed", "status"), [(True, "current"), (False, "unknown")])
async def test_without_the_bases_layers_only_an_equal_digest_tells(
    registry: InMemoryRegistry, sources: Sources, access: Caller, claimed: bool, status: str
) -> None:
    base = add_base(registry)
    add_app(registry, NEW, annotations=by_annotation(base.digest if claimed else "sha256:" + "1" * 64))
    registry.script(500, method="GET", path="/o/base/")
    found = await base_updates(sources, access, APP, None, None)
    assert found.status == status
    assert found.warnings[0].startswith(f"The layers of {BASE} could not be read: ")


async def test_the_base_is_found_on_the_index_its_entry_and_in_labels(
    registry: InMemoryRegistry, sources: Sources, access: Caller
) -> None:
    add_base(registry)
    labelled = registry.add_image("o/app", layers=(*NEW, b"x"), config={"Labels": by_annotation()})
    registry.add_index("o/app", "label", [labelled])
    registry.add_index("o/app", "index", [labelled], annotations=by_annotation())
    registry.add_index("o/app", "entry", [labelled.descriptor(annotations=by_annotation())])
    origins = {}
    for tag in ("label", "index", "entry"):
        found = await base_updates(sources, access, APP.with_tag(tag), None, None)
        assert found.status == "current"
        origins[tag] = found.base_from
    assert origins == {"label": "label", "index": "annotation", "entry": "annotation"}


@pytest.mark.parametrize(
    ("layers", "base", "same"), [(["a", "b"], ["a", "b"], 2), (["a"], ["a", "b"], 1), (["x"], ["a"], 0), ([], [], 0)]
)
def test_leading_layers_are_counted_from_the_bottom(layers: list[str], base: list[str], same: int) -> None:
    assert leading_match(layers, base) == same
