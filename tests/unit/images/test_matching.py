"""Steps of the history beside the layers they made."""

from mcp_dockerhub.images.matching import is_empty_layer, match_history
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.models import Descriptor, HistoryEntry

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def layer(name: str) -> Descriptor:
    return Descriptor(LAYER, Digest(f"sha256:{name * 64}"), 10)


def step(said: str, *, empty: bool = False) -> HistoryEntry:
    return HistoryEntry(None, said, empty_layer=empty)


def test_steps_that_made_a_layer_meet_the_layers_in_order() -> None:
    history = [step("ADD"), step("CMD", empty=True), step("RUN")]
    matched = match_history(history, [layer("a"), layer("b")])
    assert [found.layer for found in matched.steps] == [layer("a"), None, layer("b")]
    assert [maker.created_by for maker in matched.makers if maker] == ["ADD", "RUN"]
    assert not matched.problem


def test_nothing_is_paired_when_the_numbers_differ() -> None:
    matched = match_history([step("ADD"), step("RUN")], [layer("a")])
    assert [found.layer for found in matched.steps] == [None, None]
    assert matched.makers == (None,)
    assert matched.problem == "The history names 2 layers where the image has 1, so steps and layers are not matched."


def test_an_image_without_history_says_so() -> None:
    matched = match_history([], [layer("a")])
    assert (matched.steps, matched.makers) == ((), (None,))
    assert "no history" in matched.problem


def test_an_image_without_layers_and_history_is_fine() -> None:
    assert not match_history([], []).problem


def test_layers_of_nothing_are_known_by_digest() -> None:
    nothing = Digest("sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1")
    assert is_empty_layer(Descriptor(LAYER, nothing, 32))
    assert not is_empty_layer(layer("a"))
