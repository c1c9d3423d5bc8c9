"""The seed holds together: what is served hashes to its name and adds up to what was published."""

import json

import pytest

from tests.upstreams.content import digest_of
from tests.upstreams.images import SeededImage, hub_seed, seeded_images, tag_history

IMAGES = {image.tags[0] + "@" + image.repository: image for image in seeded_images()}


@pytest.mark.parametrize(
    ("image", "platform", "published"),
    [
        ("latest@library/nginx", "linux/amd64", 66_322_074),
        ("alpine@library/nginx", "linux/amd64", 26_310_566),
        ("alpine@library/nginx", "linux/arm64/v8", 26_235_708),
        ("alpine@library/redis", "linux/amd64", 39_102_983),
        ("alpine@library/redis", "linux/arm/v6", 17_998_060),
        ("latest@library/postgres", "linux/amd64", 162_473_560),
        ("slim@library/python", "linux/arm/v5", 41_269_605),
    ],
)
def test_layers_add_up_to_the_published_size(image: str, platform: str, published: int) -> None:
    assert IMAGES[image].platforms[platform].size == published


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_every_history_entry_that_is_not_empty_has_a_layer(image: SeededImage) -> None:
    for platform in image.platforms.values():
        made = [entry for entry in platform.history if not entry.get("empty_layer")]
        assert len(made) == len(platform.layers)
        assert len(json.loads(platform.config.body)["rootfs"]["diff_ids"]) == len(platform.layers)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_an_index_lists_exactly_the_manifests_that_are_served(image: SeededImage) -> None:
    index, *manifests = image.manifests
    listed = {entry["digest"]: entry["size"] for entry in json.loads(index.body)["manifests"]}
    assert listed == {digest_of(manifest.body): len(manifest.body) for manifest in manifests}


def test_base_annotations_name_manifests_of_the_seed() -> None:
    held = {manifest.digest for image in IMAGES.values() for manifest in image.manifests}
    index = json.loads(IMAGES["alpine@library/nginx"].index.body)
    bases = {entry["annotations"].get("org.opencontainers.image.base.digest") for entry in index["manifests"]} - {None}
    assert len(bases) == 2
    assert bases <= held


def test_hub_and_registry_name_the_same_digest_for_a_tag() -> None:
    nginx = next(repository for repository in hub_seed()["repositories"] if repository["name"] == "nginx")
    tag = next(tag for tag in nginx["tags"] if tag["name"] == "alpine")
    assert tag["digest"] == IMAGES["alpine@library/nginx"].index.digest


def test_the_longest_tag_history_has_every_tag_once() -> None:
    names = [fact.name for fact in tag_history("php")]
    assert len(names) == len(set(names)) == 15_606
